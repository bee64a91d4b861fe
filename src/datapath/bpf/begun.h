/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which TCP connections with the outside began here; of UDP see older.h. A port that has come from another host has others
 * besides, which that one's gateway knows: a TCP connection of which no SYN was seen here is one of those. What began here is kept
 * as two bits of a slot's, so that a port can only lose what is its own, and nothing that began here is ever taken for the other
 * host's.
 */
#pragma once
#include "count.h"
#include "mss.h"
#include "older.h"

/* Bits that say which: two words of 13 bits. 0: the packet is no TCP, or a fragment. */
inline_always __u64 connection_mix(struct __sk_buff *skb, struct flow *flow, __u8 *flags, const bool is_ip6)
{
	__u64 ends[4] = {};
	__be16 fragment = 0;
	__u32 ports;
	__u64 mix;

	if (flow->proto != PROTO_TCP || (!is_ip6 && bpf_skb_load_bytes(skb, ETH_LEN + 6, &fragment, sizeof(fragment))) ||
	    fragment & bpf_htons(IP4_FRAG_MASK) || bpf_skb_load_bytes(skb, flow->l4, &ports, sizeof(ports)) ||
	    bpf_skb_load_bytes(skb, flow->l4 + TCP_FLAGS + 1, flags, 1) ||
	    bpf_skb_load_bytes(skb, ETH_LEN + (is_ip6 ? 8 : 12), ends, is_ip6 ? 32 : 8))
		return 0;
	mix = ((ends[0] * 31 + ends[1]) * 31 + ends[2]) * 31 + ends[3];
	mix = (mix ^ mix >> 29) * 0x9e3779b97f4a7c15ULL ^ ports;
	mix = (mix ^ mix >> 32) * 0xbf58476d1ce4e5b9ULL;
	return (mix ^ mix >> 31) | 1;
}

inline_always bool bit_of(__u32 slot, __u32 bit, bool set)
{
	struct hd_begun_key key = { .slot = slot, .word = bit >> 6 & (HD_BEGUN_WORDS - 1) };
	struct hd_begun fresh = { .bits = 1ULL << (bit & 63) };
	struct hd_begun *row = bpf_map_lookup_elem(&begun, &key);

	if (!set)
		return row && row->bits & fresh.bits;
	/* Of two at once the one whose row does not come finds the other's. */
	if (!row && bpf_map_update_elem(&begun, &key, &fresh, BPF_NOEXIST))
		row = bpf_map_lookup_elem(&begun, &key);
	if (row)
		__sync_fetch_and_or(&row->bits, fresh.bits);
	return true;
}

/* A packet of a port for its gateway is of a connection that began on the host that the port has come from. */
inline_always bool began_elsewhere(struct __sk_buff *skb, struct hd_port *port, struct flow *flow, const bool is_ip6)
{
	__u8 flags = 0;
	__u64 mix = connection_mix(skb, flow, &flags, is_ip6);
	bool begins = flags & TCP_SYN;
	bool first, second;

	if (flow->proto == PROTO_UDP)
		return is_older_flow(skb, port->slot, ETH_LEN, port->vni, false);
	if (!mix)
		return false;
	first = bit_of(port->slot, mix >> 51, begins);
	second = bit_of(port->slot, mix >> 38, begins);
	return !(first && second);
}
