/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ARP (RFC 826) is answered in place: a request never leaves the host. */
#pragma once
#include "deliver.h"
#include "fdb.h"
#include "flood.h"
#include "parse.h"
#include "route.h"

#define ARP_REQUEST 1
#define ARP_REPLY 2

/* Offsets from the frame's start. */
#define ARP_FIXED 14 /* hardware type, protocol type, lengths */
#define ARP_OP 20
#define ARP_SENDER_MAC 22
#define ARP_SENDER_IP 28
#define ARP_TARGET_IP 38

/* Turns the request into the answer "target is at mac" and sends it back. */
inline_always int arp_answer(struct __sk_buff *skb, struct hd_port *port, struct hd_neigh *target, void *data)
{
	__u8 reply[ETH_LEN + ARP_LEN];

	__builtin_memcpy(reply, data, sizeof(reply));
	__builtin_memcpy(reply, port->mac, 6);
	__builtin_memcpy(reply + 6, target->mac, 6);
	reply[ARP_OP + 1] = ARP_REPLY;
	__builtin_memcpy(reply + ARP_SENDER_MAC, target->mac, 6);
	__builtin_memcpy(reply + ARP_SENDER_IP, data + ARP_TARGET_IP, 4);
	__builtin_memcpy(reply + 32, port->mac, 6);
	__builtin_memcpy(reply + ARP_TARGET_IP, data + ARP_SENDER_IP, 4);
	if (bpf_skb_store_bytes(skb, 0, reply, sizeof(reply), 0))
		return drop(port->slot, HD_TRUNCATED);
	count(port->slot, HD_ARP_ANSWERED);
	return send_back(skb, port);
}

/* Ethernet (1), IPv4 (0x0800), lengths 6 and 4. */
inline_always bool arp_sound(const void *data)
{
	return LOAD16(data, ARP_FIXED) == bpf_htons(1) && LOAD16(data, ARP_FIXED + 2) == bpf_htons(TYPE_IP4) &&
	       LOAD16(data, ARP_FIXED + 4) == bpf_htons(0x0604);
}

inline_always int arp_from_port(struct __sk_buff *skb, struct hd_port *port)
{
	struct hd_neigh *target;
	void *data;
	bool own;
	__u16 op;

	if (!reach(skb, &data, ETH_LEN + ARP_LEN))
		return drop(port->slot, HD_TRUNCATED);
	op = bpf_ntohs(LOAD16(data, ARP_OP));
	if (!arp_sound(data) || (op != ARP_REQUEST && op != ARP_REPLY))
		return drop(port->slot, HD_ARP_MALFORMED);
	if (!(port->flags & HD_PORT_IP4) || !mac_same(data + ARP_SENDER_MAC, port->mac))
		return drop(port->slot, HD_ARP_SPOOF);
	own = owns_ip4(port, LOAD32(data, ARP_SENDER_IP));
	/* A probe (RFC 5227 §2.1.1) has no sender address. A kernel with addresses on other devices asks as the one that its packet is from. */
	if (LOAD32(data, ARP_SENDER_IP) && !own && !speaks_for(port, data + ARP_SENDER_IP, false))
		return drop(port->slot, HD_ARP_SPOOF);
	if (op == ARP_REPLY || LOAD32(data, ARP_TARGET_IP) == port->ip4)
		return drop(port->slot, HD_ARP_GRATUITOUS);
	target = neigh4_row(port->vni, LOAD32(data, ARP_TARGET_IP));
	/* But a probe is not: who answers it can tell nobody who asked; nor what only a router knows. */
	if (!target && to_everybody(data) && own)
		return flood_from_port(skb, port, skb->len - ETH_LEN, 0, HD_ARP_UNKNOWN);
	if (!target)
		return drop(port->slot, HD_ARP_UNKNOWN);
	if (mac_same(target->mac, port->mac))
		return drop(port->slot, HD_ARP_GRATUITOUS);
	if (hears_itself(skb, port, target->mac))
		return drop(port->slot, HD_SAME_SEGMENT);
	return arp_answer(skb, port, target, data);
}
