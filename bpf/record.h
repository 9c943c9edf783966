/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From a verdict to its trace and the hook's return value. Every decision is
 * counted in the CPU's statistics and per rule, and then is exactly one of:
 * counted in the map `counted`, sent to the ring, or lost with its sequence
 * number taken, so that the gap shows. Losing a record changes the verdict only
 * under `onAuditLoss: deny`.
 */
#pragma once
#include "command.h"
#include "control.h"
#include "net_subject.h"
#include "task.h"

/* What is being judged, and the verdict. In the slot: what is read from there the verifier takes as unknown, so that
 * its ways meet again. */
struct deed {
	u32 pos;
	u32 requested;
	u8 class;
	u8 action;
	u8 hook;
	u8 repeat; /* see struct request */
	u8 no_deleted;
	u8 also_read; /* see struct request */
	u8 also_write;
	u8 verdict;  /* enum verdict, when it is settled */
	u32 outside; /* enum rule: what is built in against the object */
	u8 change;   /* the object, its name or what is known of it is changed */
	u8 opens;    /* see struct request */
	u8 ordinary;
	u8 name; /* of the address: which of the slot's names decided */
	u8 named;
	u8 reserved[7];
	union {
		struct {
			struct outcome o; /* the verdict */
			struct outcome found;
		};
		struct outcome outcomes[2];
	};
};

_Static_assert(sizeof(struct deed) <= sizeof(((struct scratch *)0)->deed), "the slot's room for a deed");
_Static_assert(sizeof(struct tables) <= sizeof(((struct scratch *)0)->tables), "the slot's room for tables");

/* Puts the name and how it was learned behind the address, for the record. */
static __noinline int record_name(struct scratch *s, u64 cgroup, u32 i, struct deed *d)
{
	u32 len, at;
	u32 class = d->class, proto = s->buf[PATH_END - 3];
	u8 *to;

	i &= NAMES_MOST - 1;
	if (i >= FRESH(s->names_found))
		return 0;
	len = name_text(s, cgroup, s->names[i]) & 0xff;
	if (!len) {
		write_subject(s, class, s->peer.address, proto, s->peer.port);
		return 0;
	}
	s->learned.expires = s->expires[i];
	at = PATH_END - len - sizeof(s->learned);
	to = &s->buf[buf_at(at)];
#pragma unroll
	for (u32 k = 0; k < sizeof(s->learned) / 8; k++)
		((volatile u64 *)to)[k] = ((u64 *)&s->learned)[k];
	at -= ADDR_SUBJECT;
	to = &s->buf[buf_at(at)];
	to[0] = class;
	*(volatile u64 *)(to + 1) = s->peer.address[0];
	*(volatile u64 *)(to + 9) = s->peer.address[1];
	to[17] = proto;
	*(volatile u16 *)(to + 18) = s->peer.port;
	d->pos = at;
	return 0;
}

/* One judged action. */
struct act {
	struct armed_task *task;
	struct scratch *s;
	struct deed *d;
	struct tables *t;
};

/* Claims a slot; 0 when none is free: deny. */
static __always_inline int act_begin(struct act *x, struct armed_task *a, u32 action, u32 hook)
{
	struct deed *d;

	x->task = a;
	x->s = scratch_claim();
	if (!x->s)
		return 0;
	x->t = (struct tables *)x->s->tables;
	tables_of(a->slot, x->t);
	x->t->exe_table = a->exe_table;
	x->t->exe_class = a->exe_class;
	d = (struct deed *)x->s->deed;
	__builtin_memset(d, 0, __builtin_offsetof(struct deed, found));
	d->pos = PATH_END;
	d->action = action;
	d->hook = hook;
	x->d = d;
	return 1;
}

static __always_inline void fill_event(struct event *e, struct act *x, u32 verdict, s32 ret)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct task_struct *parent = t->real_parent;

	e->version = ABI_VERSION;
	e->kind = EVENT_DECISION;
	e->action = x->d->action;
	e->verdict = verdict;
	e->hook = x->d->hook;
	e->rule = x->d->o.rule;
	e->ret = ret;
	e->time = bpf_ktime_get_boot_ns();
	e->cgroup = x->task->cgroup;
	e->table_id = x->t->id;
	e->slot = x->task->slot;
	e->tid = t->pid;
	e->tgid = t->tgid;
	e->uid = t->cred->uid.val;
	e->gid = t->cred->gid.val;
	e->start_time = t->group_leader->start_boottime;
	e->parent_start_time = parent->group_leader->start_boottime;
	e->parent_tgid = parent->tgid;
	e->exe = x->task->exe;
	e->subject = x->d->o.hash;
	/* Not the helpers for it: programs at sockets have none. */
	bpf_probe_read_kernel(e->comm, sizeof(e->comm), t->comm);
	bpf_probe_read_kernel(e->parent_comm, sizeof(e->parent_comm), parent->comm);
	e->class = x->d->class;
	e->flags = x->task->flags;
	e->requested = x->d->requested;
}

/* 0 when the ring took it. A sequence number is used either way. */
static __noinline int emit(struct act *x)
{
	u32 verdict = x->d->verdict;
	struct cpu_stats *st = cpu_stats();
	struct event *e = &x->s->ev;
	struct bpf_dynptr ring;
	u32 len = PATH_END - x->d->pos;

	if (!st)
		return -1;
	if (x->d->pos >= PATH_END || x->d->class > CLASS_NO_PATH)
		len = 0;
	e->seq = __sync_fetch_and_add(&st->seq, 1) + 1;
	e->cpu = bpf_get_smp_processor_id();
	e->subject_len = len;
	fill_event(e, x, verdict, verdict == VERDICT_DENY ? -EACCES : 0);

	/* Denials keep a quarter of the ring for themselves. */
	if (verdict == VERDICT_ALLOW &&
	    bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) > settings.ring_bytes - settings.ring_bytes / 4) {
		__sync_fetch_and_add(&st->lost_share, 1);
		__sync_fetch_and_add(&st->lost, 1);
		return -1;
	}
	if (bpf_ringbuf_reserve_dynptr(&events, sizeof(*e) + (len & 0x1fff), 0, &ring)) {
		bpf_ringbuf_discard_dynptr(&ring, 0);
		__sync_fetch_and_add(&st->lost, 1);
		return -1;
	}
	bpf_dynptr_write(&ring, 0, e, sizeof(*e), 0);
	if (len > 0 && len <= PATH_END)
		bpf_dynptr_write(&ring, sizeof(*e), &x->s->buf[x->d->pos & (PATH_END - 1)], len & 0x1fff, 0);
	bpf_ringbuf_submit_dynptr(&ring, 0);
	__sync_fetch_and_add(&st->emitted, 1);
	return 0;
}

static __always_inline void key_of(struct act *x, struct counted_key *k)
{
	k->cgroup = x->task->cgroup;
	k->exe = x->task->exe;
	k->subject = x->d->o.hash;
	k->rule = x->d->o.rule;
	k->slot = x->task->slot;
	k->action = x->d->action;
	k->hook = x->d->hook;
	k->class = x->d->class;
	k->reserved = 0;
}

/*
 * 1 when the allow is counted. 0 when it must be recorded on its own: the first
 * of its kind in an interval, so that the subject is named, and every one while
 * the map is full.
 */
static __noinline int count_allow(struct act *x)
{
	struct counted_value *v, fresh = {};
	struct counted_key k;
	u32 zero = 0;
	void *map = bpf_map_lookup_elem(&counted, &zero);

	if (!map)
		return 0;
	key_of(x, &k);
	v = bpf_map_lookup_elem(map, &k);
	if (v) {
		u64 now = bpf_ktime_get_boot_ns();

		if (!v->first)
			v->first = now;
		v->last = now;
		__sync_fetch_and_add(&v->count, 1);
		return 1;
	}
	fresh.table_id = x->t->id;
	bpf_map_update_elem(map, &k, &fresh, BPF_NOEXIST);
	return 0;
}

static __always_inline void count_rule(struct act *x, struct cpu_stats *st)
{
	u32 place = x->t->place, rule = x->d->o.rule;
	void *map = bpf_map_lookup_elem(&rule_counts, &place);
	u64 *n = NULL;

	if (map)
		n = bpf_map_lookup_elem(map, &rule);
	if (n)
		__sync_fetch_and_add(n, 1);
	else
		__sync_fetch_and_add(&st->no_rule_count, 1);
}

/* A verdict that no policy row gave; the subject's hash stays. */
static __always_inline void builtin(struct act *x, u32 rule, u32 allow)
{
	x->d->o.rule = rule;
	x->d->o.allow = allow;
	x->d->o.flags = 0;
	x->d->o.cond = COND_NONE;
}

/* Observe affects the policy's own rules only. */
static __always_inline int observed(struct act *x)
{
	u32 rule = x->d->o.rule;

	return (x->t->flags & TABLE_OBSERVE) && !(x->d->o.flags & ROW_FLOOR) &&
	       (rule == RULE_DEFAULT || rule == RULE_SUBTREE || rule == RULE_ENVIRONMENT || rule == RULE_RESOLVER ||
		rule == RULE_DNS || rule >= RULE_FIRST);
}

/*
 * What is done about the outcome. A denial keeps its rule when the agent is lost as
 * well. Its result is read back from the slot, so that the verifier takes it as
 * unknown instead of following each verdict to the end.
 */
static __noinline int settle_verdict(struct act *x)
{
	u8 verdict = VERDICT_ALLOW;

	if (!x->d->o.allow)
		verdict = observed(x) ? VERDICT_WOULD_DENY : VERDICT_DENY;
	x->d->verdict = verdict;
	if (unlikely(x->t->flags & TABLE_AGENT_LOSS_DENY) && x->d->verdict != VERDICT_DENY && agent_lost()) {
		builtin(x, RULE_AGENT_LOSS, 0);
		x->d->verdict = VERDICT_DENY;
	}
	/* A task without a slot is one that could not be ended: see end_task. */
	if (x->d->verdict == VERDICT_DENY && silenced(x->d->o.rule) && !(x->d->o.flags & ROW_NEVER) &&
	    x->task->slot != SLOT_NONE && switched_off(x->task->cgroup))
		x->d->verdict = VERDICT_DISABLED;
	return 0;
}

/* Whether the policy relaxes a built-in denial. */
static __always_inline int relaxes(struct act *x, u32 bit)
{
	return bit < RELAX_NEVER && (x->t->relaxed >> bit & 1);
}

static __always_inline int finish_as(struct act *x, u32 named)
{
	struct cpu_stats *st = cpu_stats();

	if (!st)
		return -EACCES;
	if (!x->t->id && !tables_known(x->t))
		builtin(x, RULE_NO_POLICY, 0);
	settle_verdict(x);
	if (x->d->repeat && x->d->verdict != VERDICT_DENY)
		return 0;
	__sync_fetch_and_add(&st->decisions, 1);
	count_rule(x, st);
	if (x->d->verdict == VERDICT_DENY) {
		__sync_fetch_and_add(&st->denied, 1);
	} else if (x->d->o.allow && (x->d->o.flags & ROW_COUNT) && count_allow(x)) {
		__sync_fetch_and_add(&st->counted, 1);
		return 0;
	}
	if (named && x->d->named)
		record_name(x->s, x->task->cgroup, x->d->name, x->d);
	if (emit(x) && (x->t->flags & TABLE_AUDIT_LOSS_DENY) && x->d->verdict != VERDICT_DENY &&
	    !switched_off(x->task->cgroup)) {
		/* Its number is taken: that it is missing is declared, and why it is denied the rule's count says. */
		builtin(x, RULE_AUDIT_LOSS, 0);
		count_rule(x, st);
		__sync_fetch_and_add(&st->denied, 1);
		return -EACCES;
	}
	if (x->d->verdict == VERDICT_DENY)
		return -EACCES;
	return 0;
}

/* Records the act and gives the hook's return value. */
static __noinline int finish(struct act *x)
{
	return finish_as(x, 0);
}

/* The same of an address. Its own: a program that may sleep may not look at names before 6.8. */
static __noinline int finish_address(struct act *x)
{
	return finish_as(x, 1);
}
