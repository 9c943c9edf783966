/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who an executable is, where the policy has rules by `exe` or `command`. Its
 * dynamic loader would run other code in its place when a variable LD_... says
 * so: such an exec of a program that the policy names is killed before its first
 * instruction. Strings beyond ENVIRONMENT_CHUNKS, or that cannot be read, count
 * as such a variable. Other programs, and policies without `exe`, pay nothing.
 */
#pragma once
#include "arguments.h"

#define ENVIRONMENT_CHUNKS 64 /* of PATH_END bytes, arguments included: 256 KiB */

static __always_inline void environment_byte(struct words *w, u8 c)
{
	u32 begun = w->begun;

	if (!c) {
		w->seen += 1;
		w->begun = 0;
		return;
	}
	if (begun > 2 || w->seen < w->all)
		return;
	w->begun = (begun == 0 && c == 'L') || (begun == 1 && c == 'D') || (begun == 2 && c == '_') ? begun + 1 : 4;
	if (w->begun == 3)
		w->dirty = 1;
}

/* Eight bytes; most of them lie inside of a string that is of no interest. */
static long environment_word(u32 i, struct counting *m)
{
	struct words *w = m->w;
	u64 v = *(u64 *)&w->buf[(8 * i) & (PATH_END - 8)];

	if ((w->begun > 2 || w->seen < w->all) && !((v - 0x0101010101010101ULL) & ~v & 0x8080808080808080ULL))
		return 0;
#pragma unroll
	for (int k = 0; k < 8; k++)
		environment_byte(w, v >> (8 * k));
	if (w->dirty)
		return 1;
	return 0;
}

/* What is behind the last whole word. */
static long environment_rest(u32 i, struct counting *m)
{
	struct words *w = m->w;

	environment_byte(w, w->buf[(w->rest + i) & (PATH_END - 1)]);
	return 0;
}

static long environment_chunk(u32 i, struct counting *m)
{
	struct words *w = m->w;
	u64 at = w->at, len = w->end - at;

	if (at >= w->end)
		return 1;
	if (len > PATH_END)
		len = PATH_END;
	if (bpf_copy_from_user(w->buf, len, at)) {
		w->dirty = 1;
		return 1;
	}
	w->at = at + len;
	bpf_loop(len / 8, environment_word, m, 0);
	if (w->dirty)
		return 1;
	w->rest = len & ~7ULL;
	bpf_loop(len % 8, environment_rest, m, 0);
	if (w->dirty)
		return 1;
	return 0;
}

/* Whether the new program's environment steers its dynamic loader. May sleep; overwrites the strings. */
static __noinline int environment_steers(struct words *w, struct linux_binprm *bprm)
{
	struct counting m = {.w = w};

	w->seen = 0;
	w->all = bprm->argc;
	w->begun = 0;
	w->dirty = 0;
	w->at = bprm->p;
	w->end = bprm->exec;
	bpf_loop(ENVIRONMENT_CHUNKS, environment_chunk, &m, 0);
	return w->dirty || w->at < w->end;
}
