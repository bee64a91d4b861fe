/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The slow path in: the kernel's VXLAN device has removed the outer headers, with its checks of flags and ECN. */
#pragma once
#include "arp.h"
#include "group.h"
#include "station.h"
#include "underlay.h"

/* Reads the key, which says from where to where the tunnel went; false if there was none. */
inline_always bool tunnel_key_of(struct __sk_buff *skb, struct bpf_tunnel_key *key, __u32 size, bool *is_ip6)
{
	*is_ip6 = false;
	if (!bpf_skb_get_tunnel_key(skb, key, size, 0))
		return true;
	*is_ip6 = true;
	return !bpf_skb_get_tunnel_key(skb, key, size, BPF_F_TUNINFO_IPV6);
}

/*
 * Where the packet came from; false if it came through no tunnel. `direct`: it was sent to our VTEP itself, not to a
 * group or to everybody, which the kernel takes as well.
 */
inline_always bool tunnel_source(struct __sk_buff *skb, struct inner *in, struct hd_config *config, bool *direct)
{
	struct bpf_tunnel_key key = {};

	if (tunnel_key_of(skb, &key, sizeof(key), &in->from_ip6)) {
		*direct = in->from_ip6 ? ip6_same(key.local_ipv6, config->vtep) :
					 bpf_htonl(key.local_ipv4) == config->vtep[0];
	} else {
		/* Kernels before 6.0 do not tell. */
		if (!tunnel_key_of(skb, &key, offsetof(struct bpf_tunnel_key, local_ipv4), &in->from_ip6))
			return false;
		*direct = true;
	}
	if (in->from_ip6)
		ip6_copy(in->from, key.remote_ipv6);
	else
		in->from[0] = bpf_htonl(key.remote_ipv4);
	in->vni = key.tunnel_id;
	in->ttl = key.tunnel_ttl;
	return true;
}

/* A question of a port, or of a gateway, of which every host has its own. HD_REASONS_MAX: it is sound and from there. */
inline_always __u32 arp_refused(struct __sk_buff *skb, struct inner *in, __u32 self)
{
	struct hd_neigh *from;
	void *data;

	if (!reach(skb, &data, ETH_LEN + ARP_LEN) || !arp_sound(data) || !to_everybody(data) ||
	    LOAD16(data, ARP_OP) != bpf_htons(ARP_REQUEST))
		return HD_INNER_MALFORMED;
	from = neigh4_row(in->vni, LOAD32(data, ARP_SENDER_IP));
	if (!from)
		return HD_INNER_SOURCE;
	if (!mac_same(from->mac, data + ARP_SENDER_MAC) || !mac_same(from->mac, data + 6))
		return HD_INNER_MAC;
	if (is_gateway(from->mac))
		return peer_known(in) ? HD_REASONS_MAX : HD_VXLAN_SOURCE;
	return is_sender(from, 0, in, self) ? HD_REASONS_MAX : HD_INNER_VTEP;
}

inline_always __u32 group_refused(struct __sk_buff *skb, struct inner *in, void *data, __u32 self)
{
	struct flow flow = {};

	if (LOAD16(data, 12) == bpf_htons(TYPE_ARP))
		return arp_refused(skb, in, self);
	if (!inner_reach(skb, in, data, 0) || !inner_sound(in, skb->len) ||
	    !group_matches(in->vni, in->eth, in->is_ip6))
		return HD_INNER_MALFORMED;
	inner_flow(&flow, in, ETH_LEN);
	if (is_kept(skb, in->eth, &flow, in->is_ip6))
		return HD_INNER_MALFORMED;
	/* A gateway sends nothing to groups, and nobody routes to them. */
	return is_gateway(in->eth + 6) ? HD_INNER_MAC : source_refused(skb, in, 0, 0, self);
}

inline_always int group_from_vxlan(struct __sk_buff *skb, struct inner *in, void *data, __u32 self)
{
	struct flood f = { .vni = in->vni, .received = true };
	struct hd_fdb *sender;
	struct hd_peer *peer;
	__u32 refused;

	if (!flood_row(in->vni, 0))
		return drop(0, refuse(in, HD_INNER_MALFORMED));
	refused = group_refused(skb, in, data, self);
	if (refused != HD_REASONS_MAX)
		return drop(0, refuse(in, refused));
	peer = peer_of(in);
	if (!peer)
		return drop(0, HD_VXLAN_SOURCE);
	f.from = peer->host;
	if (!reach(skb, &data, ETH_LEN))
		return drop(0, HD_INNER_MALFORMED);
	/* One that two hosts have may be here as well. */
	sender = fdb_row(in->vni, data + 6);
	if (sender) {
		f.ifindex = wire_of(sender);
		f.vlan = sender->vlan;
	}
	return flood_list(skb, &f);
}

inline_always int inner_from_vxlan(struct __sk_buff *skb)
{
	struct hd_config *config = config_row();
	struct inner in = {};
	struct hd_fdb *to;
	__u32 refused, ifindex, on;
	bool direct;
	void *data;

	if (!config || !tunnel_source(skb, &in, config, &direct))
		return drop(0, HD_VXLAN_MALFORMED);
	if (!direct)
		return drop(0, refuse(&in, HD_VXLAN_MALFORMED));
	/* A tag inside has been taken off the data by now, and would go out with the frame. */
	if (!reach(skb, &data, ETH_LEN) || is_tagged(skb, data))
		return drop(0, refuse(&in, HD_INNER_MALFORMED));
	in.eth = data;
	/* No protocol of the kernel's takes this type: it ends at the agent's packet socket. */
	if (is_probe(in.vni, data))
		return TC_ACT_UNSPEC;
	if (LOAD8(data, 0) & 1)
		return group_from_vxlan(skb, &in, data, config->self);
	if (!inner_reach(skb, &in, data, 0) || !inner_sound(&in, skb->len))
		return drop(0, refuse(&in, HD_INNER_MALFORMED));
	to = fdb_row(in.vni, in.eth);
	refused = source_refused(skb, &in, to, 0, config->self);
	if (refused != HD_REASONS_MAX)
		return drop(0, refuse(&in, refused));
	ifindex = device_of(to, &in, &on);
	if (to && on)
		return relay_inner(skb, &in, to, on);
	if (!to || !ifindex)
		return drop(0, HD_INNER_UNKNOWN);
	count(to->slot, HD_SLOW_RX);
	return deliver_by(skb, to, ifindex, true);
}
