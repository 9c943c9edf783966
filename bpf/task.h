/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who is gated: the armed-task record and the bindings of cgroups.
 * A task without a record is not gated. A task that must get one and cannot is
 * refused (exec, fork) by the caller.
 */
#pragma once
#include "records.h"

/* The record of the current task if it is enforced, else NULL. */
static __always_inline struct armed_task *armed_self(void)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct armed_task *a;

	if (likely(!has_record(t)))
		return NULL;
	a = task_record(t, 0);
	if (!a || !(a->flags & ARMED))
		return NULL;
	return a;
}

/* Set once a child's inherited binding did not fit the map. */
volatile u32 bindings_overflowed = 0;

/* Levels that are searched upwards then. */
#define CGROUP_LEVELS 16

static __noinline struct binding *binding_above(struct task_struct *t)
{
	struct cgroup_subsys_state *css = &t->cgroups->dfl_cgrp->self;
	struct bpf_iter_num it;
	struct binding *b = NULL;

	bpf_iter_num_new(&it, 0, CGROUP_LEVELS);
	while (bpf_iter_num_next(&it)) {
		u64 id;

		css = css->parent;
		if (!css)
			break;
		id = css->cgroup->kn->id;
		b = bpf_map_lookup_elem(&bindings, &id);
		if (b)
			break;
	}
	bpf_iter_num_destroy(&it);
	return b;
}

static __always_inline struct binding *binding_of(struct task_struct *t)
{
	u64 id = t->cgroups->dfl_cgrp->kn->id;
	u32 bit = id & (BOUND_BITS - 1);
	u32 *maybe = bpf_map_lookup_elem(&maybe_bound, &bit);
	struct binding *b = NULL;

	if (!maybe || *maybe)
		b = bpf_map_lookup_elem(&bindings, &id);
	if (!b && unlikely(bindings_overflowed))
		b = binding_above(t);
	return b;
}

/*
 * The host's root directory, found by find_host_root. The directory itself, not
 * its number: storage drivers give every container's root the same one.
 */
volatile u64 host_root = 0;

/* Whether the task's root directory is the host's: then it is not in its container yet. */
static __always_inline int on_host_root(struct task_struct *t)
{
	return (u64)t->fs->root.dentry == host_root;
}
