/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which names an address has in a pod, as its trusted resolvers have said. A name
 * stays with its class by the tables that classified it; by other tables it is
 * classified again, from its text. What is not known has no name, so that rules by
 * name do not hold for it.
 *
 * A set is made once and never freed while its pod is there. Its writers hold its
 * lock; a reader looks whether anything changed meanwhile and reads again.
 */
#pragma once
#include "match.h"

#define DNS_TTL_LEAST 30 /* seconds */
#define DNS_TTL_MOST 3600
#define DNS_GRACE 300
#define SECOND 1000000000ULL

/* The lower bits of the tables' id, and a class. */
static __always_inline u64 classed_by(struct tables *t, u32 class)
{
	return t->id << 16 | (class & 0xffff);
}

static __always_inline u64 address_hash(u64 a, u64 b)
{
	return hash_word(hash_word(settings.hash_key[0], a), b);
}

static __always_inline u32 changes_of(u32 *changes)
{
	return *(volatile u32 *)changes;
}

/* Copies the names of an address that count at a time (boot ns) to the slot: how many. */
static __noinline u32 bound_names(struct scratch *s, u64 cgroup, u64 a, u64 b, u64 now)
{
	struct learned_key k = {.cgroup = cgroup, .set = (address_hash(a, b) >> 40) % BOUND_SETS};
	struct bound_set *set = bpf_map_lookup_elem(&bound, &k);
	u32 seen;

	s->names_found = 0;
	if (!set)
		return 0;
	for (int tries = 0; tries < BOUND_RETRIES; tries++) {
		seen = changes_of(&set->changes);
		barrier();
		s->names_found = 0;
		for (int i = 0; i < BOUND_WAYS; i++) {
			struct bound_way *w = &set->way[i];

			if (w->address[1] == b && w->address[0] == a && w->expires > now) {
				u32 n = FRESH(s->names_found);

				s->names[n & (NAMES_MOST - 1)] = w->name;
				s->expires[n & (NAMES_MOST - 1)] = w->expires;
				if (!n) {
					s->before_tables = w->tables;
					s->before_judged = w->judged;
					s->before_verdict = w->verdict;
				}
				s->names_found = n + 1;
			}
		}
		barrier();
		if (!(seen & 1) && changes_of(&set->changes) == seen)
			break;
		s->names_found = 0;
	}
	if (FRESH(s->names_found) > NAMES_MOST)
		s->names_found = NAMES_MOST;
	return FRESH(s->names_found);
}

static __always_inline struct name_set *name_set_of(u64 cgroup, u64 hash)
{
	struct learned_key k = {.cgroup = cgroup, .set = (hash >> 40) % NAME_SETS};

	return bpf_map_lookup_elem(&names, &k);
}

static __always_inline struct name_way *way_of(struct name_set *set, u64 hash)
{
	for (int i = 0; i < NAME_WAYS; i++) {
		if (set->way[i].hash == hash)
			return &set->way[i];
	}
	return NULL;
}

static __always_inline void copy_text(u64 *to, const u64 *from)
{
#pragma unroll
	for (int i = 0; i < DNS_TEXT / 8; i++)
		to[i] = from[i];
}

/* The name's text to the end of the subject's room, and how it was learned; its length, 0: not there. */
static __noinline u32 name_text(struct scratch *s, u64 cgroup, u64 hash)
{
	struct name_set *set = name_set_of(cgroup, hash);
	struct name_way *w;
	u32 seen, len;

	if (!set)
		return 0;
	seen = changes_of(&set->changes);
	barrier();
	w = way_of(set, hash);
	if (!w || (seen & 1))
		return 0;
	copy_text((u64 *)&s->buf[PATH_END - DNS_TEXT], w->text);
	len = w->len;
	s->learned.asked = w->asked;
	s->learned.resolver = w->resolver;
	barrier();
	if (changes_of(&set->changes) != seen || len > 253)
		return 0;
	return len;
}

/* The class of a name by t, 0: not known. The subject's room is used if it has to be classified. */
static __noinline u32 name_class(struct scratch *s, struct tables *t, u64 cgroup, u64 hash, struct outcome *o)
{
	struct name_set *set = name_set_of(cgroup, hash);
	struct name_way *w;
	u32 len;
	u64 c;

	if (!set || !(t->id || tables_known(t)))
		return 0;
	w = way_of(set, hash);
	if (!w)
		return 0;
	c = w->classed;
	/* The way may have become another name's. */
	if (likely((c ^ classed_by(t, 0)) < 1 << 16) && w->hash == hash)
		return c & 0xffff;
	len = name_text(s, cgroup, hash) & 0xff;
	if (!len)
		return 0;
	s->buf[buf_at(PATH_END - 1 - len)] = CLASS_ROOT;
	if (!match(t, s, PATH_END - 1 - len, KIND_NAME, o))
		return 0;
	return o->hash == hash ? o->class : 0;
}

/* What one answer tells of its name, and who it is told for. */
struct learning {
	struct scratch *s;
	u64 cgroup;
	u64 name;
	u64 now;
};

static __always_inline struct bound_set *make_bound_set(struct learned_key *k)
{
	struct bound_set *set = bpf_map_lookup_elem(&bound, k);
	u32 zero = 0;
	void *fresh;

	if (set)
		return set;
	fresh = bpf_map_lookup_elem(&empty_set, &zero);
	if (!fresh)
		return NULL;
	bpf_map_update_elem(&bound, k, fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&bound, k);
}

/* Addresses that no answer binds to a name: those of this machine, of the link, and of groups. */
static __always_inline int never_bound(const u8 *a)
{
	const u64 *w = (const u64 *)a;
	u32 v4 = !w[0] && *(u32 *)(a + 8) == 0xffff0000;

	if (bpf_map_lookup_elem(&dns_never, a))
		return 1;
	if (v4)
		return a[12] == 127 || a[12] == 0 || a[12] >= 224 || (a[12] == 169 && a[13] == 254);
	if (!w[0])
		return 1; /* ::, ::1, and forms of IPv4 addresses that are none */
	return a[0] == 0xff || (a[0] == 0xfe && (a[1] & 0xc0) == 0x80);
}

/* Binds one address of the answer. */
static long bind_address(u32 i, struct learning *l)
{
	struct scratch *s = l->s;
	struct dns *d = &s->dns;
	struct learned_key k = {.cgroup = l->cgroup};
	struct bound_set *set;
	u64 address[2], expires, now = l->now, gone = 0;
	u32 ttl, victim;

	if (i >= d->found)
		return 1;
	i &= DNS_ADDRESSES - 1;
	ttl = d->ttl[i];
	if (ttl < DNS_TTL_LEAST || ttl >> 31)
		ttl = DNS_TTL_LEAST;
	if (ttl > DNS_TTL_MOST)
		ttl = DNS_TTL_MOST;
	expires = now + (ttl + DNS_GRACE) * SECOND;
	__builtin_memcpy(address, d->address[i], 16);
	if (never_bound((u8 *)address))
		return 0;
	k.set = (address_hash(address[0], address[1]) >> 40) % BOUND_SETS;
	set = make_bound_set(&k);
	if (!set) {
		count_stat(dns_unlearned);
		return 0;
	}
	s->names_found = 0;
	bpf_spin_lock(&set->lock);
	set->changes++;
	barrier();
	{
		u64 least = ~0ULL;

		for (int j = 0; j < BOUND_WAYS; j++) {
			struct bound_way *w = &set->way[j];

			if (w->address[0] == address[0] && w->address[1] == address[1] && w->name == l->name) {
				s->names_found = j;
				break;
			}
			if (w->expires < least) {
				least = w->expires;
				s->names_found = j;
			}
		}
	}
	victim = FRESH(s->names_found) & (BOUND_WAYS - 1);
	gone = set->way[victim].expires;
	if (set->way[victim].name == l->name && set->way[victim].address[1] == address[1] &&
	    set->way[victim].address[0] == address[0])
		gone = 0;
	else
		set->way[victim].tables = 0;
	set->way[victim].address[0] = address[0];
	set->way[victim].address[1] = address[1];
	set->way[victim].name = l->name;
	set->way[victim].expires = expires;
	barrier();
	set->changes++;
	bpf_spin_unlock(&set->lock);
	if (gone > now)
		count_stat(dns_evicted);
	return 0;
}

/* Keeps the verdict on a connection with the name that allowed it. */
static __noinline int keep_verdict(u64 cgroup, struct scratch *s, u64 tables, u64 judged, u64 verdict)
{
	u64 a = s->peer.address[0], b = s->peer.address[1], name = s->names[0];
	struct learned_key k = {.cgroup = cgroup, .set = (address_hash(a, b) >> 40) % BOUND_SETS};
	struct bound_set *set = bpf_map_lookup_elem(&bound, &k);

	if (!set)
		return 0;
	bpf_spin_lock(&set->lock);
	set->changes++;
	barrier();
	for (int i = 0; i < BOUND_WAYS; i++) {
		struct bound_way *w = &set->way[i];

		if (w->name == name && w->address[1] == b && w->address[0] == a) {
			w->tables = tables;
			w->judged = judged;
			w->verdict = verdict;
			break;
		}
	}
	barrier();
	set->changes++;
	bpf_spin_unlock(&set->lock);
	return 0;
}

/* Keeps the name itself, which is at PATH_END. 0: no room. */
static __noinline int keep_name(struct learning *l, u64 classed, u64 asked)
{
	struct learned_key k = {.cgroup = l->cgroup, .set = (l->name >> 40) % NAME_SETS};
	struct name_set *set = bpf_map_lookup_elem(&names, &k);
	struct scratch *s = l->s;
	struct dns *d = &s->dns;
	u64 gone, now = l->now;
	struct name_way *w;
	u32 zero = 0;

	if (!set) {
		void *fresh = bpf_map_lookup_elem(&empty_set, &zero);

		if (!fresh)
			return 0;
		bpf_map_update_elem(&names, &k, fresh, BPF_NOEXIST);
		set = bpf_map_lookup_elem(&names, &k);
	}
	if (!set) {
		count_stat(dns_unlearned);
		return 0;
	}
	s->names_found = 0;
	bpf_spin_lock(&set->lock);
	set->changes++;
	barrier();
	{
		u64 least = ~0ULL;

		for (int j = 0; j < NAME_WAYS; j++) {
			if (set->way[j].hash == l->name) {
				s->names_found = j;
				break;
			}
			if (set->way[j].expires < least) {
				least = set->way[j].expires;
				s->names_found = j;
			}
		}
	}
	w = &set->way[FRESH(s->names_found) & (NAME_WAYS - 1)];
	gone = w->hash == l->name ? 0 : w->expires;
	w->hash = l->name;
	w->classed = classed;
	w->asked = asked;
	/* No address is bound for longer. */
	w->expires = now + (DNS_TTL_MOST + DNS_GRACE) * SECOND;
	w->resolver = d->peer;
	w->len = d->name;
	copy_text(w->text, (const u64 *)&s->buf[PATH_END - DNS_TEXT]);
	barrier();
	set->changes++;
	bpf_spin_unlock(&set->lock);
	if (gone > now)
		count_stat(dns_evicted);
	return 1;
}
