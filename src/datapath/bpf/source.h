/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who has an address: a port may send only as itself, a gateway as anybody: it forwards. */
#pragma once
#include "base.h"

inline_always struct hd_neigh *neigh4_row(__u32 vni, __be32 ip)
{
	struct hd_neigh4_key key = { .vni = vni, .ip = ip };

	return bpf_map_lookup_elem(&neigh4, &key);
}

inline_always struct hd_neigh *neigh6_row(__u32 vni, const void *ip)
{
	struct hd_neigh6_key key = { .vni = vni };

	ip6_copy(key.ip, ip);
	return bpf_map_lookup_elem(&neigh6, &key);
}

/* The first address is in the port's row; further ones only in the neighbour table. */
inline_always bool owns_ip4(struct hd_port *port, __be32 ip)
{
	struct hd_neigh *row;

	if (!(port->flags & HD_PORT_IP4) || !ip)
		return false;
	if (ip == port->ip4 || port->flags & HD_PORT_ROUTER)
		return true;
	row = neigh4_row(port->vni, ip);
	return row && mac_same(row->mac, port->mac);
}

inline_always bool owns_ip6(struct hd_port *port, const void *ip)
{
	struct hd_neigh *row;

	if (!(port->flags & HD_PORT_IP6) || ip6_unspecified(ip))
		return false;
	if (ip6_same(ip, port->ip6) || port->flags & HD_PORT_ROUTER)
		return true;
	row = neigh6_row(port->vni, ip);
	return row && mac_same(row->mac, port->mac);
}
