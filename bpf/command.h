/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Commands: a program and its arguments, classified byte by byte, since a NUL
 * ends each argument and is no padding. The path is fed when the exec is judged
 * and the arguments when the new program's own copy of them can be read.
 * A classifier that is absent, or was never fed, gives class 0: not known.
 */
#pragma once
#include "match.h"

static __always_inline long byte_step(struct pass *m, u32 size)
{
	struct tables *t = m->t;
	u32 c = m->classes[m->buf[t->pos & (PATH_END - 1)]];
	u64 ix = t->off + ((u64)t->state << 6) + (c << 1);

	t->state = *(const u16 *)(m->blob + (ix & COLUMN_MASK(size)));
	t->pos++;
	return 0;
}

static long byte_small(u32 i, struct pass *m)
{
	return byte_step(m, TABLE_SMALL);
}

static long byte_large(u32 i, struct pass *m)
{
	return byte_step(m, TABLE_LARGE);
}

static __always_inline long sparse_byte(struct pass *m, u32 size)
{
	struct tables *t = m->t;
	u32 c = m->classes[m->buf[t->pos & (PATH_END - 1)]];

	t->state = sparse_step(m->blob, t->off, t->state, c, size);
	t->pos++;
	return 0;
}

static long sparse_byte_small(u32 i, struct pass *m)
{
	return sparse_byte(m, TABLE_SMALL);
}

static long sparse_byte_large(u32 i, struct pass *m)
{
	return sparse_byte(m, TABLE_LARGE);
}

static __always_inline u32 feed(const u8 *blob, struct tables *t, const u8 *buf, u32 pos, u32 len, u32 state, u32 size)
{
	const struct automaton *au = &((const struct table_header *)blob)->automata[KIND_COMMAND];
	struct pass m = {.blob = blob, .buf = buf, .t = t};

	if (!blob)
		return STATE_START;
	m.classes = blob + TABLE_CLASSES + 256 * KIND_COMMAND;
	pass_begin(t, au, pos);
	if (state != STATE_START)
		t->state = state;
	if (au->encoding == ENCODING_DENSE) {
		if (size == TABLE_SMALL)
			bpf_loop(len, byte_small, &m, 0);
		else
			bpf_loop(len, byte_large, &m, 0);
	} else if (au->encoding == ENCODING_SPARSE) {
		if (size == TABLE_SMALL)
			bpf_loop(len, sparse_byte_small, &m, 0);
		else
			bpf_loop(len, sparse_byte_large, &m, 0);
	} else {
		return STATE_START;
	}
	return t->state;
}

/* The state of the command classifier behind len more bytes, of PATH_END that are there. */
static __noinline u32 command_feed(struct tables *t, const u8 *buf, u32 pos, u32 len, u32 state)
{
	if (likely(t->place < PLACE_LARGE))
		return feed(small_blob(t->place), t, buf, pos, len, state, TABLE_SMALL);
	return feed(large_blob(t->place), t, buf, pos, len, state, TABLE_LARGE);
}

static __always_inline u32 class_in(const u8 *blob, u32 state, u32 size)
{
	const struct automaton *au = &((const struct table_header *)blob)->automata[KIND_COMMAND];

	if (!blob)
		return 0;
	return row_at(blob, row_index(blob, au, state, size), size)->class;
}

/* The class of a command whose last byte led to the state. */
static __noinline u32 command_class(struct tables *t, u32 state)
{
	if (state == STATE_START)
		return 0;
	if (likely(t->place < PLACE_LARGE))
		return class_in(small_blob(t->place), state, TABLE_SMALL);
	return class_in(large_blob(t->place), state, TABLE_LARGE);
}

static __always_inline void settle_in(const u8 *blob, u32 class, struct outcome *o, u32 size)
{
	u64 ix = o->vector + 2 * (u64) class;
	const struct verdict_row *row;

	if (!blob) {
		o->allow = 0;
		return;
	}
	row = row_at(blob, *(const u16 *)(blob + (ix & COLUMN_MASK(size))), size);
	o->rule = row->rule;
	o->allow = row->decision == 1;
	o->flags = row->flags | (o->flags & ROW_LAUNCHER);
	o->cond = row->cond;
}

/* Decides a verdict that was open until its command is known. */
static __noinline int command_settle(struct tables *t, u32 class, struct outcome *o)
{
	if (o->cond != COND_COMMAND)
		return 0;
	if (likely(t->place < PLACE_LARGE))
		settle_in(small_blob(t->place), class, o, TABLE_SMALL);
	else
		settle_in(large_blob(t->place), class, o, TABLE_LARGE);
	return 0;
}
