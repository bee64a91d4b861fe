/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which UDP flows with the outside are still those of the host that a port has come from. Nothing in a datagram says that a flow
 * begins with it: what is said in the first seconds after the move goes by that host, whose gateway knows what is older. A flow
 * that is answered by way of it, stays there as long as it is. All others go from here. A slot has HD_OLDER_FLOWS places, each for
 * one flow, so that a port can only lose what is its own.
 */
#pragma once
#include "source.h"

/* So long flows are gathered after a move; so long one that has asked may wait for an answer. */
#define OLDER_SECONDS 10
/* In place of a time: the flow was not answered, or came in here; it goes from here. */
#define OLDER_GIVEN_UP (~0u)
#define PORT_DNS 53

/* Addresses (IPv4: the first word) and ports of a datagram, by which end is the port's. */
struct udp_flow {
	__be32 inside[4];
	__be32 outside[4];
	__be16 ports[2]; /* inside, outside */
	bool is_ip6;
};

/* Of the packet whose IP header is at `at`; false: it is no UDP, or a fragment, or has other headers before. */
inline_always bool udp_flow_of(struct __sk_buff *skb, __u32 at, bool back, struct udp_flow *flow)
{
	__u8 ip[IP6_LEN] = {};
	__be16 ports[2];
	__u32 l4 = at;

	if (bpf_skb_load_bytes(skb, at, ip, IP4_LEN))
		return false;
	flow->is_ip6 = ip[0] >> 4 == 6;
	if (flow->is_ip6) {
		if (bpf_skb_load_bytes(skb, at, ip, IP6_LEN) || ip[6] != PROTO_UDP)
			return false;
		l4 += IP6_LEN;
		ip6_copy(back ? flow->outside : flow->inside, ip + 8);
		ip6_copy(back ? flow->inside : flow->outside, ip + 24);
	} else {
		if (ip[9] != PROTO_UDP || (ip[6] << 8 | ip[7]) & IP4_FRAG_MASK)
			return false;
		l4 += (ip[0] & 15) * 4;
		*(back ? flow->outside : flow->inside) = LOAD32(ip, 12);
		*(back ? flow->inside : flow->outside) = LOAD32(ip, 16);
	}
	if (bpf_skb_load_bytes(skb, l4, ports, sizeof(ports)))
		return false;
	flow->ports[0] = ports[back];
	flow->ports[1] = ports[!back];
	return true;
}

inline_always __u64 udp_flow_mix(struct udp_flow *flow)
{
	__u64 mix = (__u64)flow->ports[0] << 16 | flow->ports[1];

	for (int i = 0; i < 4; i++) {
		mix = (mix ^ ((__u64)flow->inside[i] << 32 | flow->outside[i])) * 0x9e3779b97f4a7c15ULL;
		mix ^= mix >> 29;
	}
	return mix * 0xbf58476d1ce4e5b9ULL;
}

/* What the network has itself, and names, this host has as well. */
inline_always bool is_answered_here(struct udp_flow *flow, __u32 vni)
{
	return flow->ports[1] == bpf_htons(PORT_DNS) ||
	       (flow->is_ip6 ? neigh6_row(vni, flow->outside) : neigh4_row(vni, flow->outside[0]));
}

/* The port has come so lately that all that it says may be older; until the agent has said when, it has just come. */
inline_always bool is_gathering(__u32 slot, __u32 now)
{
	struct hd_older_key key = { .slot = slot, .place = HD_OLDER_FLOWS };
	struct hd_older *came = bpf_map_lookup_elem(&older, &key);

	return !came || now - came->since <= OLDER_SECONDS;
}

/*
 * 1: the datagram of a slot, whose IP header is at `at`, is of a flow that the host has which the port has come from. `vni`: the
 * network in which it goes out; 0: it comes in, from there, or by the gateway `here`: then it is not.
 */
__noinline int is_older_flow(struct __sk_buff *skb, __u32 slot, __u32 at, __u32 vni, bool here)
{
	__u32 now = bpf_ktime_get_ns() / 1000000000;
	struct hd_older_key key = { .slot = slot };
	struct hd_older fresh = {};
	struct udp_flow flow = {};
	struct hd_older *row;
	__u64 mix;

	if (!udp_flow_of(skb, at, !vni, &flow) || (vni && is_answered_here(&flow, vni)))
		return 0;
	mix = udp_flow_mix(&flow);
	key.place = (__u32)(mix >> 32) % HD_OLDER_FLOWS;
	fresh.flow = mix;
	fresh.since = vni ? now : here ? OLDER_GIVEN_UP : 0;
	row = bpf_map_lookup_elem(&older, &key);
	if (row && row->flow == fresh.flow) {
		if (row->since == OLDER_GIVEN_UP)
			return 0;
		if (!vni || !row->since)
			row->since = fresh.since;
		else if (now - row->since > OLDER_SECONDS)
			row->since = OLDER_GIVEN_UP;
		return row->since != OLDER_GIVEN_UP;
	}
	if (vni && !is_gathering(slot, now))
		return 0;
	/* One that waits for no answer, or not for long yet, keeps its place. */
	if (!row || (row->since && now - row->since > OLDER_SECONDS))
		bpf_map_update_elem(&older, &key, &fresh, BPF_ANY);
	return 1;
}
