/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* An address as a subject of the policy: 20 bytes, class, address (IPv4 mapped), protocol, port. */
#pragma once
#include "bound.h"

#define ADDR_SUBJECT 20

/* Port as the network has it. */
static __always_inline void write_subject(struct scratch *s, u32 class, const u64 *address, u32 proto, u32 port)
{
	u8 *p = &s->buf[PATH_END - ADDR_SUBJECT];

	p[0] = class;
	/* At odd places, which the compiler would write byte by byte. */
	*(volatile u64 *)(p + 1) = address[0];
	*(volatile u64 *)(p + 9) = address[1];
	p[17] = proto;
	*(volatile u16 *)(p + 18) = port;
}
