/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The fast path out: write the outer Ethernet, IPv4, UDP and VXLAN headers from the VTEP's template. */
#pragma once
#include "flow.h"
#include "outer.h"
#include "slow.h"

#define ENCAP_FLAGS                                                                                                    \
	(BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP |                       \
	 BPF_F_ADJ_ROOM_ENCAP_L2(ETH_LEN) | BPF_F_ADJ_ROOM_ENCAP_L2_ETH)

/* One's complement fold of a sum of 16-bit numbers. */
inline_always __u16 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* Writes the outer headers, from the Ethernet header on. `length`: of the outer IPv4 packet. */
inline_always void write_outer(void *p, struct hd_vtep *to, __u32 udp_port, __u32 vni, struct flow *flow, __u16 length,
			       const __u8 ttl)
{
	/* The template's sum is that of HD_TTL. */
	const __u32 less_ttl = ttl == HD_TTL ? 0 : 0xffff - ((HD_TTL - ttl) << 8);

	STORE64(p, 0, LOAD64(to, offsetof(struct hd_vtep, dst_mac))); /* runs on into src_mac */
	STORE32(p, 8, LOAD32(to, offsetof(struct hd_vtep, dst_mac) + 8));
	STORE16(p, 12, bpf_htons(TYPE_IP4));
	STORE16(p, OUTER_IP, bpf_htons(0x4500 | flow->tos));
	STORE16(p, OUTER_LENGTH, bpf_htons(length));
	STORE32(p, OUTER_ID, bpf_htonl(0x4000)); /* id 0, DF (RFC 6864 §4) */
	STORE16(p, OUTER_TTL, bpf_htons(ttl << 8 | PROTO_UDP));
	STORE16(p, OUTER_CHECKSUM, bpf_htons(~fold(to->csum + length + flow->tos + less_ttl)));
	STORE32(p, OUTER_SOURCE, to->local[0]);
	STORE32(p, OUTER_DESTINATION, to->remote[0]);
	STORE16(p, OUTER_UDP, bpf_htons(flow->source_port));
	STORE16(p, OUTER_UDP_TO, bpf_htons(udp_port));
	STORE32(p, OUTER_UDP_LENGTH, bpf_htonl((__u32)(__u16)(length - IP4_LEN) << 16)); /* checksum 0 (RFC 7348 §5) */
	STORE32(p, OUTER_VXLAN, bpf_htonl(VXLAN_FLAGS));
	STORE32(p, OUTER_VNI, bpf_htonl(vni << 8));
}

inline_always int send_fast(struct __sk_buff *skb, __u32 slot, struct hd_vtep *to, __u32 vni, struct flow *flow)
{
	void *data = packet_start(skb);
	__u32 bytes = skb->len;
	struct hd_config *config = config_row();
	__u64 inner_macs; /* destination and the first two bytes of the source */
	__u32 inner_rest;
	__u16 inner_type;

	if (!config || !reach(skb, &data, ETH_LEN))
		return drop(slot, HD_ENCAP_FAILED);
	inner_macs = LOAD64(data, 0);
	inner_rest = LOAD32(data, 8);
	inner_type = LOAD16(data, 12);
	/* A packet that came through a tunnel and is still marked so by the kernel is refused: the VXLAN device takes it. */
	if (bpf_skb_adjust_room(skb, HD_ENCAP, BPF_ADJ_ROOM_MAC, ENCAP_FLAGS))
		return send_slow(skb, slot, to, vni, flow->tos, HD_TTL);
	data = packet_start(skb);
	if (data + INNER_IP > packet_end(skb))
		return drop(slot, HD_ENCAP_FAILED);
	write_outer(data, to, config->udp_port, vni, flow, bytes + HD_ENCAP - ETH_LEN, HD_TTL);
	STORE64(data, INNER_ETH, inner_macs);
	STORE32(data, INNER_ETH + 8, inner_rest);
	STORE16(data, INNER_ETH + 12, inner_type);
	count_tx(slot, bytes);
	skb->mark = HD_MARK;
	return bpf_redirect(to->ifindex, 0);
}
