/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Exec and fork.
 *
 *   bprm_creds_for_exec    an exec that is only asked about
 *   bprm_check_security    arms a task that execs in a bound cgroup; judges the
 *                          program (and, for a script, its interpreter)
 *   bprm_committed_creds   the exec is final: the record becomes enforced, the
 *                          executable's identity is taken, its arguments judged
 *   task_alloc             a child inherits the record, or is not born
 *   sched_process_fork     the same for who was armed while it forked
 *
 * No record: not gated. One that must be made and cannot: no exec, no child.
 */
#pragma once
#include "exec.h"
#include "hooks_builtin.h"

/* Every other exec is judged by the hook below. */
SEC("lsm/bprm_creds_for_exec")
int gate_bprm_creds(u64 *ctx)
{
	struct linux_binprm *bprm = (void *)ctx[0];
	struct armed_task *a = armed_self();

	if (likely(!a) || !only_a_check(bprm))
		return 0;
	if (gate_check(a, bprm))
		return -EACCES;
	return 0;
}

SEC("lsm/bprm_check_security")
int gate_bprm_check(u64 *ctx)
{
	struct linux_binprm *bprm = (void *)ctx[0];
	struct task_struct *t = bpf_get_current_task_btf();
	struct armed_task *a = NULL;

	if (has_record(t))
		a = task_record(t, 0);
	if (!a || !(a->flags & ARMED)) {
		/* What a failed exec left pending is void. ARMED, which the iterator may set, is never cleared. */
		if (a) {
			u32 old = a->flags;

			if (!(old & ARMED))
				__sync_val_compare_and_swap(&a->flags, old, 0);
		}
		if (arm_pending(t, &a))
			return -ENOMEM;
		if (!a)
			return 0;
	}
	return gate_exec(a, bprm);
}

/* Sleepable: it reads the new program's memory. */
SEC("lsm.s/bprm_committed_creds")
int gate_bprm_committed(u64 *ctx)
{
	struct linux_binprm *bprm = (void *)ctx[0];
	struct task_struct *t = bpf_get_current_task_btf();
	struct armed_task *a;
	u32 pend;
	int ret = 0;

	if (!has_record(t))
		return 0;
	a = task_record(t, 0);
	if (!a || !(a->flags & (ARMED | ARM_PENDING)))
		return 0;
	pend = a->pend_flags;
	if (unlikely(pend & (PEND_COMMAND | PEND_INTERPRETER | PEND_NAMED))) {
		ret = gate_command(a, bprm, pend);
		forget_command(t);
	}
	exec_committed(a);
	if (ret)
		end_task(a);
	return 0;
}

/* The child's record from its parent's; 0: it got none. */
static __always_inline int inherit_record(struct armed_task *a, struct task_struct *child)
{
	struct armed_task *c = task_record(child, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!c)
		return 0;
	c->slot = a->slot;
	c->cgroup = a->cgroup;
	c->exe = a->exe;
	c->exe_class = a->exe_class;
	c->exe_table = a->exe_table;
	c->flags = a->flags & (ARMED | ARM_CHAIN | ARM_LATE);
	return 1;
}

SEC("lsm/task_alloc")
int gate_task_alloc(u64 *ctx)
{
	struct task_struct *child = (void *)ctx[0];
	struct armed_task *a = armed_self();

	forget_record(child);
	if (!a)
		return 0;
	/* Birth in another cgroup: whoever ends the gated ones by cgroup would miss it. */
	if (ctx[1] & CLONE_INTO_CGROUP) {
		gate_builtin(a, HOOK_TASK_ALLOC, RULE_CGROUPFS, RELAX_NEVER);
		return -EACCES;
	}
	if (!inherit_record(a, child)) {
		count_stat(no_storage);
		return -EAGAIN;
	}
	return 0;
}

/*
 * A task that the iterator arms behind its own task_alloc has a child without a
 * record, which the iterator cannot see before this point. It has not run yet.
 */
SEC("tp_btf/sched_process_fork")
int arm_forked(u64 *ctx)
{
	struct task_struct *child = (void *)ctx[1];
	struct armed_task *a = armed_self(), *c;

	if (likely(!a))
		return 0;
	c = task_record(child, 0);
	if (c && (c->flags & ARMED))
		return 0;
	if (!inherit_record(a, child))
		count_stat(no_storage);
	return 0;
}

#ifdef NO_KFUNCS
/* Where records are not part of the task. */
SEC("lsm/task_free")
int gate_task_free(u64 *ctx)
{
	forget_record((void *)ctx[0]);
	return 0;
}
#endif
