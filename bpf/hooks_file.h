/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Files beside opening: every hook by which a name, content or metadata changes,
 * a descriptor arrives or a watch is set. Thin adapters: which name, which kind.
 */
#pragma once
#include "hooks_builtin.h"
#include "names.h"
#include "notes.h"

/* One name in a directory. */
static __always_inline int gate_name(struct armed_task *a, struct path *dir, struct dentry *dentry, u32 kind, u32 hook)
{
	struct request r = {
		.dentry = dentry,
		.mnt = dir->mnt,
		.kind = kind,
		.hook = hook,
	};

	return gate_path(a, &r);
}

#define NAME_HOOK(name, kind_, hook_)                                           \
	SEC("lsm/" #name)                                                       \
	int gate_##name(u64 *ctx)                                               \
	{                                                                       \
		struct armed_task *a = armed_self();                            \
                                                                                \
		if (likely(!a))                                                 \
			return 0;                                               \
		if (gate_name(a, (void *)ctx[0], (void *)ctx[1], kind_, hook_)) \
			return -EACCES;                                         \
		return 0;                                                       \
	}

NAME_HOOK(path_mkdir, KIND_WRITE, HOOK_PATH_MKDIR)
NAME_HOOK(path_symlink, KIND_WRITE, HOOK_PATH_SYMLINK)
NAME_HOOK(path_unlink, KIND_DELETE, HOOK_PATH_UNLINK)
NAME_HOOK(path_rmdir, KIND_DELETE, HOOK_PATH_RMDIR)

/* mknod, bind of a unix socket, and an open that creates, before it does. */
SEC("lsm/path_mknod")
int gate_path_mknod(u64 *ctx)
{
	struct path *dir = (void *)ctx[0];
	struct dentry *dentry = (void *)ctx[1];
	struct armed_task *a = armed_self();
	struct request r = {
		.dentry = dentry,
		.kind = KIND_WRITE,
		.hook = HOOK_PATH_MKNOD,
	};
	int ret;

	if (likely(!a))
		return 0;
	r.mnt = dir->mnt;
	r.outside = device_made(ctx[2], ctx[3]);
	ret = gate_path(a, &r);
	note_judged(a, dentry, HOOK_PATH_MKNOD, ret);
	if (ret)
		return -EACCES;
	return 0;
}

SEC("lsm/path_link")
int gate_path_link(u64 *ctx)
{
	struct path *dir = (void *)ctx[1];
	struct armed_task *a = armed_self();
	struct move v = {
		.from = (void *)ctx[0],
		.to = (void *)ctx[2],
		.hook = HOOK_PATH_LINK,
		.link = 1,
	};

	if (likely(!a))
		return 0;
	v.mnt = dir->mnt;
	if (gate_move(a, &v))
		return -EACCES;
	return 0;
}

SEC("lsm/path_rename")
int gate_path_rename(u64 *ctx)
{
	struct path *dir = (void *)ctx[2];
	struct armed_task *a = armed_self();
	struct move v = {
		.from = (void *)ctx[1],
		.to = (void *)ctx[3],
		.hook = HOOK_PATH_RENAME,
		.exchange = !!(ctx[4] & RENAME_EXCHANGE),
	};

	if (likely(!a))
		return 0;
	v.mnt = dir->mnt;
	if (gate_move(a, &v))
		return -EACCES;
	return 0;
}

/* The object at a path. */
#define PATH_HOOK(name, kind_, hook_)                                                          \
	SEC("lsm/" #name)                                                                      \
	int gate_##name(u64 *ctx)                                                              \
	{                                                                                      \
		struct path *path = (void *)ctx[0];                                            \
		struct armed_task *a = armed_self();                                           \
		struct request r = {                                                           \
			.kind = kind_,                                                         \
			.hook = hook_,                                                         \
		};                                                                             \
                                                                                               \
		if (likely(!a))                                                                \
			return 0;                                                              \
		r.dentry = path->dentry;                                                       \
		r.mnt = path->mnt;                                                             \
		r.repeat = hook_ == HOOK_PATH_TRUNCATE && was_judged(a, path, HOOK_FILE_OPEN); \
		if (gate_path(a, &r))                                                          \
			return -EACCES;                                                        \
		return 0;                                                                      \
	}

PATH_HOOK(path_chmod, KIND_WRITE, HOOK_PATH_CHMOD)
PATH_HOOK(path_chown, KIND_WRITE, HOOK_PATH_CHOWN)
PATH_HOOK(path_truncate, KIND_WRITE, HOOK_PATH_TRUNCATE)
PATH_HOOK(path_notify, KIND_READ, HOOK_PATH_NOTIFY)

/* The object behind a descriptor. */
static __always_inline int gate_descriptor(struct armed_task *a, struct file *file, u32 kind, u32 hook, u32 repeat)
{
	struct request r = {
		.dentry = file->f_path.dentry,
		.mnt = file->f_path.mnt,
		.kind = kind,
		.hook = hook,
		.repeat = repeat,
	};

	return gate_path(a, &r);
}

SEC("lsm/file_truncate")
int gate_file_truncate(u64 *ctx)
{
	struct file *file = (void *)ctx[0];
	struct armed_task *a = armed_self();

	if (likely(!a))
		return 0;
	if (gate_descriptor(a, file, KIND_WRITE, HOOK_FILE_TRUNCATE, was_judged(a, &file->f_path, HOOK_FILE_OPEN)))
		return -EACCES;
	return 0;
}

/* A descriptor from another process: by SCM_RIGHTS, pidfd_getfd, seccomp. Judged as if it were opened here. */
SEC("lsm/file_receive")
int gate_file_receive(u64 *ctx)
{
	struct file *file = (void *)ctx[0];
	struct armed_task *a = armed_self();
	struct request r = {
		.kind = KIND_READ,
		.hook = HOOK_FILE_RECEIVE,
	};
	u32 mode;

	if (likely(!a))
		return 0;
	mode = file->f_mode;
	/* Names an object and gives no right to it: what is done with it is judged. */
	if (mode & FMODE_PATH)
		return 0;
	if (!(mode & FMODE_READ) || (mode & FMODE_WRITE)) {
		r.kind = KIND_WRITE;
		r.also_read = (mode & FMODE_READ) || !(mode & FMODE_WRITE);
	}
	r.dentry = file->f_path.dentry;
	r.mnt = file->f_path.mnt;
	r.requested = file->f_flags;
	r.opens = 1;
	if (gate_path(a, &r))
		return -EACCES;
	return 0;
}

/* Commands that change a file's metadata and ask no other hook; the descriptor may be open for reading only. */
static __always_inline int changes_file(u32 cmd)
{
	switch (cmd) {
	case FS_IOC_SETFLAGS:
	case FS_IOC32_SETFLAGS:
	case FS_IOC_SETVERSION:
	case FS_IOC32_SETVERSION:
	case FS_IOC_FSSETXATTR:
	case FS_IOC_ENABLE_VERITY:
	case FS_IOC_SET_ENCRYPTION_POLICY:
	case FAT_IOCTL_SET_ATTRIBUTES:
		return 1;
	}
	return 0;
}

static __always_inline int gate_ioctl(u64 *ctx)
{
	struct file *file = (void *)ctx[0];
	struct armed_task *a = armed_self();
	u32 type;
	int ret;

	if (likely(!a) || !(changes_file(ctx[1]) || passes_names(ctx[1])))
		return 0;
	type = file->f_inode->i_mode & S_IFMT;
	if (type != S_IFREG && type != S_IFDIR)
		return 0;
	if (passes_names(ctx[1])) {
		if (gate_builtin(a, HOOK_FILE_IOCTL, RULE_FS_IOCTL, RELAX_NEVER))
			return -EACCES;
		return 0;
	}
	ret = gate_descriptor(a, file, KIND_WRITE, HOOK_FILE_IOCTL, 0);
	note_judged(a, file->f_path.dentry, HOOK_FILE_IOCTL, ret);
	if (ret)
		return -EACCES;
	return 0;
}

SEC("lsm/file_ioctl")
int gate_file_ioctl(u64 *ctx)
{
	return gate_ioctl(ctx);
}

SEC("lsm/file_ioctl_compat")
int gate_file_ioctl_compat(u64 *ctx)
{
	return gate_ioctl(ctx);
}

/*
 * Times. Mode, owner and size were judged by path_chmod, path_chown and the
 * hooks of truncation, also a chown that names no owner; the kernel forces
 * set-id bits off itself.
 */
static __always_inline int gate_setattr(struct dentry *dentry, struct iattr *attr)
{
	struct armed_task *a = armed_self();

	if (likely(!a))
		return 0;
	if (!(attr->ia_valid & (ATTR_ATIME | ATTR_MTIME)))
		return 0;
	if (attr->ia_valid & (ATTR_MODE | ATTR_UID | ATTR_GID | ATTR_SIZE | ATTR_FORCE))
		return 0;
	if (gate_inode(a, dentry, HOOK_INODE_SETATTR))
		return -EACCES;
	return 0;
}

SEC("lsm/inode_setattr")
int gate_inode_setattr(u64 *ctx)
{
	return gate_setattr((void *)ctx[1], (void *)ctx[2]);
}

/* Before 6.3 the hook had no argument in front. */
SEC("lsm/inode_setattr")
int gate_inode_setattr2(u64 *ctx)
{
	return gate_setattr((void *)ctx[0], (void *)ctx[1]);
}

#define INODE_HOOK(name, argument, hook_)                        \
	SEC("lsm/" #name)                                        \
	int gate_##name(u64 *ctx)                                \
	{                                                        \
		struct armed_task *a = armed_self();             \
                                                                 \
		if (likely(!a))                                  \
			return 0;                                \
		if (gate_inode(a, (void *)ctx[argument], hook_)) \
			return -EACCES;                          \
		return 0;                                        \
	}

INODE_HOOK(inode_setxattr, 1, HOOK_INODE_SETXATTR)
INODE_HOOK(inode_removexattr, 1, HOOK_INODE_REMOVEXATTR)
INODE_HOOK(inode_set_acl, 1, HOOK_INODE_SET_ACL)
INODE_HOOK(inode_remove_acl, 1, HOOK_INODE_REMOVE_ACL)
INODE_HOOK(inode_file_setattr, 0, HOOK_INODE_FILE_SETATTR)

static __always_inline void note(u64 mount)
{
	struct armed_task *a = armed_self();

	if (a)
		a->mount = mount;
}

SEC("fentry/mnt_want_write")
int note_mount(u64 *ctx)
{
	note(ctx[0]);
	return 0;
}

SEC("fentry/mnt_want_write_file")
int note_mount_file(u64 *ctx)
{
	struct file *file = (void *)ctx[0];

	note((u64)file->f_path.mnt);
	return 0;
}

/* What an overlay asks its upper layer with, since 6.7. */
SEC("fentry/mnt_get_write_access")
int note_mount_stacked(u64 *ctx)
{
	note(ctx[0]);
	return 0;
}
