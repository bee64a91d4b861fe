/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Nobody complains of what was not sent to him. An ICMP error quotes the packet that it is about; whoever may invent one cuts
 * or slows down connections of others, with their peers' kernels and the gateways' connection tracking.
 */
#pragma once
#include "icmp.h"

/* True for an ICMP error, `at` bytes into a packet, about a packet to somebody else. Errors are no fragments (RFC 1812 §4.3.2.3). */
__noinline int forged4(struct __sk_buff *skb, struct hd_port *port, __u32 at)
{
	__u16 fragment = 0;
	__be32 to = 0;
	__u8 type = 0;

	if (!port || bpf_skb_load_bytes(skb, ETH_LEN + 6, &fragment, 2) || fragment & bpf_htons(IP4_OFFSET_MASK))
		return false;
	if (bpf_skb_load_bytes(skb, at, &type, 1) || !is_icmp_error(type, false))
		return false;
	if (fragment & bpf_htons(IP4_FRAG_MASK) || bpf_skb_load_bytes(skb, at + 8 + 16, &to, 4))
		return true;
	return !owns_ip4(port, to) && !speaks_for(port, &to, false);
}

/* The same for ICMPv6. */
__noinline int forged6(struct __sk_buff *skb, struct hd_port *port, __u32 at)
{
	__be32 to[4] = {};
	__u8 type = 0;

	if (!port || bpf_skb_load_bytes(skb, at, &type, 1) || !is_icmp_error(type, true))
		return false;
	if (bpf_skb_load_bytes(skb, at + 8 + 24, to, 16))
		return true;
	return !owns_ip6(port, to) && !speaks_for(port, to, true);
}
