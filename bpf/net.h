/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Network: connect by address. The subject is 20 bytes: class, address (IPv4
 * mapped), protocol, port. A rule by name never matches an address here; names
 * need the DNS programs. Families and protocols without a verb are denied, unless
 * the policy relaxes them; then their addresses are not judged.
 */
#pragma once
#include "families.h"
#include "file.h"

#define ADDR_SUBJECT 20

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

/* Writes the subject; 0 when the address is none that can be judged. */
static __always_inline int subject_addr(struct act *x, struct sock *sk, struct sockaddr *address, int len)
{
	struct sockaddr_any sa = {};
	u32 proto = sk->sk_protocol;
	u8 *p = &x->s->buf[PATH_END - ADDR_SUBJECT];

	if (len < 8 || bpf_probe_read_kernel(&sa, 8, address))
		return 0;
	if (sa.family == AF_INET6 && (len < 24 || bpf_probe_read_kernel(&sa, 24, address)))
		return 0;
	__builtin_memset(p, 0, ADDR_SUBJECT);
	if (sa.family == AF_INET6) {
		__builtin_memcpy(p + 1, sa.v6, 16);
	} else if (sa.family == AF_INET) {
		p[11] = 0xff;
		p[12] = 0xff;
		__builtin_memcpy(p + 13, &sa.v4, 4);
	} else {
		return 0;
	}
	if (proto == IPPROTO_MPTCP)
		proto = IPPROTO_TCP;
	if (proto == IPPROTO_UDPLITE)
		proto = IPPROTO_UDP;
	p[17] = proto;
	__builtin_memcpy(p + 18, &sa.port, 2);
	x->d->class = CLASS_ROOT;
	if (sk->__sk_common.skc_net.net->ns.inum == settings.host_netns)
		x->d->class = CLASS_MOUNT;
	p[0] = x->d->class;
	x->d->pos = PATH_END - ADDR_SUBJECT;
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP;
}

static __noinline int gate_connect(struct armed_task *a, struct sock *sk, struct sockaddr *address, int len)
{
	u32 kind = socket_kind(sk->__sk_common.skc_family, sk->sk_type, sk->sk_protocol);
	struct act x;
	int ret;

	if (!act_begin(&x, a, KIND_ADDR, HOOK_SOCKET_CONNECT))
		return -EACCES;
	x.d->requested = sk->__sk_common.skc_family;
	if (kind != SOCKET_LISTED || !subject_addr(&x, sk, address, len)) {
		builtin(&x, RULE_SOCKET_FAMILY, kind < RELAX_NEVER && tables_known(x.t) && relaxes(&x, kind));
		x.d->o.flags = ROW_COUNT;
	} else if (!match(x.t, x.s, x.d->pos, KIND_ADDR, &x.d->o)) {
		builtin(&x, RULE_NO_POLICY, 0);
	}
	ret = finish(&x);
	scratch_release(x.s);
	if (ret)
		return -EACCES;
	return 0;
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
