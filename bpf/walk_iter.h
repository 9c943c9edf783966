/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The steps of a path walk by an open-coded iterator (since 6.4) and plain loads.
 * What the loop carries besides its two pointers lives in the slot: the verifier
 * takes a value from memory as unknown, so that the loop converges.
 */
#pragma once

/* The mount at which the walk ended; NULL if it did not, or what it read did not hold. */
static __always_inline struct mount *walk_steps(struct scratch *s, struct dentry *leaf, struct vfsmount *mnt)
{
	struct mount *m = container_of_kernel(mnt, struct mount, mnt);
	struct dentry *d = leaf;
	struct bpf_iter_num it;
	struct walk *w = &s->walk;
	u32 pos, held = 0;

	bpf_iter_num_new(&it, 0, WALK_STEPS);
	while (bpf_iter_num_next(&it)) {
		struct dentry *up;
		const unsigned char *name;
		u32 len;

		if (d == m->mnt.mnt_root) {
			struct mount *parent = m->mnt_parent;

			if (parent != m) {
				d = m->mnt_mountpoint;
				if (w->careful)
					w->way = mix(w->way, d, parent, 0);
				m = parent;
				w->crossed = 1;
				continue;
			}
			w->top = 1;
			goto ended;
		}
		up = d->d_parent;
		if (up == d)
			goto ended;
		len = d->d_name.len;
		name = d->d_name.name;
		pos = w->pos;
		if (len == 0 || len > 255 || pos < len + 2) {
			if (len && len <= 255)
				w->class = CLASS_TOO_LONG;
			break;
		}
		pos -= len;
		if (bpf_probe_read_kernel(&s->buf[pos & (PATH_END - 1)], len & 255, name)) {
			break;
		}
		pos -= 1;
		s->buf[pos & (PATH_END - 1)] = '/';
		w->mounted |= w->crossed;
		w->pos = pos;
		if (w->careful) {
			u32 seq = d->d_seq.seqcount.sequence;

			w->way = mix(w->way, up, d, seq);
			w->moving |= seq & 1;
		}
		d = up;
		continue;
	ended:
		if (likely(walk_holds(w))) {
			held = 1;
			break;
		}
		if (w->tries > WALK_TRIES)
			break;
		walk_reset(w);
		d = leaf;
		m = container_of_kernel(mnt, struct mount, mnt);
	}
	bpf_iter_num_destroy(&it);
	return held ? m : NULL;
}
