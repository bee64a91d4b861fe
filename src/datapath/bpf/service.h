/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Host services: a port's DHCP requests and router solicitations go to this host's own gateway of the network and nowhere
 * else, so many in a time; no port acts as a server of these.
 */
#pragma once
#include "forward.h"
#include "rate.h"
#include "source.h"

#define DHCP6_SERVERS 0x00010002 /* the end of ff02::1:2 */
#define ALL_ROUTERS 0x00000002

/*
 * A token every eighth of a second, 32 after a pause: a client that starts takes a handful. The machines of a segment share
 * ten times that.
 */
#define SERVICE_COST 125000000ULL
#define SERVICE_BURST (32 * SERVICE_COST)

inline_always bool service_token(struct hd_port *port)
{
	__u32 slot = port->slot; /* older kernels take no key out of what a global function is given */
	struct hd_bucket *bucket = bpf_map_lookup_elem(&service_rate, &slot);
	__u64 cost = port->flags & HD_PORT_SEGMENT ? SERVICE_COST / 10 : SERVICE_COST;

	return bucket && take_token(&bucket->full, cost, SERVICE_BURST);
}

static __noinline int serve(struct __sk_buff *skb, struct hd_port *port)
{
	struct hd_fdb_key gateway = { .vni = port->vni };
	struct hd_fdb *to;

	STORE32(gateway.mac, 0, HD_GATEWAY_MAC_FIRST);
	STORE16(gateway.mac, 4, HD_GATEWAY_MAC_LAST);
	to = bpf_map_lookup_elem(&fdb, &gateway);
	if (!to || !to->ifindex)
		return drop(port->slot, HD_SERVICE_NONE);
	if (!service_token(port))
		return drop(port->slot, HD_SERVICE_RATE);
	count(port->slot, HD_SERVICE_REQUEST);
	count_tx(port->slot, skb->len);
	return deliver(skb, to, true);
}

/* What a UDP header means to the services: nothing, a client's word, or a server's. */
#define ASKS 1
#define SERVES 2

inline_always __u32 dhcp_ports(struct __sk_buff *skb, __u32 at, __u16 client, __u16 server)
{
	__u32 ports = 0;

	bpf_skb_load_bytes(skb, at, &ports, 4);
	if ((__be16)ports == bpf_htons(server) || ports >> 16 == bpf_htons(client))
		return SERVES;
	return (__be16)ports == bpf_htons(client) && ports >> 16 == bpf_htons(server) ? ASKS : 0;
}

/* Addressed to a group of the link, of ff02::/96, in both headers. */
inline_always bool to_group(void *data, __u32 group)
{
	void *dst = data + ETH_LEN + 24;

	return LOAD16(data, 0) == bpf_htons(0x3333) && LOAD32(data, 2) == bpf_htonl(group) &&
	       LOAD32(dst, 0) == bpf_htonl(0xff020000) && !LOAD32(dst, 4) && !LOAD32(dst, 8) &&
	       LOAD32(dst, 12) == bpf_htonl(group);
}

/* To everybody, or to the gateway; as itself, or to everybody without an address. */
inline_always bool may_ask4(struct hd_port *port, void *data)
{
	bool all = to_everybody(data) && LOAD32(data, ETH_LEN + 16) == 0xffffffff;
	__be32 src = LOAD32(data, ETH_LEN + 12);

	if (!(port->flags & HD_PORT_IP4) || !(all || is_gateway(data)))
		return false;
	return src ? owns_ip4(port, src) : all;
}

/* Guests make link-local addresses as they like; a service's answer goes to the MAC. */
inline_always bool may_ask6(struct hd_port *port, const void *src)
{
	if (LOAD32(src, 0) == bpf_htonl(0xfe800000) && !LOAD32(src, 4))
		return true;
	return owns_ip6(port, src);
}

/*
 * A verdict for DHCPv4, GO_ON for every other UDP. A global function, as the next one: the verifier goes through it once,
 * and not through all that follows for each way out of it.
 */
__noinline int dhcp4_from_port(struct __sk_buff *skb, struct hd_port *port)
{
	void *data;
	__u32 is;

	if (!port || port->flags & HD_PORT_ROUTER || !reach(skb, &data, ETH_LEN + IP4_LEN) ||
	    LOAD16(data, ETH_LEN + 6) & bpf_htons(IP4_OFFSET_MASK))
		return GO_ON;
	is = dhcp_ports(skb, ETH_LEN + (LOAD8(data, ETH_LEN) & 15) * 4, DHCP4_CLIENT, DHCP4_SERVER);
	if (is == SERVES)
		return drop(port->slot, HD_DHCP_SERVER);
	if (is != ASKS || LOAD8(data, ETH_LEN) != 0x45 || LOAD16(data, ETH_LEN + 6) & bpf_htons(IP4_FRAG_MASK) ||
	    !may_ask4(port, data))
		return GO_ON;
	return serve(skb, port);
}

/* The same for DHCPv6; the UDP header is `at` bytes into the frame, behind extension headers or not. */
__noinline int dhcp6_from_port(struct __sk_buff *skb, struct hd_port *port, __u32 at)
{
	void *data;
	__u32 is;

	if (!port || port->flags & HD_PORT_ROUTER || !reach(skb, &data, ETH_LEN + IP6_LEN))
		return GO_ON;
	is = dhcp_ports(skb, at, DHCP6_CLIENT, DHCP6_SERVER);
	if (is == SERVES)
		return drop(port->slot, HD_DHCP_SERVER);
	if (is != ASKS || LOAD8(data, ETH_LEN + 6) != PROTO_UDP)
		return GO_ON;
	if (!(is_gateway(data) || to_group(data, DHCP6_SERVERS)) || !may_ask6(port, data + ETH_LEN + 8))
		return GO_ON;
	return serve(skb, port);
}

/* A router solicitation; what is in it, the service looks at. */
inline_always int router_solicited(struct __sk_buff *skb, struct hd_port *port, void *data, __u8 hops)
{
	void *src = data + ETH_LEN + 8;

	if (port->flags & HD_PORT_ROUTER || !(is_gateway(data) || to_group(data, ALL_ROUTERS)))
		return drop(port->slot, HD_ND_FORBIDDEN);
	if (hops != 255)
		return drop(port->slot, HD_ND_MALFORMED);
	if (!ip6_unspecified(src) && !may_ask6(port, src))
		return drop(port->slot, HD_ND_SPOOF);
	return serve(skb, port);
}
