/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who is gated: the armed-task record and the bindings of cgroups.
 * A task without a record is not gated. A task that must get one and cannot is
 * refused (exec, fork) by the caller.
 */
#pragma once
#include "kernel.h"
#include "scratch.h"

static __always_inline struct armed_task *task_record(struct task_struct *t, u64 flags)
{
	return bpf_task_storage_get(&armed_tasks, t, NULL, flags);
}

/*
 * The record of the current task if it is enforced, else NULL. A task that
 * never got storage from any BPF map has a NULL bpf_storage pointer: that one
 * load is all that most tasks of a node pay.
 */
static __always_inline struct armed_task *armed_self(void)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct armed_task *a;

	if (likely(!t->bpf_storage))
		return NULL;
	a = task_record(t, 0);
	if (!a || !(a->flags & ARMED))
		return NULL;
	return a;
}

static __always_inline struct binding *binding_of(struct task_struct *t)
{
	u64 id = t->cgroups->dfl_cgrp->kn->id;

	return bpf_map_lookup_elem(&bindings, &id);
}

/* Whether the task's root directory is the host's: then it is not in its container yet. */
static __always_inline int on_host_root(struct task_struct *t)
{
	struct inode *root = t->fs->root.dentry->d_inode;

	return root->i_ino == settings.host_root_ino && root->i_sb->s_dev == settings.host_root_dev;
}
