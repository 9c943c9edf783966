/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Namespaces as files. setns has no hook, so a task gets no descriptor of a
 * namespace that it is not in: not by opening (below /proc, where one is mounted,
 * by an ioctl of another one or of a pidfd, by handle), not from another process,
 * not by inheritance. By a pidfd itself setns asks as a tracer does:
 * hooks_builtin.h. A namespace that cannot be read is a foreign one.
 */
#pragma once
#include "kernel.h"

/* The namespace of the task's own process number; that of its children may be another. */
static __always_inline u32 active_pid_namespace(struct task_struct *t)
{
	u64 pid = 0, ns = 0;
	u32 level = 0, inum = 0;

	bpf_probe_read_kernel(&pid, sizeof(pid), &t->thread_pid);
	if (!pid)
		return 0;
	bpf_probe_read_kernel(&level, sizeof(level), (void *)(pid + kernel_offset(struct pid, level)));
	pid += kernel_offset(struct pid, numbers) + level * sizeof(struct upid) + kernel_offset(struct upid, ns);
	bpf_probe_read_kernel(&ns, sizeof(ns), (void *)pid);
	if (!ns)
		return 0;
	bpf_probe_read_kernel(&inum, sizeof(inum), (void *)(ns + kernel_offset(struct pid_namespace, ns.inum)));
	return inum;
}

/* All kinds of namespaces have their numbers from one range. */
static __noinline int own_namespace(u32 inum)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct nsproxy *n = t->nsproxy;

	if (!inum || !n)
		return 0;
	if (inum == n->mnt_ns->ns.inum || inum == n->net_ns->ns.inum || inum == n->uts_ns->ns.inum ||
	    inum == n->ipc_ns->ns.inum || inum == n->cgroup_ns->ns.inum || inum == n->pid_ns_for_children->ns.inum ||
	    inum == t->cred->user_ns->ns.inum)
		return 1;
	if (kernel_has_type(struct time_namespace) &&
	    (inum == n->time_ns->ns.inum || inum == n->time_ns_for_children->ns.inum))
		return 1;
	return inum == active_pid_namespace(t);
}
