/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The matcher: one pass of a subject through one automaton of a policy blob
 * (docs/format/policy.md), and the keyed subject hash in the same pass.
 * Every offset is masked with the size class, so that a damaged blob can give a
 * wrong verdict but no wrong access; a missing or foreign blob denies.
 */
#pragma once
#include "sparse.h"

/* From memory: the verifier forgets what it knew of the value, and its ways meet again. */
#define FRESH(lvalue) (*(volatile u32 *)&(lvalue))

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
 * Which tables judge, and what of them and of the acting task matters to every
 * match. No pointer to the tables: the verifier would go through all that
 * follows once for each size class. A place's tables never change, so every look
 * at them within one hook call finds the same ones.
 */
struct tables {
	u32 place;
	u32 flags; /* from here on: known from the first look on */
	u32 entrypoint;
	u32 exe; /* class of the acting process's executable by these tables, 0: not known */
	u64 id;	 /* 0: not looked at yet */
	/* Known before: */
	u64 exe_table; /* the tables that have a class for the executable */
	u32 exe_class; /* ... and that class */
	u32 name;      /* class of the address's name, 0: none */
	u32 relaxed;   /* known from the first look on: bits of enum relax */
	u32 identity;  /* ... the policy gives programs rights of their own (exe, command) */
	/* The pass under way: */
	u64 hash;
	u32 pos;
	u32 state;
	u32 off;
	u32 absorbing;
};

/* What a pass reads. Its numbers are in the tables' struct, in the slot: the verifier takes them as unknown at once. */
struct pass {
	const u8 *blob;
	const u8 *classes;
	const u8 *buf;
	struct tables *t;
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
	struct tables *t = m->t;
	const u8 *p = m->buf + (t->pos & SUBJECT_MASK);
	u32 state = t->state;
	u64 hash;

	hash = t->hash;
#pragma unroll
	for (int i = 0; i < TABLE_BLOCK; i += 8)
		hash = hash_word(hash, *(const u64 *)(p + i));
	t->hash = hash;
	if (state < t->absorbing) {
		const u8 *blob = m->blob, *classes = m->classes;
		u32 off = t->off;

#pragma unroll
		for (int i = 0; i < TABLE_BLOCK; i++) {
			u32 c = classes[p[i]];
			u64 ix = off + (state << 6) + (c << 1);

			index_barrier(ix);
			state = *(const u16 *)(blob + (ix & COLUMN_MASK(size)));
			/* Or the compiler loads all bytes first and has no room to keep them. */
			barrier();
		}
		t->state = state;
	}
	t->pos += TABLE_BLOCK;
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

/* Part of a block: whole ones would have the verifier read many times as much. */
#define SPARSE_BYTES 2
#define SPARSE_STEPS (TABLE_BLOCK / SPARSE_BYTES)

static __always_inline long sparse_bytes(u32 i, struct pass *m, u32 size)
{
	struct tables *t = m->t;
	const u8 *p = m->buf + (t->pos & SUBJECT_MASK);
	u32 state = t->state;

	if (!(i % SPARSE_STEPS)) {
		u64 hash = t->hash;

#pragma unroll
		for (int k = 0; k < TABLE_BLOCK; k += 8)
			hash = hash_word(hash, *(const u64 *)(p + k));
		t->hash = hash;
	}
	if (state < t->absorbing) {
#pragma unroll
		for (int k = 0; k < SPARSE_BYTES; k++)
			state = sparse_step(m->blob, t->off, state, m->classes[p[k]], size);
		t->state = state;
	}
	t->pos += SPARSE_BYTES;
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

/* The tables of a slot; what they are is seen when they are looked at. */
static __always_inline void tables_of(u32 slot, struct tables *t)
{
	u32 *place = bpf_map_lookup_elem(&places, &slot);

	t->place = place ? *place - 1 : PLACE_NONE;
	t->flags = 0;
	t->entrypoint = 0;
	t->exe = 0;
	t->id = 0;
	t->exe_table = 0;
	t->exe_class = 0;
	t->name = 0;
	t->relaxed = 0;
	t->identity = 1;
}

static __always_inline const u8 *small_blob(u32 place)
{
	void *inner = bpf_map_lookup_elem(&policies_small, &place);
	u32 zero = 0;

	if (!inner)
		return NULL;
	return bpf_map_lookup_elem(inner, &zero);
}

static __always_inline const u8 *large_blob(u32 place)
{
	u32 zero = 0, index = place - PLACE_LARGE;
	void *inner = bpf_map_lookup_elem(&policies_large, &index);

	if (!inner)
		return NULL;
	return bpf_map_lookup_elem(inner, &zero);
}

/* 0: no tables of this version. */
static __always_inline int look_at(struct tables *t, const u8 *blob)
{
	const struct table_header *h = (const struct table_header *)blob;

	if (!blob || h->magic != TABLE_MAGIC || h->version != TABLE_VERSION)
		return 0;
	t->id = h->id;
	t->flags = h->flags;
	t->entrypoint = h->entrypoint;
	t->relaxed = h->builtin;
	t->identity = h->automata[KIND_EXE].encoding | h->automata[KIND_COMMAND].encoding;
	t->exe = t->exe_table == t->id ? t->exe_class : 0;
	return 1;
}

/* Has the header's part of t filled in; 0: there are no tables. */
static __noinline int tables_known(struct tables *t)
{
	if (t->place < PLACE_LARGE)
		return look_at(t, small_blob(t->place));
	return look_at(t, large_blob(t->place));
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

/* Points a pass at the subject and at the automaton's start. */
static __always_inline void pass_begin(struct tables *t, const struct automaton *au, u32 pos)
{
	t->hash = settings.hash_key[0];
	t->pos = pos;
	t->state = au->start;
	t->off = au->off;
	t->absorbing = au->absorbing;
}

/* Reads whole blocks from there; 0: there is no such automaton. */
static __always_inline int read_blocks(struct pass *m, const struct automaton *au, u32 rounds, u32 size)
{
	if (likely(au->encoding == ENCODING_DENSE)) {
		if (size == TABLE_SMALL)
			bpf_loop(rounds, block_small, m, 0);
		else
			bpf_loop(rounds, block_large, m, 0);
	} else if (au->encoding == ENCODING_SPARSE) {
		if (size == TABLE_SMALL)
			bpf_loop(SPARSE_STEPS * rounds, sparse_small, m, 0);
		else
			bpf_loop(SPARSE_STEPS * rounds, sparse_large, m, 0);
	} else {
		return 0;
	}
	return 1;
}

static __always_inline u32 row_index(const u8 *blob, const struct automaton *au, u32 state, u32 size)
{
	if (likely(au->encoding == ENCODING_DENSE))
		return dense_says(blob, au->off, state, size);
	return sparse_says(blob, au->off, state, size);
}

static __always_inline int pass(const u8 *blob, struct tables *t, struct scratch *s, u32 pos, u32 kind,
				struct outcome *o, u32 size)
{
	const struct automaton *au;
	struct pass m = {.blob = blob, .buf = s->buf, .t = t};

	if (!look_at(t, blob))
		return 0;
	au = &((const struct table_header *)blob)->automata[kind & (KINDS - 1)];
	m.classes = blob + TABLE_CLASSES + 256 * (kind & (KINDS - 1));
	pass_begin(t, au, pos);
	if (!read_blocks(&m, au, (PATH_END + TABLE_BLOCK - 1 - pos) / TABLE_BLOCK, size))
		return 0;
	settle(blob, t, row_index(blob, au, t->state, size), o, size);
	o->hash = t->hash;
	return 1;
}

/* Runs the subject at pos through the automaton of kind. 0: no tables, or no such automaton. */
static __noinline int match(struct tables *t, struct scratch *s, u32 pos, u32 kind, struct outcome *o)
{
	if (likely(t->place < PLACE_LARGE))
		return pass(small_blob(t->place), t, s, pos, kind, o, TABLE_SMALL);
	return pass(large_blob(t->place), t, s, pos, kind, o, TABLE_LARGE);
}
