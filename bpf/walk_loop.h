/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The steps of a path walk by bpf_loop and reads of addresses, for kernels without
 * open-coded iterators (before 6.4) and typed casts (6.2). An address that cannot
 * be read ends at no mount of the caller's namespace.
 */
#pragma once

/* Of a dentry: its first bytes hold all that a step needs. */
#define DENTRY_HEAD 64
#define head_field(head, type, member) (*(type *)((head) + kernel_offset(struct dentry, member)))

struct climb {
	struct scratch *s;
};

static __always_inline void walk_from_leaf(struct walk *w)
{
	struct mount *m = (struct mount *)w->leaf_mount;

	w->dentry = w->leaf;
	w->mount = w->leaf_mount;
	w->root = (u64)kernel_read(m, mnt.mnt_root);
}

static long climb_step(u32 i, struct climb *c)
{
	struct scratch *s = c->s;
	struct walk *w = &s->walk;
	struct mount *m = (struct mount *)w->mount;
	u64 d = w->dentry, up, name;
	u8 head[DENTRY_HEAD] __attribute__((aligned(8)));
	u32 pos, len;

	if (d == w->root) {
		struct mount *parent = kernel_read(m, mnt_parent);

		if (parent != m) {
			d = (u64)kernel_read(m, mnt_mountpoint);
			if (w->careful)
				w->way = mix(w->way, d, parent, 0);
			w->dentry = d;
			w->mount = (u64)parent;
			w->root = (u64)kernel_read(parent, mnt.mnt_root);
			w->crossed = 1;
			return 0;
		}
		w->top = 1;
		goto ended;
	}
	if (bpf_probe_read_kernel(head, sizeof(head), (void *)d))
		return 1;
	up = head_field(head, u64, d_parent);
	if (up == d)
		goto ended;
	len = head_field(head, u32, d_name.len);
	name = head_field(head, u64, d_name.name);
	pos = w->pos;
	if (len == 0 || len > 255 || pos < len + 2) {
		if (len && len <= 255)
			w->class = CLASS_TOO_LONG;
		return 1;
	}
	pos -= len;
	if (bpf_probe_read_kernel(&s->buf[pos & (PATH_END - 1)], len & 255, (void *)name))
		return 1;
	pos -= 1;
	s->buf[pos & (PATH_END - 1)] = '/';
	w->mounted |= w->crossed;
	w->pos = pos;
	if (w->careful) {
		u32 seq = kernel_read((struct dentry *)d, d_seq.seqcount.sequence);

		w->way = mix(w->way, up, d, seq);
		w->moving |= seq & 1;
	}
	w->dentry = up;
	return 0;
ended:
	if (likely(walk_holds(w))) {
		w->held = 1;
		return 1;
	}
	if (w->tries > WALK_TRIES)
		return 1;
	walk_reset(w);
	walk_from_leaf(w);
	return 0;
}

/* The mount at which the walk ended; NULL if it did not, or what it read did not hold. */
static __always_inline struct mount *walk_steps(struct scratch *s, struct dentry *leaf, struct vfsmount *mnt)
{
	struct walk *w = &s->walk;
	struct climb c = {.s = s};

	w->held = 0;
	/* Written to memory and read back they are plain numbers to the verifier. */
	w->leaf = (u64)leaf;
	w->leaf_mount = (u64)container_of_kernel(mnt, struct mount, mnt);
	walk_from_leaf(w);
	bpf_loop(WALK_STEPS, climb_step, &c, 0);
	return w->held ? (struct mount *)w->mount : NULL;
}
