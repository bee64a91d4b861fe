/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What arrives in VXLAN: from a known VTEP, from that VTEP's own ports, for a local port of the same network. */
#pragma once
#include "deliver.h"
#include "ecn.h"
#include "forward.h"
#include "relay.h"
#include "source.h"

inline_always struct hd_peer *peer_of(struct inner *in)
{
	struct hd_peer_key key;

	if (in->from_ip6) {
		ip6_copy(key.ip, in->from);
	} else {
		key.ip[0] = 0;
		key.ip[1] = 0;
		key.ip[2] = bpf_htonl(0xffff);
		key.ip[3] = in->from[0];
	}
	return bpf_map_lookup_elem(&peers, &key);
}

inline_always bool peer_known(struct inner *in)
{
	return peer_of(in);
}

/* A stranger's frame is a stranger's frame, whatever else is wrong with it. */
inline_always __u32 refuse(struct inner *in, __u32 reason)
{
	return peer_known(in) ? reason : HD_VXLAN_SOURCE;
}

/* Makes the inner Ethernet and IP headers readable; false: not IP, or too short. */
inline_always bool inner_reach(struct __sk_buff *skb, struct inner *in, void *data, __u32 at)
{
	__be16 type = LOAD16(data, at + 12);
	__u64 is_ip6;
	bool reached;

	is_ip6 = type == bpf_htons(TYPE_IP6);
	/* Else clang compares the type again later, and older kernels know no more what the packet reached for that. */
	asm volatile("" : "+r"(is_ip6));
	in->is_ip6 = is_ip6;
	if (in->is_ip6)
		reached = reach(skb, &data, at + ETH_LEN + IP6_LEN);
	else
		reached = type == bpf_htons(TYPE_IP4) && reach(skb, &data, at + ETH_LEN + IP4_LEN);
	in->eth = data + at;
	return reached;
}

/* A sound IP header. `room`: bytes from the inner Ethernet header on. */
inline_always bool inner_sound(struct inner *in, __u32 room)
{
	if (in->is_ip6)
		return ip6_sound(in->eth + ETH_LEN, room - ETH_LEN);
	return ip4_sound(in->eth + ETH_LEN, room - ETH_LEN);
}

/* The router's word on a source that the frame's network does not know: who sent the frame, as itself or as who forwards. */
inline_always struct hd_neigh *routed_from(struct inner *in, struct hd_fdb *to, const bool is_ip6, bool *own)
{
	void *source = in->eth + ETH_LEN + (is_ip6 ? 8 : 12);
	struct hd_route *route;

	if (!to || !to->domain)
		return 0;
	route = route_row(to->domain, source, is_ip6);
	if (!route)
		return 0;
	*own = route->action == HD_ROUTE_VIA && route->vni == in->vni;
	return route_end(route, source, is_ip6);
}

/* Whose the inner source is. `own`: a frame from there may have that one's MAC. */
inline_always struct hd_neigh *source_of(struct inner *in, struct hd_fdb *to, const bool is_ip6, bool *own)
{
	struct hd_neigh *from = neigh_row(in->vni, in->eth + ETH_LEN + (is_ip6 ? 8 : 12), is_ip6);

	*own = true;
	return from ? from : routed_from(in, to, is_ip6, own);
}

/*
 * What the gateway of the host that a port has come from passes on from outside, of connections that began there: they live. `at`:
 * where the inner frame begins.
 */
inline_always bool from_origin(struct __sk_buff *skb, struct inner *in, struct hd_fdb *to, __u32 at)
{
	if (!to || !to->origin || !is_gateway(in->eth + 6) || !sent_by(to->origin, in))
		return false;
	is_older_flow(skb, to->slot, at + ETH_LEN, 0, false);
	return true;
}

/*
 * The inner source must be the port that the neighbour table has, on the host that sent it; the frame is the port's own, or
 * that host has routed it. `to`: whom the frame is for, if anybody; `at`: where it begins. REASONS_MAX: it is.
 */
inline_always __u32 source_refused(struct __sk_buff *skb, struct inner *in, struct hd_fdb *to, __u32 at, __u32 self)
{
	struct hd_neigh *from;
	bool own;

	/* Once, so that older kernels need not remember how far the packet was found to reach. */
	if (in->is_ip6)
		from = source_of(in, to, true, &own);
	else
		from = source_of(in, to, false, &own);
	if (!from)
		return from_origin(skb, in, to, at) ? HD_REASONS_MAX : HD_INNER_SOURCE;
	if (!(own && mac_same(from->mac, in->eth + 6)) && !is_gateway(in->eth + 6))
		return HD_INNER_MAC;
	return is_sender(from, to, in, self) ? HD_REASONS_MAX : HD_INNER_VTEP;
}

/* To everybody or to a group: the VXLAN device takes it, and from_vxlan makes the copies. */
inline_always int group_from_underlay(struct inner *in, struct hd_config *config)
{
	if (!flood_row(in->vni, 0) || !config->vxlan_ifindex || !peer_known(in))
		return drop(0, refuse(in, HD_INNER_MALFORMED));
	return TC_ACT_UNSPEC;
}

/* Removes the outer headers; false if the kernel refuses. Frame must reach past the inner Ethernet header. */
inline_always bool strip(struct __sk_buff *skb, __u64 decap_flags)
{
	void *data;
	__u64 inner_macs;
	__u32 inner_rest;
	__u16 inner_type;

	if (!reach(skb, &data, INNER_IP))
		return false;
	inner_macs = LOAD64(data, INNER_ETH);
	inner_rest = LOAD32(data, INNER_ETH + 8);
	inner_type = LOAD16(data, INNER_ETH + 12);
	if (bpf_skb_adjust_room(skb, -HD_ENCAP, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO | decap_flags))
		return false;
	data = packet_start(skb);
	if (data + ETH_LEN > packet_end(skb))
		return false;
	STORE64(data, 0, inner_macs);
	STORE32(data, 8, inner_rest);
	STORE16(data, 12, inner_type);
	return true;
}

/*
 * To the port that has the inner destination MAC. What the kernel does not strip for us (segments of other protocols than
 * TCP and UDP, still to be cut) its VXLAN device takes, and from_vxlan checks it again. What is still to be cut and goes to a
 * tap takes that way too.
 */
inline_always int deliver_inner(struct __sk_buff *skb, struct hd_fdb *to, __u32 ifindex, bool is_ip6,
				struct hd_config *config)
{
	void *data;

	/* Removing IPv4 leaves skb->protocol at IPv4; older kernels set it right only on the way through a device. */
	bool flag = is_ip6 && config->features & HD_CONFIG_DECAP_L3;

	/* What is stripped here still counts as tunnelled, and would be cut into segments before a tap. */
	if (to->flags & HD_FDB_TAP && skb->gso_size && config->vxlan_ifindex)
		return TC_ACT_UNSPEC;
	if (!reach(skb, &data, INNER_IP + IP4_LEN) || !ecn_decap(skb, data, is_ip6))
		return drop(to->slot, HD_ECN);
	if (!strip(skb, flag ? DECAP_L3_IPV6 : 0))
		return config->vxlan_ifindex ? TC_ACT_UNSPEC : drop(to->slot, HD_ENCAP_FAILED);
	return deliver_by(skb, to, ifindex, !is_ip6 || flag);
}

/* Cheap first test: our own VXLAN, whole, addressed to our VTEP. Everything else belongs to the host. */
inline_always bool is_vxlan(void *data, struct hd_config *config)
{
	return LOAD16(data, OUTER_UDP_TO) == bpf_htons(config->udp_port) &&
	       LOAD32(data, OUTER_DESTINATION) == config->vtep[0] && LOAD8(data, OUTER_IP) == 0x45 &&
	       !(LOAD16(data, OUTER_FRAGMENT) & bpf_htons(IP4_FRAG_MASK));
}

/* Lengths of a packet that the kernel has merged or not yet segmented say nothing: they are made anew. */
inline_always bool vxlan_sound(struct __sk_buff *skb, void *data)
{
	__u32 total = bpf_ntohs(LOAD16(data, OUTER_LENGTH));
	__u32 udp = bpf_ntohs(LOAD16(data, OUTER_UDP_LENGTH));

	if (!skb->gso_size && (total < HD_ENCAP || total + ETH_LEN > skb->len || udp + IP4_LEN != total))
		return false;
	return LOAD32(data, OUTER_VXLAN) == bpf_htonl(VXLAN_FLAGS) && LOAD8(data, OUTER_RESERVED) == 0;
}

inline_always int vxlan_from_underlay(struct __sk_buff *skb, struct hd_config *config)
{
	struct inner in = {};
	struct hd_fdb *to;
	__u32 refused, ifindex, on;
	void *data;

	if (!reach(skb, &data, INNER_IP) || !vxlan_sound(skb, data))
		return drop(0, HD_VXLAN_MALFORMED);
	in.vni = bpf_ntohl(LOAD32(data, OUTER_VNI)) >> 8;
	in.from[0] = LOAD32(data, OUTER_SOURCE);
	in.eth = data + INNER_ETH;
	/* The VXLAN device takes it, and the host's firewall has its say, as of all that takes that way. */
	if (is_probe(in.vni, in.eth))
		return TC_ACT_UNSPEC;
	if (LOAD8(in.eth, 0) & 1)
		return group_from_underlay(&in, config);
	if (!inner_reach(skb, &in, data, INNER_ETH) || !inner_sound(&in, skb->len - INNER_ETH))
		return drop(0, refuse(&in, HD_INNER_MALFORMED));
	to = fdb_row(in.vni, in.eth);
	refused = source_refused(skb, &in, to, INNER_ETH, config->self);
	if (refused != HD_REASONS_MAX)
		return drop(0, refuse(&in, refused));
	ifindex = device_of(to, &in, &on);
	if (to && on)
		return relay_whole(skb, &in, to, on, config);
	if (!to || !ifindex)
		return drop(0, HD_INNER_UNKNOWN);
	return deliver_inner(skb, to, ifindex, in.is_ip6, config);
}
