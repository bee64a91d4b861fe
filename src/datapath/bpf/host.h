/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What goes to a host that is a workload itself: only what is for its port's addresses. The host's kernel would take what is
 * for any of its addresses, and pass on what is for others; and kernels before 6.0 take VXLAN from any address of a VTEP by
 * any device, so that a workload could speak as another host.
 */
#pragma once
#include "outgoing.h"
#include "source.h"

inline_always bool is_for_port(struct __sk_buff *skb, struct hd_port *port)
{
	void *data;

	if (!reach(skb, &data, ETH_LEN))
		return false;
	switch (LOAD16(data, 12)) {
	case bpf_htons(TYPE_ARP):
		return true;
	case bpf_htons(TYPE_IP4):
		return reach(skb, &data, ETH_LEN + IP4_LEN) && owns_ip4(port, LOAD32(data, ETH_LEN + 16));
	case bpf_htons(TYPE_IP6):
		return reach(skb, &data, ETH_LEN + IP6_LEN) && owns_ip6(port, data + ETH_LEN + 24);
	default:
		return false;
	}
}
