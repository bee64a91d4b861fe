/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a port sends: checked as its own, then forwarded or answered. */
#pragma once
#include "arp.h"
#include "forward.h"
#include "ip6.h"
#include "quote.h"
#include "service.h"

inline_always int ip4_from_port(struct __sk_buff *skb, struct hd_port *port)
{
	struct flow flow;
	void *data;
	bool own;

	if (!reach(skb, &data, ETH_LEN + IP4_LEN))
		return drop(port->slot, HD_TRUNCATED);
	if (!ip4_sound(data + ETH_LEN, skb->len - ETH_LEN))
		return drop(port->slot, HD_IP4_HEADER);
	if (LOAD8(data, ETH_LEN + 9) == PROTO_UDP) {
		int verdict = dhcp4_from_port(skb, port);

		if (verdict != GO_ON)
			return verdict;
		if (!reach(skb, &data, ETH_LEN + IP4_LEN))
			return drop(port->slot, HD_TRUNCATED);
	}
	if (LOAD8(data, ETH_LEN + 9) == PROTO_ICMP && forged4(skb, port, ETH_LEN + (LOAD8(data, ETH_LEN) & 15) * 4))
		return drop(port->slot, HD_ICMP_FORGED);
	own = owns_ip4(port, LOAD32(data, ETH_LEN + 12));
	if (!own && !speaks_for(port, data + ETH_LEN + 12, false))
		return drop(port->slot, HD_SRC_IP4);
	flow_ip4(&flow, data, packet_end(skb));
	return forward(skb, port, data, &flow, own, false);
}

inline_always int ip6_from_port(struct __sk_buff *skb, struct hd_port *port)
{
	struct chain chain = { .at = ETH_LEN + IP6_LEN };
	struct flow flow;
	void *data;
	bool own;

	if (!reach(skb, &data, ETH_LEN + IP6_LEN))
		return drop(port->slot, HD_TRUNCATED);
	if (!ip6_sound(data + ETH_LEN, skb->len - ETH_LEN))
		return drop(port->slot, HD_IP6_HEADER);
	if (!(port->flags & HD_PORT_IP6))
		return drop(port->slot, HD_SRC_IP6);
	chain.next = LOAD8(data, ETH_LEN + 6);
	if (!has_ports(chain.next)) {
		int verdict = ip6_chain(skb, port, data, &chain);

		if (verdict != GO_ON)
			return verdict;
		if (!reach(skb, &data, ETH_LEN + IP6_LEN))
			return drop(port->slot, HD_TRUNCATED);
	}
	if (chain.next == PROTO_UDP) {
		int verdict = dhcp6_from_port(skb, port, chain.at);

		if (verdict != GO_ON)
			return verdict;
		if (!reach(skb, &data, ETH_LEN + IP6_LEN))
			return drop(port->slot, HD_TRUNCATED);
	}
	if (chain.next == PROTO_ICMP6 && forged6(skb, port, chain.at))
		return drop(port->slot, HD_ICMP_FORGED);
	own = owns_ip6(port, data + ETH_LEN + 8);
	if (!own && !speaks_for(port, data + ETH_LEN + 8, true))
		return drop(port->slot, HD_SRC_IP6);
	flow.l4 = chain.at;
	flow.proto = chain.next;
	flow_ip6(&flow, data, packet_end(skb));
	return forward(skb, port, data, &flow, own, true);
}

/* A frame of the port, from its MAC and without a tag. */
inline_always int frame_from_port(struct __sk_buff *skb, struct hd_port *port, void *data)
{
	if (LOAD16(data, 12) == bpf_htons(TYPE_IP4))
		return ip4_from_port(skb, port);
	if (LOAD16(data, 12) == bpf_htons(TYPE_IP6))
		return ip6_from_port(skb, port);
	if (LOAD16(data, 12) == bpf_htons(TYPE_ARP))
		return arp_from_port(skb, port);
	return drop(port->slot, HD_ETHERTYPE);
}
