/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* IPv6 neighbour discovery (RFC 4861, RFC 4862 §5.4) is answered in place: a solicitation never leaves the host. */
#pragma once
#include "fdb.h"
#include "flood.h"
#include "source.h"
#include "icmp.h"

#define ND_SOURCE_MAC 1 /* option: source link-layer address */
#define ND_TARGET_MAC 2

#define NS_MIN 24
#define NS_MAX 88
#define NS_OPTIONS ((NS_MAX - NS_MIN) / 8)

/* A solicitation as it lies in the packet, from the IPv6 source address on; zeros behind its end. */
struct solicitation {
	__be32 src[4], dst[4];
	__u8 type, code;
	__sum16 sum;
	__be32 reserved;
	__be32 target[4];
	__u8 options[NS_OPTIONS][8];
};

struct advertisement {
	__u16 pad;
	__u8 dst_mac[6], src_mac[6];
	__be16 ethertype;
	__be32 version;
	__be16 length;
	__u8 next, hops;
	__be32 src[4], dst[4];
	__u8 type, code;
	__sum16 sum;
	__be32 flags;
	__be32 target[4];
	__u8 option, option_length;
	__u8 mac[6];
};

/* Checksum over the pseudo header and message; `bytes` from the source address on, `length` of the message alone. */
inline_always __sum16 nd_sum(void *from, __u32 bytes, __u32 length)
{
	return checksum(bpf_csum_diff(0, 0, from, bytes, bpf_htons(length) + bpf_htons(PROTO_ICMP6)));
}

/* A probe for duplicates has no source, and goes to the group of its target. */
inline_always bool dad_sound(struct solicitation *ns)
{
	return ns->dst[0] == bpf_htonl(0xff020000) && !ns->dst[1] && ns->dst[2] == bpf_htonl(1) &&
	       ns->dst[3] == (ns->target[3] | bpf_htonl(0xff000000));
}

/* HD_REASONS_MAX, or why the options are refused. */
inline_always __u32 ns_options(struct solicitation *ns, __u32 length, struct hd_port *port)
{
	__u32 verdict = HD_REASONS_MAX, skip = 0;

#pragma unroll
	for (__u32 i = 0; i < NS_OPTIONS; i++) {
		__u8 *option = ns->options[i];

		if (NS_MIN + 8 * i >= length)
			break;
		if (skip) {
			skip--;
			continue;
		}
		if (!option[1] || NS_MIN + 8 * (i + option[1]) > length)
			return HD_ND_MALFORMED;
		skip = option[1] - 1;
		if (option[0] != ND_SOURCE_MAC)
			continue;
		if (option[1] != 1 || ip6_unspecified(ns->src))
			return HD_ND_MALFORMED;
		if (LOAD16(option, 2) != LOAD16(port->mac, 0) || LOAD16(option, 4) != LOAD16(port->mac, 2) ||
		    LOAD16(option, 6) != LOAD16(port->mac, 4))
			verdict = HD_ND_SPOOF;
	}
	return verdict;
}

/* Reads and checks a solicitation that directly follows the IPv6 header. HD_REASONS_MAX: it is sound and the port's own. */
inline_always __u32 ns_read(struct __sk_buff *skb, struct hd_port *port, struct solicitation *ns, __u32 length, __u8 hops)
{
	__u32 refused;

	if (length < NS_MIN || length > NS_MAX || length % 8 || hops != 255)
		return HD_ND_MALFORMED;
	if (bpf_skb_load_bytes(skb, ETH_LEN + 8, ns, 32 + length))
		return HD_ND_MALFORMED;
	if (ns->code || nd_sum(ns, sizeof(*ns), length) || LOAD8(ns->target, 0) == 0xff)
		return HD_ND_MALFORMED;
	if (ip6_unspecified(ns->src) && !dad_sound(ns))
		return HD_ND_MALFORMED;
	refused = ns_options(ns, length, port);
	if (refused == HD_REASONS_MAX && !ip6_unspecified(ns->src) && !owns_ip6(port, ns->src))
		return HD_ND_SPOOF;
	return refused;
}

/* Turns the frame into the answer "target is at mac" and sends it back; to all nodes, if the question had no source. */
inline_always int nd_answer(struct __sk_buff *skb, struct hd_port *port, struct solicitation *ns, struct hd_neigh *target)
{
	bool dad = ip6_unspecified(ns->src);
	struct advertisement na = {
		.ethertype = bpf_htons(TYPE_IP6), .version = bpf_htonl(0x60000000), .length = bpf_htons(32),
		.next = PROTO_ICMP6, .hops = 255, .type = ND_NEIGHBOUR_ADVERT,
		.flags = bpf_htonl(dad ? 0x20000000 : 0x60000000), /* override; solicited */
		.option = ND_TARGET_MAC, .option_length = 1,
	};

	ip6_copy(na.src, ns->target);
	ip6_copy(na.target, ns->target);
	__builtin_memcpy(na.src_mac, target->mac, 6);
	__builtin_memcpy(na.mac, target->mac, 6);
	if (dad) {
		na.dst_mac[0] = na.dst_mac[1] = 0x33;
		na.dst_mac[5] = 1;
		na.dst[0] = bpf_htonl(0xff020000);
		na.dst[3] = bpf_htonl(1);
	} else {
		__builtin_memcpy(na.dst_mac, port->mac, 6);
		ip6_copy(na.dst, ns->src);
	}
	na.sum = nd_sum(na.src, 64, 32);
	if (bpf_skb_change_tail(skb, sizeof(na) - 2, 0) || bpf_skb_store_bytes(skb, 0, na.dst_mac, sizeof(na) - 2, 0))
		return drop(port->slot, HD_ND_MALFORMED);
	count(port->slot, HD_ND_ANSWERED);
	return send_back(skb, port);
}

__noinline int solicited(struct __sk_buff *skb, struct hd_port *port, __u32 length, __u32 hops)
{
	struct solicitation ns = {};
	struct hd_neigh *target;
	__u32 refused;

	if (!port)
		return TC_ACT_SHOT;
	refused = ns_read(skb, port, &ns, length, hops);
	if (refused != HD_REASONS_MAX)
		return drop(port->slot, refused);
	target = neigh6_row(port->vni, ns.target);
	if (ip6_same(ns.target, port->ip6) || (target && mac_same(target->mac, port->mac)))
		return drop(port->slot, ip6_unspecified(ns.src) ? HD_ND_DAD : HD_TO_SELF);
	if (!target)
		return ip6_unspecified(ns.src) ? drop(port->slot, HD_ND_UNKNOWN) : TO_FLOOD;
	if (hears_itself(skb, port, target->mac))
		return drop(port->slot, HD_SAME_SEGMENT);
	return nd_answer(skb, port, &ns, target);
}
