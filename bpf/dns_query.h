/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which queries leave, and what is remembered of them. A name that no rule allows
 * is not asked for: the send fails, so that nobody waits and nothing is said to a
 * server in the labels of a name. The exception are resolvers' search domains: a
 * name within one of the pod's own leaves if what is before the domain is allowed,
 * by itself or in another of its domains. Its answer binds no address.
 *
 * A query without tables, without a free slot, or that cannot be read does not leave.
 */
#pragma once
#include "bound.h"
#include "dns_packet.h"
#include "record.h"

/* What the policy says of queries besides its rules. */
static __always_inline void dns_limits_in(const u8 *blob, struct dns *d)
{
	const struct table_header *h = (const struct table_header *)blob;

	if (!blob)
		return;
	d->label_most = h->dns_max_label;
	d->rate = h->dns_rate;
#pragma unroll
	for (int i = 0; i < 16; i++) {
		if (h->dns_type[i] == d->type && d->type)
			d->type_allowed = 1;
	}
}

static __noinline void dns_limits(struct tables *t, struct scratch *s)
{
	struct dns *d = &s->dns;

	d->type_allowed = d->type == DNS_TYPE_A || d->type == DNS_TYPE_AAAA || d->type == DNS_TYPE_CNAME ||
			  d->type == DNS_TYPE_HTTPS || d->type == DNS_TYPE_SVCB || d->type == DNS_TYPE_SRV ||
			  d->type == DNS_TYPE_PTR;
	d->label_most = 0;
	d->rate = 0;
	if (t->place < PLACE_LARGE)
		dns_limits_in(small_blob(t->place), d);
	else
		dns_limits_in(large_blob(t->place), d);
}

/* Counts a query; 1: there were too many in this minute. CPUs may lose a few between them. */
static __always_inline int too_many(u64 cgroup, u32 rate)
{
	struct dns_pod *pod = bpf_map_lookup_elem(&dns_pods, &cgroup);
	u64 now;

	if (!pod)
		return 1;
	now = bpf_ktime_get_boot_ns();
	if (now - pod->minute >= 60 * SECOND) {
		pod->minute = now;
		pod->queries = 0;
	}
	return __sync_fetch_and_add(&pod->queries, 1) >= rate;
}

struct search_run {
	struct act *x;
	struct scratch *s;
	struct dns_pod *pod;
	u32 at; /* byte under way */
	u32 to;
	u32 from; /* of a domain */
	u32 differs;
	u32 found;
};

static __always_inline const struct dns_search *search_of(struct dns_pod *pod, u64 i)
{
	asm volatile("" : "+r"(i));
	return &pod->search[i & (DNS_SEARCHES - 1)];
}

static long compare_domain(u32 i, struct search_run *r)
{
	const struct dns_search *d = search_of(r->pod, r->from);

	if (i >= 252 || i >= d->len)
		return 1;
	if (r->s->buf[buf_at(r->at + i)] != d->text[i]) {
		r->differs = 1;
		return 1;
	}
	return 0;
}

static long copy_domain(u32 i, struct search_run *r)
{
	const struct dns_search *d = search_of(r->pod, r->from);

	if (i >= 252 || i >= d->len)
		return 1;
	r->s->buf[buf_at(r->to + i)] = d->text[i];
	return 0;
}

/* Tries one domain's rest alone (the first round of each), or in another domain. */
static long try_search(u32 i, struct search_run *r)
{
	u32 within = i / (2 * DNS_SEARCHES) & (DNS_SEARCHES - 1), with = i % (2 * DNS_SEARCHES), tail, at, len;
	struct scratch *s = r->s;

	if (!(s->dns.within >> within & 1))
		return 0;
	len = search_of(r->pod, within)->len;
	tail = PATH_END - s->dns.name + len;
	at = tail;
	if (with) {
		with--;
		if (with >= DNS_SEARCHES)
			return 0;
		len = search_of(r->pod, with)->len;
		if (!len || len + (PATH_END - tail) > 253)
			return 0;
		at = tail - len;
		r->from = with;
		r->to = at;
		bpf_loop(252, copy_domain, r, 0);
	}
	s->buf[buf_at(at - 1)] = CLASS_ROOT;
	if (!match(r->x->t, s, buf_at(at - 1), KIND_HOST, &r->x->d->found))
		return 1;
	if (!r->x->d->found.allow)
		return 0;
	r->found = 1;
	return 1;
}

static long find_domain(u32 i, struct search_run *r)
{
	struct scratch *s = r->s;
	u32 len;

	len = search_of(r->pod, i)->len;
	if (!len || len >= s->dns.name)
		return 0;
	r->at = PATH_END - s->dns.name;
	r->from = i;
	r->differs = 0;
	bpf_loop(252, compare_domain, r, 0);
	if (!r->differs)
		s->dns.within |= 1 << i;
	return 0;
}

/* Whether the name is an allowed one with a search domain behind it. The verdict is then in x->d->found. */
static __noinline int searched_for(struct act *x)
{
	u64 cgroup = x->task->cgroup;
	struct search_run r = {.x = x, .s = x->s};

	x->s->dns.within = 0;
	r.pod = bpf_map_lookup_elem(&dns_pods, &cgroup);
	if (!r.pod)
		return 0;
	bpf_loop(DNS_SEARCHES, find_domain, &r, 0);
	if (!FRESH(x->s->dns.within))
		return 0;
	bpf_loop(2 * DNS_SEARCHES * DNS_SEARCHES, try_search, &r, 0);
	/* The names that were tried are in the place of the one that was asked for. */
	dns_question(x->s);
	return r.found;
}
