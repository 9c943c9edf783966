/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The matcher: one pass of a subject through one automaton of a policy blob
 * (docs/format/policy.md), and the keyed subject hash in the same pass.
 * Every offset is masked with the size class, so that a damaged blob can give a
 * wrong verdict but no wrong access; a missing or foreign blob denies.
 */
#pragma once
#include "sparse.h"

struct outcome {
	u64 hash; /* of the subject */
	u16 rule;
	u8 allow;
	u8 flags;   /* ROW_... */
	u16 cond;   /* COND_COMMAND: open until the command is known */
	u16 class;  /* of a classifier's subject */
	u32 vector; /* of cond */
};

/*
 * A policy's tables, looked up once per hook call. One pointer per size class,
 * the other one NULL: the verifier knows which size stands behind each.
 */
struct tables {
	const u8 *small;
	const u8 *large;
	u32 flags;
	u32 entrypoint;
	u64 id;
	u32 exe;  /* class of the acting process's executable by these tables, 0: not known */
	u32 name; /* class of the address's name, 0: none */
};

struct pass {
	const u8 *blob;
	const u8 *classes;
	const u8 *buf;
	u64 hash;
	u32 pos;
	u32 state;
	u32 off;
	u32 absorbing;
};

/* A state of the command classifier that has read nothing. */
#define STATE_START (~0u)

/* Offsets of u16 columns within a blob of the class. */
#define COLUMN_MASK(size) ((size) - 2)
#define ROW_MASK(size) ((size) - 16)

/*
 * NH-style step: the product of two keyed halves, so which inputs collide
 * depends on the key; the rotation and multiplication bring in the order.
 */
static __always_inline u64 hash_word(u64 h, u64 w)
{
	u32 lo = (u32)w + (u32)settings.hash_key[1];
	u32 hi = (u32)(w >> 32) + (u32)(settings.hash_key[1] >> 32);

	h += (u64)lo * hi;
	h ^= h >> 29;
	return h * settings.hash_key[2];
}

static __always_inline long block(struct pass *m, u32 size)
{
	const u8 *p = m->buf + (m->pos & SUBJECT_MASK);
	u32 state = m->state;

	m->hash = hash_word(m->hash, *(const u64 *)p);
	m->hash = hash_word(m->hash, *(const u64 *)(p + 8));
	if (state < m->absorbing) {
		const u8 *blob = m->blob, *classes = m->classes;
		u32 off = m->off;

#pragma unroll
		for (int i = 0; i < TABLE_BLOCK; i++) {
			u32 c = classes[p[i]];
			u64 ix = off + (state << 6) + (c << 1);

			state = *(const u16 *)(blob + (ix & COLUMN_MASK(size)));
		}
		m->state = state;
	}
	m->pos += TABLE_BLOCK;
	return 0;
}

static long block_small(u32 i, struct pass *m)
{
	return block(m, TABLE_SMALL);
}

static long block_large(u32 i, struct pass *m)
{
	return block(m, TABLE_LARGE);
}

/* A quarter of a block: whole ones would have the verifier read four times as much. */
#define SPARSE_BYTES (TABLE_BLOCK / 4)

static __always_inline long sparse_bytes(u32 i, struct pass *m, u32 size)
{
	const u8 *p = m->buf + (m->pos & SUBJECT_MASK);
	u32 state = m->state;

	if (!(i % 4)) {
		m->hash = hash_word(m->hash, *(const u64 *)p);
		m->hash = hash_word(m->hash, *(const u64 *)(p + 8));
	}
	if (state < m->absorbing) {
#pragma unroll
		for (int k = 0; k < SPARSE_BYTES; k++)
			state = sparse_step(m->blob, m->off, state, m->classes[p[k]], size);
		m->state = state;
	}
	m->pos += SPARSE_BYTES;
	return 0;
}

static long sparse_small(u32 i, struct pass *m)
{
	return sparse_bytes(i, m, TABLE_SMALL);
}

static long sparse_large(u32 i, struct pass *m)
{
	return sparse_bytes(i, m, TABLE_LARGE);
}

static __always_inline int tables_of(u32 slot, struct tables *t)
{
	const struct table_header *h;
	u32 zero = 0;
	void *inner;

	t->small = NULL;
	t->large = NULL;
	if (slot < SLOT_LARGE) {
		inner = bpf_map_lookup_elem(&policies_small, &slot);
		if (!inner)
			return 0;
		h = bpf_map_lookup_elem(inner, &zero);
		if (!h)
			return 0;
		t->small = (const u8 *)h;
	} else {
		slot -= SLOT_LARGE;
		inner = bpf_map_lookup_elem(&policies_large, &slot);
		if (!inner)
			return 0;
		h = bpf_map_lookup_elem(inner, &zero);
		if (!h)
			return 0;
		t->large = (const u8 *)h;
	}
	if (h->magic != TABLE_MAGIC || h->version != TABLE_VERSION)
		return 0;
	t->flags = h->flags;
	t->entrypoint = h->entrypoint;
	t->id = h->id;
	t->exe = 0;
	t->name = 0;
	return 1;
}

static __always_inline const struct verdict_row *row_at(const u8 *blob, u32 index, u32 size)
{
	const struct table_header *h = (const struct table_header *)blob;
	u64 ix = h->rows_off + 16 * (u64)index;

	return (const struct verdict_row *)(blob + (ix & ROW_MASK(size)));
}

/* The index of a state's verdict row in the dense encoding. */
static __always_inline u32 dense_says(const u8 *blob, u64 off, u32 state, u32 size)
{
	u64 ix = off + ((u64)state << 6);

	return *(const u16 *)(blob + (ix & COLUMN_MASK(size)));
}

/* A row by its index, its conditions followed as far as they are known. */
static __always_inline void settle(const u8 *blob, struct tables *t, u32 index, struct outcome *o, u32 size)
{
	const struct verdict_row *row = row_at(blob, index, size);
	u32 launcher = row->flags & ROW_LAUNCHER;
	u64 ix;

	o->class = row->class;
	if (row->cond == COND_EXE) {
		ix = row->vector + 2 * (u64)t->exe;
		row = row_at(blob, *(const u16 *)(blob + (ix & COLUMN_MASK(size))), size);
	}
	if (row->cond == COND_NAME) {
		ix = row->vector + 2 * (u64)t->name;
		row = row_at(blob, *(const u16 *)(blob + (ix & COLUMN_MASK(size))), size);
	}
	o->rule = row->rule;
	o->allow = row->decision == 1;
	o->flags = row->flags | launcher;
	o->cond = row->cond;
	o->vector = row->vector;
}

static __always_inline int pass(const u8 *blob, struct tables *t, struct scratch *s, u32 pos, u32 kind,
				struct outcome *o, u32 size)
{
	const struct table_header *h = (const struct table_header *)blob;
	const struct automaton *au = &h->automata[kind & (KINDS - 1)];
	struct pass m = {
		.blob = blob,
		.classes = blob + TABLE_CLASSES + 256 * (kind & (KINDS - 1)),
		.buf = s->buf,
		.hash = settings.hash_key[0],
		.pos = pos,
		.state = au->start,
		.off = au->off,
		.absorbing = au->absorbing,
	};
	u32 rounds = (PATH_END + TABLE_BLOCK - 1 - pos) / TABLE_BLOCK;
	u32 index;

	if (likely(au->encoding == ENCODING_DENSE)) {
		if (size == TABLE_SMALL)
			bpf_loop(rounds, block_small, &m, 0);
		else
			bpf_loop(rounds, block_large, &m, 0);
		index = dense_says(blob, m.off, m.state, size);
	} else if (au->encoding == ENCODING_SPARSE) {
		if (size == TABLE_SMALL)
			bpf_loop(4 * rounds, sparse_small, &m, 0);
		else
			bpf_loop(4 * rounds, sparse_large, &m, 0);
		index = sparse_says(blob, m.off, m.state, size);
	} else {
		return 0;
	}
	settle(blob, t, index, o, size);
	o->hash = m.hash;
	return 1;
}

/* Runs the subject at pos through the automaton of kind. 0: no such automaton. */
static __noinline int match(struct tables *t, struct scratch *s, u32 pos, u32 kind, struct outcome *o)
{
	if (t->large)
		return pass(t->large, t, s, pos, kind, o, TABLE_LARGE);
	if (t->small)
		return pass(t->small, t, s, pos, kind, o, TABLE_SMALL);
	return 0;
}
