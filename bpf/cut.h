/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Ends connections that the policy allows no longer, under `connections: cut`. Who
 * connected is kept with the socket when it connects; what was accepted, or was
 * connected under another setting, is not there and stays. A name counts however
 * long ago it was learned: what it says of an open connection has not changed. A
 * socket that cannot be judged is ended.
 *
 * By bpf_sock_destroy, since 6.5: the plain object has no such program.
 */
#pragma once
#include "net.h"

#ifndef NO_KFUNCS

struct bpf_iter_meta;

struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
} __core;

struct udp_sock;

struct bpf_iter__udp {
	struct bpf_iter_meta *meta;
	struct udp_sock *udp_sk;
} __core;

extern int bpf_sock_destroy(struct sock_common *sk) __ksym;

/* Set by the loader: whose connections are looked at, and how many were ended. */
volatile u32 cut_slot = 0;
volatile u32 cut_ended = 0;

/* 1: the connection is one of the slot's, and is not allowed. */
static __noinline int connection_refused(struct connected *c, struct sock *sk)
{
	struct armed_task task = {
		.flags = ARMED,
		.slot = c->slot,
		.cgroup = c->cgroup,
		.exe_table = c->exe_table,
		.exe_class = c->exe_class,
	};
	struct act x, *ctx = &x;
	struct peer *p;
	int refused;

	if (c->slot != cut_slot)
		return 0;
	if (!act_begin(&x, &task, KIND_ADDR, HOOK_SOCKET_CONNECT))
		return 1;
	p = &x.s->peer;
	p->hook = HOOK_SOCKET_CONNECT;
	peer_connected(p, sk);
	x.d->class = CLASS_ROOT;
	if (sk->__sk_common.skc_net.net->ns.inum == settings.host_netns)
		x.d->class = CLASS_MOUNT;
	x.s->proto = judged_protocol(sk->sk_protocol);
	x.s->route = 0;
	bound_names(x.s, c->cgroup, p->address[0], p->address[1], 0);
	bpf_loop(NAMES_MOST, judge_name_of, &ctx, 0);
	refused = !x.d->o.allow;
	/* Resolvers are judged query by query. */
	if (p->port == __builtin_bswap16(PORT_DNS) || !tables_known(x.t))
		refused = 0;
	if (x.t->flags & TABLE_OBSERVE)
		refused = 0;
	scratch_release(x.s);
	return refused;
}

SEC("iter/tcp")
int cut_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *sk = ctx->sk_common;
	struct connected *c;

	if (!sk)
		return 0;
	c = bpf_sk_storage_get(&connected, sk, NULL, 0);
	if (c && connection_refused(c, kernel_cast(struct sock, sk))) {
		if (!bpf_sock_destroy(sk))
			__sync_fetch_and_add(&cut_ended, 1);
	}
	return 0;
}

SEC("iter/udp")
int cut_udp(struct bpf_iter__udp *ctx)
{
	struct sock_common *sk = (struct sock_common *)ctx->udp_sk;
	struct connected *c;

	if (!sk)
		return 0;
	c = bpf_sk_storage_get(&connected, sk, NULL, 0);
	if (c && connection_refused(c, kernel_cast(struct sock, sk))) {
		if (!bpf_sock_destroy(sk))
			__sync_fetch_and_add(&cut_ended, 1);
	}
	return 0;
}

#endif
