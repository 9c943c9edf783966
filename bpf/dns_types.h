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
	DNS_RECORD,  /* does not fit the message, or has a length that its type cannot have */
	DNS_PACKET,  /* no plain UDP datagram, or several of them in one */
	DNS_TYPE,    /* from here on: read, and not allowed */
	DNS_LABEL,   /* a label is longer than the policy has it */
	DNS_RATE,    /* more queries a minute than the policy has it */
	DNS_ADDRESS, /* the name of an address that the pod may not reach */
	DNS_RULE,    /* by a rule of the policy, or by none */
	DNS_OWNER,   /* not known whose query it is */
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
	/* The answer: */
	u32 wanted;  /* where the name begins whose addresses count now */
	u32 records; /* left to read */
	u32 found;
	u32 reserved;
	u32 ttl[DNS_ADDRESSES];
	u8 address[DNS_ADDRESSES][16]; /* IPv4 as ::ffff:a.b.c.d */
};
