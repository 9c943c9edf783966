// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The reader of DNS messages, exposed to BPF_PROG_TEST_RUN so that it can be
 * compared with other ones on any machine. Each program takes a packet with an
 * Ethernet header, returns 1 where it has read it, 0 where it refuses it, and
 * leaves in slot 0 of the map scratch what it read: dns.refused says why not,
 * dns.id and dns.type are the question's, dns.name is the length of its name,
 * which ends at buf[PATH_END], last byte first. Of an answer dns.found is the number of
 * addresses, dns.address has them (IPv4 as ::ffff:a.b.c.d), dns.ttl their times as they came.
 */
#include "../dns_packet.h"

SEC("cgroup_skb/egress")
int read_query(struct __sk_buff *skb)
{
	u32 zero = 0;
	struct scratch *s = bpf_map_lookup_elem(&scratch, &zero);

	return s && dns_load(skb, s, 0) && dns_read_query(s);
}

SEC("cgroup_skb/ingress")
int read_answer(struct __sk_buff *skb)
{
	u32 zero = 0;
	struct scratch *s = bpf_map_lookup_elem(&scratch, &zero);

	return s && dns_load(skb, s, 1) && dns_read_answer(s) && dns_read_addresses(s);
}

char _license[] SEC("license") = "Dual BSD/GPL";
