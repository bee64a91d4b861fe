/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where a MAC of a network is. */
#pragma once
#include "place.h"

inline_always struct hd_fdb *fdb_row(__u32 vni, const void *mac)
{
	struct hd_fdb_key key = { .vni = vni };

	mac_copy(key.mac, mac);
	return bpf_map_lookup_elem(&fdb, &key);
}

/* Both are behind the same device and VLAN, where each hears the other without us. */
inline_always bool same_segment(struct __sk_buff *skb, struct hd_port *port, struct hd_fdb *to)
{
	return port->flags & HD_PORT_TRUNK && wire_of(to) == skb->ifindex && to->vlan == port->vlan;
}

/* The same, of a MAC that the port asks for. */
inline_always bool hears_itself(struct __sk_buff *skb, struct hd_port *port, const void *mac)
{
	struct hd_fdb *to;

	if (!(port->flags & HD_PORT_TRUNK))
		return false;
	to = fdb_row(port->vni, mac);
	return to && same_segment(skb, port, to);
}
