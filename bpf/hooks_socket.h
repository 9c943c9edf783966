/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Families of sockets, and what a connection of MPTCP adds to itself. A socket
 * that an armed task was handed is judged where it connects (net.h).
 *
 * What the kernel makes for itself is no act of the task. accept() makes nothing
 * of another kind. The denial comes before the kernel looks for the family, so no
 * module is loaded for it.
 *
 * MPTCP's further subflows go to addresses that the peer announces, from a thread
 * of the kernel's: there is no connect() that asks. They are known by the cgroup
 * in which the connection's socket was made, and denied there, since 6.5; before,
 * MPTCP itself is. What an armed task makes in its own name is the first subflow.
 */
#pragma once
#include "families.h"
#include "hooks_builtin.h"

SEC("lsm/socket_create")
int gate_socket_create(u64 *ctx)
{
	struct armed_task *a = armed_self();
	u32 family = ctx[0], type = ctx[1], protocol = ctx[2], bit;

	if (likely(!a) || (int)ctx[3])
		return 0;
	bit = socket_kind(family, type, protocol);
	if (bit == SOCKET_LISTED)
		return 0;
	if (gate_requested(a, HOOK_SOCKET_CREATE, RULE_SOCKET_FAMILY, bit,
			   (family & 0xff) | (type & 0xff) << 8 | protocol << 16))
		return -EACCES;
	return 0;
}

/* A further subflow of a connection that was made in a bound cgroup. */
SEC("lsm/mptcp_add_subflow")
int gate_mptcp_add_subflow(u64 *ctx)
{
	struct sock *sk = (void *)ctx[0];
	struct mptcp_sock *connection = kernel_cast(struct mptcp_sock, ctx[0]);
	struct armed_task *a = armed_self(), maker = {.flags = ARMED};
	struct binding *b;
	u64 id;

	if (!kernel_read(connection, first))
		return 0;
	if (!a) {
		id = sk->sk_cgrp_data.cgroup->kn->id;
		b = bpf_map_lookup_elem(&bindings, &id);
		if (!b || (b->flags & BIND_EXEMPT))
			return 0;
		maker.slot = b->slot;
		maker.cgroup = b->cgroup;
		a = &maker;
	}
	if (gate_builtin(a, HOOK_MPTCP_ADD_SUBFLOW, RULE_SOCKET_FAMILY, RELAX_NEVER))
		return -EACCES;
	return 0;
}
