/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Give a packet to a local port. */
#pragma once
#include "count.h"
#include "gate.h"

/* Puts the tag on that the other side knows a port's frames by, if it has one; packet pointers are invalid after it. */
inline_always bool put_tag(struct __sk_buff *skb, __u16 vlan)
{
	return !vlan || !bpf_skb_vlan_push(skb, bpf_htons(TYPE_VLAN), vlan);
}

/*
 * Past the device's queue, which the kernel starts a moment after a workload's end of the pair comes up: a first answer would be lost
 * there, and the workload asks again a second later.
 */
inline_always int pass_to_peer(struct __sk_buff *skb, __u32 ifindex)
{
	/* The receiving stack drops what the sending device marked as for another host, and nothing on this way marks it again. */
	if (skb->pkt_type != 0)
		bpf_skb_change_type(skb, 0);
	return bpf_redirect_peer(ifindex, 0);
}

/* By a device of `to`. `peer`: the packet may skip the device's queue, because its skb->protocol is right already. */
inline_always int deliver_by(struct __sk_buff *skb, struct hd_fdb *to, __u32 ifindex, bool peer)
{
	if (peer && to->flags & HD_FDB_PEER) {
		count_rx(to->slot, skb->len);
		return pass_to_peer(skb, ifindex);
	}
	if (to->flags & HD_FDB_SEGMENT && !gate_open(to->slot))
		return drop(to->slot, HD_GATE_SHUT);
	count_rx(to->slot, skb->len);
	return put_tag(skb, to->vlan) ? bpf_redirect(ifindex, 0) : drop(to->slot, HD_ENCAP_FAILED);
}

inline_always int deliver(struct __sk_buff *skb, struct hd_fdb *to, bool peer)
{
	return deliver_by(skb, to, to->ifindex, peer);
}

/* The port's packet, which has become an answer to it. */
inline_always int send_back(struct __sk_buff *skb, struct hd_port *port)
{
	if (port->flags & HD_PORT_PEER)
		return pass_to_peer(skb, skb->ifindex);
	return put_tag(skb, port->vlan) ? bpf_redirect(skb->ifindex, 0) : drop(port->slot, HD_ENCAP_FAILED);
}
