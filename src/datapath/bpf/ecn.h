/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Congestion marks at the tunnel's end (RFC 6040 §4.2). */
#pragma once
#include "outer.h"
#include "parse.h"

#define ECN_MASK 3
#define ECN_NOT 0
#define ECN_ECT1 1
#define ECN_ECT0 2
#define ECN_CE 3

/* Sets the inner packet's ECN bits; packet pointers are invalid after it. */
inline_always void ecn_set(struct __sk_buff *skb, void *data, bool is_ip6, __u8 ecn)
{
	__be16 old = LOAD16(data, INNER_IP);
	__be16 new = is_ip6 ? (old & ~bpf_htons(ECN_MASK << 4)) | bpf_htons(ecn << 4) :
			      (old & ~bpf_htons(ECN_MASK)) | bpf_htons(ecn);

	if (!is_ip6)
		bpf_l3_csum_replace(skb, INNER_IP + 10, old, new, 2);
	bpf_skb_store_bytes(skb, INNER_IP, &new, 2, is_ip6 ? BPF_F_RECOMPUTE_CSUM : 0);
}

/* False: the packet must be dropped. True: the inner packet carries the mark it has to. */
inline_always bool ecn_decap(struct __sk_buff *skb, void *data, bool is_ip6)
{
	__u8 outer = LOAD8(data, OUTER_IP + 1) & ECN_MASK;
	__u8 inner = (is_ip6 ? ip6_class(data + INNER_IP) : LOAD8(data, INNER_IP + 1)) & ECN_MASK;

	if (outer == inner || outer == ECN_NOT || outer == ECN_ECT0)
		return true;
	if (outer == ECN_CE && inner == ECN_NOT)
		return false;
	if (outer == ECN_CE || inner == ECN_ECT0)
		ecn_set(skb, data, is_ip6, outer);
	return true;
}
