/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What one hook leaves in the task's record for a later one of the same call.
 *
 * judged: an act that two hooks see (creating and opening, opening and
 * truncating). The second one judges again and records only a denial, so a
 * stale note costs a record at most, never a verdict.
 *
 * mount: the hooks of metadata get no mount, and without one there is no path.
 * The call has asked the mount for write access before; fentry programs note
 * which. They are skipped now and then (the kernel's recursion guard); then
 * there is no note, and the act is denied. A hook that knows its own path clears
 * what a call like its own left behind.
 */
#pragma once
#include "file.h"

static __always_inline void note_judged(struct armed_task *a, const void *what, u32 hook, int ret)
{
	a->judged = ret ? 0 : (u64)what;
	a->judged_by = hook;
}

/* Other notes stay: a stacked file system calls hooks of its own in between. */
static __always_inline int was_judged(struct armed_task *a, const void *what, u32 hook)
{
	if (a->judged != (u64)what || a->judged_by != hook)
		return 0;
	a->judged = 0;
	return 1;
}

/* A change of metadata: file.write, by the mount that the call asked for. */
static __noinline int gate_inode(struct armed_task *a, struct dentry *dentry, u32 hook)
{
	struct request r = {
		.dentry = dentry,
		.kind = KIND_WRITE,
		.hook = hook,
	};
	u64 note = a->mount;

	r.repeat = hook == HOOK_INODE_FILE_SETATTR && was_judged(a, dentry, HOOK_FILE_IOCTL);
	if (note) {
		struct vfsmount *mnt = kernel_cast(struct vfsmount, note);

		/* A stacked file system asks its private mount once for many changes. */
		if (!kernel_internal(container_of_kernel(mnt, struct mount, mnt)))
			a->mount = 0;
		if (kernel_read(mnt, mnt_sb) == dentry->d_sb)
			r.mnt = mnt;
	}
	return gate_path(a, &r);
}
