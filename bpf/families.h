/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which kinds of sockets an armed task may make and connect: those by whose
 * addresses the policy decides (TCP, UDP), unix sockets, and of netlink what
 * every libc asks for addresses and routes (NETLINK_ROUTE) and what libaudit
 * insists on, without which useradd, su and sudo fail (NETLINK_AUDIT: writing to
 * that log needs CAP_AUDIT_WRITE all the same). Each other kind is a way past the
 * policy's addresses, or into a part of the kernel that few programs need; a
 * policy relaxes it by name, or nothing does.
 */
#pragma once
#include "record.h"

#define SOCKET_LISTED 64 /* beyond enum relax */

/* Loader: 1 where a hook sees what a connection of MPTCP adds to itself, since 6.5. */
const volatile u32 subflows_seen = 0;

static __always_inline u32 inet_kind(u32 type, u32 protocol)
{
	if (type == SOCK_RAW)
		return RELAX_RAW_SOCKETS;
	if (protocol == IPPROTO_SCTP || (type == SOCK_SEQPACKET && !protocol))
		return RELAX_SCTP;
	if (type == SOCK_STREAM && (!protocol || protocol == IPPROTO_TCP))
		return SOCKET_LISTED;
	/* Before 6.5 nothing tells of the addresses that a connection adds. */
	if (type == SOCK_STREAM && protocol == IPPROTO_MPTCP && subflows_seen)
		return SOCKET_LISTED;
	if (type == SOCK_DGRAM && (!protocol || protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE))
		return SOCKET_LISTED;
	if (type == SOCK_DGRAM && (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6))
		return RELAX_RAW_SOCKETS;
	return RELAX_NEVER;
}

/* SOCKET_LISTED, or the bit that relaxes the kind. */
static __always_inline u32 socket_kind(u32 family, u32 type, u32 protocol)
{
	switch (family) {
	case AF_INET:
	case AF_INET6:
		return inet_kind(type, protocol);
	case AF_UNIX:
		return SOCKET_LISTED;
	case AF_NETLINK:
		return protocol == NETLINK_ROUTE || protocol == NETLINK_AUDIT ? SOCKET_LISTED : RELAX_NETLINK;
	case AF_PACKET:
	case AF_XDP:
		return RELAX_PACKET_SOCKETS;
	case AF_VSOCK:
		return RELAX_VSOCK;
	case AF_ALG:
		return RELAX_AF_ALG;
	}
	return RELAX_NEVER;
}
