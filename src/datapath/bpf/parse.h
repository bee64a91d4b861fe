/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reach into a packet: make its first bytes readable, and check IP headers. */
#pragma once
#include "base.h"

/*
 * The packet's bounds, valid until a helper changes the packet. In assembly, because clang takes the 32-bit context fields
 * for numbers and may split the loads from the pointer comparisons, which the verifier then refuses.
 */
inline_always void *packet_start(struct __sk_buff *skb)
{
	void *p;

	asm volatile("%0 = *(u32 *)(%1 + %2)" : "=r"(p) : "r"(skb), "i"(offsetof(struct __sk_buff, data)));
	return p;
}

inline_always void *packet_end(struct __sk_buff *skb)
{
	void *p;

	asm volatile("%0 = *(u32 *)(%1 + %2)" : "=r"(p) : "r"(skb), "i"(offsetof(struct __sk_buff, data_end)));
	return p;
}

/* Makes the first n bytes readable at *data; false if the packet is shorter. Invalidates older packet pointers. */
inline_always bool reach(struct __sk_buff *skb, void **data, __u32 n)
{
	*data = packet_start(skb);
	if (*data + n <= packet_end(skb))
		return true;
	if (skb->len < n || bpf_skb_pull_data(skb, n))
		return false;
	*data = packet_start(skb);
	return *data + n <= packet_end(skb);
}

/* A sound IPv4 header at ip, in a packet that has `room` bytes from there on. */
inline_always bool ip4_sound(const void *ip, __u32 room)
{
	__u32 header = (LOAD8(ip, 0) & 15) * 4;
	__u32 total = bpf_ntohs(LOAD16(ip, 2));

	return LOAD8(ip, 0) >> 4 == 4 && header >= IP4_LEN && total >= header && total <= room;
}

/* A sound IPv6 header at ip, in a packet that has `room` bytes from there on. */
inline_always bool ip6_sound(const void *ip, __u32 room)
{
	return LOAD8(ip, 0) >> 4 == 6 && IP6_LEN + bpf_ntohs(LOAD16(ip, 4)) <= room;
}

/* The traffic class of an IPv6 header lies across two bytes. */
inline_always __u8 ip6_class(const void *ip)
{
	return bpf_ntohs(LOAD16(ip, 0)) >> 4;
}

/* Types of ICMP errors (RFC 1122 §3.2.2); of ICMPv6 those below 128 (RFC 4443 §2.1). */
inline_always bool is_icmp_error(__u8 type, const bool is_ip6)
{
	return is_ip6 ? type < 128 : type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

/* Of IPv6: another header follows. */
inline_always bool is_extension(__u8 next)
{
	return next == PROTO_HOPOPTS || next == PROTO_ROUTING || next == PROTO_DSTOPTS || next == PROTO_FRAGMENT;
}
