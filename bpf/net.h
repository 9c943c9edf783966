/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Network: where a task may connect and send to, one verdict for both. A rule by
 * name holds where the pod's own resolvers have given the name that address
 * (bound.h); of several names it is enough that one is allowed. Families and
 * protocols without a verb are denied, unless the policy relaxes them; then their
 * addresses are not judged.
 *
 * Port 53 is not a port like others: there a name can be asked for that no rule
 * allows. Over UDP a task reaches the resolvers of its own pod there, from a socket
 * of its own whose packets hooks_dns.h reads, over TCP none unless the policy says
 * dns.tcp. To any other server there leads only a rule by address.
 *
 * Libraries connect a UDP socket, by which they never send, to learn from which
 * address they would. That is allowed where the same over TCP is, without a record;
 * such a socket sends nothing ever after.
 */
#pragma once
#include "dns_query.h"
#include "families.h"
#include "file.h"
#include "net_subject.h"

#define PORT_DNS 53
#define PORT_DISCARD 9	   /* by which some libraries ask for a route */
#define PORT_HIGHEST 65535 /* musl's */

struct sockaddr_any {
	u16 family;
	u16 port; /* big-endian */
	union {
		u32 v4;
		struct {
			u32 flow;
			u8 v6[16];
		};
	};
};

static __always_inline void peer_v4(struct peer *p, u32 address)
{
	p->address[0] = 0;
	p->address[1] = (u64)address << 32 | 0xffff0000;
	p->known = 1;
}

/* From the address that is given; not known where it is none that can be judged. */
static __always_inline void peer_given(struct peer *p, struct sock *sk, const void *address, int len)
{
	struct sockaddr_any sa = {};

	p->known = 0;
	if (len < 8 || bpf_probe_read_kernel(&sa, 8, address))
		return;
	/* udp_sendmsg() takes no family for IPv4's. */
	if (sa.family == AF_UNSPEC && p->hook == HOOK_SOCKET_SENDMSG && sk->__sk_common.skc_family == AF_INET)
		sa.family = AF_INET;
	p->port = sa.port;
	if (sa.family == AF_INET) {
		peer_v4(p, sa.v4);
	} else if (sa.family == AF_INET6) {
		if (len < 24 || bpf_probe_read_kernel(&sa, 24, address))
			return;
		__builtin_memcpy(p->address, sa.v6, 16);
		p->known = 1;
	}
}

/* Whom a socket is connected to. */
static __always_inline void peer_connected(struct peer *p, struct sock *sk)
{
	p->port = sk->__sk_common.skc_dport;
	if (sk->__sk_common.skc_family == AF_INET) {
		peer_v4(p, sk->__sk_common.skc_daddr);
	} else {
		__builtin_memcpy(p->address, &sk->__sk_common.skc_v6_daddr, 16);
		p->known = 1;
	}
}

static __always_inline u32 judged_protocol(u32 proto)
{
	if (proto == IPPROTO_MPTCP)
		return IPPROTO_TCP;
	if (proto == IPPROTO_UDPLITE)
		return IPPROTO_UDP;
	return proto;
}

static __always_inline int is_udp(struct sock *sk)
{
	return judged_protocol(sk->sk_protocol) == IPPROTO_UDP;
}

/* The socket was made in the cgroup that is bound, and its packets are read. */
static __always_inline int own_socket(struct armed_task *a, struct sock *sk)
{
	u64 id = sk->sk_cgrp_data.cgroup->kn->id;
	struct binding *b = bpf_map_lookup_elem(&bindings, &id);

	return b && b->cgroup == a->cgroup && (b->flags & BIND_NAMES);
}

/* Whose queries are sent from now on. */
static __always_inline void dns_sender(struct dns_socket *n, struct armed_task *a)
{
	n->cgroup = a->cgroup;
	n->slot = a->slot;
	n->exe = a->exe;
	n->exe_table = a->exe_table;
	n->exe_class = a->exe_class;
}

/* One of the pod's own resolvers, on port 53. */
static __always_inline void judge_resolver(struct act *x, struct sock *sk, struct peer *p)
{
	struct dns_socket *n;

	if (!tables_known(x->t)) {
		builtin(x, RULE_NO_POLICY, 0);
		return;
	}
	x->d->o.hash = address_hash(p->address[0], p->address[1]);
	builtin(x, RULE_RESOLVER, 0);
	if (!is_udp(sk)) {
		builtin(x, RULE_RESOLVER, !!(x->t->flags & TABLE_DNS_TCP));
	} else if (own_socket(x->task, sk)) {
		n = bpf_sk_storage_get(&dns_sockets, sk, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
		if (n) {
			dns_sender(n, x->task);
			builtin(x, RULE_RESOLVER, 1);
		} else {
			builtin(x, RULE_INTERNAL, 0);
		}
	}
	x->d->o.flags = ROW_COUNT;
}

_Static_assert(sizeof(struct outcome) <= sizeof(((struct scratch *)0)->refused_by), "the slot's room for an outcome");

/*
 * The verdict by one of the address's names; without any, by none. In the second
 * half of the rounds the same over TCP, for who asks for a route. What changes from
 * round to round is in the slot, so that the verifier takes it as unknown.
 */
static long judge_name_of(u32 i, struct act **ctx)
{
	struct act *x = *ctx;
	struct scratch *s = x->s;
	u32 at = i & (NAMES_MOST - 1);

	if (i == NAMES_MOST) {
		if (!FRESH(s->route))
			return 1;
		*(struct outcome *)s->refused_by = x->d->o;
		s->proto = IPPROTO_TCP;
	}
	if (at && at >= FRESH(s->names_found))
		return i >= NAMES_MOST || !FRESH(s->route);
	x->t->name = 0;
	if (at < FRESH(s->names_found))
		x->t->name = name_class(s, x->t, x->task->cgroup, s->names[at], &x->d->found);
	write_subject(s, x->d->class, s->peer.address, FRESH(s->proto), s->peer.port);
	if (!match(x->t, s, PATH_END - ADDR_SUBJECT, KIND_ADDR, &x->d->o))
		builtin(x, RULE_NO_POLICY, 0);
	x->d->name = at;
	s->route_asked = i >= NAMES_MOST;
	return x->d->o.allow & 1;
}

/* Ports by which libraries ask for the route to a name's address; and port 0 sends nothing anyway. */
static __always_inline int route_port(u32 port)
{
	return port == 0 || port == PORT_DISCARD || port == PORT_HIGHEST;
}

/* What a verdict on an address depends on beside tables and name. */
static __always_inline u64 judged_key(struct act *x)
{
	return x->s->peer.port | (u64)(u8)x->s->proto << 16 | (u64)x->d->class << 24 | (u64)x->t->exe << 32;
}

/* 1: the same was allowed before, by these tables: the verdict is that one. */
static __always_inline int judged_before(struct act *x)
{
	struct scratch *s = x->s;
	u64 hash = settings.hash_key[0];

	if (!tables_known(x->t) || s->before_tables != x->t->id || s->before_judged != judged_key(x))
		return 0;
	write_subject(s, x->d->class, s->peer.address, s->proto, s->peer.port);
#pragma unroll
	for (int i = 0; i < TABLE_BLOCK; i += 8)
		hash = hash_word(hash, *(const u64 *)(s->buf + PATH_END - ADDR_SUBJECT + i));
	x->d->o.hash = hash;
	x->d->o.rule = s->before_verdict;
	x->d->o.flags = s->before_verdict >> 16;
	x->d->o.allow = 1;
	x->d->o.cond = COND_NONE;
	x->d->name = 0;
	return 1;
}

/* The verdict by the first name that is allowed, or the last one. 1: it only asks for the route, and will not send. */
static __noinline int judge_names(struct act *x, struct sock *sk)
{
	struct peer *p = &x->s->peer;
	u32 port = __builtin_bswap16(p->port), *mark, udp = is_udp(sk);
	struct act *ctx = x;
	struct scratch *s = x->s;

	s->proto = judged_protocol(sk->sk_protocol);
	s->route = udp && p->hook == HOOK_SOCKET_CONNECT && port != PORT_DNS;
	/* What the policy merely observes may be sent on. */
	if (FRESH(s->route) && tables_known(x->t) && (x->t->flags & TABLE_OBSERVE))
		s->route = 0;
	if (FRESH(s->names_found) && judged_before(x))
		return 0;
	bpf_loop(2 * NAMES_MOST, judge_name_of, &ctx, 0);
	if (x->d->o.allow && !FRESH(s->route_asked)) {
		if (FRESH(s->names_found) && !x->d->name && x->d->o.cond == COND_NONE)
			keep_verdict(x->task->cgroup, s, x->t->id, judged_key(x), x->d->o.rule | x->d->o.flags << 16);
		return 0;
	}
	if (!FRESH(s->route))
		return 0;
	if (x->d->o.allow || (route_port(port) && FRESH(s->names_found))) {
		mark = bpf_sk_storage_get(&route_sockets, sk, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
		if (mark)
			return 1;
	}
	write_subject(s, x->d->class, p->address, IPPROTO_UDP, p->port);
	x->d->o = *(struct outcome *)s->refused_by;
	return 0;
}

/* What was connected or sent before speaks against sending there. */
static __always_inline u32 socket_refused(struct sock *sk)
{
	if (!sk->sk_bpf_storage)
		return 0;
	if (bpf_sk_storage_get(&dns_sockets, sk, NULL, 0))
		return RULE_RESOLVER; /* its packets are read as queries */
	if (bpf_sk_storage_get(&route_sockets, sk, NULL, 0))
		return RULE_ROUTE;
	return 0;
}

/* Port 53 of a server that is none of the pod's resolvers: a rule by address may lead there. */
static __always_inline void judge_other_server(struct act *x)
{
	if (x->d->o.allow ? !(x->d->o.flags & ROW_MATCHED) : x->d->o.rule == RULE_DEFAULT)
		builtin(x, RULE_RESOLVER, 0);
}

/* Who connects, for the day when the policy allows it no longer: cut.h. */
static __always_inline void keep_connected(struct act *x, struct sock *sk)
{
	struct connected *c = bpf_sk_storage_get(&connected, sk, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!c) {
		builtin(x, RULE_INTERNAL, 0);
		return;
	}
	c->cgroup = x->task->cgroup;
	c->slot = x->task->slot;
	c->exe_table = x->task->exe_table;
	c->exe_class = x->task->exe_class;
}

static __noinline int is_resolver(struct act *x, struct peer *p)
{
	struct dns_resolver r = {.cgroup = x->task->cgroup};

	__builtin_memcpy(r.address, p->address, 16);
	return bpf_map_lookup_elem(&dns_resolvers, &r) != NULL;
}

/* Go's resolver asks for a route by port 53. Such a socket will not send; the rest of port 53 is as denied as before.
 */
static __always_inline int asks_route_there(struct act *x, struct sock *sk)
{
	struct peer *p = &x->s->peer;

	if (!is_udp(sk) || p->hook != HOOK_SOCKET_CONNECT || !tables_known(x->t) || (x->t->flags & TABLE_OBSERVE))
		return 0;
	if (!bound_names(x->s, x->task->cgroup, p->address[0], p->address[1], bpf_ktime_get_boot_ns()))
		return 0;
	x->s->names_found = 0;
	return bpf_sk_storage_get(&route_sockets, sk, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE) != NULL;
}

/* 1: no record, the act goes on. */
static __always_inline int judge_peer(struct act *x, struct sock *sk)
{
	struct peer *p = &x->s->peer;
	u32 dns = p->port == __builtin_bswap16(PORT_DNS), rule;

	x->d->class = CLASS_ROOT;
	if (sk->__sk_common.skc_net.net->ns.inum == settings.host_netns)
		x->d->class = CLASS_MOUNT;
	x->d->pos = PATH_END - ADDR_SUBJECT;
	x->s->names_found = 0;
	if (dns && is_resolver(x, p)) {
		write_subject(x->s, x->d->class, p->address, judged_protocol(sk->sk_protocol), p->port);
		judge_resolver(x, sk, p);
		return 0;
	}
	if (!dns)
		bound_names(x->s, x->task->cgroup, p->address[0], p->address[1], bpf_ktime_get_boot_ns());
	if (judge_names(x, sk))
		return 1;
	if (dns) {
		judge_other_server(x);
		if (!x->d->o.allow && asks_route_there(x, sk))
			return 1;
	}
	if (is_udp(sk) && x->d->o.allow) {
		rule = socket_refused(sk);
		if (rule)
			builtin(x, rule, 0);
	}
	if (x->d->o.allow && unlikely(x->t->flags & TABLE_CUT))
		keep_connected(x, sk);
	x->d->named = FRESH(x->s->names_found) > 0;
	return 0;
}

static __noinline int gate_peer(struct armed_task *a, struct sock *sk, struct peer *p)
{
	u32 kind = socket_kind(sk->__sk_common.skc_family, sk->sk_type, sk->sk_protocol);
	struct act x;
	int ret = 0;

	if (!act_begin(&x, a, KIND_ADDR, p->hook))
		return -EACCES;
	x.d->requested = sk->__sk_common.skc_family;
	if (kind != SOCKET_LISTED || !p->known) {
		builtin(&x, RULE_SOCKET_FAMILY, kind < RELAX_NEVER && tables_known(x.t) && relaxes(&x, kind));
		x.d->o.flags = ROW_COUNT;
	} else {
		x.s->peer = *p;
		if (judge_peer(&x, sk))
			goto out;
	}
	ret = finish_address(&x);
out:
	scratch_release(x.s);
	if (ret)
		return -EACCES;
	return 0;
}

static __noinline int gate_connect(struct armed_task *a, struct sock *sk, struct sockaddr *address, int len)
{
	struct peer p = {.hook = HOOK_SOCKET_CONNECT};

	peer_given(&p, sk, address, len);
	return gate_peer(a, sk, &p);
}

/*
 * A send on a connected UDP socket was judged when it connected; not if it asks a
 * resolver, or only asked for the route. 1: it must be judged.
 */
static __always_inline int judge_connected(struct armed_task *a, struct sock *sk)
{
	u16 port = sk->__sk_common.skc_dport;
	struct dns_socket *n;

	if (likely(!sk->sk_bpf_storage && port != __builtin_bswap16(PORT_DNS)))
		return 0;
	if (!port) /* not connected: the kernel refuses it */
		return 0;
	if (!sk->sk_bpf_storage)
		return 1;
	n = bpf_sk_storage_get(&dns_sockets, sk, NULL, 0);
	if (n) {
		dns_sender(n, a);
		return 0;
	}
	return port == __builtin_bswap16(PORT_DNS) || bpf_sk_storage_get(&route_sockets, sk, NULL, 0);
}

/*
 * Sending is judged where it names an address: UDP without a connection, and TCP
 * fast open, which connects. The kernel's own copy of the name is read.
 */
static __noinline int gate_send(struct armed_task *a, struct sock *sk, struct msghdr *msg)
{
	const void *name = msg->msg_name;
	int len = msg->msg_namelen;
	struct peer p = {.hook = HOOK_SOCKET_SENDMSG};
	u16 family = 0;

	if (sk->sk_type == SOCK_STREAM && !(msg->msg_flags & MSG_FASTOPEN))
		return 0;
	if (name && len >= 2)
		bpf_probe_read_kernel(&family, sizeof(family), name);
	/* IPv6's takes no family for no name. */
	if (!name || (family == AF_UNSPEC && sk->__sk_common.skc_family == AF_INET6)) {
		if (!is_udp(sk) || !judge_connected(a, sk))
			return 0;
		peer_connected(&p, sk);
	} else {
		peer_given(&p, sk, name, len);
	}
	return gate_peer(a, sk, &p);
}

/*
 * A unix socket is a file: reaching its owner needs file.write on the name it
 * is bound to. Abstract and unnamed sockets have no path.
 */
static __always_inline int gate_unix_peer(struct armed_task *a, struct sock *peer, u32 hook)
{
	struct unix_sock *u = container_of_kernel(peer, struct unix_sock, sk);
	struct request r = {
		.dentry = kernel_read(u, path.dentry),
		.mnt = kernel_read(u, path.mnt),
		.kind = KIND_WRITE,
		.hook = hook,
	};

	if (!r.dentry)
		return 0;
	return gate_path(a, &r);
}
