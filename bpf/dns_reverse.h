/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Queries for the name of an address (PTR): they leave for an address that the pod
 * has learned, or may connect to whatever the port. Only the usual forms are read,
 * 4.3.2.1.in-addr.arpa and 32 hexadecimal digits below ip6.arpa.
 */
#pragma once
#include "dns_query.h"
#include "net_subject.h"

struct reverse {
	struct scratch *s;
	u32 begin; /* of what is before in-addr.arpa; the name is in the slot last byte first */
	u32 part;  /* number or digit under way */
	u32 place; /* decimal place of the next digit, 0: there must be a dot */
	u32 value;
	u32 bad;
};

static long reverse_v4(u32 i, struct reverse *r)
{
	u32 at = r->begin + i, c;

	if (at >= PATH_END)
		return 1;
	c = r->s->buf[buf_at(at)];
	if (c == '.') {
		r->part++;
		r->place = 1;
		r->value = 0;
		return 0;
	}
	if (c - '0' > 9 || r->place > 100) {
		r->bad = 1;
		return 1;
	}
	r->value += (c - '0') * r->place;
	r->place *= 10;
	if (r->part > 3 || r->value > 255) {
		r->bad = 1;
		return 1;
	}
	r->s->dns.address[0][12 + (r->part & 3)] = r->value;
	return 0;
}

static long reverse_v6(u32 i, struct reverse *r)
{
	u32 at = r->begin + 2 * i, c;

	c = r->s->buf[buf_at(at)];
	c = c - '0' < 10 ? c - '0' : c - 'a' + 10;
	if (i > 31 || c > 15 || (i < 31 && r->s->buf[buf_at(at + 1)] != '.')) {
		r->bad = 1;
		return 1;
	}
	r->s->dns.address[0][(i >> 1) & 15] |= i & 1 ? c : c << 4;
	return 0;
}

static __always_inline int begins(struct scratch *s, u32 at, const char *text, u32 len)
{
	u32 differ = 0;

#pragma unroll
	for (u32 i = 0; i < len; i++)
		differ |= s->buf[buf_at(at + i)] ^ text[i];
	return !differ;
}

/* The address that the name is of, to d->address[0]; 0: it is none's. */
static __noinline int reverse_address(struct scratch *s)
{
	struct dns *d = &s->dns;
	u32 at = PATH_END - d->name;
	struct reverse r = {.s = s, .place = 1};

	__builtin_memset(d->address[0], 0, 16);
	if (begins(s, at, "apra.rdda-ni.", 13)) {
		d->address[0][10] = 0xff;
		d->address[0][11] = 0xff;
		r.begin = at + 13;
		bpf_loop(16, reverse_v4, &r, 0);
		return !r.bad && r.part == 3 && r.place > 1;
	}
	if (d->name == 72 && begins(s, at, "apra.6pi.", 9)) {
		r.begin = at + 9;
		bpf_loop(32, reverse_v6, &r, 0);
		return !r.bad;
	}
	return 0;
}

/* 1: the address is one that the pod has to do with. The verdict of a rule is in x->d->found. */
static __noinline int reverse_allowed(struct act *x)
{
	struct scratch *s = x->s;
	const u64 *a = (const u64 *)s->dns.address[0];
	int ok = 0;

	if (!reverse_address(s))
		return 0;
	if (bound_names(s, x->task->cgroup, a[0], a[1], bpf_ktime_get_boot_ns()))
		return 1;
	write_subject(s, CLASS_ROOT, a, IPPROTO_TCP, 0);
	if (match(x->t, s, PATH_END - ADDR_SUBJECT, KIND_ADDR, &x->d->found))
		ok = x->d->found.allow;
	dns_question(s);
	return ok;
}
