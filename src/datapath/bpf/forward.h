/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A checked packet of a port goes to the port that has its destination MAC. */
#pragma once
#include "begun.h"
#include "deliver.h"
#include "encap.h"
#include "fdb.h"
#include "flood.h"
#include "group.h"
#include "icmp.h"
#include "mss.h"
#include "translate.h"

/* Length of the largest IP packet that this one is on the wire: of one segment, for a packet still to be segmented. */
inline_always __u32 wire_size(struct __sk_buff *skb, struct flow *flow)
{
	__u8 offset = 0;

	if (!skb->gso_size)
		return skb->len - ETH_LEN;
	if (flow->proto != PROTO_TCP)
		return flow->l4 - ETH_LEN + UDP_LEN + skb->gso_size;
	if (bpf_skb_load_bytes(skb, flow->l4 + 12, &offset, 1))
		return ~0u;
	return flow->l4 - ETH_LEN + (offset >> 4) * 4 + skb->gso_size;
}

/* Where a packet goes next: to a MAC of a network, with at most `mtu` bytes. */
struct hop {
	__u32 vni;
	__u32 mtu;
	__u8 mac[6];
	bool clamped; /* of TCP, no larger segments are agreed on than fit */
	bool routed; /* the router puts its own MAC in and takes one from the TTL, at last */
	__u32 translated; /* 0, or the router's domain: it puts the addresses under the prefixes of the other side too */
};

/*
 * The router on a packet that was sent to its MAC, by the port as itself (`own`) or for what is behind it. GO_ON: it goes
 * where `hop` says, which stays as it was for what the router leaves to the gateway. To a peer's subnets ports go as
 * themselves only: what is behind a port of one tenant the other knows nothing of.
 */
inline_always int ask_router(struct __sk_buff *skb, struct hd_port *port, void *data, struct flow *flow, struct hop *hop,
			     bool own, const bool is_ip6)
{
	void *source = data + ETH_LEN + (is_ip6 ? 8 : 12);
	void *destination = data + ETH_LEN + (is_ip6 ? 24 : 16);
	struct hd_route *route = route_row(port->domain, destination, is_ip6);
	struct hd_neigh *to;

	if (!route || route->action == HD_ROUTE_LOCAL || never_routed(destination, is_ip6) ||
	    (own && !is_joined(port, source, is_ip6)))
		return GO_ON;
	if (is_peers(route) && !own)
		return drop(port->slot, is_ip6 ? HD_SRC_IP6 : HD_SRC_IP4);
	if (route->action == HD_ROUTE_BLACKHOLE)
		return drop(port->slot, HD_BLACKHOLE);
	if (LOAD8(data, ETH_LEN + (is_ip6 ? 7 : 8)) <= 1)
		return complain(skb, port, flow, HD_TTL_EXPIRED, 0);
	to = route_end(route, destination, is_ip6);
	if (!to)
		return complain(skb, port, flow, HD_NO_NEIGHBOUR, 0);
	if (route->vni == port->vni && mac_same(to->mac, port->mac))
		return drop(port->slot, HD_TO_SELF);
	hop->vni = route->vni;
	if (route->mtu < hop->mtu)
		hop->mtu = route->mtu;
	mac_copy(hop->mac, to->mac);
	hop->routed = true;
	if (route->action == HD_ROUTE_TRANSLATED)
		hop->translated = port->domain;
	return GO_ON;
}

/* The router's own part in the packet, when it is sure that it goes on. HD_REASONS_MAX: done; else why it is dropped. */
inline_always __u32 pass_router(struct __sk_buff *skb, struct hop *hop, struct flow *flow, const bool is_ip6)
{
	void *data;

	if (hop->translated) {
		__u32 refused = translate(skb, hop->translated, flow->l4, flow->proto);

		if (refused != HD_REASONS_MAX)
			return refused;
	}
	if (!reach(skb, &data, ETH_LEN + (is_ip6 ? IP6_LEN : IP4_LEN)))
		return HD_TRUNCATED;
	mac_copy(data, hop->mac);
	STORE32(data, 6, HD_GATEWAY_MAC_FIRST);
	STORE16(data, 10, HD_GATEWAY_MAC_LAST);
	if (is_ip6) {
		__u8 hops = LOAD8(data, ETH_LEN + 7) - 1;

		return bpf_skb_store_bytes(skb, ETH_LEN + 7, &hops, 1, BPF_F_RECOMPUTE_CSUM) ? HD_TRUNCATED : HD_REASONS_MAX;
	}
	/* RFC 1141; the sum over the header does not change, and with it that over the packet. */
	__u32 sum = LOAD16(data, ETH_LEN + 10) + bpf_htons(0x0100);

	STORE16(data, ETH_LEN + 10, sum + (sum >= 0xffff));
	STORE8(data, ETH_LEN + 8, LOAD8(data, ETH_LEN + 8) - 1);
	return HD_REASONS_MAX;
}

inline_always int send_remote(struct __sk_buff *skb, struct hd_port *port, __u32 host, __u32 size, struct flow *flow,
			      struct hop *hop, const bool is_ip6)
{
	struct hd_vtep *to = bpf_map_lookup_elem(&vteps, &host);
	__u32 refused;

	if (!to || !(to->flags & HD_VTEP_VALID))
		return drop(port->slot, HD_VTEP_UNKNOWN);
	if (size > to->mtu)
		return complain(skb, port, flow, HD_TOO_BIG, to->mtu);
	if (hop->clamped)
		clamp_mss(skb, flow, to->mtu < hop->mtu ? to->mtu : hop->mtu, is_ip6);
	refused = hop->routed ? pass_router(skb, hop, flow, is_ip6) : HD_REASONS_MAX;
	if (refused != HD_REASONS_MAX)
		return drop(port->slot, refused);
	if (to->flags & HD_VTEP_FAST)
		return send_fast(skb, port->slot, to, hop->vni, flow);
	return send_slow(skb, port->slot, to, hop->vni, flow->tos, HD_TTL);
}

/*
 * Everybody gets what a port sends as itself to a group or to all. What it sends for others nobody could check, and what a
 * gateway has to tell the host says to one.
 */
inline_always int forward_group(struct __sk_buff *skb, struct hd_port *port, void *data, struct flow *flow, bool own,
				const bool is_ip6)
{
	__u32 reason = to_everybody(data) ? HD_BROADCAST : HD_MULTICAST;

	if (!own || port->flags & HD_PORT_ROUTER || !group_matches(port->vni, data, is_ip6) ||
	    is_kept(skb, data, flow, is_ip6))
		return drop(port->slot, reason);
	return flood_from_port(skb, port, wire_size(skb, flow), flow->tos, reason);
}

inline_always int forward(struct __sk_buff *skb, struct hd_port *port, void *data, struct flow *flow, bool own,
			  const bool is_ip6)
{
	struct hop hop = { .vni = port->vni, .mtu = port->mtu };
	__u32 slot = port->slot;
	struct hd_fdb *to;
	struct spot at;
	__u32 size, refused;

	if (LOAD8(data, 0) & 1)
		return forward_group(skb, port, data, flow, own, is_ip6);
	if (mac_same(data, port->mac))
		return drop(slot, HD_TO_SELF);
	mac_copy(hop.mac, data);
	if (port->domain && is_gateway(data)) {
		int verdict = ask_router(skb, port, data, flow, &hop, own, is_ip6);

		if (verdict != GO_ON)
			return verdict;
	}
	to = fdb_row(hop.vni, hop.mac);
	if (!to)
		return drop(slot, HD_UNKNOWN_UNICAST);
	size = wire_size(skb, flow);
	if (size > hop.mtu)
		return complain(skb, port, flow, HD_TOO_BIG, hop.mtu);
	hop.clamped = port->flags & HD_PORT_CLAMP || to->flags & HD_FDB_CLAMP;
	if (!hop.routed && same_segment(skb, port, to))
		return drop(slot, HD_SAME_SEGMENT);
	at = spot_of(to);
	if (port->origin && !hop.routed && is_gateway(hop.mac) && began_elsewhere(skb, port, flow, is_ip6)) {
		count(slot, HD_TO_ORIGIN);
		at.ifindex = 0;
		at.host = port->origin;
	} else if (to->origin && port->flags & HD_PORT_ROUTER && flow->proto == PROTO_UDP) {
		is_older_flow(skb, to->slot, ETH_LEN, 0, true);
	}
	if (!at.ifindex)
		return send_remote(skb, port, at.host, size, flow, &hop, is_ip6);
	if (hop.clamped)
		clamp_mss(skb, flow, hop.mtu, is_ip6);
	refused = hop.routed ? pass_router(skb, &hop, flow, is_ip6) : HD_REASONS_MAX;
	if (refused != HD_REASONS_MAX)
		return drop(slot, refused);
	count_tx(slot, skb->len);
	return deliver_by(skb, to, at.ifindex, true);
}
