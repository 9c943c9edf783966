/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From a packet to its DNS message. The packet begins with its IP header. Only a
 * plain one is read: IPv4 without options, since one of those sends it elsewhere
 * than its address says, and IPv6 with UDP as the first header for the same reason;
 * no fragment, and one datagram, not several for the card to cut (UDP_SEGMENT).
 */
#pragma once
#include "constants.h"
#include "dns.h"

/* include/uapi/linux/bpf.h: the kernel rewrites accesses to it. */
struct __sk_buff {
	u32 len;
	u32 pkt_type;
	u32 mark;
	u32 queue_mapping;
	u32 protocol;
	u32 vlan_present;
	u32 vlan_tci;
	u32 vlan_proto;
	u32 priority;
	u32 ingress_ifindex;
	u32 ifindex;
	u32 tc_index;
	u32 cb[5];
	u32 hash;
	u32 tc_classid;
	u32 data;
	u32 data_end;
	u32 napi_id;
	u32 family;
	u32 remote_ip4;
	u32 local_ip4;
	u32 remote_ip6[4];
	u32 local_ip6[4];
	u32 remote_port;
	u32 local_port;
	u32 data_meta;
	u64 flow_keys;
	u64 tstamp;
	u32 wire_len;
	u32 gso_segs;
	u64 sk; /* struct bpf_sock * */
	u32 gso_size;
};

static long (*const bpf_skb_load_bytes)(const void *skb, u32 offset, void *to, u32 len) = (void *)26;

#define DNS_IP4 20
#define DNS_IP6 40
#define DNS_UDP 8

/* Copies the message and the other end's address into the slot; 0: refused. */
static __noinline int dns_load(struct __sk_buff *skb, struct scratch *s, u32 incoming)
{
	struct dns *d = &s->dns;
	u32 head = DNS_IP4, all = skb->len, len;
	u8 ip[DNS_IP6];
	u16 udp[4];

	d->refused = DNS_PACKET;
	d->name = 0;
	d->type = 0;
	__builtin_memset(d->peer.address, 0, 16);
	if (skb->gso_size || bpf_skb_load_bytes(skb, 0, ip, DNS_IP4))
		return 0;
	if (ip[0] == 0x45) {
		/* More fragments, or not the first one. */
		if ((ip[6] & 0x3f) || ip[7] || ip[9] != IPPROTO_UDP)
			return 0;
		d->peer.address[10] = 0xff;
		d->peer.address[11] = 0xff;
		__builtin_memcpy(d->peer.address + 12, incoming ? ip + 12 : ip + 16, 4);
	} else if (ip[0] >> 4 == 6) {
		head = DNS_IP6;
		if (bpf_skb_load_bytes(skb, 0, ip, DNS_IP6) || ip[6] != IPPROTO_UDP)
			return 0;
		__builtin_memcpy(d->peer.address, incoming ? ip + 8 : ip + 24, 16);
	} else {
		return 0;
	}
	if (bpf_skb_load_bytes(skb, head, udp, sizeof(udp)))
		return 0;
	d->peer.port = __builtin_bswap16(incoming ? udp[0] : udp[1]);
	head += DNS_UDP;
	len = all - head;
	if (all < head || __builtin_bswap16(udp[2]) != len + DNS_UDP)
		return 0;
	d->refused = DNS_LENGTH;
	if (len < DNS_HEAD || len > DNS_MESSAGE)
		return 0;
	d->end = len;
	/* Or the compiler compares another copy than it passes on. */
	asm volatile("" : "+r"(len));
	len &= PATH_END - 1;
	if (len < DNS_HEAD || bpf_skb_load_bytes(skb, head, s->buf, len))
		return 0;
	d->refused = DNS_READ;
	return 1;
}
