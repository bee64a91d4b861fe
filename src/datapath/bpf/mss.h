/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * In networks that want it, a TCP connection begins with segments that fit the network: the size that a SYN, or its answer,
 * says its sender takes is lowered to that. It is for workloads that are not told what fits, or do not listen.
 */
#pragma once
#include "flow.h"

#define TCP_FLAGS 12 /* header length, then flags */
#define TCP_SUM 16
#define TCP_LEN 20
#define TCP_OPTIONS_MAX 40
#define TCP_SYN 2
#define OPTION_END 0
#define OPTION_NOTHING 1
#define OPTION_MSS 2

/* Where the option's value is, from the frame's start; 0: there is none before `end`, or the options are broken. */
inline_always __u32 mss_at(struct __sk_buff *skb, __u32 at, __u32 end)
{
	for (__u32 i = 0; i < TCP_OPTIONS_MAX; i++) {
		__u8 option[2];

		if (at + 4 > end || bpf_skb_load_bytes(skb, at, option, 2) || option[0] == OPTION_END)
			return 0;
		if (option[0] == OPTION_MSS)
			return option[1] == 4 ? at + 2 : 0;
		if (option[0] != OPTION_NOTHING && option[1] < 2)
			return 0;
		at += option[0] == OPTION_NOTHING ? 1 : option[1];
	}
	return 0;
}

inline_always bool is_syn(struct __sk_buff *skb, struct flow *flow, bool is_ip6, __u8 *length)
{
	__u16 fragment = 0;
	__u8 header[2];

	if (flow->proto != PROTO_TCP || bpf_skb_load_bytes(skb, flow->l4 + TCP_FLAGS, header, 2) || !(header[1] & TCP_SYN))
		return false;
	*length = (header[0] >> 4) * 4;
	return is_ip6 || (!bpf_skb_load_bytes(skb, ETH_LEN + 6, &fragment, 2) && !(fragment & bpf_htons(IP4_OFFSET_MASK)));
}

/*
 * Lowers the value to what fits IP packets of `mtu` bytes, less the headers without options (RFC 9293 §3.7.1); it never grows.
 * Packet pointers are invalid after it. Always 0.
 */
__noinline int clamp_mss(struct __sk_buff *skb, struct flow *flow, __u32 mtu, bool is_ip6)
{
	__u16 most = mtu - TCP_LEN - (is_ip6 ? IP6_LEN : IP4_LEN);
	__be16 old, new = bpf_htons(most);
	__u8 length;
	__u32 at;
	bool odd;

	if (!flow || !is_syn(skb, flow, is_ip6, &length))
		return 0;
	at = mss_at(skb, flow->l4 + TCP_LEN, flow->l4 + length);
	if (!at || bpf_skb_load_bytes(skb, at, &old, 2) || bpf_ntohs(old) <= most)
		return 0;
	/* The sum is over words from the TCP header's start on; a value that lies across two of them counts with its bytes swapped. */
	odd = (at - flow->l4) & 1;
	if (!bpf_l4_csum_replace(skb, flow->l4 + TCP_SUM, odd ? __builtin_bswap16(old) : old,
				 odd ? __builtin_bswap16(new) : new, 2))
		bpf_skb_store_bytes(skb, at, &new, 2, 0);
	return 0;
}
