/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Routers: the longest prefix in a router's domain says where an address is. The sender's host routes, the receiver's checks. */
#pragma once
#include "source.h"

inline_always struct hd_route *route4_row(__u32 domain, __be32 ip)
{
	struct hd_route4_key key = { .prefixlen = 32 + 32, .domain = domain, .ip = ip };

	return bpf_map_lookup_elem(&routes4, &key);
}

inline_always struct hd_route *route6_row(__u32 domain, const void *ip)
{
	struct hd_route6_key key = { .prefixlen = 32 + 128, .domain = domain };

	ip6_copy(key.ip, ip);
	return bpf_map_lookup_elem(&routes6, &key);
}

/* The route to an address in network order: 4 or 16 bytes. */
inline_always struct hd_route *route_row(__u32 domain, const void *ip, const bool is_ip6)
{
	return is_ip6 ? route6_row(domain, ip) : route4_row(domain, LOAD32(ip, 0));
}

inline_always struct hd_neigh *neigh_row(__u32 vni, const void *ip, const bool is_ip6)
{
	return is_ip6 ? neigh6_row(vni, ip) : neigh4_row(vni, LOAD32(ip, 0));
}

/* An address, in network order, with the first bits that the row's prefix has on the other side. */
inline_always void put_under(struct hd_route *route, __be32 *ip, const bool is_ip6)
{
#pragma unroll
	for (__u32 i = 0; i < (is_ip6 ? 4 : 1); i++) {
		__u32 bits = route->bits > 32 * i ? route->bits - 32 * i : 0;
		__be32 mask = bpf_htonl(~0ULL << (bits > 32 ? 0 : 32 - bits));

		ip[i] = (route->as[i] & mask) | (ip[i] & ~mask);
	}
}

/* A peer's subnet: what is sent there comes from ports of joined subnets themselves. */
inline_always bool is_peers(struct hd_route *route)
{
	return route->action == HD_ROUTE_PEER || route->action == HD_ROUTE_TRANSLATED;
}

/* Who has the address under the other side's prefix. A function of its own, for its words are more than a caller's stack has room for. */
static __noinline struct hd_neigh *translated_end(struct hd_route *route, const void *ip, bool is_ip6)
{
	__be32 there[4];

	if (is_ip6) {
		ip6_copy(there, ip);
		put_under(route, there, true);
		return neigh6_row(route->vni, there);
	}
	there[0] = LOAD32(ip, 0);
	put_under(route, there, false);
	return neigh4_row(route->vni, there[0]);
}

/* Who has the address that the route was found for: itself, or who forwards to it. None: nobody, or a route to nobody. */
inline_always struct hd_neigh *route_end(struct hd_route *route, const void *ip, const bool is_ip6)
{
	if (route->action == HD_ROUTE_CONNECTED || route->action == HD_ROUTE_PEER)
		return neigh_row(route->vni, ip, is_ip6);
	if (route->action == HD_ROUTE_TRANSLATED)
		return translated_end(route, ip, is_ip6);
	if (route->action == HD_ROUTE_VIA)
		return neigh_row(route->vni, route->ip, is_ip6);
	return 0;
}

/* No packet that is forwarded comes from these or goes there: this network, loopback, link-local, multicast and above. */
inline_always bool never_routed(const void *ip, const bool is_ip6)
{
	__u8 first = LOAD8(ip, 0), second = LOAD8(ip, 1);

	if (is_ip6)
		return !LOAD64(ip, 0) || first == 0xff || (first == 0xfe && (second & 0xc0) == 0x80);
	return first == 0 || first == 127 || first >= 224 || (first == 169 && second == 254);
}

/* Who may be reached through a port may send through it; but no port's address, whatever routes there are. */
inline_always bool speaks_for(struct hd_port *port, const void *ip, const bool is_ip6)
{
	struct hd_route *route;
	struct hd_neigh *via;

	if (!port->domain || never_routed(ip, is_ip6) || neigh_row(port->vni, ip, is_ip6))
		return false;
	route = route_row(port->domain, ip, is_ip6);
	if (!route || route->action != HD_ROUTE_VIA || route->vni != port->vni)
		return false;
	via = neigh_row(route->vni, route->ip, is_ip6);
	return via && mac_same(via->mac, port->mac);
}

/* An address of the port's own is in a joined subnet. Not all are: link-local ones, those of other subnets of the network. */
inline_always bool is_joined(struct hd_port *port, const void *ip, const bool is_ip6)
{
	struct hd_route *route;

	if (is_ip6 ? port->flags & HD_PORT_ROUTED6 && ip6_same(ip, port->ip6) :
		     port->flags & HD_PORT_ROUTED4 && LOAD32(ip, 0) == port->ip4)
		return true;
	route = route_row(port->domain, ip, is_ip6);
	return route && route->action == HD_ROUTE_CONNECTED && route->vni == port->vni;
}

/* The router's address in the sender's subnet, 16 bytes of a row; none: the router does not know the sender. */
inline_always const void *router_address(struct hd_port *port, const void *source, const bool is_ip6)
{
	struct hd_route *route = route_row(port->domain, source, is_ip6);

	if (route && route->action == HD_ROUTE_VIA)
		route = route_row(port->domain, route->ip, is_ip6);
	return route && route->action == HD_ROUTE_CONNECTED ? route->ip : 0;
}
