/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What sockets of gated cgroups send and receive, of UDP that which concerns names.
 * Which socket asks resolvers was judged when it was connected or sent (net.h) and
 * is kept with the socket; so a packet is known by its socket, whatever addresses
 * were rewritten on the way. Any other packet passes, but for one that the sender
 * routes by itself past the address that was judged.
 *
 * The programs are attached to a cgroup, so that packets elsewhere cost nothing.
 * A binding without them says so (BIND_NAMES), and its tasks ask no resolver.
 */
#pragma once
#include "dns_reverse.h"

/* include/uapi/linux/bpf.h: the kernel rewrites accesses to it. */
struct bpf_sock {
	u32 bound_dev_if;
	u32 family;
	u32 type;
	u32 protocol;
};

static u64 (*const bpf_skb_cgroup_id)(void *skb) = (void *)79;

/* Where a query goes, or an answer comes from: as its packet says. */
static __always_inline u64 server_hash(struct dns_peer *p)
{
	const u64 *w = (const u64 *)p->address;

	return hash_word(address_hash(w[0], w[1]), p->port);
}

static __always_inline struct dns_asked *asked_set(struct dns_socket *n, u32 id)
{
	return &n->asked[(id & (DNS_ASKED_SETS - 1)) * DNS_ASKED_WAYS];
}

/* In the place of the oldest of its set. A set's queries may be lost by two CPUs at once: then their answers bind
 * nothing. */
static __noinline void remember_query(struct dns_socket *n, struct scratch *s, u64 name, u32 binds)
{
	struct dns *d = &s->dns;
	struct dns_asked *set = asked_set(n, d->id), *q;
	u64 oldest = ~0ULL;

	s->names_found = 0;
	for (int i = 0; i < DNS_ASKED_WAYS; i++) {
		if (set[i].time < oldest) {
			oldest = set[i].time;
			s->names_found = i;
		}
	}
	q = &set[FRESH(s->names_found) & (DNS_ASKED_WAYS - 1)];
	q->time = 0;
	barrier();
	q->name = name;
	q->server = server_hash(&d->peer);
	q->id = d->id;
	q->type = d->type;
	q->binds = binds;
	barrier();
	q->time = bpf_ktime_get_boot_ns();
}

/* When the query was sent that this answers; 0: none was, or its answer binds nothing. It is answered then. */
static __noinline u64 take_query(struct dns_socket *n, struct scratch *s, u64 name)
{
	struct dns *d = &s->dns;
	struct dns_asked *set = asked_set(n, d->id);
	struct dns_resolver from = {.cgroup = n->cgroup};
	u64 server = server_hash(&d->peer), now = bpf_ktime_get_boot_ns(), time;
	u32 trusted;

	__builtin_memcpy(from.address, d->peer.address, 16);
	trusted = d->peer.port == 53 && bpf_map_lookup_elem(&dns_resolvers, &from);
	for (int i = 0; i < DNS_ASKED_WAYS; i++) {
		struct dns_asked *q = &set[i];

		time = q->time;
		if (!time || q->name != name || q->id != d->id || q->type != d->type || now - time > DNS_ASKED_TIME)
			continue;
		if (q->server != server && !trusted)
			continue;
		q->time = 0;
		return q->binds ? time : 0;
	}
	return 0;
}

/* By what the query is refused beside the rules; 0: nothing. */
static __always_inline u32 query_refused(struct act *x, struct dns *d)
{
	dns_limits(x->t, x->s);
	if (!d->type_allowed)
		return DNS_TYPE;
	if (d->label_most && d->longest > d->label_most)
		return DNS_LABEL;
	if (d->rate && too_many(x->task->cgroup, d->rate))
		return DNS_RATE;
	return DNS_READ;
}

/* The rules' verdict on a query that was read; 1: its answer binds. */
static __always_inline int judge_name(struct act *x)
{
	struct scratch *s = x->s;
	u64 hash;

	if (!match(x->t, s, dns_subject(s), KIND_HOST, &x->d->o)) {
		builtin(x, RULE_NO_POLICY, 0);
		return 0;
	}
	if (x->d->o.allow)
		return 1;
	hash = x->d->o.hash;
	if (s->dns.type == DNS_TYPE_PTR) {
		if (reverse_allowed(x)) {
			builtin(x, RULE_DNS, 1);
			x->d->o.flags = ROW_COUNT;
		}
		return 0;
	}
	if (searched_for(x)) {
		x->d->o = x->d->found;
		x->d->o.hash = hash;
		return 0;
	}
	/* Only what the policy merely observes goes on, and is learned. */
	return 1;
}

/* 1: the packet leaves. */
static __noinline int gate_query(struct __sk_buff *skb, struct dns_socket *n)
{
	struct armed_task task = {
		.flags = ARMED,
		.slot = n->slot,
		.cgroup = n->cgroup,
		.exe = n->exe,
		.exe_table = n->exe_table,
		.exe_class = n->exe_class,
	};
	struct act x;
	struct dns *d;
	u32 binds = 0;
	int ret;

	if (!act_begin(&x, &task, KIND_HOST, HOOK_DNS_QUERY))
		return 0;
	d = &x.s->dns;
	x.d->class = CLASS_ROOT;
	if (dns_load(skb, x.s, 0) && dns_read_query(x.s))
		d->refused = query_refused(&x, d);
	if (d->refused)
		builtin(&x, RULE_DNS, 0);
	else
		binds = judge_name(&x);
	if (d->name)
		x.d->pos = dns_subject(x.s);
	x.d->requested = d->type | d->refused << 16;
	ret = finish(&x);
	if (!ret && !d->refused)
		remember_query(n, x.s, x.d->o.hash, binds);
	scratch_release(x.s);
	return !ret;
}

/* The sender has the packet go by way of another address than the one that was judged. */
static __noinline int routed_by_sender(struct __sk_buff *skb)
{
	u64 id = bpf_skb_cgroup_id(skb);
	struct binding *b = bpf_map_lookup_elem(&bindings, &id);

	return b && !(b->flags & BIND_EXEMPT);
}

/* 1: an IP header that may say so. */
static __always_inline int has_options(struct __sk_buff *skb)
{
	const u8 *p = (const u8 *)(u64)skb->data, *end = (const u8 *)(u64)skb->data_end;

	if (p + 20 > end)
		return 1;
	if (p[0] >> 4 == 4)
		return p[0] != 0x45;
	/* Hop-by-hop options, routing, destination options. */
	return p[6] == 0 || p[6] == 43 || p[6] == 60;
}

SEC("cgroup_skb/egress")
int dns_egress(struct __sk_buff *skb)
{
	struct bpf_sock *sk = (struct bpf_sock *)skb->sk;
	struct dns_socket *n;

	if (!sk)
		return 1;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return 1;
	if (unlikely(has_options(skb)) && (sk->protocol == IPPROTO_TCP || sk->protocol == IPPROTO_UDP) &&
	    routed_by_sender(skb))
		return 0;
	if (likely(sk->protocol != IPPROTO_UDP && sk->protocol != IPPROTO_UDPLITE))
		return 1;
	n = bpf_sk_storage_get(&dns_sockets, sk, NULL, 0);
	if (unlikely(n))
		return gate_query(skb, n);
	/* The send itself was refused; another thread may have connected in between. */
	return !bpf_sk_storage_get(&route_sockets, sk, NULL, 0);
}

/* Learns from an answer; it is passed on, learned or not. */
static __noinline int learn(struct __sk_buff *skb, struct dns_socket *n)
{
	struct learning l = {.cgroup = n->cgroup};
	struct outcome *o;
	struct scratch *s;
	struct tables *t;
	u64 asked;

	s = scratch_claim();
	if (!s)
		return 0;
	l.s = s;
	l.now = bpf_ktime_get_boot_ns();
	t = (struct tables *)s->tables;
	o = &((struct deed *)s->deed)->found;
	tables_of(n->slot, t);
	if (!dns_load(skb, s, 1) || !dns_read_answer(s) || !match(t, s, dns_subject(s), KIND_NAME, o))
		goto out;
	asked = take_query(n, s, o->hash);
	if (!asked || !dns_read_addresses(s) || !s->dns.found)
		goto out;
	l.name = o->hash;
	if (keep_name(&l, classed_by(t, o->class), asked))
		bpf_loop(DNS_ADDRESSES, bind_address, &l, 0);
out:
	scratch_release(s);
	return 0;
}

SEC("cgroup_skb/ingress")
int dns_ingress(struct __sk_buff *skb)
{
	struct bpf_sock *sk = (struct bpf_sock *)skb->sk;
	struct dns_socket *n;

	if (!sk)
		return 1;
	sk = bpf_sk_fullsock(sk);
	if (!sk || likely(sk->protocol != IPPROTO_UDP && sk->protocol != IPPROTO_UDPLITE))
		return 1;
	n = bpf_sk_storage_get(&dns_sockets, sk, NULL, 0);
	if (unlikely(n))
		learn(skb, n);
	return 1;
}
