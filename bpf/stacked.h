/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Files that a stacked file system (overlay) opens below its own. Since 6.5 they
 * carry their own path, on a private mount, and that of the file above beside it.
 * Before, their path is the one of the file above, which was judged already.
 */
#pragma once
#include "kernel.h"

#ifndef NO_KFUNCS
#define has_backing_files() 1
#else
#define has_backing_files() kernel_has_type(struct backing_file)
#endif

/* The path of the file above one that may lie below; NULL where its own is that. */
static __always_inline struct path *path_above(struct file *file)
{
	if (!has_backing_files())
		return NULL;
	return &container_of_kernel(file, struct backing_file, file)->user_path;
}

/* Opened by the kernel below a file of the same path, which was judged; processes cannot have such a file made. */
static __always_inline int opened_below(struct file *file, struct inode *inode, u32 mode)
{
	return !has_backing_files() && (mode & FMODE_NOACCOUNT) && file->f_path.dentry->d_inode != inode;
}
