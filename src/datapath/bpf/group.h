/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which packets to everybody or to a group may be flooded. */
#pragma once
#include "flow.h"
#include "source.h"

/*
 * The group or broadcast address of the IP header is the one of the Ethernet header, and nothing is hidden behind options of
 * IPv6.
 */
inline_always bool group_matches(__u32 vni, void *data, const bool is_ip6)
{
	void *to = data + ETH_LEN + (is_ip6 ? 24 : 16);
	__u8 next = LOAD8(data, ETH_LEN + 6);

	if (is_ip6)
		return LOAD16(data, 0) == bpf_htons(0x3333) && LOAD8(to, 0) == 0xff && LOAD32(data, 2) == LOAD32(to, 12) &&
		       (next == PROTO_FRAGMENT || !is_extension(next));
	if (to_everybody(data))
		return LOAD32(to, 0) == 0xffffffff || (LOAD8(to, 0) < 224 && !neigh4_row(vni, LOAD32(to, 0)));
	return LOAD16(data, 0) == bpf_htons(0x0100) && LOAD8(data, 2) == 0x5e && LOAD8(to, 0) >> 4 == 14 &&
	       LOAD8(data, 3) == (LOAD8(to, 1) & 0x7f) && LOAD16(data, 4) == LOAD16(to, 2);
}

/*
 * For a port's own host alone, or from it alone: who wants which group, for everybody gets all; DHCP; and of neighbour
 * discovery all but questions.
 */
inline_always bool is_kept(struct __sk_buff *skb, void *data, struct flow *flow, const bool is_ip6)
{
	__u32 upper; /* type of ICMPv6; source and destination port */

	if (!is_ip6 && flow->proto == PROTO_IGMP)
		return true;
	if (!is_ip6 && LOAD16(data, ETH_LEN + 6) & bpf_htons(IP4_OFFSET_MASK))
		return false;
	if ((flow->proto != PROTO_UDP && flow->proto != PROTO_ICMP6) || bpf_skb_load_bytes(skb, flow->l4, &upper, 4))
		return false;
	if (flow->proto == PROTO_UDP && is_ip6)
		return upper >> 16 == bpf_htons(DHCP6_SERVER) || upper >> 16 == bpf_htons(DHCP6_CLIENT);
	if (flow->proto == PROTO_UDP)
		return upper >> 16 == bpf_htons(DHCP4_SERVER) || upper >> 16 == bpf_htons(DHCP4_CLIENT);
	upper &= 0xff;
	return is_ip6 && ((upper >= MLD_QUERY && upper <= ND_REDIRECT && upper != ND_NEIGHBOUR_SOLICIT) ||
			  upper == MLD_REPORT2);
}
