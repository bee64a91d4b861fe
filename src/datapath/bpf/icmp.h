/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tell a workload what became of its packet. The answer quotes the packet's start (RFC 1191 §4, RFC 4443 §3). It comes from
 * the router, if the packet was sent to it, else from the packet's destination, so that it is plausible to reverse-path filters.
 */
#pragma once
#include "deliver.h"
#include "flow.h"
#include "parse.h"
#include "route.h"

/* Quoted bytes from the IP header on, at most. IPv4: the longest header and 8 bytes. IPv6: what makes 1280 bytes in all. */
#define QUOTE4 68
#define QUOTE6 1232

/* Before each: two bytes that align the rest, so that a stack copy is written by words. */
struct icmp4_frame {
	__u16 pad;
	__u8 dst_mac[6], src_mac[6];
	__be16 type;
	__u8 version, tos;
	__be16 length, id, fragment;
	__u8 ttl, proto;
	__sum16 ip_sum;
	__be32 src, dst;
	__u8 icmp_type, icmp_code;
	__sum16 icmp_sum;
	__be16 unused, mtu;
};

struct icmp6_frame {
	__u16 pad;
	__u8 dst_mac[6], src_mac[6];
	__be16 type;
	__be32 version;
	__be16 length;
	__u8 next, hops;
	__be32 src[4], dst[4];
	__u8 icmp_type, icmp_code;
	__sum16 icmp_sum;
	__be32 mtu;
};

/* Internet checksum of a sum as bpf_csum_diff returns it. */
inline_always __sum16 checksum(__s64 sum)
{
	__u32 s = sum;

	s = (s & 0xffff) + (s >> 16);
	return ~((s & 0xffff) + (s >> 16));
}

/* No ICMP error about an ICMP error, a later fragment or a multicast destination (RFC 1122 §3.2.2). */
inline_always bool ip4_silent(struct __sk_buff *skb, void *ip)
{
	__u8 type = 0;

	if (LOAD16(ip, 6) & bpf_htons(IP4_OFFSET_MASK) || LOAD8(ip, 16) >= 224)
		return true;
	if (LOAD8(ip, 9) != PROTO_ICMP)
		return false;
	if (bpf_skb_load_bytes(skb, ETH_LEN + (LOAD8(ip, 0) & 15) * 4, &type, 1))
		return true;
	return is_icmp_error(type, false);
}

/*
 * Nor of IPv6, wherever the extension headers hide it (RFC 4443 §2.4 e). `flow` says where the
 * headers end.
 */
inline_always bool ip6_silent(struct __sk_buff *skb, void *ip, struct flow *flow)
{
	__u8 type = 0;

	if (LOAD8(ip, 24) == 0xff || flow->proto == PROTO_FRAGMENT)
		return true;
	if (flow->proto != PROTO_ICMP6)
		return false;
	return bpf_skb_load_bytes(skb, flow->l4, &type, 1) || is_icmp_error(type, true);
}

/* Types and codes that a reason has in ICMP and in ICMPv6. */
struct icmp_kind {
	__u8 type4, code4, type6, code6;
};

inline_always struct icmp_kind icmp_kind(__u32 reason)
{
	if (reason == HD_TTL_EXPIRED)
		return (struct icmp_kind){ 11, 0, 3, 0 };
	if (reason == HD_NO_NEIGHBOUR)
		return (struct icmp_kind){ 3, 1, 1, 3 };
	return (struct icmp_kind){ 3, 4, 2, 0 }; /* HD_TOO_BIG */
}

/* Cuts the packet to its first `quote` bytes and opens room before them; false if the kernel refuses. */
inline_always bool make_quote(struct __sk_buff *skb, __u32 quote, __u32 headers)
{
	return !bpf_skb_change_tail(skb, ETH_LEN + quote, 0) && !bpf_skb_adjust_room(skb, headers, BPF_ADJ_ROOM_MAC, 0);
}

/* The router's address, if it is the router that the packet was sent to. */
inline_always const void *speaker(struct hd_port *port, void *data, const void *source, const bool is_ip6)
{
	return port->domain && is_gateway(data) ? router_address(port, source, is_ip6) : 0;
}

/* IPv4 length or IPv6 payload length may be 0 in what is still to be segmented: then all of the packet is its own. */
inline_always __u32 quote_length(struct __sk_buff *skb, __u32 length, __u32 max)
{
	__u32 room = skb->len - ETH_LEN;

	if (!length || length > room)
		length = room;
	return length > max ? max : length;
}

inline_always bool tell_ip4(struct __sk_buff *skb, struct hd_port *port, void *data, __u32 reason, __u32 mtu)
{
	const void *router = speaker(port, data, data + ETH_LEN + 12, false);
	__u32 quote = quote_length(skb, bpf_ntohs(LOAD16(data, ETH_LEN + 2)), QUOTE4);
	struct icmp_kind kind = icmp_kind(reason);
	__u8 quoted[QUOTE4] = {};
	struct icmp4_frame f = {
		.type = bpf_htons(TYPE_IP4), .version = 0x45, .tos = 0xc0, .fragment = bpf_htons(0x4000),
		.length = bpf_htons(IP4_LEN + 8 + quote), .ttl = HD_TTL, .proto = PROTO_ICMP,
		.icmp_type = kind.type4, .icmp_code = kind.code4, .mtu = bpf_htons(mtu),
		.src = router ? LOAD32(router, 0) : LOAD32(data, ETH_LEN + 16), .dst = LOAD32(data, ETH_LEN + 12),
	};

	if ((reason != HD_TOO_BIG && !router) || ip4_silent(skb, data + ETH_LEN))
		return false;
	__builtin_memcpy(f.dst_mac, data + 6, 6);
	__builtin_memcpy(f.src_mac, data, 6);
	if (quote < IP4_LEN || bpf_skb_load_bytes(skb, ETH_LEN, quoted, quote))
		return false;
	f.ip_sum = checksum(bpf_csum_diff(0, 0, (void *)&f.version, IP4_LEN, 0));
	f.icmp_sum = checksum(bpf_csum_diff(0, 0, (void *)&f.icmp_type, 8, bpf_csum_diff(0, 0, (void *)quoted, QUOTE4, 0)));
	return make_quote(skb, quote, IP4_LEN + 8) && !bpf_skb_store_bytes(skb, 0, f.dst_mac, sizeof(f) - 2, 0);
}

/* Of the message: its pseudo header is that of `f`, with `length` bytes, and the quote begins at `quoted`. */
inline_always __sum16 icmp6_sum(struct icmp6_frame *f, void *quoted, __u32 length)
{
	__u64 pseudo = (__u64)bpf_htonl(length) + bpf_htonl(PROTO_ICMP6);
	__s64 sum = bpf_csum_diff(0, 0, (void *)f->src, 40, (__u32)((pseudo & 0xffffffff) + (pseudo >> 32)));

	/* bpf_csum_diff takes at most 512 bytes at a time. */
	sum = bpf_csum_diff(0, 0, quoted, 512, sum);
	sum = bpf_csum_diff(0, 0, quoted + 512, 512, sum);
	return checksum(bpf_csum_diff(0, 0, quoted + 1024, QUOTE6 - 1024, sum));
}

inline_always bool tell_ip6(struct __sk_buff *skb, struct hd_port *port, void *data, struct flow *flow, __u32 reason,
			    __u32 mtu)
{
	const void *router = speaker(port, data, data + ETH_LEN + 8, true);
	__u32 payload = bpf_ntohs(LOAD16(data, ETH_LEN + 4));
	__u32 quote = quote_length(skb, payload ? IP6_LEN + payload : 0, QUOTE6);
	struct icmp_kind kind = icmp_kind(reason);
	struct icmp6_frame f = {
		.type = bpf_htons(TYPE_IP6), .version = bpf_htonl(0x60000000), .length = bpf_htons(8 + quote),
		.next = PROTO_ICMP6, .hops = HD_TTL,
		.icmp_type = kind.type6, .icmp_code = kind.code6, .mtu = bpf_htonl(mtu),
	};

	if ((reason != HD_TOO_BIG && !router) || ip6_silent(skb, data + ETH_LEN, flow))
		return false;
	__builtin_memcpy(f.dst_mac, data + 6, 6);
	__builtin_memcpy(f.src_mac, data, 6);
	ip6_copy(f.src, router ? router : data + ETH_LEN + 24);
	ip6_copy(f.dst, data + ETH_LEN + 8);
	/* Cut, or filled up with zeros, which add nothing to the sum; those go again. */
	if (!make_quote(skb, quote, IP6_LEN + 8) || bpf_skb_change_tail(skb, ETH_LEN + IP6_LEN + 8 + QUOTE6, 0) ||
	    !reach(skb, &data, ETH_LEN + IP6_LEN + 8 + QUOTE6))
		return false;
	f.icmp_sum = icmp6_sum(&f, data + ETH_LEN + IP6_LEN + 8, 8 + quote);
	return !bpf_skb_store_bytes(skb, 0, f.dst_mac, sizeof(f) - 2, 0) &&
	       !bpf_skb_change_tail(skb, ETH_LEN + IP6_LEN + 8 + quote, 0);
}

/* Drops the packet for a reason, and sends the answer back in its place where there may be one. `mtu`: if it is too big. */
__noinline int complain(struct __sk_buff *skb, struct hd_port *port, struct flow *flow, __u32 reason, __u32 mtu)
{
	__u32 slot;
	void *data;
	bool told;

	if (!port || !flow)
		return TC_ACT_SHOT;
	slot = port->slot;
	count(slot, reason);
	if ((reason == HD_TOO_BIG && !mtu) || !reach(skb, &data, ETH_LEN + IP4_LEN))
		return TC_ACT_SHOT;
	if (LOAD16(data, 12) == bpf_htons(TYPE_IP4))
		told = tell_ip4(skb, port, data, reason, mtu);
	else
		told = reach(skb, &data, ETH_LEN + IP6_LEN) && tell_ip6(skb, port, data, flow, reason, mtu);
	if (!told)
		return TC_ACT_SHOT;
	count(slot, reason == HD_TOO_BIG ? HD_TOO_BIG_TOLD : HD_ICMP_TOLD);
	return send_back(skb, port);
}
