/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Ports behind a device: told apart by the tag and the source MAC of their frames. */
#pragma once
#include "count.h"
#include "gate.h"
#include "parse.h"

#define VLAN_MASK 0x0fff
/* Instead of a VLAN: a tag that no port has. */
#define VLAN_OTHER 0x1000

inline_always bool vlan_type(__be16 type)
{
	return type == bpf_htons(TYPE_VLAN) || type == bpf_htons(TYPE_QINQ) || type == bpf_htons(TYPE_QINQ_OLD) ||
	       type == bpf_htons(TYPE_QINQ_OLDER);
}

inline_always bool is_tagged(struct __sk_buff *skb, void *data)
{
	return skb->vlan_present || vlan_type(LOAD16(data, 12));
}

/* Of a tagged frame. What comes from a device has its first tag beside the data, where the kernel has put it. */
inline_always __u16 vlan_of(struct __sk_buff *skb)
{
	__be16 tag[2];

	if (skb->vlan_present)
		return skb->vlan_proto == bpf_htons(TYPE_VLAN) ? skb->vlan_tci & VLAN_MASK : VLAN_OTHER;
	if (bpf_skb_load_bytes(skb, 12, tag, sizeof(tag)) || tag[0] != bpf_htons(TYPE_VLAN))
		return VLAN_OTHER;
	return bpf_ntohs(tag[1]) & VLAN_MASK;
}

/* Takes the tag off, which must be the only one. */
inline_always bool untag(struct __sk_buff *skb)
{
	void *data;

	return !bpf_skb_vlan_pop(skb) && reach(skb, &data, ETH_LEN) && !is_tagged(skb, data);
}

/*
 * Whose a frame is that is tagged, or from another MAC than that of the port that has the device. Its tag is off then; none:
 * the frame is nobody's and counted.
 */
inline_always struct hd_port *station_behind(struct __sk_buff *skb, struct hd_port *trunk, void *data)
{
	struct hd_station_key key = { .ifindex = skb->ifindex };
	bool tagged = is_tagged(skb, data);
	__u32 refused = tagged ? HD_VLAN : HD_SRC_MAC;
	struct hd_port *port = 0;

	mac_copy(key.mac, data + 6);
	if (tagged)
		key.vlan = vlan_of(skb);
	/* A tag without a VLAN (802.1p) is nobody's. */
	if (trunk->flags & HD_PORT_TRUNK && key.vlan != VLAN_OTHER && tagged == !!key.vlan) {
		port = bpf_map_lookup_elem(&stations, &key);
		refused = tagged ? HD_STATION : HD_SRC_MAC;
	}
	if (port && tagged && !untag(skb)) {
		port = 0;
		refused = HD_VLAN;
	}
	if (!port)
		count(trunk->slot, refused);
	return port;
}

/* The frame of a machine on a segment, if it is one: GO_ON and its port, without the tag. Else the verdict. */
inline_always int station_on_segment(struct __sk_buff *skb, struct hd_port **port)
{
	struct hd_station_key key = { .ifindex = skb->ifindex };
	struct hd_port *segment;
	bool tagged;
	void *data;

	if (!reach(skb, &data, ETH_LEN))
		return TC_ACT_UNSPEC;
	tagged = is_tagged(skb, data);
	if (tagged)
		key.vlan = vlan_of(skb);
	segment = bpf_map_lookup_elem(&stations, &key);
	if (!segment)
		return TC_ACT_UNSPEC;
	/* What another host on the segment says to this one is heard before it comes here. */
	if (LOAD32(data, 0) == HD_HELLO_FIRST && LOAD16(data, 4) == HD_HELLO_LAST)
		return TC_ACT_SHOT;
	if (segment->flags & HD_PORT_STANDBY)
		return drop(segment->slot, HD_STANDBY);
	if (!gate_open(segment->slot))
		return drop(segment->slot, HD_GATE_SHUT);
	mac_copy(key.mac, data + 6);
	if (!LOAD32(key.mac, 0) && !LOAD16(key.mac, 4))
		return drop(segment->slot, HD_SRC_MAC);
	if (tagged && !untag(skb))
		return drop(segment->slot, HD_VLAN);
	*port = bpf_map_lookup_elem(&stations, &key);
	return *port ? GO_ON : drop(segment->slot, HD_SRC_MAC);
}
