/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads DNS messages, and nothing else: who may send which is in dns_query.h.
 * The whole message is in the slot's buf, so that nothing changes under its
 * reader. A query is one question in class IN and at most an OPT record, to the
 * last byte: what else there is room for is a way to say something to a server.
 *
 * Of an answer counts what answers its question: A or AAAA records, whichever was
 * asked for, of the question's name or of where CNAME records lead from it, in the
 * order of the chain, as resolvers write them. Records of other names and other
 * sections are passed over. An answer that cannot be followed to the end of its
 * section gives no address at all.
 *
 * Message bytes are unknown to the verifier, and so are the numbers in the slot:
 * its ways through the loops meet again.
 */
#pragma once
#include "match.h"

enum dns_walk {
	WALKING,
	WALKED,
	LOST,
};

#define DNS_HEAD 12
#define DNS_POINTER 0xc0
#define DNS_TYPE_A 1
#define DNS_TYPE_CNAME 5
#define DNS_TYPE_PTR 12
#define DNS_TYPE_AAAA 28
#define DNS_TYPE_SRV 33
#define DNS_TYPE_OPT 41
#define DNS_TYPE_SVCB 64
#define DNS_TYPE_HTTPS 65
#define DNS_CLASS_IN 1
#define DNS_OPTION_COOKIE 10
#define DNS_RESPONSE 0x8000
#define DNS_TRUNCATED 0x0200
#define DNS_RCODE 0x000f
#define DNS_QUERY_FLAGS 0x0130 /* RD, AD, CD: those that a query may have */
#define DNS_OPCODE 0x7800
#define DNS_OPT_DO 0x8000

/* A byte of the message; 0 behind its end, where no caller looks. */
static __always_inline u32 dns_byte(struct scratch *s, u32 at)
{
	return s->buf[buf_at(at)];
}

static __always_inline u32 dns_u16(struct scratch *s, u32 at)
{
	return dns_byte(s, at) << 8 | dns_byte(s, at + 1);
}

static __always_inline u32 dns_lower(u32 c)
{
	return c - 'A' < 26 ? c + 32 : c;
}

static __always_inline int dns_host_char(u32 c)
{
	return c - 'a' < 26 || c - '0' < 10 || c == '-' || c == '_';
}

static __always_inline void dns_put(struct scratch *s, u32 c)
{
	s->dns.out++;
	s->buf[buf_at(PATH_END - s->dns.out)] = c;
}

/* One byte of the question's name: into the subject, last byte first. */
static long dns_name_byte(u32 i, struct scratch **ctx)
{
	struct scratch *s = *ctx;
	struct dns *d = &s->dns;
	u32 c;

	d->over = LOST;
	if (d->at >= d->end)
		return 1;
	c = dns_byte(s, d->at);
	if (c && d->out >= 253)
		return 1;
	d->at++;
	if (!d->label) {
		if (!c) {
			d->over = WALKED;
			return 1;
		}
		if (c > 63)
			return 1;
		if (d->out)
			dns_put(s, '.');
		if (c > d->longest)
			d->longest = c;
		d->label = c;
	} else {
		c = dns_lower(c);
		if (!dns_host_char(c))
			return 1;
		dns_put(s, c);
		d->label--;
	}
	d->over = WALKING;
	return 0;
}

/* Reads the question; 0: refused, and why is known. */
static __noinline int dns_question(struct scratch *s)
{
	struct dns *d = &s->dns;
	struct scratch *ctx = s;

	d->at = DNS_HEAD;
	d->label = 0;
	d->out = 0;
	d->longest = 0;
	d->over = LOST;
	/* A name of 253 bytes has 255 with its lengths. */
	bpf_loop(255, dns_name_byte, &ctx, 0);
	d->name = d->out;
	d->refused = DNS_NAME;
	if (d->over != WALKED || !d->out)
		return 0;
	/* The subject's class byte. */
	s->buf[buf_at(PATH_END - 1 - d->out)] = CLASS_ROOT;
	d->refused = DNS_LENGTH;
	if (d->at + 4 > d->end)
		return 0;
	d->type = dns_u16(s, d->at);
	d->refused = DNS_CLASS;
	if (dns_u16(s, d->at + 2) != DNS_CLASS_IN)
		return 0;
	d->at += 4;
	d->refused = DNS_READ;
	return 1;
}

/* Where the subject of the question's name begins, with its class byte. */
static __always_inline u32 dns_subject(struct scratch *s)
{
	return PATH_END - 1 - (s->dns.name & 0xff);
}

/* An OPT record at the end: no more than a client's cookie in it. */
static __always_inline u32 dns_edns(struct scratch *s)
{
	struct dns *d = &s->dns;
	u32 at = d->at, len;

	if (at + 11 > d->end)
		return DNS_LENGTH;
	len = dns_u16(s, at + 9);
	if (dns_byte(s, at) || dns_u16(s, at + 1) != DNS_TYPE_OPT || dns_u16(s, at + 5) ||
	    (dns_u16(s, at + 7) & ~DNS_OPT_DO))
		return DNS_EDNS;
	if (at + 11 + len != d->end)
		return at + 11 + len > d->end ? DNS_LENGTH : DNS_TRAILING;
	if (!len)
		return DNS_READ;
	if (len < 12 || len > 44 || dns_u16(s, at + 11) != DNS_OPTION_COOKIE || dns_u16(s, at + 13) != len - 4)
		return DNS_EDNS;
	return DNS_READ;
}

/* Reads a query of d->end bytes; 0: refused. */
static __noinline int dns_read_query(struct scratch *s)
{
	struct dns *d = &s->dns;
	u32 more;

	d->refused = DNS_LENGTH;
	if (d->end < DNS_HEAD || d->end > DNS_QUERY)
		return 0;
	d->id = dns_u16(s, 0);
	more = dns_u16(s, 10);
	d->refused = DNS_HEADER;
	if ((dns_u16(s, 2) & ~DNS_QUERY_FLAGS) || dns_u16(s, 4) != 1 || dns_u16(s, 6) || dns_u16(s, 8) || more > 1)
		return 0;
	if (!dns_question(s))
		return 0;
	if (more)
		d->refused = dns_edns(s);
	else if (d->at != d->end)
		d->refused = DNS_TRAILING;
	return d->refused == DNS_READ;
}

/* One label: to where the next one begins. */
static long dns_skip_label(u32 i, struct scratch **ctx)
{
	struct scratch *s = *ctx;
	struct dns *d = &s->dns;
	u32 c;

	d->over = LOST;
	if (d->at >= d->end)
		return 1;
	c = dns_byte(s, d->at);
	if (c >= DNS_POINTER) {
		d->at += 2;
		d->over = WALKED;
		return 1;
	}
	if (c > 63)
		return 1;
	d->at += c + 1;
	d->over = c ? WALKING : WALKED;
	return !c;
}

/* Steps over the name at d->at. */
static __always_inline int dns_skip(struct scratch *s)
{
	struct dns *d = &s->dns;
	struct scratch *ctx = s;

	if (d->at + 2 <= d->end && dns_byte(s, d->at) >= DNS_POINTER) {
		d->at += 2;
		return 1;
	}
	d->over = LOST;
	bpf_loop(128, dns_skip_label, &ctx, 0);
	return d->over == WALKED && d->at <= d->end;
}

/* One step of comparing two names, of which either may go on elsewhere. A pointer leads back, so the loop ends. */
static long dns_compare_step(u32 i, struct scratch **ctx)
{
	struct scratch *s = *ctx;
	struct dns *d = &s->dns;
	u32 a = d->at, b = d->other, x, y, to;

	d->over = LOST;
	if (a + 1 > d->end || b + 1 > d->end)
		return 1;
	x = dns_byte(s, a);
	y = dns_byte(s, b);
	if (d->label) {
		if (dns_lower(x) != dns_lower(y))
			return 1;
		d->label--;
		d->at = a + 1;
		d->other = b + 1;
	} else if (x >= DNS_POINTER) {
		to = dns_u16(s, a) & 0x3fff;
		if (to >= a)
			return 1;
		d->at = to;
	} else if (y >= DNS_POINTER) {
		to = dns_u16(s, b) & 0x3fff;
		if (to >= b)
			return 1;
		d->other = to;
	} else {
		if (x != y || x > 63)
			return 1;
		if (!x) {
			d->over = WALKED;
			return 1;
		}
		d->label = x;
		d->at = a + 1;
		d->other = b + 1;
		/* With the root's zero 255 bytes are the longest name. */
		d->out += x + 1;
		if (d->out > 254)
			return 1;
	}
	d->over = WALKING;
	return 0;
}

/* Whether the name at owner can be read, and is the one that is wanted. */
static __noinline int dns_is_wanted(struct scratch *s, u32 owner)
{
	struct dns *d = &s->dns;
	struct scratch *ctx = s;
	u32 at = d->at;

	d->at = owner;
	d->other = d->wanted;
	d->label = 0;
	d->out = 0;
	d->over = LOST;
	/* Bytes of the longest name, and as many pointers as two names have labels. */
	bpf_loop(512, dns_compare_step, &ctx, 0);
	d->at = at;
	return d->over == WALKED;
}

/* The data of a record that answers the question. */
static __always_inline u32 dns_address(struct scratch *s, u32 at, u32 len, u32 ttl)
{
	struct dns *d = &s->dns;
	u32 n = d->found, v4 = d->type == DNS_TYPE_A;
	u8 *to;

	if (len != (v4 ? 4 : 16))
		return DNS_RECORD;
	if (n >= DNS_ADDRESSES)
		return DNS_READ;
	to = d->address[n];
	d->ttl[n] = ttl;
	__builtin_memset(to, 0, 16);
	if (v4) {
		to[10] = 0xff;
		to[11] = 0xff;
		__builtin_memcpy(to + 12, &s->buf[buf_at(at)], 4);
	} else {
		__builtin_memcpy(to, &s->buf[buf_at(at)], 16);
	}
	d->found = n + 1;
	return DNS_READ;
}

/* One record of the answer section. */
static long dns_record(u32 i, struct scratch **ctx)
{
	struct scratch *s = *ctx;
	struct dns *d = &s->dns;
	u32 owner = d->at, at, type, len, ttl;

	if (!d->records)
		return 1;
	d->records--;
	d->refused = DNS_RECORD;
	if (!dns_skip(s) || d->at + 10 > d->end)
		return 1;
	at = d->at;
	type = dns_u16(s, at);
	ttl = dns_u16(s, at + 4) << 16 | dns_u16(s, at + 6);
	len = dns_u16(s, at + 8);
	if (at + 10 + len > d->end)
		return 1;
	d->refused = DNS_READ;
	/* Most owners point at the name, which was read. */
	if (dns_u16(s, at + 2) == DNS_CLASS_IN && (type == d->type || type == DNS_TYPE_CNAME) &&
	    (dns_u16(s, owner) == (DNS_POINTER << 8 | d->wanted) || dns_is_wanted(s, owner))) {
		d->at = at + 10;
		if (type == DNS_TYPE_CNAME) {
			d->wanted = at + 10;
			/* Nor has a name both addresses and an alias. */
			if (d->found || !dns_skip(s) || d->at != at + 10 + len || !dns_is_wanted(s, d->wanted))
				d->refused = DNS_RECORD;
		} else {
			d->refused = dns_address(s, at + 10, len, ttl);
		}
		if (d->refused)
			return 1;
	}
	d->at = at + 10 + len;
	return 0;
}

/* The addresses of an answer whose question was read; 0: refused. */
static __noinline int dns_read_addresses(struct scratch *s)
{
	struct dns *d = &s->dns;
	struct scratch *ctx = s;

	d->found = 0;
	d->wanted = DNS_HEAD;
	d->records = dns_u16(s, 6);
	d->refused = DNS_RECORD;
	if (d->records > DNS_RECORDS)
		return 0;
	d->refused = DNS_READ;
	if (d->type == DNS_TYPE_A || d->type == DNS_TYPE_AAAA)
		bpf_loop(DNS_RECORDS, dns_record, &ctx, 0);
	if (d->refused)
		d->found = 0;
	return d->refused == DNS_READ;
}

/* Reads an answer's header and question; 0: refused. */
static __noinline int dns_read_answer(struct scratch *s)
{
	struct dns *d = &s->dns;

	d->found = 0;
	d->refused = DNS_LENGTH;
	if (d->end < DNS_HEAD || d->end > DNS_MESSAGE)
		return 0;
	d->id = dns_u16(s, 0);
	d->refused = DNS_HEADER;
	if ((dns_u16(s, 2) & (DNS_RESPONSE | DNS_OPCODE | DNS_TRUNCATED | DNS_RCODE)) != DNS_RESPONSE ||
	    dns_u16(s, 4) != 1)
		return 0;
	return dns_question(s);
}
