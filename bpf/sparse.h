/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sparse encoding of docs/format/policy.md: states in the middle of long
 * literals are one word. It is for policies of thousands of rules; a step takes
 * at most three words, however many rules there are.
 */
#pragma once
#include "scratch.h"

#define SPARSE_WINDOW (1u << 28)
#define WORD_MASK(size) ((size) - 4)

static __always_inline u32 sparse_word(const u8 *blob, u32 off, u32 word, u32 size)
{
	u64 ix = off + ((u64)word << 2);

	return *(const u32 *)(blob + (ix & WORD_MASK(size)));
}

/* The first word of the row that answers where a state says nothing itself. */
static __always_inline u32 sparse_row(u32 head)
{
	return (head >> 8 & 0xfffff) << 2;
}

/* Where a column leads from a state. */
static __always_inline u32 sparse_step(const u8 *blob, u32 off, u32 state, u32 column, u32 size)
{
	u32 head = sparse_word(blob, off, state, size);
	u32 cell = sparse_row(head) + column;
	u32 beyond = column - (head & 0xff);
	u32 next;

	if (head & SPARSE_WINDOW) {
		if (beyond < sparse_word(blob, off, state + 1, size) >> 16)
			cell = state + 2 + beyond;
	} else if (!beyond) {
		return state + 1;
	}
	next = sparse_word(blob, off, cell, size);
	if (next > 1)
		return next;
	return next ? sparse_word(blob, off, state - 1, size) : state;
}

/* The index of a state's verdict row. */
static __always_inline u32 sparse_says(const u8 *blob, u32 off, u32 state, u32 size)
{
	u32 head = sparse_word(blob, off, state, size);
	u32 at = state + 1;

	if (!(head & SPARSE_WINDOW) && (head & 0xff))
		at = sparse_row(head);
	return sparse_word(blob, off, at, size) & 0xffff;
}
