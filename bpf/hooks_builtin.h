/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Acts for which the language has no verb, denied to every armed task by rules
 * that are built in: mounting and unmounting (an alias of a directory is a name
 * that the policy never meant), pivot_root and chroot, new user namespaces (in
 * one, any user may do all that), tracing. A policy relaxes them by name, in the
 * header of its tables; without readable tables they are denied.
 *
 * Tracing: never a process that the same binding does not gate. Within it only
 * where the policy tells programs apart (exe, command), and there reading a
 * process's state stays allowed: taking it over is what would borrow its rights.
 * Who is not gated may trace whom he likes.
 */
#pragma once
#include "record.h"

/* What is allowed because the policy relaxes it is counted. */
static __always_inline void decide_builtin(struct act *x, u32 rule, u32 bit)
{
	x->d->class = CLASS_NO_PATH;
	builtin(x, rule, relaxes(x, bit));
	x->d->o.flags = bit < RELAX_NEVER ? ROW_COUNT : ROW_NEVER;
}

/* Requested is what the record says of the act beside its rule. */
static __noinline int gate_requested(struct armed_task *a, u32 hook, u32 rule, u32 bit, u32 requested)
{
	struct act x;
	int ret;

	if (!act_begin(&x, a, KIND_SYSTEM, hook))
		return -EACCES;
	x.d->requested = requested;
	tables_known(x.t);
	decide_builtin(&x, rule, bit);
	ret = finish(&x);
	scratch_release(x.s);
	if (ret)
		return -EACCES;
	return 0;
}

static __always_inline int gate_builtin(struct armed_task *a, u32 hook, u32 rule, u32 bit)
{
	return gate_requested(a, hook, rule, bit, 0);
}

/* PR_SET_MM changes what /proc says that a process executes, and where its arguments are. */
static __noinline int gate_identity(struct armed_task *a)
{
	struct act x;
	int ret = 0;

	if (!act_begin(&x, a, KIND_SYSTEM, HOOK_TASK_PRCTL))
		return -EACCES;
	if (!tables_known(x.t) || x.t->identity) {
		decide_builtin(&x, RULE_IDENTITY, RELAX_NEVER);
		ret = finish(&x);
	}
	scratch_release(x.s);
	if (ret)
		return -EACCES;
	return 0;
}

SEC("lsm/task_prctl")
int gate_task_prctl(u64 *ctx)
{
	struct armed_task *a;

	if (likely((int)ctx[0] != PR_SET_MM))
		return 0;
	a = armed_self();
	if (a && gate_identity(a))
		return -EACCES;
	return 0;
}

#define BUILTIN_HOOK(name, hook, rule, bit)           \
	SEC("lsm/" #name)                             \
	int gate_##name(u64 *ctx)                     \
	{                                             \
		struct armed_task *a = armed_self();  \
                                                      \
		if (likely(!a))                       \
			return 0;                     \
		if (gate_builtin(a, hook, rule, bit)) \
			return -EACCES;               \
		return 0;                             \
	}

/* mount(2), whatever its flags say. */
BUILTIN_HOOK(sb_mount, HOOK_SB_MOUNT, RULE_MOUNT, RELAX_MOUNT)
/* umount bares what a mount hides. */
BUILTIN_HOOK(sb_umount, HOOK_SB_UMOUNT, RULE_MOUNT, RELAX_MOUNT)
/* fsmount; open_tree has no hook, and what it clones is in no namespace. */
BUILTIN_HOOK(sb_kern_mount, HOOK_SB_KERN_MOUNT, RULE_MOUNT, RELAX_MOUNT)
/* fsconfig of a file system that is mounted. */
BUILTIN_HOOK(sb_remount, HOOK_SB_REMOUNT, RULE_MOUNT, RELAX_MOUNT)
BUILTIN_HOOK(move_mount, HOOK_MOVE_MOUNT, RULE_MOUNT, RELAX_MOUNT)
BUILTIN_HOOK(sb_pivotroot, HOOK_SB_PIVOTROOT, RULE_PIVOT_ROOT, RELAX_PIVOT_ROOT)
BUILTIN_HOOK(path_chroot, HOOK_PATH_CHROOT, RULE_CHROOT, RELAX_CHROOT)
BUILTIN_HOOK(userns_create, HOOK_USERNS_CREATE, RULE_USERNS, RELAX_USERNS)

/* The kernel's log without a file; 0 and 1 do nothing, as close and open. */
SEC("lsm/syslog")
int gate_syslog(u64 *ctx)
{
	struct armed_task *a;
	int type = ctx[0];

	if (type == 0 || type == 1)
		return 0;
	a = armed_self();
	if (likely(!a))
		return 0;
	if (gate_builtin(a, HOOK_SYSLOG, RULE_KERNEL_LOG, RELAX_KERNEL_LOG))
		return -EACCES;
	return 0;
}

/* A takes over, or looks into, what b gates; no b: a process that nothing gates. */
static __noinline int gate_tracer(struct armed_task *a, struct armed_task *b, u32 mode, u32 hook)
{
	u32 inside = b && (b->flags & ARMED) && b->cgroup == a->cgroup;
	struct act x;
	int ret = 0;

	if (inside && !(mode & PTRACE_MODE_ATTACH))
		return 0;
	/* How much of a process /proc shows; its reader is not told. */
	if (!inside && (mode & PTRACE_MODE_NOAUDIT)) {
		count_stat(outward);
		return -EACCES;
	}
	if (!act_begin(&x, a, KIND_SYSTEM, hook))
		return -EACCES;
	if (!tables_known(x.t) || !inside || x.t->identity) {
		decide_builtin(&x, RULE_PTRACE, inside ? RELAX_PTRACE : RELAX_NEVER);
		ret = finish(&x);
	}
	scratch_release(x.s);
	if (ret)
		return -EACCES;
	return 0;
}

/* Also /proc/PID/{mem,root,fd,environ,...}, process_vm_readv and pidfd_getfd; never among threads of one process. */
SEC("lsm/ptrace_access_check")
int gate_ptrace_access_check(u64 *ctx)
{
	struct task_struct *target = (void *)ctx[0];
	struct armed_task *a = armed_self();

	if (likely(!a))
		return 0;
	if (gate_tracer(a, task_record(target, 0), ctx[1], HOOK_PTRACE_ACCESS_CHECK))
		return -EACCES;
	return 0;
}

/* A child asks to be traced: the tracer is its parent. */
SEC("lsm/ptrace_traceme")
int gate_ptrace_traceme(u64 *ctx)
{
	struct task_struct *parent = (void *)ctx[0];
	struct armed_task *self = armed_self(), *a;

	if (likely(!self))
		return 0;
	a = task_record(parent, 0);
	if (!a || !(a->flags & ARMED))
		return 0;
	if (gate_tracer(a, self, PTRACE_MODE_ATTACH, HOOK_PTRACE_TRACEME))
		return -EACCES;
	return 0;
}

/*
 * Commands of file systems that make, copy or remove names, or reach files by
 * number, and ask no hook of names. Of btrfs all but what works on the
 * descriptor alone (copying, defragmenting) and what only informs.
 */
static __always_inline int passes_names(u32 cmd)
{
	u32 type = cmd >> 8 & 0xff, nr = cmd & 0xff;

	if (type == BTRFS_IOCTL_MAGIC) {
		switch (nr) {
		case 2:	 /* defragment */
		case 8:	 /* sync */
		case 9:	 /* FICLONE */
		case 13: /* FICLONERANGE */
		case 16: /* defragment a range */
		case 20: /* space */
		case 22: /* wait for a sync */
		case 25: /* flags of a subvolume */
		case 30: /* device */
		case 31: /* file system */
		case 52: /* errors of a device */
		case 54: /* FIDEDUPERANGE */
		case 57: /* features */
			return 0;
		case 24: /* read: sync; write: a new subvolume */
			return cmd >> 30 != 2;
		}
		return 1;
	}
	/* XFS: by handle, and swapping the content of two files. */
	return type == 'X' && ((nr >= 104 && nr <= 109) || nr == 122 || nr == 123);
}
