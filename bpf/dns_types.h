/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is known of one DNS message: part of types.h. */
#pragma once

#define DNS_QUERY 512	 /* longest query that is read, and so sent */
#define DNS_MESSAGE 3584 /* longest answer that is read; addresses of a longer one are not learned */
#define DNS_TEXT 256	 /* room for a name without its last dot, and what a pass reads beyond */
#define DNS_ADDRESSES 64 /* of one answer; further ones are not learned */
#define DNS_RECORDS 128	 /* an answer with more is not read */

/* Why a message is refused. */
enum dns_refusal {
	DNS_READ, /* it is not */
	DNS_LENGTH,
	DNS_HEADER, /* flags, opcode, counts, response code */
	DNS_NAME,   /* no host name, or compressed where nothing can be */
	DNS_CLASS,
	DNS_EDNS,
	DNS_TRAILING,
	DNS_RECORD, /* does not fit the message, or has a length that its type cannot have */
	DNS_PACKET, /* no plain UDP datagram, or several of them in one */
	DNS_TYPE,   /* from here on: read, and not allowed */
	DNS_LABEL,  /* a label is longer than the policy has it */
	DNS_RATE,   /* more queries a minute than the policy has it */
};

/* The other end of a packet. */
struct dns_peer {
	u8 address[16]; /* IPv4 as ::ffff:a.b.c.d */
	u16 port;
	u16 reserved[3];
};

/* Whom a socket connects or sends to, as the kernel has it. */
struct peer {
	u64 address[2];
	u16 port; /* big-endian */
	u16 known;
	u32 hook;
};

/* A message in the slot's buf, from its first byte on; its question's name is at PATH_END as a subject of kind host. */
struct dns {
	u32 end; /* length of the message */
	u32 refused;
	u16 id;
	u16 type;    /* of the question */
	u32 name;    /* length of the question's name as text */
	u32 longest; /* its longest label */
	/* A name under way: */
	u32 at;
	u32 label; /* bytes left of it */
	u32 out;
	u32 over;  /* enum dns_walk */
	u32 other; /* a second name, compared with the first */
	/* What the policy says of queries: */
	u32 label_most;
	u32 rate;
	u32 type_allowed;
	/* Search domains: */
	u32 within; /* bits of those that the name lies in */
	u32 tail;   /* where what is before the domain begins */
	u32 reserved1;
	struct dns_peer peer;
	/* The answer: */
	u32 wanted;  /* where the name begins whose addresses count now */
	u32 records; /* left to read */
	u32 found;
	u32 reserved;
	u32 ttl[DNS_ADDRESSES];
	u8 address[DNS_ADDRESSES][16]; /* IPv4 as ::ffff:a.b.c.d */
};

/* dns_pods: bound cgroup -> what its tasks resolve by. */
#define DNS_SEARCHES 8 /* a power of two */

struct dns_search {
	u32 len;      /* 0: none */
	u8 text[252]; /* last byte first, then a dot */
};

struct dns_pod {
	u64 minute;  /* when the one under way began */
	u32 queries; /* in it */
	u32 searches;
	struct dns_search search[DNS_SEARCHES];
};

/* dns_resolvers: servers that the tasks of a bound cgroup may ask. */
struct dns_resolver {
	u64 cgroup;
	u8 address[16];
};

/* A query that has no answer yet. */
struct dns_asked {
	u64 name; /* hash of the subject */
	u64 time;
	u64 server; /* hash of where it was sent */
	u16 id;
	u16 type;
	u32 binds; /* 0: of a name that is only searched for */
};

#define DNS_ASKED_SETS 16 /* by the lowest bits of the id */
#define DNS_ASKED_WAYS 8
#define DNS_ASKED_TIME (60ULL * 1000000000)

/* dns_sockets: socket -> that it asks resolvers, and for whom. */
struct dns_socket {
	u64 cgroup;
	u64 exe; /* of who sent last, as in struct armed_task */
	u64 exe_table;
	u32 slot;
	u16 exe_class;
	u16 reserved;
	struct dns_asked asked[DNS_ASKED_SETS * DNS_ASKED_WAYS];
};

/* connected: socket -> who connected it, kept under `connections: cut`. */
struct connected {
	u64 cgroup;
	u64 exe_table;
	u32 slot;
	u16 exe_class;
	u16 reserved;
};

/* The verifier knows it by its name: in front of what it guards. */
struct bpf_spin_lock {
	u32 val;
};

/*
 * What is learned of names is in sets of a fixed number of ways, by the hash of
 * the key: so a pod's share has a bound, and what is full gives up what ends
 * first. A writer holds the lock; a reader reads `changes` before and after.
 */
#define BOUND_SETS 512 /* of addresses, by pod */
#define BOUND_WAYS 16
#define NAME_SETS 256
#define NAME_WAYS 4
#define NAMES_MOST 8 /* names of one address that a verdict looks at */
#define BOUND_RETRIES 8

struct learned_key {
	u64 cgroup;
	u32 set;
	u32 reserved;
};

struct bound_way {
	u64 address[2];
	u64 name;    /* hash of the subject */
	u64 expires; /* boot ns */
	/* The last connection that was allowed by the name: */
	u64 tables;  /* ... by these tables; 0: none */
	u64 judged;  /* ... where to, and whose: judged_key() */
	u64 verdict; /* ... rule, above it flags */
};

/* bound: addresses -> names. */
struct bound_set {
	struct bpf_spin_lock lock;
	u32 changes;
	struct bound_way way[BOUND_WAYS];
};

struct name_way {
	u64 hash;
	u64 classed; /* the name's class, above it the lower bits of the tables' id that gave it */
	u64 asked;   /* boot ns */
	u64 expires; /* of the address that stays longest */
	struct dns_peer resolver;
	u32 len;
	u32 reserved;
	u64 text[DNS_TEXT / 8]; /* as at PATH_END: right-justified, last byte first */
};

/* names: hash -> name, and how it was learned. */
struct name_set {
	struct bpf_spin_lock lock;
	u32 changes;
	struct name_way way[NAME_WAYS];
};

struct empty_set {
	u64 zero[sizeof(struct name_set) / 8];
};

/* What a record of a connection says of its name, behind the address; then the name, last byte first. */
struct name_record {
	u64 asked;
	u64 expires;
	struct dns_peer resolver;
};
