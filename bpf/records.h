/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where armed records are kept, and what a task without one pays.
 *
 * In task storage, since 6.2: a lookup finds every record, and a task that never
 * got storage from any BPF map has a NULL bpf_storage pointer. That one load is
 * all that most tasks of a node pay.
 *
 * Before, a task storage lookup answers NULL also when a task was preempted in
 * the middle of one on this CPU: an armed task would now and then not be gated.
 * So records are in a hash, whose lookup takes no lock and finds each element
 * that was there before it began. Its key is the task's address: at task_alloc a
 * child has no number yet. An element is made before the task can act (by its own
 * exec, its fork, or the iterator), and goes with the task. The array of counters
 * stands for the pointer: raised before an element is made, lowered after it is
 * gone, so 0 means that no task of these bits has a record.
 */
#pragma once
#include "kernel.h"
#include "scratch.h"

#ifndef NO_KFUNCS

static __always_inline int has_record(struct task_struct *t)
{
	return t->bpf_storage != NULL;
}

static __always_inline struct armed_task *task_record(struct task_struct *t, u64 flags)
{
	return bpf_task_storage_get(&armed_tasks, t, NULL, flags);
}

/* The kernel frees a task's storage with the task. */
static __always_inline void forget_record(struct task_struct *t)
{
}

/* What the task executes, kept or made now; NULL: it cannot be kept. */
static __always_inline struct command *own_command(struct task_struct *t)
{
	return bpf_task_storage_get(&commands, t, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
}

static __always_inline struct words *own_words(struct task_struct *t)
{
	return bpf_task_storage_get(&words, t, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
}

static __always_inline void forget_command(struct task_struct *t)
{
	bpf_task_storage_delete(&commands, t);
	bpf_task_storage_delete(&words, t);
}

/* The record of the process with this number, as a copy of what tells whose it is; 0: none. */
static __always_inline u64 cgroup_of_process(struct pid *pid)
{
	struct task_struct *t = bpf_task_from_pid(pid->numbers[0].nr);
	struct armed_task *a;
	u64 cgroup = 0;

	if (!t)
		return 0;
	a = task_record(t, 0);
	if (a && (a->flags & ARMED))
		cgroup = a->cgroup;
	bpf_task_release(t);
	return cgroup;
}

#else

/* The task's address as a number. The verifier makes one of two pointers' difference only; settings never move. */
static __always_inline u64 task_key(struct task_struct *t)
{
	return (u64)t - (u64)&settings;
}

static __always_inline u32 *armed_cell(u64 key)
{
	u32 ix = key * 0x9e3779b97f4a7c15ULL >> (64 - ARMED_BITS);

	return bpf_map_lookup_elem(&maybe_armed, &ix);
}

static __always_inline int has_record(struct task_struct *t)
{
	u32 *cell = armed_cell(task_key(t));

	return !cell || *(volatile u32 *)cell;
}

static __noinline struct armed_task *make_record(struct task_struct *t)
{
	struct armed_task fresh = {};
	u64 key = task_key(t);
	u32 *cell = armed_cell(key);

	if (!cell)
		return NULL;
	__sync_fetch_and_add(cell, 1);
	if (bpf_map_update_elem(&armed_tasks, &key, &fresh, BPF_NOEXIST))
		__sync_fetch_and_add(cell, -1);
	/* If another CPU made it meanwhile: that one. */
	return bpf_map_lookup_elem(&armed_tasks, &key);
}

static __always_inline struct armed_task *task_record(struct task_struct *t, u64 flags)
{
	u64 key = task_key(t);
	struct armed_task *a = bpf_map_lookup_elem(&armed_tasks, &key);

	if (!a && flags)
		a = make_record(t);
	return a;
}

/*
 * Of a task that is freed. In an interrupt, deleting can fail where an update of
 * the map was interrupted: so it is done again when the address is used again.
 */
static __always_inline void forget_record(struct task_struct *t)
{
	u64 key = task_key(t);
	u32 *cell = armed_cell(key);

	if (!cell || likely(!*(volatile u32 *)cell))
		return;
	bpf_map_delete_elem(&commands, &key);
	if (bpf_map_delete_elem(&armed_tasks, &key) == 0)
		__sync_fetch_and_add(cell, -1);
}

/*
 * The same. Not in task storage: a sleepable program that makes an element there
 * may sleep in the midst, and every other task of the CPU is refused meanwhile.
 */
static __noinline struct command *own_command(struct task_struct *t)
{
	u64 key = task_key(t);
	struct command *c = bpf_map_lookup_elem(&commands, &key);

	if (c)
		return c;
	bpf_map_update_elem(&commands, &key, &no_command, BPF_NOEXIST);
	return bpf_map_lookup_elem(&commands, &key);
}

static __noinline struct words *own_words(struct task_struct *t)
{
	u64 key = task_key(t);
	struct words *w = bpf_map_lookup_elem(&words, &key);

	if (w)
		return w;
	bpf_map_update_elem(&words, &key, &no_words, BPF_NOEXIST);
	return bpf_map_lookup_elem(&words, &key);
}

static __always_inline void forget_command(struct task_struct *t)
{
	u64 key = task_key(t);

	bpf_map_delete_elem(&commands, &key);
	bpf_map_delete_elem(&words, &key);
}

/* The same. The task's key: that of another one, and how far apart they are. */
static __always_inline u64 cgroup_of_process(struct pid *pid)
{
	struct task_struct *self = bpf_get_current_task_btf(), *leader = self->group_leader;
	u64 link, known = 0, key;
	struct armed_task *a;

	link = (u64)kernel_read(pid, tasks[0].first);
	bpf_probe_read_kernel(&known, sizeof(known), &self->group_leader);
	if (!link || !known)
		return 0;
	key = task_key(leader) + (link - kernel_offset(struct task_struct, pid_links) - known);
	a = bpf_map_lookup_elem(&armed_tasks, &key);
	return a && (a->flags & ARMED) ? a->cgroup : 0;
}

#endif
