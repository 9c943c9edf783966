/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a policy says about everything below a directory is the state that each
 * automaton is in behind the directory's path and a slash. Automata are minimal:
 * two directories are under the same rules exactly where these states are the same.
 */
#pragma once
#include "record.h"

static __always_inline u32 state_of(const u8 *blob, struct tables *t, struct scratch *s, u32 pos, u32 kind, u32 size)
{
	const struct automaton *au = &((const struct table_header *)blob)->automata[kind & (KINDS - 1)];
	struct pass m = {.blob = blob, .buf = s->buf, .t = t};

	if (!blob)
		return 0;
	m.classes = blob + TABLE_CLASSES + 256 * (kind & (KINDS - 1));
	pass_begin(t, au, pos);
	read_blocks(&m, au, (PATH_END + TABLE_BLOCK - pos) / TABLE_BLOCK, size);
	return t->state;
}

static __noinline u32 state_behind(struct tables *t, struct scratch *s, u32 pos, u32 kind)
{
	if (likely(t->place < PLACE_LARGE))
		return state_of(small_blob(t->place), t, s, pos, kind, TABLE_SMALL);
	return state_of(large_blob(t->place), t, s, pos, kind, TABLE_LARGE);
}

/* The command classifier's state behind the directory's path and the slash. */
static __always_inline u32 command_behind(struct act *x)
{
	u32 pos = x->d->pos;
	u32 state = command_feed(x->t, x->s->buf, pos, PATH_END - pos, STATE_START);

	return command_feed(x->t, x->s->buf + PATH_END, 0, 1, state);
}

struct below {
	struct act *x;
	u32 compare;
};

static long below_kind(u32 i, struct below *b)
{
	struct act *x = b->x;
	struct scratch *s = x->s;
	u32 n = i & (2 * KINDS - 1), state;

	/* Under either class: below a directory of the root there may be mounts. */
	s->buf[x->d->pos & (PATH_END - 1)] = n & 1 ? CLASS_MOUNT : CLASS_ROOT;
	if (n / 2 == KIND_COMMAND)
		state = command_behind(x);
	else if (n / 2 <= KIND_MAP || n / 2 == KIND_EXE)
		state = state_behind(x->t, s, x->d->pos, n / 2);
	else
		return 0;
	if (!b->compare)
		s->below[n] = state;
	else if (s->below[n] != state)
		s->differ = 1;
	return 0;
}

/* Keeps the states behind the path in the slot or, to compare, tells whether they are those that were kept (0: they
 * differ). */
static __always_inline int subtree(struct act *x, u32 compare)
{
	struct scratch *s = x->s;
	struct below b = {
		.x = x,
		.compare = compare,
	};

	if (x->d->pos >= PATH_END)
		return 0;
	s->differ = 0;
	s->buf[PATH_END] = '/';
	bpf_loop(2 * KINDS, below_kind, &b, 0);
	s->buf[PATH_END] = 0;
	s->buf[x->d->pos & (PATH_END - 1)] = x->d->class;
	return !compare || !s->differ;
}
