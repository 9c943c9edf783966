/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Self-protection: what enforcement and its records stand on is kept from
 * everybody but the agent and the node's administrator.
 *
 *   bpf_map, bpf_prog     a descriptor of our maps and programs, however it is asked for
 *   bpf                   the same for links, which have no hook of their own
 *   ptrace_access_check   the agent's memory, descriptors and state
 *   task_kill, task_set*  signals to the agent; what would starve it: limits, priorities
 *   file_send_sigiotask   a signal that a descriptor sends
 *   inode_*, file_open, file_ioctl   names, content and metadata in our directories: pins, audit log, state
 *   unix_*                sockets there
 *   sb_mount, move_mount, sb_umount, sb_remount   mounts on them, and the end of the file system that holds the pins
 *   bpf_map_free          a map's number is not ours any longer
 *   sched_process_exit    the agent is gone
 *
 * A gated task may do none of it, whatever its policy says: builtin/self-protection.
 * Of the others:
 *   the agent                     may, without a record
 *   the host's mount namespace    and the agent's own: administration; allowed, recorded
 *   another container             refused and recorded while an agent lives. While none does,
 *                                 CAP_SYS_ADMIN in the initial user namespace takes over:
 *                                 allowed, recorded. An upgrade of a pod is that.
 *
 * All is inert until pkg/loader fills the variables, and the agent's number is 0
 * again as soon as it is gone. State that is missing here can only be that of a
 * load under way: nothing is refused then.
 *
 * Records are bounded per cgroup, and all of them together leave half the ring to
 * decisions. What is not recorded is counted, and the next record says how many.
 */
#pragma once
#include "hooks_builtin.h"

volatile u32 guard_agent = 0;	    /* tgid; 0: none alive */
volatile u32 guard_keeper = 0;	    /* tgid of the one that holds the links where nothing is pinned; 0: none */
volatile u32 guard_agent_mntns = 0; /* its mount namespace */
volatile u32 guard_host_mntns = 0;  /* that of the host; 0: nothing is guarded yet */
volatile u32 guard_dirs = 0;	    /* elements of guarded_dirs */
volatile u32 guard_pins = 0;	    /* device of the file system that holds the pins */
volatile u64 guard_inside = 0; /* low six bits of the inode numbers in guarded_dirs: directories with what is in them */
volatile u64 guard_above = 0;  /* ... the directories above them */
volatile u32 guard_dir_fd = 0; /* what find_guarded looks for */

/* Our maps, programs and links. Maps that the agent makes later come here by themselves. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct guarded_id);
	__type(value, u32);
} guarded_ids SEC(".maps");

/* directory -> GUARD_INSIDE or GUARD_ABOVE. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 512);
	__type(key, struct guarded_dir);
	__type(value, u32);
} guarded_dirs SEC(".maps");

/* low bits of a cgroup id -> how much its tasks have recorded here. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, GUARD_RATES);
	__type(key, u32);
	__type(value, struct guard_rate);
} guard_rates SEC(".maps");

/* What somebody does to something of ours. */
struct touch {
	u64 id;
	const unsigned char *name;
	u32 len; /* of the name */
	u32 hook;
	u32 object; /* enum guarded */
	u32 detail;
};

static __always_inline u32 mntns_of(struct task_struct *t)
{
	return t->nsproxy->mnt_ns->ns.inum;
}

/* CAP_SYS_ADMIN in the initial user namespace. */
static __always_inline int administrator(struct task_struct *t)
{
	struct cred *cred = t->cred;
	u64 caps = 0;

	if (cred->user_ns->level != 0)
		return 0;
	if (bpf_probe_read_kernel(&caps, sizeof(caps), (const void *)cred + kernel_offset(struct cred, cap_effective)))
		return 0;
	return caps >> CAP_SYS_ADMIN & 1;
}

static __always_inline u32 guard_why(struct task_struct *t)
{
	u32 ns = mntns_of(t);

	if (ns && (ns == guard_host_mntns || ns == guard_agent_mntns))
		return WHY_HOST;
	if (!guard_agent && administrator(t))
		return WHY_TAKEOVER;
	return WHY_NONE;
}

/* Puts a name into the slot as a subject; gives its position. */
static __always_inline u32 put_name(struct scratch *s, struct touch *x)
{
	u32 n = x->len, pos, at;

	if (n > GUARD_NAME)
		n = GUARD_NAME;
	index_barrier(n);
	n &= 63;
	pos = PATH_END - 1 - n;
	at = pos;
	index_barrier(at);
	s->buf[at & (PATH_END - 1)] = CLASS_NO_PATH;
	at = pos + 1;
	index_barrier(at);
	if (n && bpf_probe_read_kernel(&s->buf[at & (PATH_END - 1)], n, x->name))
		return PATH_END - 1;
	return pos;
}

/* How many records were held back since the last one; less than 0: hold this one back too. */
static __noinline s64 guard_hold(u64 cgroup, u32 refused)
{
	u32 ix = cgroup & (GUARD_RATES - 1);
	struct guard_rate *r = bpf_map_lookup_elem(&guard_rates, &ix);
	u64 now = bpf_ktime_get_boot_ns(), *n;

	if (!r)
		return -1;
	if (now - r->since > GUARD_INTERVAL) {
		r->since = now;
		r->refused = 0;
		r->allowed = 0;
	}
	n = refused ? &r->refused : &r->allowed;
	if (__sync_fetch_and_add(n, 1) >= (refused ? GUARD_BURST : GUARD_BURST_ALLOWED) ||
	    bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) > settings.ring_bytes / 2) {
		__sync_fetch_and_add(&r->held, 1);
		count_stat(guard_held);
		return -1;
	}
	return __sync_lock_test_and_set(&r->held, 0);
}

/* A record of a task that nothing gates: one sequence number, one decision. */
static __noinline int guard_record(struct touch *x, u32 why)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct task_struct *parent = t->real_parent;
	struct cpu_stats *st = cpu_stats();
	u64 cgroup = t->cgroups->dfl_cgrp->kn->id;
	s64 held = guard_hold(cgroup, why == WHY_NONE);
	struct bpf_dynptr ring;
	struct scratch *s;
	struct event *e;
	u64 id;
	u32 len;

	if (held < 0 || !st)
		return 0;
	s = scratch_claim();
	if (!s)
		return 0;
	e = &s->ev;
	__builtin_memset(e, 0, sizeof(*e));
	len = PATH_END - put_name(s, x);
	__sync_fetch_and_add(&st->decisions, 1);
	id = bpf_get_current_uid_gid();
	e->version = ABI_VERSION;
	e->kind = EVENT_GUARD;
	e->action = KIND_SYSTEM;
	e->hook = x->hook;
	e->rule = RULE_SELF_PROTECTION;
	e->verdict = VERDICT_ALLOW;
	if (why == WHY_NONE) {
		e->verdict = VERDICT_DENY;
		e->ret = -EACCES;
		__sync_fetch_and_add(&st->denied, 1);
	}
	e->cpu = bpf_get_smp_processor_id();
	e->seq = __sync_fetch_and_add(&st->seq, 1) + 1;
	e->time = bpf_ktime_get_boot_ns();
	e->cgroup = cgroup;
	e->table_id = held;
	e->slot = SLOT_NONE;
	e->tid = t->pid;
	e->tgid = t->tgid;
	e->uid = id;
	e->gid = id >> 32;
	e->start_time = t->group_leader->start_boottime;
	e->parent_tgid = parent->tgid;
	e->parent_start_time = parent->group_leader->start_boottime;
	e->exe = x->object;
	e->subject = x->id;
	e->flags = why;
	e->requested = x->detail;
	e->class = CLASS_NO_PATH;
	e->subject_len = len;
	bpf_get_current_comm(e->comm, sizeof(e->comm));
	bpf_probe_read_kernel(e->parent_comm, sizeof(e->parent_comm), parent->comm);
	if (bpf_ringbuf_reserve_dynptr(&events, sizeof(*e) + (len & 127), 0, &ring)) {
		bpf_ringbuf_discard_dynptr(&ring, 0);
		__sync_fetch_and_add(&st->lost, 1);
	} else {
		bpf_dynptr_write(&ring, 0, e, sizeof(*e), 0);
		bpf_dynptr_write(&ring, sizeof(*e), &s->buf[(PATH_END - len) & (PATH_END - 1)], len & 127, 0);
		bpf_ringbuf_submit_dynptr(&ring, 0);
		__sync_fetch_and_add(&st->emitted, 1);
	}
	scratch_release(s);
	return 0;
}

/* A gated task's: a decision like all others, with the object's name. */
static __noinline int guard_gated(struct armed_task *a, struct touch *x)
{
	struct act act;
	int ret;

	if (!act_begin(&act, a, KIND_SYSTEM, x->hook))
		return -EACCES;
	tables_known(act.t);
	decide_builtin(&act, RULE_SELF_PROTECTION, RELAX_NEVER);
	act.d->requested = x->detail;
	act.d->pos = put_name(act.s, x);
	ret = finish(&act);
	scratch_release(act.s);
	if (ret)
		return -EACCES;
	return 0;
}

/* Whether the current task is refused. */
static __noinline int guard_touch(struct touch *x)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct armed_task *a = armed_self();
	u32 why;

	if (a)
		return guard_gated(a, x);
	if (t->tgid == guard_agent || (t->flags & PF_KTHREAD))
		return 0;
	why = guard_why(t);
	guard_record(x, why);
	return why == WHY_NONE;
}
