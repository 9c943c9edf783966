/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel's own doors, closed to every armed task whatever its policy says:
 * bpf(2), perf, code that the kernel would run or boot, the node's clock, and what
 * the kernel itself counts as a way into its memory or devices, each time it asks
 * (locked_down), lockdown or not. Only perf can be relaxed. Without readable
 * tables all of it is denied.
 *
 * delete_module, reboot and adjtimex have no hook but the one that is asked for
 * their capabilities. No hook sees sethostname and setdomainname, whose capability
 * is that of a hundred other acts. swapon, swapoff and acct open a file, by its path.
 */
#pragma once
#include "hooks_builtin.h"

BUILTIN_HOOK(bpf, HOOK_BPF, RULE_BPF, RELAX_NEVER)
BUILTIN_HOOK(perf_event_open, HOOK_PERF_EVENT_OPEN, RULE_PERF, RELAX_PERF)

/* In a PID namespace of one's own, reboot ends that namespace. */
static __always_inline int on_host_pids(void)
{
	struct task_struct *t = bpf_get_current_task_btf();

	return t->thread_pid->level == 0;
}

/* Comes behind the kernel's own answer, and only if that is yes. */
SEC("lsm/capable")
int gate_capable(u64 *ctx)
{
	struct armed_task *a;
	u32 capability = ctx[2], rule;

	if (capability == CAP_SYS_MODULE)
		rule = RULE_MODULES;
	else if (capability == CAP_SYS_BOOT)
		rule = RULE_KEXEC;
	else if (capability == CAP_SYS_TIME)
		rule = RULE_SYSTEM;
	else
		return 0;
	a = armed_self();
	if (likely(!a) || (rule == RULE_KEXEC && !on_host_pids()))
		return 0;
	if (gate_requested(a, HOOK_CAPABLE, rule, RELAX_NEVER, capability))
		return -EACCES;
	return 0;
}

/*
 * What the kernel takes in: modules, a kernel to boot, keys and policies of its
 * own, and whatever else a newer one adds. A driver may ask for its firmware in
 * the name of whoever uses the device; the task has no choice in that.
 */
static __always_inline int gate_intake(u32 what, u32 hook)
{
	struct armed_task *a = armed_self();
	u32 rule = RULE_MODULES;

	if (likely(!a) || what == READING_FIRMWARE || what == READING_UNKNOWN)
		return 0;
	if (what == READING_KEXEC_IMAGE || what == READING_KEXEC_INITRAMFS)
		rule = RULE_KEXEC;
	if (gate_requested(a, hook, rule, RELAX_NEVER, what))
		return -EACCES;
	return 0;
}

SEC("lsm/kernel_load_data")
int gate_kernel_load_data(u64 *ctx)
{
	return gate_intake(ctx[0], HOOK_KERNEL_LOAD_DATA);
}

SEC("lsm/kernel_read_file")
int gate_kernel_read_file(u64 *ctx)
{
	return gate_intake(ctx[1], HOOK_KERNEL_READ_FILE);
}

/* A value of the running kernel's enum: its numbers move. */
#define REASON(name) __builtin_preserve_enum_value(*(enum lockdown_reason *)LOCKDOWN_##name, 1)

/*
 * What the kernel counts as a way into its memory or devices, of which no file or
 * call tells otherwise: ports (ioperm), MSRs, PCI, ACPI tables. Files of debugfs and tracefs, perf and
 * bpf have denials of their own, of which some can be relaxed.
 */
SEC("lsm/locked_down")
int gate_locked_down(u64 *ctx)
{
	struct armed_task *a = armed_self();
	u32 reason = ctx[0];

	if (likely(!a))
		return 0;
	if (reason == REASON(DEBUGFS) || reason == REASON(TRACEFS) || reason == REASON(KPROBES) ||
	    reason == REASON(PERF) || reason == REASON(BPF_READ_KERNEL))
		return 0;
	if (gate_requested(a, HOOK_LOCKED_DOWN, RULE_SYSTEM, RELAX_NEVER, reason))
		return -EACCES;
	return 0;
}
