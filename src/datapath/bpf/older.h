/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which UDP flows with the outside are still those of the host that a port has come from. Nothing in a datagram says that a flow
 * begins with it: what is said in the first seconds after the move goes by that host, whose gateway knows what is older. A flow
 * that is answered by way of it, stays there as long as it is. All others go from here. A slot has HD_OLDER_FLOWS places, each for
 * one flow, so that a port can only lose what is its own; what nobody speaks on gives its place back.
 */
#pragma once
#include "source.h"

/* So long flows are gathered after a move; so long one that has asked may wait for an answer. */
#define OLDER_WAIT (10 * HD_OLDER_SECOND)
/* So long one that was answered keeps its place in silence: longer than a gateway's tracking knows it. */
#define OLDER_SILENCE (180 * HD_OLDER_SECOND)
#define PORT_DNS 53

/* How it is with a flow, in the bits of `since` below a second; the others are when it became so. One word: all CPUs write it. */
enum {
	OLDER_CAME, /* its other end has spoken, the port has not */
	OLDER_ASKED, /* the port waits for an answer */
	OLDER_ANSWERED,
	OLDER_GIVEN_UP, /* it had no answer, or came in here: it goes from here */
	OLDER_STATES,
};
_Static_assert(OLDER_STATES == HD_OLDER_SECOND, "the bits below a second are the states");

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
	__u64 mix = ((__u64)flow->ports[0] << 16 | flow->ports[1]) * 0x9e3779b97f4a7c15ULL;

	/* Before an address comes in, lest other ports make up for another one. */
	mix ^= mix >> 29;
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

/* Read once, since others write it. */
inline_always __u32 since_of(struct hd_older *row)
{
	return *(volatile __u32 *)&row->since;
}

inline_always __u32 older_state(__u32 since)
{
	return since & (HD_OLDER_SECOND - 1);
}

/* Another CPU's second may have begun before this one's: what is to come is not past. */
inline_always bool is_past(__u32 since, __u32 now, __s32 time)
{
	return (__s32)(now - (since - older_state(since))) > time;
}

/* The port has come so lately that all that it says may be older; until the agent has said when, it has just come. */
inline_always bool is_gathering(__u32 slot, __u32 now)
{
	struct hd_older_key key = { .slot = slot, .place = HD_OLDER_FLOWS };
	struct hd_older *came = bpf_map_lookup_elem(&older, &key);

	return !came || !is_past(since_of(came), now, OLDER_WAIT);
}

/* The `since` of a flow after a datagram: of the port, or to it by way of the origin. */
inline_always __u32 older_next(__u32 since, __u32 now, bool from_port)
{
	__u32 state = older_state(since);

	if (!from_port)
		return state == OLDER_CAME ? since : now | OLDER_ANSWERED;
	if (state != OLDER_ASKED)
		return now | OLDER_ASKED;
	return is_past(since, now, OLDER_WAIT) ? now | OLDER_GIVEN_UP : since;
}

/* Another flow may have the place of this one. */
inline_always bool is_over(__u32 since, __u32 now)
{
	__u32 state = older_state(since);

	return state == OLDER_GIVEN_UP || is_past(since, now, state == OLDER_ANSWERED ? OLDER_SILENCE : OLDER_WAIT);
}

/*
 * 1: the datagram of a slot, whose IP header is at `at`, is of a flow that the host has which the port has come from. `vni`: the
 * network in which it goes out; 0: it comes in, from there, or by the gateway `here`: then it is not.
 */
__noinline int is_older_flow(struct __sk_buff *skb, __u32 slot, __u32 at, __u32 vni, bool here)
{
	struct hd_older_key key = { .slot = slot };
	struct hd_older fresh = {};
	struct udp_flow flow = {};
	__u32 since = 0, next, now;
	struct hd_older *row;
	__u64 mix;

	if (!udp_flow_of(skb, at, !vni, &flow) || (vni && is_answered_here(&flow, vni)))
		return 0;
	now = bpf_ktime_get_ns() / 1000000000 * HD_OLDER_SECOND;
	mix = udp_flow_mix(&flow);
	key.place = (__u32)(mix >> 32) % HD_OLDER_FLOWS;
	fresh.flow = mix;
	fresh.since = now | (vni ? OLDER_ASKED : here ? OLDER_GIVEN_UP : OLDER_CAME);
	row = bpf_map_lookup_elem(&older, &key);
	if (row) {
		since = since_of(row);
		if (row->flow == fresh.flow) {
			if (older_state(since) == OLDER_GIVEN_UP)
				return 0;
			next = here ? fresh.since : older_next(since, now, vni);
			if (next != since)
				row->since = next;
			return older_state(next) != OLDER_GIVEN_UP;
		}
	}
	/* Without a row it goes from here anyway. */
	if ((vni || here) && !is_gathering(slot, now))
		return 0;
	/* The one that lives keeps the place. */
	if (!row || is_over(since, now))
		bpf_map_update_elem(&older, &key, &fresh, BPF_ANY);
	return 1;
}
