/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What every part needs: types, the generated tables, protocol numbers, loads and stores by word. */
#pragma once
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "generated.h"

#define inline_always static __always_inline

/* Instead of a verdict: none is needed yet. */
#define GO_ON 100

/* Mark of packets that the datapath itself encapsulated: "Hedd". */
#define HD_MARK 0x48656464
#define HD_TTL 64
/* Of what goes on to another host; with so little left, nothing does. */
#define HD_TTL_RELAYED 32

/* Header lengths, bytes. */
#define ETH_LEN 14
#define IP4_LEN 20
#define IP6_LEN 40
#define UDP_LEN 8
#define ARP_LEN 28
#define VXLAN_LEN 8
/* What encapsulation in IPv4 adds: IPv4, UDP, VXLAN, inner Ethernet header. */
#define HD_ENCAP (IP4_LEN + UDP_LEN + VXLAN_LEN + ETH_LEN)

/* Newer than the headers of Debian 12; kernel 6.3. */
#define DECAP_L3_IPV6 (1ULL << 8)

/* Ethertypes, IP protocol numbers, UDP ports and types of ICMPv6. */
#define TYPE_IP4 0x0800
#define TYPE_ARP 0x0806
#define TYPE_VLAN 0x8100
#define TYPE_QINQ 0x88a8
#define TYPE_QINQ_OLD 0x9100
#define TYPE_QINQ_OLDER 0x9200
#define TYPE_IP6 0x86dd
#define TYPE_PROBE 0x88b6 /* IEEE 802 local experimental 2; hellos of segments have 1 */
#define PROTO_HOPOPTS 0
#define PROTO_ICMP 1
#define PROTO_IGMP 2
#define PROTO_TCP 6
#define PROTO_UDP 17
#define PROTO_ROUTING 43
#define PROTO_FRAGMENT 44
#define PROTO_ICMP6 58
#define PROTO_DSTOPTS 60
#define PROTO_SCTP 132
#define DHCP4_SERVER 67
#define DHCP4_CLIENT 68
#define DHCP6_CLIENT 546
#define DHCP6_SERVER 547
#define MLD_QUERY 130
#define ND_ROUTER_SOLICIT 133
#define ND_ROUTER_ADVERT 134
#define ND_NEIGHBOUR_SOLICIT 135
#define ND_NEIGHBOUR_ADVERT 136
#define ND_REDIRECT 137
#define MLD_REPORT2 143
#define IP4_FRAG_MASK 0x3fff /* more-fragments bit and offset */
#define IP4_OFFSET_MASK 0x1fff

/*
 * Packet fields by word at a byte offset, in the packet's byte order: packed structs would make clang load bytes one by one.
 */
#define LOAD8(p, at) (*(__u8 *)((void *)(p) + (at)))
#define LOAD16(p, at) (*(__u16 *)((void *)(p) + (at)))
#define LOAD32(p, at) (*(__u32 *)((void *)(p) + (at)))
#define LOAD64(p, at) (*(__u64 *)((void *)(p) + (at)))
#define STORE8(p, at, x) (*(__u8 *)((void *)(p) + (at)) = (x))
#define STORE16(p, at, x) (*(__u16 *)((void *)(p) + (at)) = (x))
#define STORE32(p, at, x) (*(__u32 *)((void *)(p) + (at)) = (x))
#define STORE64(p, at, x) (*(__u64 *)((void *)(p) + (at)) = (x))

/* Equal MACs; both pointers point at six bytes. */
inline_always bool mac_same(const void *a, const void *b)
{
	return LOAD32(a, 0) == LOAD32(b, 0) && LOAD16(a, 4) == LOAD16(b, 4);
}

inline_always void mac_copy(void *to, const void *from)
{
	STORE32(to, 0, LOAD32(from, 0));
	STORE16(to, 4, LOAD16(from, 4));
}

/* A gateway's MAC, the same on every host and network. */
inline_always bool is_gateway(const void *mac)
{
	return LOAD32(mac, 0) == HD_GATEWAY_MAC_FIRST && LOAD16(mac, 4) == HD_GATEWAY_MAC_LAST;
}

/* Hosts ask each other whether such frames arrive: of no network, for the agent, and nothing else hears them. */
inline_always bool is_probe(__u32 vni, const void *eth)
{
	return !vni && LOAD16(eth, 12) == bpf_htons(TYPE_PROBE);
}

/* A frame to the broadcast MAC. */
inline_always bool to_everybody(const void *data)
{
	return LOAD32(data, 0) == 0xffffffff && LOAD16(data, 4) == 0xffff;
}

inline_always void ip6_copy(void *to, const void *from)
{
	STORE32(to, 0, LOAD32(from, 0));
	STORE32(to, 4, LOAD32(from, 4));
	STORE32(to, 8, LOAD32(from, 8));
	STORE32(to, 12, LOAD32(from, 12));
}

/* Equal IPv6 addresses. */
inline_always bool ip6_same(const void *a, const void *b)
{
	return LOAD32(a, 0) == LOAD32(b, 0) && LOAD32(a, 4) == LOAD32(b, 4) && LOAD32(a, 8) == LOAD32(b, 8) &&
	       LOAD32(a, 12) == LOAD32(b, 12);
}

inline_always bool ip6_unspecified(const void *a)
{
	return !(LOAD32(a, 0) | LOAD32(a, 4) | LOAD32(a, 8) | LOAD32(a, 12));
}

inline_always struct hd_config *config_row(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&config, &zero);
}
