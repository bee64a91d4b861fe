/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Between peers of which one sees the other's subnets under other prefixes: source and destination are put there, bit by bit
 * and without any state, and so are those that an ICMP error quotes.
 */
#pragma once
#include "route.h"

/* A packet's source, then its destination: two words of IPv4, eight of IPv6. */
struct ends {
	__be32 ip[8];
};

/* As the other side has them; false: the router no longer says so. */
inline_always bool ends_there(struct ends *ends, __u32 domain, const bool is_ip6)
{
	__be32 *to = ends->ip + (is_ip6 ? 4 : 1);
	struct hd_route *near = route_row(domain, ends->ip, is_ip6);
	struct hd_route *far = route_row(domain, to, is_ip6);

	if (!near || near->action != HD_ROUTE_CONNECTED || !far || far->action != HD_ROUTE_TRANSLATED)
		return false;
	put_under(near, ends->ip, is_ip6);
	put_under(far, to, is_ip6);
	return true;
}

/*
 * Writes them at an offset. The sum of an IPv4 header is mended with them, so that sums over more than the header stay right.
 * `diff`: what the others need.
 */
inline_always bool store_ends(struct __sk_buff *skb, __u32 ip, struct ends *was, struct ends *is, __s64 *diff,
			      const bool is_ip6)
{
	const __u32 size = is_ip6 ? 32 : 8;

	*diff = bpf_csum_diff(was->ip, size, is->ip, size, 0);
	if (bpf_skb_store_bytes(skb, ip + (is_ip6 ? 8 : 12), is->ip, size, is_ip6 ? BPF_F_RECOMPUTE_CSUM : 0))
		return false;
	return is_ip6 || !bpf_l3_csum_replace(skb, ip + 10, 0, *diff, 0);
}

/*
 * An ICMP error quotes a packet that its receiver has sent to its sender, or it is forged: what the sender names by its own
 * side's addresses is somebody else on the other. HD_REASONS_MAX: done.
 */
inline_always __u32 translate_quote(struct __sk_buff *skb, __u32 l4, struct ends *was, struct ends *is, const bool is_ip6)
{
	const __u32 words = is_ip6 ? 4 : 1;
	struct ends quoted, there;
	__s64 diff;

	if (bpf_skb_load_bytes(skb, l4 + 8 + (is_ip6 ? 8 : 12), quoted.ip, 8 * words))
		return HD_ICMP_FORGED;
#pragma unroll
	for (__u32 i = 0; i < words; i++) {
		if (quoted.ip[i] != was->ip[words + i] || quoted.ip[words + i] != was->ip[i])
			return HD_ICMP_FORGED;
		there.ip[i] = is->ip[words + i];
		there.ip[words + i] = is->ip[i];
	}
	if (!store_ends(skb, l4 + 8, &quoted, &there, &diff, is_ip6))
		return HD_TRUNCATED;
	return is_ip6 && bpf_l4_csum_replace(skb, l4 + 2, 0, diff, 0) ? HD_TRUNCATED : HD_REASONS_MAX;
}

/* The sum of a layer-4 header that counts the addresses. */
inline_always bool mend_sum(struct __sk_buff *skb, __u32 l4, __u32 proto, __s64 diff)
{
	/* A UDP sum of 0 is none, and stays so. */
	__u64 flags = BPF_F_PSEUDO_HDR | (proto == PROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0);
	__u32 at = proto == PROTO_TCP ? 16 : proto == PROTO_UDP ? 6 : 2;

	return !bpf_l4_csum_replace(skb, l4 + at, 0, diff, flags);
}

inline_always __u32 translate_ip(struct __sk_buff *skb, __u32 domain, __u32 l4, __u32 proto, const bool is_ip6)
{
	struct ends was = {}, is;
	__be16 fragment = 0;
	__s64 diff;
	__u8 type;

	if (bpf_skb_load_bytes(skb, ETH_LEN + (is_ip6 ? 8 : 12), was.ip, is_ip6 ? 32 : 8))
		return HD_TRUNCATED;
	is = was;
	if (!ends_there(&is, domain, is_ip6) || !store_ends(skb, ETH_LEN, &was, &is, &diff, is_ip6))
		return HD_TRUNCATED;
	/* Later fragments have no header of layer 4; in IPv6 they have no protocol of it either. */
	if (!is_ip6 && bpf_skb_load_bytes(skb, ETH_LEN + 6, &fragment, 2))
		return HD_TRUNCATED;
	if (fragment & bpf_htons(IP4_OFFSET_MASK))
		return HD_REASONS_MAX;
	if (proto == (is_ip6 ? PROTO_ICMP6 : PROTO_ICMP) && !bpf_skb_load_bytes(skb, l4, &type, 1) &&
	    is_icmp_error(type, is_ip6)) {
		__u32 refused = translate_quote(skb, l4, &was, &is, is_ip6);

		if (refused != HD_REASONS_MAX)
			return refused;
	}
	if (proto != PROTO_TCP && proto != PROTO_UDP && !(is_ip6 && proto == PROTO_ICMP6))
		return HD_REASONS_MAX;
	return mend_sum(skb, l4, proto, diff) ? HD_REASONS_MAX : HD_TRUNCATED;
}

/* A packet of a router's to its peer's, with its layer-4 header at `l4`. HD_REASONS_MAX: done; else why it is dropped. */
__noinline int translate(struct __sk_buff *skb, __u32 domain, __u32 l4, __u32 proto)
{
	__be16 type;

	if (bpf_skb_load_bytes(skb, 12, &type, 2))
		return HD_TRUNCATED;
	if (type == bpf_htons(TYPE_IP6))
		return translate_ip(skb, domain, l4, proto, true);
	return translate_ip(skb, domain, l4, proto, false);
}
