/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The chain of IPv6 extension headers, followed to find neighbour discovery wherever it hides (RFC 6980). */
#pragma once
#include "group.h"
#include "nd.h"
#include "service.h"

#define EXTENSIONS_MAX 6

/* Where a chain ends. */
struct chain {
	__u32 at; /* offset of the last header from the frame's start */
	__u8 next; /* its protocol; PROTO_FRAGMENT for a later fragment, which has no header */
	bool extended;
};

/*
 * False: the chain is too long or leaves the packet, which ends at `end`. Behind a fragment header no other one may follow:
 * what is behind that one, another fragment could change or bring (RFC 5722, RFC 7112).
 */
inline_always bool follow_chain(struct __sk_buff *skb, struct chain *c, __u32 end)
{
#pragma unroll
	for (__u32 i = 0; i < EXTENSIONS_MAX; i++) {
		__u8 header[4];

		if (!is_extension(c->next))
			return true;
		if (c->at + 8 > end || bpf_skb_load_bytes(skb, c->at, header, sizeof(header)))
			return false;
		if (c->next == PROTO_FRAGMENT && LOAD16(header, 2) & bpf_htons(0xfff8))
			return true;
		if (c->next == PROTO_FRAGMENT && is_extension(header[0]))
			return false;
		c->at += c->next == PROTO_FRAGMENT ? 8 : (header[1] + 1) * 8;
		if (c->at > end)
			return false;
		c->next = header[0];
		c->extended = true;
	}
	return !is_extension(c->next);
}

/* A solicitation is answered, or flooded: then it is to the group of an address that nobody is known to have. */
inline_always int asked(struct __sk_buff *skb, struct hd_port *port, __u32 length, __u8 hops)
{
	int verdict = solicited(skb, port, length, hops);
	void *data;

	if (verdict != TO_FLOOD)
		return verdict;
	if (!reach(skb, &data, ETH_LEN + IP6_LEN) || !group_matches(port->vni, data, true))
		return drop(port->slot, HD_ND_UNKNOWN);
	return flood_from_port(skb, port, skb->len - ETH_LEN, 0, HD_ND_UNKNOWN);
}

/* Follows the chain; a verdict for neighbour discovery and broken chains, GO_ON for everything else. */
inline_always int ip6_chain(struct __sk_buff *skb, struct hd_port *port, void *data, struct chain *c)
{
	__u32 length = bpf_ntohs(LOAD16(data, ETH_LEN + 4));
	__u32 end = ETH_LEN + IP6_LEN + length;
	__u8 hops = LOAD8(data, ETH_LEN + 7);
	__u8 type;

	if (!follow_chain(skb, c, end) || (has_ports(c->next) && c->at + 8 > end))
		return drop(port->slot, HD_IP6_HEADER);
	if (c->next != PROTO_ICMP6)
		return GO_ON;
	if (c->at + 4 > end || bpf_skb_load_bytes(skb, c->at, &type, 1))
		return drop(port->slot, HD_IP6_HEADER);
	if (type < ND_ROUTER_SOLICIT || type > ND_REDIRECT)
		return GO_ON;
	if (c->extended)
		return drop(port->slot, HD_ND_MALFORMED);
	if (type == ND_ROUTER_SOLICIT)
		return router_solicited(skb, port, data, hops);
	/* The host's own, to one port. */
	if (type == ND_ROUTER_ADVERT && port->flags & HD_PORT_ROUTER)
		return GO_ON;
	if (type != ND_NEIGHBOUR_SOLICIT)
		return drop(port->slot, HD_ND_FORBIDDEN);
	return asked(skb, port, length, hops);
}
