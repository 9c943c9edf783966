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
	u32 c = m->classes[m->buf[m->pos & (PATH_END - 1)]];
	u64 ix = m->off + ((u64)m->state << 6) + (c << 1);

	m->state = *(const u16 *)(m->blob + (ix & COLUMN_MASK(size)));
	m->pos++;
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
	u32 c = m->classes[m->buf[m->pos & (PATH_END - 1)]];

	m->state = sparse_step(m->blob, m->off, m->state, c, size);
	m->pos++;
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

static __always_inline u32 feed(const u8 *blob, const u8 *buf, u32 pos, u32 len, u32 state, u32 size)
{
	const struct table_header *h = (const struct table_header *)blob;
	const struct automaton *au = &h->automata[KIND_COMMAND];
	struct pass m = {
		.blob = blob,
		.classes = blob + TABLE_CLASSES + 256 * KIND_COMMAND,
		.buf = buf,
		.pos = pos,
		.state = state,
		.off = au->off,
	};

	if (state == STATE_START)
		m.state = au->start;
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
	return m.state;
}

/* The state of the command classifier behind len more bytes, of PATH_END that are there. */
static __noinline u32 command_feed(struct tables *t, const u8 *buf, u32 pos, u32 len, u32 state)
{
	if (t->large)
		return feed(t->large, buf, pos, len, state, TABLE_LARGE);
	if (t->small)
		return feed(t->small, buf, pos, len, state, TABLE_SMALL);
	return STATE_START;
}

static __always_inline u32 class_in(const u8 *blob, u32 state, u32 size)
{
	const struct table_header *h = (const struct table_header *)blob;
	const struct automaton *au = &h->automata[KIND_COMMAND];
	u32 index;

	if (au->encoding == ENCODING_SPARSE)
		index = sparse_says(blob, au->off, state, size);
	else
		index = dense_says(blob, au->off, state, size);
	return row_at(blob, index, size)->class;
}

/* The class of a command whose last byte led to the state. */
static __noinline u32 command_class(struct tables *t, u32 state)
{
	if (state == STATE_START)
		return 0;
	if (t->large)
		return class_in(t->large, state, TABLE_LARGE);
	if (t->small)
		return class_in(t->small, state, TABLE_SMALL);
	return 0;
}

static __always_inline void settle_in(const u8 *blob, u32 class, struct outcome *o, u32 size)
{
	u64 ix = o->vector + 2 * (u64) class;
	const struct verdict_row *row = row_at(blob, *(const u16 *)(blob + (ix & COLUMN_MASK(size))), size);

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
	if (t->large)
		settle_in(t->large, class, o, TABLE_LARGE);
	else if (t->small)
		settle_in(t->small, class, o, TABLE_SMALL);
	else
		o->allow = 0;
	return 0;
}
