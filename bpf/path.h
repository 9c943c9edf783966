/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Our own path walk. It goes to the top of the mount namespace, never to the
 * task's root, so chroot does not shorten what it prints; bpf_d_path does, and
 * prints plausible text for mounts that are attached nowhere.
 *
 * The result is a class. Only CLASS_ROOT and CLASS_MOUNT carry a path, right-
 * justified in the slot with the class byte in front. What the walk cannot
 * follow to the top mount of the caller's own namespace is CLASS_UNRESOLVABLE,
 * which every caller denies.
 */
#pragma once
#include "task.h"

/* Steps: 2,047 components fit into 4,095 bytes, and each may cross mounts. */
#define WALK_STEPS 4096

/*
 * What the loop carries besides its two pointers lives in the slot: the
 * verifier takes a value from memory as unknown, so that the loop converges.
 */
static __noinline int walk_path(struct scratch *s, struct path *path)
{
	struct dentry *d = path->dentry;
	struct vfsmount *leaf = path->mnt;
	struct mount *m = container_of_kernel(leaf, struct mount, mnt);
	struct bpf_iter_num it;
	struct walk *w = &s->walk;
	u32 pos, top = 0, lost = 0;
	u64 ns, own;

	w->class = CLASS_UNRESOLVABLE;
	w->pos = PATH_END;
	w->crossed = 0;
	w->mounted = 0;
	if (!d || !leaf)
		return 0;

	bpf_iter_num_new(&it, 0, WALK_STEPS);
	while (bpf_iter_num_next(&it)) {
		struct dentry *up;
		const unsigned char *name;
		u32 len;

		if (d == m->mnt.mnt_root) {
			struct mount *parent = m->mnt_parent;

			if (parent == m) {
				top = 1;
				break;
			}
			d = m->mnt_mountpoint;
			m = parent;
			w->crossed = 1;
			continue;
		}
		up = d->d_parent;
		if (up == d)
			break;
		len = d->d_name.len;
		name = d->d_name.name;
		pos = w->pos;
		if (len == 0 || len > 255 || pos < len + 2) {
			lost = len && len <= 255;
			w->class = lost ? CLASS_TOO_LONG : CLASS_UNRESOLVABLE;
			lost = 1;
			break;
		}
		pos -= len;
		if (bpf_probe_read_kernel(&s->buf[pos & (PATH_END - 1)], len & 255, name)) {
			lost = 1;
			break;
		}
		pos -= 1;
		s->buf[pos & (PATH_END - 1)] = '/';
		w->mounted |= w->crossed;
		w->pos = pos;
		d = up;
	}
	bpf_iter_num_destroy(&it);
	if (lost)
		return 0;
	pos = w->pos;

	ns = (u64)m->mnt_ns;
	own = (u64)bpf_get_current_task_btf()->nsproxy->mnt_ns;
	if (!top && pos == PATH_END && ((s64)ns == -EINVAL || !ns) && (leaf->mnt_flags & MNT_INTERNAL)) {
		w->class = CLASS_ANONYMOUS;
		return 0;
	}
	if ((s64)ns == -EINVAL && pos != PATH_END && path->dentry->d_inode->i_sb->s_magic != MQUEUE_MAGIC) {
		/* MNT_NS_INTERNAL, ERR_PTR(-EINVAL): an overlay's private mount. */
		w->class = CLASS_INTERNAL;
		return 0;
	}
	if (!top || !own || ns != own)
		return 0;
	if (pos == PATH_END) {
		pos -= 1;
		s->buf[pos & (PATH_END - 1)] = '/';
	}
	w->class = w->mounted ? CLASS_MOUNT : CLASS_ROOT;
	pos -= 1;
	s->buf[pos & (PATH_END - 1)] = w->class;
	w->pos = pos;
	return 0;
}
