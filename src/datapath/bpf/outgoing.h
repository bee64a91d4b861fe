/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What leaves the NIC: only the datapath itself sends UDP to the VXLAN port. */
#pragma once
#include "count.h"
#include "ip6.h"

#define TAGS_MAX 2

inline_always bool tunnel_port(struct __sk_buff *skb, __u32 udp)
{
	struct hd_config *config = config_row();
	__be16 to;

	return config && !bpf_skb_load_bytes(skb, udp + 2, &to, 2) && to == bpf_htons(config->udp_port);
}

/* Later fragments have no port, and are nothing without the first one. */
inline_always bool ip4_tunnel(struct __sk_buff *skb, __u32 ip)
{
	__u8 header[10];

	if (bpf_skb_load_bytes(skb, ip, header, sizeof(header)) || header[9] != PROTO_UDP)
		return false;
	if (LOAD16(header, 6) & bpf_htons(IP4_OFFSET_MASK))
		return false;
	return tunnel_port(skb, ip + (header[0] & 15) * 4);
}

inline_always bool ip6_tunnel(struct __sk_buff *skb, __u32 ip)
{
	__u32 at = ip + IP6_LEN;
	__u8 next;

	if (bpf_skb_load_bytes(skb, ip + 6, &next, 1))
		return false;
#pragma unroll
	for (__u32 i = 0; i < EXTENSIONS_MAX; i++) {
		__u8 header[4];

		if (next == PROTO_UDP)
			return tunnel_port(skb, at);
		if (!is_extension(next))
			return false;
		if (bpf_skb_load_bytes(skb, at, header, sizeof(header)))
			return false;
		if (next == PROTO_FRAGMENT && LOAD16(header, 2) & bpf_htons(0xfff8))
			return false;
		at += next == PROTO_FRAGMENT ? 8 : (header[1] + 1) * 8;
		next = header[0];
	}
	return next == PROTO_UDP && tunnel_port(skb, at);
}

inline_always bool is_tunnel_udp(struct __sk_buff *skb)
{
	__u32 at = ETH_LEN;
	__be16 type;

	if (bpf_skb_load_bytes(skb, 12, &type, 2))
		return false;
#pragma unroll
	for (__u32 i = 0; i < TAGS_MAX; i++) {
		if (type != bpf_htons(TYPE_VLAN) && type != bpf_htons(TYPE_QINQ))
			break;
		if (bpf_skb_load_bytes(skb, at + 2, &type, 2))
			return false;
		at += 4;
	}
	if (type == bpf_htons(TYPE_IP4))
		return ip4_tunnel(skb, at);
	return type == bpf_htons(TYPE_IP6) && ip6_tunnel(skb, at);
}
