/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Files by which a process would act outside of its container, whatever their
 * path is there and whatever the policy allows: what moves tasks between
 * cgroups, and what has the kernel start programs that nobody gates. They are
 * known by their file system. A tree that is deeper than is looked at counts as
 * one of them.
 */
#pragma once
#include "kernel.h"
#include "maps.h"

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

/*
 * Below /proc/sys: core_pattern, modprobe, poweroff_cmd and their like. Which
 * others there are depends on the modules; net is each network namespace's own.
 */
static __noinline int sysctl(struct dentry *d)
{
	struct dentry *below = NULL;

	for (int i = 0; i < PROC_LEVELS; i++) {
		struct dentry *up = kernel_read(d, d_parent);

		if (up == d)
			return 0;
		if (kernel_read(up, d_parent) == up)
			return NAMED(d, "sys") && !(below && NAMED(below, "net"));
		below = d;
		d = up;
	}
	return 1;
}

/* The built-in rule that keeps a process from changing the file, or 0. */
static __noinline u32 reaches_outside(struct dentry *d)
{
	struct super_block *sb = kernel_read(d, d_sb);

	switch (kernel_read(sb, s_magic)) {
	case CGROUP_SUPER_MAGIC:
	case CGROUP2_SUPER_MAGIC:
		return RULE_CGROUPFS;
	case BINFMTFS_MAGIC:
		return RULE_KERNEL_HELPERS;
	case PROC_SUPER_MAGIC:
		return sysctl(d) ? RULE_KERNEL_HELPERS : 0;
	case SYSFS_MAGIC:
		return NAMED(d, "uevent_helper") ? RULE_KERNEL_HELPERS : 0;
	}
	return 0;
}
