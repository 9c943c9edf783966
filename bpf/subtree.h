/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a policy says about everything below a directory is the state that each
 * automaton is in behind the directory's path and a slash. Automata are minimal:
 * two directories are under the same rules exactly where these states are the same.
 */
#pragma once
#include "record.h"

static __always_inline u32 state_of(const u8 *blob, struct scratch *s, u32 pos, u32 kind, u32 size)
{
	const struct table_header *h = (const struct table_header *)blob;
	const struct automaton *au = &h->automata[kind & (KINDS - 1)];
	struct pass m = {
		.blob = blob,
		.classes = blob + TABLE_CLASSES + 256 * (kind & (KINDS - 1)),
		.buf = s->buf,
		.pos = pos,
		.state = au->start,
		.off = au->off,
		.absorbing = au->absorbing,
	};
	u32 rounds = (PATH_END + TABLE_BLOCK - pos) / TABLE_BLOCK;

	if (au->encoding == ENCODING_DENSE) {
		if (size == TABLE_SMALL)
			bpf_loop(rounds, block_small, &m, 0);
		else
			bpf_loop(rounds, block_large, &m, 0);
	} else if (au->encoding == ENCODING_SPARSE) {
		if (size == TABLE_SMALL)
			bpf_loop(4 * rounds, sparse_small, &m, 0);
		else
			bpf_loop(4 * rounds, sparse_large, &m, 0);
	}
	return m.state;
}

static __noinline u32 state_behind(struct tables *t, struct scratch *s, u32 pos, u32 kind)
{
	if (t->large)
		return state_of(t->large, s, pos, kind, TABLE_LARGE);
	if (t->small)
		return state_of(t->small, s, pos, kind, TABLE_SMALL);
	return 0;
}

/* The command classifier's state behind the directory's path and the slash. */
static __always_inline u32 command_behind(struct act *x)
{
	u32 pos = x->d->pos;
	u32 state = command_feed(&x->t, x->s->buf, pos, PATH_END - pos, STATE_START);

	return command_feed(&x->t, x->s->buf + PATH_END, 0, 1, state);
}

/* Keeps the states behind the path in the slot or, to compare, tells whether they are those that were kept (0: they
 * differ). */
static __noinline int subtree(struct act *x, u32 compare)
{
	struct scratch *s = x->s;
	struct bpf_iter_num it;
	int *i;

	if (x->d->pos >= PATH_END)
		return 0;
	s->differ = 0;
	s->buf[PATH_END] = '/';
	bpf_iter_num_new(&it, 0, 2 * KINDS);
	while ((i = bpf_iter_num_next(&it))) {
		u32 n = *i & (2 * KINDS - 1), state;

		/* Under either class: below a directory of the root there may be mounts. */
		s->buf[x->d->pos & (PATH_END - 1)] = n & 1 ? CLASS_MOUNT : CLASS_ROOT;
		if (n / 2 == KIND_COMMAND)
			state = command_behind(x);
		else if (n / 2 <= KIND_MAP || n / 2 == KIND_EXE)
			state = state_behind(&x->t, s, x->d->pos, n / 2);
		else
			continue;
		if (!compare)
			s->below[n] = state;
		else if (s->below[n] != state)
			s->differ = 1;
	}
	bpf_iter_num_destroy(&it);
	s->buf[PATH_END] = 0;
	s->buf[x->d->pos & (PATH_END - 1)] = x->d->class;
	return !compare || !s->differ;
}
