/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Scratch slots for paths and events. LSM programs are preemptible and have no
 * recursion guard, so a per-CPU buffer could be overwritten between the walk
 * and the match. A slot belongs to its claimer until released; none free means
 * deny (the caller's), and a counter. Preemption is off while a slot is held, so
 * that no crowd of preempted tasks can hold them all. Before 6.10 a program cannot
 * turn it off: there are more slots then, and any CPU's will do.
 */
#pragma once
#include "maps.h"

static __always_inline struct cpu_stats *cpu_stats(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&stats, &zero);
}

/*
 * A denial that has no slot to be recorded from: one decision, and one lost
 * sequence number, so that the balance shows it.
 */
static __always_inline void count_unrecorded(void)
{
	struct cpu_stats *st = cpu_stats();

	if (!st)
		return;
	__sync_fetch_and_add(&st->decisions, 1);
	__sync_fetch_and_add(&st->denied, 1);
	__sync_fetch_and_add(&st->seq, 1);
	__sync_fetch_and_add(&st->lost, 1);
	__sync_fetch_and_add(&st->no_scratch, 1);
}

#define count_stat(field)                                     \
	do {                                                  \
		struct cpu_stats *st_ = cpu_stats();          \
		if (st_)                                      \
			__sync_fetch_and_add(&st_->field, 1); \
	} while (0)

static __always_inline struct scratch *scratch_try(u32 ix)
{
	struct scratch *s = bpf_map_lookup_elem(&scratch, &ix);

	if (s && __sync_val_compare_and_swap(&s->busy, 0, 1) == 0)
		return s;
	return NULL;
}

#ifndef NO_KFUNCS

/* A free slot among the CPU's others. */
static __noinline struct scratch *scratch_search(u32 first)
{
	struct scratch *s = NULL;
	struct bpf_iter_num it;
	int *i;

	bpf_iter_num_new(&it, 1, SCRATCH_PER_CPU);
	while ((i = bpf_iter_num_next(&it))) {
		s = scratch_try(first + *i);
		if (s)
			break;
	}
	bpf_iter_num_destroy(&it);
	return s;
}

#else

struct search {
	u32 at;
	u32 found; /* index + 1 */
};

static long search_slot(u32 i, struct search *c)
{
	c->at += 1;
	if (c->at >= settings.scratch_slots)
		c->at = 0;
	if (!scratch_try(c->at))
		return 0;
	c->found = c->at + 1;
	return 1;
}

/* A free slot anywhere: preempted tasks may hold all of this CPU's. */
static __noinline struct scratch *scratch_search(u32 first)
{
	struct search c = {.at = first};
	u32 ix;

	bpf_loop(settings.scratch_slots, search_slot, &c, 0);
	ix = c.found - 1;
	if (!c.found)
		return NULL;
	return bpf_map_lookup_elem(&scratch, &ix);
}

#endif

static __always_inline struct scratch *scratch_claim(void)
{
	struct scratch *s;
	u32 first;

	bpf_preempt_disable();
	first = bpf_get_smp_processor_id() * SCRATCH_PER_CPU;
	s = scratch_try(first);
	if (likely(s))
		return s;
	s = scratch_search(first);
	if (!s) {
		count_unrecorded();
		bpf_preempt_enable();
	}
	return s;
}

static __always_inline void scratch_release(struct scratch *s)
{
	__sync_lock_test_and_set(&s->busy, 0);
	bpf_preempt_enable();
}

/* A place in the slot's buf. The compiler takes masks away where it knows better, and the verifier does not know. */
static __always_inline u64 buf_at(u64 at)
{
	asm volatile("" : "+r"(at));
	return at & (PATH_END - 1);
}
