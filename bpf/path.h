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

/* Steps: 2,047 components fit into 4,095 bytes, each may cross mounts, and names may change under the walk. */
#define WALK_STEPS (1 << 15)
/*
 * Walks, when names on the way change each time. Many: a CPU in the midst of a
 * rename may be a virtual one that does not run at the moment.
 */
#define WALK_TRIES 1024

/* MNT_NS_INTERNAL, ERR_PTR(-EINVAL): no process has it in a namespace of its own. */
static __always_inline int kernel_internal(struct mount *m)
{
	return (s64)kernel_read(m, mnt_ns) == -EINVAL;
}

/* Of the kernel's own lock of all renames, and of all changes of mounts: odd while a change is at work. */
static __always_inline u32 sequence_of(u64 lock)
{
	struct seqcount *count = kernel_cast(struct seqcount, lock);

	return kernel_read(count, sequence);
}

static __always_inline u64 changes_so_far(void)
{
	return (u64)sequence_of(settings.mount_lock) << 32 | sequence_of(settings.rename_lock);
}

#define CHANGE_AT_WORK 0x100000001ULL

/* Two pointers of a step, mixed into what identifies the way. Their difference: the verifier lets pointers be
 * subtracted only. */
#define mix(h, a, b, more)                                                      \
	({                                                                      \
		u64 h_ = ((h) + ((u64)(a) - (u64)(b))) * 0x9e3779b97f4a7c15ULL; \
		(h_ ^ (h_ >> 29)) + (more);                                     \
	})

static __always_inline void walk_reset(struct walk *w)
{
	w->pos = PATH_END;
	w->crossed = 0;
	w->mounted = 0;
	w->top = 0;
	w->moving = 0;
	w->way = 1;
}

/*
 * Whether the walk just ended read what held at one moment. Either nothing on
 * the whole machine was renamed or mounted since it began. Or, from the second
 * walk on, it went the same way as the one before, and no dentry on it was
 * renamed: each one's own sequence was read last in either walk, so between the
 * two reads nothing of it changed, and all these spans hold the moment between
 * the walks.
 */
static __always_inline int walk_holds(struct walk *w)
{
	if (!w->careful) {
		w->careful = 1;
		return settings.rename_lock && settings.mount_lock && !(w->before & CHANGE_AT_WORK) &&
		       w->before == changes_so_far();
	}
	if (w->tries && w->way == w->last && !w->moving)
		return 1;
	w->last = w->way;
	w->tries += 1;
	return 0;
}

#ifndef NO_KFUNCS
#include "walk_iter.h"
#else
#include "walk_loop.h"
#endif

/*
 * The path of a dentry on a mount, one that it had at a moment of this call,
 * whole, however many threads rename directories meanwhile.
 */
static __noinline int walk_path(struct scratch *s, struct dentry *leaf, struct vfsmount *mnt)
{
	struct walk *w = &s->walk;
	struct mount *m;
	u32 pos;
	u64 ns, own;

	w->class = CLASS_UNRESOLVABLE;
	w->careful = 0;
	w->tries = 0;
	walk_reset(w);
	if (!leaf || !mnt)
		return 0;
	if (settings.rename_lock && settings.mount_lock)
		w->before = changes_so_far();
	m = walk_steps(s, leaf, mnt);
	if (!m) {
		w->pos = PATH_END;
		return 0;
	}
	pos = w->pos;

	ns = (u64)kernel_read(m, mnt_ns);
	own = (u64)bpf_get_current_task_btf()->nsproxy->mnt_ns;
	if (!w->top && pos == PATH_END && ((s64)ns == -EINVAL || !ns) && (kernel_read(mnt, mnt_flags) & MNT_INTERNAL)) {
		w->class = CLASS_ANONYMOUS;
		return 0;
	}
	if ((s64)ns == -EINVAL && (pos != PATH_END || w->top) &&
	    kernel_read(kernel_read(leaf, d_sb), s_magic) != MQUEUE_MAGIC) {
		/* An overlay's private mount, or its root. */
		w->class = CLASS_INTERNAL;
		return 0;
	}
	if (!w->top || !own || ns != own)
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
