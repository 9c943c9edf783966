/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Self-protection of maps, programs, links and of the agent's process: see guard.h.
 * A number that is not in guarded_ids is somebody else's object.
 */
#pragma once
#include "guard.h"

/* Maps, programs, links. */

static __always_inline int guard_object(u32 object, u32 id, const char *name, u32 hook, u32 detail)
{
	struct guarded_id key = {.object = object, .id = id};
	u32 one = 1;

	if (bpf_get_current_task_btf()->tgid == guard_agent) {
		if (object != GUARDED_LINK)
			bpf_map_update_elem(&guarded_ids, &key, &one, 0);
		return 0;
	}
	if (likely(!bpf_map_lookup_elem(&guarded_ids, &key)))
		return 0;
	struct touch x = {
		.id = id,
		.name = (const void *)name,
		.len = name ? 15 : 0,
		.hook = hook,
		.object = object,
		.detail = detail,
	};
	return guard_touch(&x);
}

SEC("lsm/bpf_map")
int guard_bpf_map(u64 *ctx)
{
	struct bpf_map *map = (void *)ctx[0];

	if (likely(!guard_host_mntns))
		return 0;
	if (guard_object(GUARDED_MAP, map->id, map->name, HOOK_BPF_MAP, ctx[1]))
		return -EACCES;
	return 0;
}

SEC("lsm/bpf_prog")
int guard_bpf_prog(u64 *ctx)
{
	struct bpf_prog *prog = (void *)ctx[0];

	if (likely(!guard_host_mntns))
		return 0;
	if (guard_object(GUARDED_PROGRAM, prog->aux->id, prog->aux->name, HOOK_BPF_PROG, 0))
		return -EACCES;
	return 0;
}

/* What the kernel copied of the caller's arguments begins with the link's number. */
SEC("lsm/bpf")
int guard_bpf(u64 *ctx)
{
	u32 id = 0;

	if (likely((int)ctx[0] != BPF_LINK_GET_FD_BY_ID) || !guard_host_mntns)
		return 0;
	if (bpf_probe_read_kernel(&id, sizeof(id), (const void *)ctx[1]))
		return -EACCES;
	if (guard_object(GUARDED_LINK, id, NULL, HOOK_BPF, ctx[0]))
		return -EACCES;
	return 0;
}

static __always_inline void forget_map(struct bpf_map *map)
{
	struct guarded_id key = {.object = GUARDED_MAP, .id = map->id};

	if (guard_host_mntns)
		bpf_map_delete_elem(&guarded_ids, &key);
}

SEC("lsm/bpf_map_free")
int guard_bpf_map_free(u64 *ctx)
{
	forget_map((void *)ctx[0]);
	return 0;
}

#ifdef NO_KFUNCS
/* Its name before 6.9. */
SEC("lsm/bpf_map_free_security")
int guard_bpf_map_free_security(u64 *ctx)
{
	forget_map((void *)ctx[0]);
	return 0;
}
#endif

/* The agent's processes. What a gated task does to it, the hooks of all processes refuse. */

static __always_inline int guard_process(struct task_struct *target, u32 hook, u32 detail)
{
	if (likely(target->tgid != guard_agent && target->tgid != guard_keeper) || armed_self())
		return 0;
	struct touch x = {
		.id = target->tgid,
		.name = (const void *)target->comm,
		.len = 15,
		.hook = hook,
		.object = GUARDED_PROCESS,
		.detail = detail,
	};
	return guard_touch(&x);
}

SEC("lsm/ptrace_access_check")
int guard_ptrace_access_check(u64 *ctx)
{
	struct task_struct *target = (void *)ctx[0];
	struct task_struct *t = bpf_get_current_task_btf();

	if (likely(target->tgid != guard_agent && target->tgid != guard_keeper))
		return 0;
	/* How much of a process /proc shows; its reader is not told. */
	if (ctx[1] & PTRACE_MODE_NOAUDIT) {
		if (armed_self() || t->tgid == guard_agent || guard_why(t) != WHY_NONE)
			return 0;
		count_stat(outward);
		return -EACCES;
	}
	if (guard_process(target, HOOK_PTRACE_ACCESS_CHECK, ctx[1]))
		return -EACCES;
	return 0;
}

SEC("lsm/task_kill")
int guard_task_kill(u64 *ctx)
{
	/* Signal 0 only asks whether the target is there. */
	if ((int)ctx[2] == 0)
		return 0;
	if (guard_process((void *)ctx[0], HOOK_TASK_KILL, ctx[2]))
		return -EACCES;
	return 0;
}

/* By the owner of a descriptor (F_SETOWN), at a moment when anybody may be the current task. The agent owns none. */
SEC("lsm/file_send_sigiotask")
int guard_file_send_sigiotask(u64 *ctx)
{
	struct task_struct *target = (void *)ctx[0];

	if (likely(!guard_agent || target->tgid != guard_agent))
		return 0;
	count_stat(outward);
	return -EACCES;
}

#define GUARD_TASK(name, hook_)                                   \
	SEC("lsm/" #name)                                         \
	int guard_##name(u64 *ctx)                                \
	{                                                         \
		if (guard_process((void *)ctx[0], hook_, ctx[1])) \
			return -EACCES;                           \
		return 0;                                         \
	}

GUARD_TASK(task_setrlimit, HOOK_TASK_SETRLIMIT)
GUARD_TASK(task_setscheduler, HOOK_TASK_SETSCHEDULER)
GUARD_TASK(task_setnice, HOOK_TASK_SETNICE)
GUARD_TASK(task_setioprio, HOOK_TASK_SETIOPRIO)

/* When its last thread goes. */
SEC("tp_btf/sched_process_exit")
int guard_agent_exit(u64 *ctx)
{
	struct task_struct *t = (void *)ctx[0];

	if (likely(t->tgid != guard_agent && t->tgid != guard_keeper) || t->signal->live.counter > 0)
		return 0;
	if (t->tgid == guard_keeper) {
		guard_keeper = 0;
		return 0;
	}
	guard_agent = 0;
	guard_agent_mntns = 0;
	return 0;
}
