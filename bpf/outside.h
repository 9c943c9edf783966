/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Files by which a process would act outside of its container, or look there,
 * whatever their path is and whatever the policy allows. They are known by their
 * file system or by what the inode is. A tree that is deeper than is looked at
 * counts as one of them.
 *
 *   changed            what moves tasks between cgroups; what has the kernel start
 *                      programs that nobody gates; what else of the kernel's own
 *                      acts on the whole node: sysfs, securityfs, configfs and the
 *                      like, and of proc all but processes and the network;
 *                      files of proc by which a process outside would be changed
 *   opened             devices beyond those that every container has; namespaces
 *                      of others
 *   changed or read    pinned BPF objects; tracefs, debugfs, pstore, which show
 *                      what others do; the kernel's memory and its log
 */
#pragma once
#include "devices.h"
#include "namespaces.h"
#include "task.h"

#define PROC_LEVELS 8

static __always_inline int named(struct dentry *d, const char *name, u32 len)
{
	char have[16] = {};

	if (kernel_read(d, d_name.len) != len || bpf_probe_read_kernel(have, len, kernel_read(d, d_name.name)))
		return 0;
#pragma unroll
	for (u32 i = 0; i < len; i++)
		if (have[i] != name[i])
			return 0;
	return 1;
}

#define NAMED(d, name) named(d, name, sizeof(name) - 1)

/* A process's directory in proc: a number. */
static __always_inline int process_directory(struct dentry *d)
{
	char first = 0;

	bpf_probe_read_kernel(&first, sizeof(first), kernel_read(d, d_name.name));
	return first >= '0' && first <= '9';
}

/* In proc: of a process that the current task's binding does not gate. */
static __noinline int foreign_process(struct inode *inode)
{
	struct task_struct *leader = bpf_get_current_task_btf()->group_leader;
	struct proc_inode *p = container_of_kernel(inode, struct proc_inode, vfs_inode);
	struct pid *pid = kernel_read(p, pid);
	struct armed_task *a;
	u64 cgroup;

	if (pid == leader->thread_pid)
		return 0;
	a = armed_self();
	cgroup = cgroup_of_process(pid);
	return !a || !cgroup || cgroup != a->cgroup;
}

/* An entry of proc's root; below: what is looked for is below it. */
static __noinline u32 proc_entry(struct dentry *d, struct dentry *below, u32 change)
{
	if (process_directory(d)) {
		struct inode *inode = kernel_read(d, d_inode);

		return change && inode && foreign_process(inode) ? RULE_PTRACE : 0;
	}
	if (!below && (NAMED(d, "kcore") || NAMED(d, "vmcore")))
		return RULE_KERNEL_MEMORY;
	if (!below && NAMED(d, "kmsg"))
		return RULE_KERNEL_LOG;
	if (!change)
		return 0;
	/*
	 * core_pattern, modprobe, poweroff_cmd and their like. Which others there
	 * are depends on the modules; net is each network namespace's own.
	 */
	if (NAMED(d, "sys"))
		return below && NAMED(below, "net") ? 0 : RULE_KERNEL_HELPERS;
	return RULE_KERNEL_FILES; /* sysrq-trigger, irq, bus, ... */
}

static __noinline u32 proc_file(struct dentry *d, u32 change)
{
	struct dentry *below = NULL;

	for (int i = 0; i < PROC_LEVELS; i++) {
		struct dentry *up = kernel_read(d, d_parent);

		if (up == d)
			return 0;
		if (kernel_read(up, d_parent) == up)
			return proc_entry(d, below, change);
		below = d;
		d = up;
	}
	return change ? RULE_KERNEL_HELPERS : 0;
}

/*
 * The built-in rule against an act on the file, or 0. change: of its content, its
 * name or what is known of it; opens: the act gives a descriptor.
 */
static __noinline u32 reaches_outside(struct dentry *d, u32 change, u32 opens)
{
	struct super_block *sb = kernel_read(d, d_sb);
	struct inode *inode = kernel_read(d, d_inode);
	u32 rule;

	if (opens && inode) {
		rule = device(kernel_read(inode, i_mode), kernel_read(inode, i_rdev));
		if (rule)
			return rule;
	}
	switch (kernel_read(sb, s_magic)) {
	case CGROUP_SUPER_MAGIC:
	case CGROUP2_SUPER_MAGIC:
		return change ? RULE_CGROUPFS : 0;
	case BPF_FS_MAGIC:
		return RULE_BPFFS;
	case NSFS_MAGIC:
		return opens && !(inode && own_namespace(kernel_read(inode, i_ino))) ? RULE_SETNS : 0;
	case BINFMTFS_MAGIC:
		return change ? RULE_KERNEL_HELPERS : 0;
	case PROC_SUPER_MAGIC:
		return proc_file(d, change);
	case TRACEFS_MAGIC:
	case DEBUGFS_MAGIC:
	case PSTOREFS_MAGIC:
		return RULE_KERNEL_FILES;
	case SYSFS_MAGIC:
		if (change && NAMED(d, "uevent_helper"))
			return RULE_KERNEL_HELPERS;
		return change ? RULE_KERNEL_FILES : 0;
	case SECURITYFS_MAGIC:
	case CONFIGFS_MAGIC:
	case EFIVARFS_MAGIC:
	case SELINUX_MAGIC:
	case SMACK_MAGIC:
	case FUSE_CTL_SUPER_MAGIC:
	case RDTGROUP_SUPER_MAGIC:
	case XENFS_SUPER_MAGIC:
	case NFSD_MAGIC:
		return change ? RULE_KERNEL_FILES : 0;
	}
	return 0;
}

/* Most of what is opened, told from the rest by few loads: a file or directory of no such file system. */
static __always_inline int ordinary(struct inode *inode)
{
	u32 type = inode->i_mode & S_IFMT;

	if (type != S_IFREG && type != S_IFDIR)
		return 0;
	switch (inode->i_sb->s_magic) {
	case OVERLAYFS_SUPER_MAGIC:
	case EXT4_SUPER_MAGIC:
	case XFS_SUPER_MAGIC:
	case BTRFS_SUPER_MAGIC:
	case TMPFS_MAGIC:
		return 1;
	}
	return 0;
}
