/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What an armed task does to another one: signals, limits, scheduling. Allowed
 * within its bound cgroup only, so that it can neither end the agent and its
 * guard nor reach other pods. The record names the target's process (requested).
 *
 * kill(-1) asks once for every process of the PID namespace, which may be the
 * node's. Such a call is one record, of its first target; each further one is
 * counted (outward), as every refusal is. The call is known again by its first
 * target, or because a second has passed.
 */
#pragma once
#include "hooks_builtin.h"

#define CALL_KILL 62	    /* arch/x86/entry/syscalls/syscall_64.tbl */
#define CALL_KILL_COMPAT 37 /* ... syscall_32.tbl; what the two numbers are in the other table signals nobody */
#define SERIES_SHIFT 30	    /* of nanoseconds: about a second */

/* kill() of more than one process: all (-1), or a group. */
static __always_inline int signals_many(struct task_struct *t)
{
	struct pt_regs *regs = (void *)bpf_task_pt_regs(t);
	u64 call = regs->orig_ax;

	if (call == CALL_KILL)
		return (int)regs->di <= 0;
	return call == CALL_KILL_COMPAT && (int)regs->bx <= 0;
}

/* Whether a call that signals many has its record. */
static __always_inline int one_of_series(struct armed_task *a, u32 target)
{
	u32 now = bpf_ktime_get_boot_ns() >> SERIES_SHIFT;

	if (a->judged_by == HOOK_TASK_KILL && (u32)a->judged != target && (u32)(a->judged >> 32) == now)
		return 1;
	a->judged = (u64)now << 32 | target;
	a->judged_by = HOOK_TASK_KILL;
	return 0;
}

/* The current task if it is armed and the target is not of its binding. */
static __always_inline struct armed_task *outward(struct task_struct *target)
{
	struct armed_task *a = armed_self(), *b;

	if (likely(!a))
		return NULL;
	b = task_record(target, 0);
	if (b && (b->flags & ARMED) && b->cgroup == a->cgroup)
		return NULL;
	count_stat(outward);
	return a;
}

SEC("lsm/task_kill")
int gate_task_kill(u64 *ctx)
{
	struct task_struct *target = (void *)ctx[0];
	struct armed_task *a;

	/* Signal 0 only asks whether the target is there. */
	if ((int)ctx[2] == 0)
		return 0;
	a = outward(target);
	if (likely(!a))
		return 0;
	if (signals_many(bpf_get_current_task_btf()) && one_of_series(a, target->tgid))
		return -EACCES;
	gate_requested(a, HOOK_TASK_KILL, RULE_SIGNAL, RELAX_NEVER, target->tgid);
	return -EACCES;
}

#define OUTWARD_HOOK(name, hook)                                                 \
	SEC("lsm/" #name)                                                        \
	int gate_##name(u64 *ctx)                                                \
	{                                                                        \
		struct task_struct *target = (void *)ctx[0];                     \
		struct armed_task *a = outward(target);                          \
                                                                                 \
		if (likely(!a))                                                  \
			return 0;                                                \
		gate_requested(a, hook, RULE_SIGNAL, RELAX_NEVER, target->tgid); \
		return -EACCES;                                                  \
	}

OUTWARD_HOOK(task_setrlimit, HOOK_TASK_SETRLIMIT)
OUTWARD_HOOK(task_setscheduler, HOOK_TASK_SETSCHEDULER)
OUTWARD_HOOK(task_setnice, HOOK_TASK_SETNICE)
OUTWARD_HOOK(task_setioprio, HOOK_TASK_SETIOPRIO)
