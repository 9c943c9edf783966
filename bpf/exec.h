/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Exec: arming and the verdict on every program that starts. bprm_check_security
 * runs once for a script and again for its interpreter; the last one before
 * bprm_committed_creds is the program that will run.
 *
 * A task that execs in a bound cgroup gets its record here, still pending: the
 * file hooks do not see it until the exec commits, so that a container runtime
 * whose exec fails can still say so. If no record can be made the exec fails.
 */
#pragma once
#include "file.h"

static __always_inline int running_launcher(struct armed_task *a)
{
	return (a->flags & (ARMED | ARM_CHAIN)) == (ARMED | ARM_CHAIN);
}

/* The record for an exec by a task that is not armed: 0 none needed, < 0 refuse. */
static __always_inline int arm_pending(struct task_struct *t, struct armed_task **out)
{
	struct binding *b = binding_of(t);
	struct armed_task *a;
	u64 self = t->start_boottime;
	u32 flags = ARM_PENDING | ARM_ENTRY;

	*out = NULL;
	if (!b || (b->flags & BIND_EXEMPT))
		return 0;
	if ((b->flags & BIND_CONTAINER) && on_host_root(t))
		return 0;
	a = task_record(t, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!a) {
		count_stat(no_storage);
		return -ENOMEM;
	}
	if (!self)
		self = 1;
	*out = a;
	/* The first task to come begins the container; a failed exec of it may try again. */
	if (b->entry_owner == self || __sync_val_compare_and_swap(&b->entry_owner, 0, self) == 0)
		flags |= ARM_FIRST;
	/* The task iterator may have armed it meanwhile: then that record stands. */
	if (__sync_val_compare_and_swap(&a->flags, 0, flags) != 0)
		return 0;
	a->slot = b->slot;
	a->cgroup = b->cgroup;
	return 0;
}

/* May the running launcher or the runtime start this without asking the rules? */
static __always_inline int entry_free(struct armed_task *a, u32 entrypoint)
{
	if (entrypoint == ENTRYPOINT_DENY)
		return 0;
	if (a->flags & ARM_ENTRY)
		return 1;
	return entrypoint == ENTRYPOINT_CHAIN && running_launcher(a);
}

static __noinline int gate_exec(struct armed_task *a, struct file *file)
{
	struct act x;
	struct request r = {
		.dentry = file->f_path.dentry,
		.mnt = file->f_path.mnt,
		.kind = KIND_EXEC,
		.no_deleted = 1,
	};
	int ret;

	if (!act_begin(&x, a, KIND_EXEC, HOOK_BPRM_CHECK))
		return -EACCES;
	x.d->no_deleted = 1;
	if (!tables_of(a->slot, &x.t)) {
		builtin(&x, RULE_NO_POLICY, 0);
	} else if (!judge_path(&x, &r)) {
		builtin(&x, RULE_UNRESOLVABLE, 0);
	} else {
		u32 entrypoint = x.t.entrypoint;

		a->pend_exe = x.d->o.hash;
		a->pend_flags = 0;
		if (x.d->o.flags & ROW_LAUNCHER)
			a->pend_flags = PEND_LAUNCHER;
		if (entrypoint != ENTRYPOINT_CHAIN)
			a->pend_flags = 0;
		if (x.d->o.rule != RULE_UNRESOLVABLE && x.d->o.rule != RULE_NO_POLICY &&
		    !(x.d->o.flags & ROW_FLOOR && !x.d->o.allow) && entry_free(a, entrypoint))
			builtin(&x, RULE_ENTRYPOINT, 1);
	}
	ret = finish(&x);
	scratch_release(x.s);
	if (ret)
		return -EACCES;
	return 0;
}

static __always_inline void exec_committed(struct armed_task *a)
{
	u32 flags = ARMED | (a->flags & ARM_LATE);

	if ((a->pend_flags & PEND_LAUNCHER) && (running_launcher(a) || (a->flags & ARM_FIRST)))
		flags |= ARM_CHAIN;
	a->exe = a->pend_exe;
	a->flags = flags;
}
