/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who is gated, told to another build of these programs. A new build attaches its
 * own set beside the old one, so that both must allow, takes the armed records
 * over, and only then detaches the old one. What passes between them is a stable
 * form (docs/format/pins.md), never a map that both use: the old set may be of an
 * earlier or a later version.
 *
 * export_armed of the old set writes a head, then a struct handover for each
 * record. import_armed of the new one makes records of those that it finds in the
 * map `handed`. The agent repeats both until the two sets agree about every task.
 * A record that cannot be made is reported, and the old set stays. Once they agree,
 * disarm empties the old set's records: it decides nothing any more, and its
 * programs can be detached one after the other.
 */
#pragma once
#include "task.h"

SEC("iter/task")
int export_armed(struct bpf_iter__task *ctx)
{
	struct task_struct *t = ctx->task;
	struct handover h = {};
	struct armed_task *a;

	if (ctx->meta->seq_num == 0) {
		struct handover_head head = {
			.magic = HANDOVER_MAGIC,
			.version = HANDOVER_VERSION,
			.record_size = sizeof(h),
			.hash_key = {settings.hash_key[0], settings.hash_key[1], settings.hash_key[2]},
		};

		bpf_seq_write(ctx->meta->seq, &head, sizeof(head));
	}
	if (!t)
		return 0;
	a = task_record(t, 0);
	if (!a || !a->flags)
		return 0;
	h.tid = t->pid;
	h.flags = a->flags;
	h.start_time = t->start_boottime;
	h.cgroup = a->cgroup;
	h.exe = a->exe;
	h.pend_exe = a->pend_exe;
	h.exe_table = a->exe_table;
	h.slot = a->slot;
	h.exe_class = a->exe_class;
	h.pend_class = a->pend_class;
	h.in_exec = task_in_execve(t);
	h.pend_launcher = a->pend_flags & PEND_LAUNCHER;
	bpf_seq_write(ctx->meta->seq, &h, sizeof(h));
	return 0;
}

/*
 * An exec that was under way is judged by the old set to its end: what waits for
 * its arguments is known there. ARM_ELSEWHERE says so until it commits. One whose
 * beginning this set has seen itself has its own state here.
 */
static __always_inline void take_exec(struct armed_task *a, struct handover *h, u32 *flags)
{
	if (a->flags & (ARM_PENDING | ARMED))
		return;
	a->pend_exe = h->pend_exe;
	a->pend_class = h->pend_class;
	a->pend_flags = h->pend_launcher ? PEND_LAUNCHER : 0;
	*flags |= ARM_ELSEWHERE;
}

/* Writes the thread ids of the records that it made or changed, 0 for one that could not be made. */
SEC("iter/task")
int import_armed(struct bpf_iter__task *ctx)
{
	struct task_struct *t = ctx->task;
	struct armed_task *a;
	struct handover *h;
	u32 tid, flags;

	if (!t)
		return 0;
	tid = t->pid;
	h = bpf_map_lookup_elem(&handed, &tid);
	if (!h || h->start_time != t->start_boottime)
		return 0;
	a = task_record(t, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!a) {
		tid = 0;
		goto out;
	}
	/* An exec that has only begun arms nobody who is armed, or about to be, here. */
	if (!(h->flags & ARMED) && a->flags)
		return 0;
	flags = h->flags & (ARMED | ARM_PENDING | ARM_ENTRY | ARM_FIRST | ARM_CHAIN | ARM_LATE);
	if (h->in_exec || task_in_execve(t))
		take_exec(a, h, &flags);
	a->slot = h->slot;
	a->cgroup = h->cgroup;
	a->exe = h->exe;
	a->exe_class = h->exe_class;
	a->exe_table = h->exe_table;
	__sync_lock_test_and_set(&a->flags, flags);
out:
	bpf_seq_write(ctx->meta->seq, &tid, sizeof(tid));
	return 0;
}

/* Writes the thread ids of those whose record it emptied. The agent has removed all bindings before. */
SEC("iter/task")
int disarm(struct bpf_iter__task *ctx)
{
	struct task_struct *t = ctx->task;
	struct armed_task *a;
	u32 tid;

	if (!t)
		return 0;
	a = task_record(t, 0);
	if (!a || !a->flags)
		return 0;
	__sync_lock_test_and_set(&a->flags, 0);
	tid = t->pid;
	bpf_seq_write(ctx->meta->seq, &tid, sizeof(tid));
	return 0;
}
