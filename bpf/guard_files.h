/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Self-protection of directories, of mounts on them and of sockets in them: see
 * guard.h. A directory that is not in guarded_dirs is somebody else's.
 */
#pragma once
#include "guard.h"
#include "hooks_file.h"

/* Directories. */

/*
 * The number of the guarded directory that an object lies in or is, 0: none. Only
 * the agent makes names there, and it makes none deeper than is looked at. A name
 * that is only being made has no inode yet.
 */
static __noinline u64 guarded_by(struct dentry *d, u32 want)
{
	u64 mask = guard_inside;

	if (want & GUARD_ABOVE)
		mask |= guard_above;
	for (int i = 0; i < GUARD_LEVELS; i++) {
		struct inode *inode = d->d_inode;
		struct dentry *up = d->d_parent;

		if (inode && unlikely(mask >> (inode->i_ino & 63) & 1)) {
			struct guarded_dir key = {
				.ino = inode->i_ino,
				.dev = d->d_sb->s_dev,
				.generation = inode->i_generation,
			};
			u32 *found = bpf_map_lookup_elem(&guarded_dirs, &key);

			if (found && (*found & want))
				return key.ino;
		}
		if (up == d)
			break;
		d = up;
		want = GUARD_INSIDE;
	}
	return 0;
}

static __always_inline void touch_name(struct touch *x, struct dentry *d, u64 dir, u32 object, u32 hook)
{
	x->id = dir;
	x->name = d->d_name.name;
	x->len = d->d_name.len;
	x->hook = hook;
	x->object = object;
	x->detail = 0;
}

static __always_inline int guard_name(struct dentry *d, u32 want, u32 object, u32 hook)
{
	struct touch x;
	u64 dir;

	if (likely(!guard_dirs))
		return 0;
	dir = guarded_by(d, want);
	if (likely(!dir))
		return 0;
	touch_name(&x, d, dir, object, hook);
	return guard_touch(&x);
}

/*
 * An open. Of those that nothing gates only what may write: reading the log is
 * everybody's who may. gate_file_open calls it, at the price of a look at one
 * variable where nothing is guarded.
 */
static __always_inline int guard_open(struct armed_task *a, struct file *file)
{
	u32 mode = file->f_mode;
	struct dentry *d;
	struct touch x;
	u64 dir;

	if (!a && !(mode & FMODE_WRITE))
		return 0;
	d = file->f_path.dentry;
	dir = guarded_by(d, GUARD_INSIDE);
	if (likely(!dir))
		return 0;
	touch_name(&x, d, dir, GUARDED_FILE, HOOK_FILE_OPEN);
	x.detail = file->f_flags;
	return guard_touch(&x);
}

#define GUARD_NAMED(program, name, argument, want, hook_)                         \
	SEC("lsm/" #name)                                                         \
	int program(u64 *ctx)                                                     \
	{                                                                         \
		if (guard_name((void *)ctx[argument], want, GUARDED_FILE, hook_)) \
			return -EACCES;                                           \
		return 0;                                                         \
	}

GUARD_NAMED(guard_inode_create, inode_create, 1, GUARD_INSIDE, HOOK_INODE_CREATE)
GUARD_NAMED(guard_inode_mkdir, inode_mkdir, 1, GUARD_INSIDE, HOOK_INODE_MKDIR)
GUARD_NAMED(guard_inode_mknod, inode_mknod, 1, GUARD_INSIDE, HOOK_INODE_MKNOD)
GUARD_NAMED(guard_inode_symlink, inode_symlink, 1, GUARD_INSIDE, HOOK_INODE_SYMLINK)
GUARD_NAMED(guard_inode_unlink, inode_unlink, 1, GUARD_INSIDE, HOOK_INODE_UNLINK)
GUARD_NAMED(guard_inode_rmdir, inode_rmdir, 1, GUARD_INSIDE | GUARD_ABOVE, HOOK_INODE_RMDIR)
/* Mode, owner, size, times. */
GUARD_NAMED(guard_inode_setattr, inode_setattr, 1, GUARD_INSIDE, HOOK_INODE_SETATTR)
GUARD_NAMED(guard_inode_setattr2, inode_setattr, 0, GUARD_INSIDE, HOOK_INODE_SETATTR)
GUARD_NAMED(guard_inode_setxattr, inode_setxattr, 1, GUARD_INSIDE, HOOK_INODE_SETXATTR)
GUARD_NAMED(guard_inode_removexattr, inode_removexattr, 1, GUARD_INSIDE, HOOK_INODE_REMOVEXATTR)
GUARD_NAMED(guard_inode_set_acl, inode_set_acl, 1, GUARD_INSIDE, HOOK_INODE_SET_ACL)
GUARD_NAMED(guard_inode_remove_acl, inode_remove_acl, 1, GUARD_INSIDE, HOOK_INODE_REMOVE_ACL)
GUARD_NAMED(guard_inode_file_setattr, inode_file_setattr, 0, GUARD_INSIDE, HOOK_INODE_FILE_SETATTR)

/* Out of a guarded directory, or into it; or one of those above, which would take it along. */
static __always_inline int guard_move(struct dentry *from, struct dentry *to, u32 want, u32 hook)
{
	struct dentry *d = from;
	struct touch x;
	u64 dir;

	if (likely(!guard_dirs))
		return 0;
	dir = guarded_by(from, want);
	if (!dir) {
		dir = guarded_by(to, want);
		d = to;
	}
	if (likely(!dir))
		return 0;
	touch_name(&x, d, dir, GUARDED_FILE, hook);
	return guard_touch(&x);
}

SEC("lsm/inode_rename")
int guard_inode_rename(u64 *ctx)
{
	if (guard_move((void *)ctx[1], (void *)ctx[3], GUARD_INSIDE | GUARD_ABOVE, HOOK_INODE_RENAME))
		return -EACCES;
	return 0;
}

SEC("lsm/inode_link")
int guard_inode_link(u64 *ctx)
{
	if (guard_move((void *)ctx[0], (void *)ctx[2], GUARD_INSIDE, HOOK_INODE_LINK))
		return -EACCES;
	return 0;
}

static __always_inline int guard_ioctl(u64 *ctx)
{
	struct file *file = (void *)ctx[0];

	if (likely(!guard_dirs) || !(changes_file(ctx[1]) || passes_names(ctx[1])))
		return 0;
	return guard_name(file->f_path.dentry, GUARD_INSIDE, GUARDED_FILE, HOOK_FILE_IOCTL);
}

SEC("lsm/file_ioctl")
int guard_file_ioctl(u64 *ctx)
{
	if (guard_ioctl(ctx))
		return -EACCES;
	return 0;
}

SEC("lsm/file_ioctl_compat")
int guard_file_ioctl_compat(u64 *ctx)
{
	if (guard_ioctl(ctx))
		return -EACCES;
	return 0;
}

/*
 * Mounts: only those that would reach other mount namespaces too, the host's among
 * them. What a container does to its own view is its own business; each one's
 * runtime makes and takes down mounts there.
 */

static __always_inline int guard_mountpoint(struct path *path, u32 hook)
{
	struct vfsmount *mnt = path->mnt;

	if (likely(!guard_dirs) || !kernel_read(container_of_kernel(mnt, struct mount, mnt), mnt_group_id))
		return 0;
	return guard_name(path->dentry, GUARD_INSIDE | GUARD_ABOVE, GUARDED_MOUNT, hook);
}

SEC("lsm/sb_mount")
int guard_sb_mount(u64 *ctx)
{
	/* Nothing is mounted then. */
	if (ctx[3] & (MS_REMOUNT | MS_PROPAGATION))
		return 0;
	if (guard_mountpoint((void *)ctx[1], HOOK_SB_MOUNT))
		return -EACCES;
	return 0;
}

SEC("lsm/move_mount")
int guard_move_mount(u64 *ctx)
{
	if (guard_mountpoint((void *)ctx[1], HOOK_MOVE_MOUNT))
		return -EACCES;
	return 0;
}

SEC("lsm/sb_umount")
int guard_sb_umount(u64 *ctx)
{
	struct vfsmount *mnt = (void *)ctx[0];
	u32 dev = mnt->mnt_sb->s_dev;
	struct mount *m;

	if (likely(!guard_pins || dev != guard_pins))
		return 0;
	m = container_of_kernel(mnt, struct mount, mnt);
	if (!kernel_read(kernel_read(m, mnt_parent), mnt_group_id))
		return 0;
	struct touch x = {
		.id = dev,
		.hook = HOOK_SB_UMOUNT,
		.object = GUARDED_MOUNT,
		.detail = ctx[1],
	};
	if (guard_touch(&x))
		return -EACCES;
	return 0;
}

/* Read only, no pin could be made or removed any more: no upgrade. */
SEC("lsm/sb_remount")
int guard_sb_remount(u64 *ctx)
{
	struct super_block *sb = (void *)ctx[0];
	u32 dev = sb->s_dev;

	if (likely(!guard_pins || dev != guard_pins))
		return 0;
	struct touch x = {
		.id = dev,
		.hook = HOOK_SB_REMOUNT,
		.object = GUARDED_MOUNT,
	};
	if (guard_touch(&x))
		return -EACCES;
	return 0;
}

/* Sockets. */

static __always_inline int guard_socket(struct sock *peer, u32 hook)
{
	struct unix_sock *u;
	struct dentry *d;
	struct touch x;
	u64 dir;

	if (!peer || likely(!guard_dirs))
		return 0;
	u = bpf_skc_to_unix_sock(peer);
	if (!u)
		return 0;
	d = u->path.dentry;
	if (!d)
		return 0;
	dir = guarded_by(d, GUARD_INSIDE);
	if (likely(!dir))
		return 0;
	touch_name(&x, d, dir, GUARDED_SOCKET, hook);
	return guard_touch(&x);
}

SEC("lsm/unix_stream_connect")
int guard_unix_stream_connect(u64 *ctx)
{
	if (guard_socket((void *)ctx[1], HOOK_UNIX_STREAM_CONNECT))
		return -EACCES;
	return 0;
}

SEC("lsm/unix_may_send")
int guard_unix_may_send(u64 *ctx)
{
	struct socket *other = (void *)ctx[1];

	if (guard_socket(other->sk, HOOK_UNIX_MAY_SEND))
		return -EACCES;
	return 0;
}

/*
 * Makes the reading process the agent, and writes to it the directory that it has
 * open as guard_dir_fd and those above, as the map guarded_dirs has them.
 */
SEC("iter/task_file")
int find_guarded(struct bpf_iter__task_file *ctx)
{
	struct task_struct *t = ctx->task, *self = bpf_get_current_task_btf();
	struct file *file = ctx->file;
	struct dentry *d;

	if (!t || !file || t->tgid != self->tgid || ctx->fd != guard_dir_fd)
		return 0;
	guard_agent = self->tgid;
	guard_agent_mntns = mntns_of(self);
	d = file->f_path.dentry;
	for (int i = 0; i < GUARD_DEPTH; i++) {
		struct inode *inode = d->d_inode;
		struct dentry *up = d->d_parent;
		struct guarded_dir key = {
			.ino = inode->i_ino,
			.dev = d->d_sb->s_dev,
			.generation = inode->i_generation,
		};

		bpf_seq_write(ctx->meta->seq, &key, sizeof(key));
		if (up == d)
			break;
		d = up;
	}
	return 0;
}
