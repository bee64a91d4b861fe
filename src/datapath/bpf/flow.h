/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the outer header takes from the inner packet. */
#pragma once
#include "parse.h"

struct flow {
	__u32 l4; /* offset of the layer-4 header from the frame's start */
	__u16 source_port; /* outer UDP source port, from the flow's hash: the underlay spreads flows by it */
	__u8 proto; /* of the layer-4 header */
	__u8 tos; /* DSCP and ECN (RFC 6040 §4.1, normal mode) */
};

/* Ports 32768 to 65535 from a mix of addresses, protocol and ports: two multiplications, good upper bits. */
inline_always __u16 flow_port(__u64 addresses, __u32 ports, __u8 proto)
{
	__u64 mix = addresses * 0x9e3779b97f4a7c15ULL ^ ports;

	mix = (mix ^ mix >> 32 ^ proto) * 0xbf58476d1ce4e5b9ULL;
	return 0x8000 | mix >> 49;
}

inline_always bool has_ports(__u8 proto)
{
	return proto == PROTO_TCP || proto == PROTO_UDP || proto == PROTO_SCTP;
}

/* All fragments of a packet take the same way: none uses the ports. */
inline_always void flow_ip4(struct flow *flow, void *data, void *end)
{
	void *ip = data + ETH_LEN;
	__u8 proto = LOAD8(ip, 9);
	__u16 fragment = LOAD16(ip, 6) & bpf_htons(IP4_FRAG_MASK);
	__u32 ports = 0;

	if (LOAD8(ip, 0) == 0x45 && !fragment && has_ports(proto) && ip + IP4_LEN + 4 <= end)
		ports = LOAD32(ip, IP4_LEN);
	flow->source_port = flow_port((__u64)LOAD32(ip, 12) << 32 | LOAD32(ip, 16), ports, proto);
	flow->tos = LOAD8(ip, 1);
	flow->proto = proto;
	flow->l4 = ETH_LEN + (LOAD8(ip, 0) & 15) * 4;
}

/* l4 and proto come from the chain of extension headers. */
inline_always void flow_ip6(struct flow *flow, void *data, void *end)
{
	void *ip = data + ETH_LEN;
	__u8 proto = LOAD8(ip, 6);
	__u32 ports = 0;

	if (has_ports(proto) && ip + IP6_LEN + 4 <= end)
		ports = LOAD32(ip, IP6_LEN);
	flow->source_port = flow_port((LOAD64(ip, 8) ^ LOAD64(ip, 16)) * 31 + (LOAD64(ip, 24) ^ LOAD64(ip, 32)), ports, proto);
	flow->tos = ip6_class(ip);
}
