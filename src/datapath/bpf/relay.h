/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A port that has two hosts, because it moves or could, or that has left one. What comes to the one that it is not on goes on: once,
 * which its TTL says, and never back to where it came from, whatever the two hosts believe.
 */
#pragma once
#include "forward.h"

/* An inner frame that starts `at` bytes into the packet, and where it came from. */
struct inner {
	void *eth;
	__u32 vni;
	__be32 from[4]; /* outer source; IPv4 in the first word */
	bool from_ip6;
	bool is_ip6;
	__u8 ttl; /* outer one; unset while the outer header is there */
};

inline_always bool vtep_is(struct hd_vtep *vtep, struct inner *in)
{
	if (!vtep || !(vtep->flags & HD_VTEP_VALID) || !!(vtep->flags & HD_VTEP_IP6) != in->from_ip6)
		return false;
	return in->from_ip6 ? ip6_same(vtep->remote, in->from) : vtep->remote[0] == in->from[0];
}

inline_always bool sent_by(__u32 host, struct inner *in)
{
	return vtep_is(bpf_map_lookup_elem(&vteps, &host), in);
}

/* Another host than this one, and the frame came from there. */
inline_always bool sent_by_peer(__u32 host, struct inner *in, __u32 self)
{
	return host && host != self && sent_by(host, in);
}

/* The frame came by way of the receiver's other host. */
inline_always bool sent_on_by(struct hd_fdb *to, struct inner *in, __u32 self)
{
	struct spot at;

	if (!to)
		return false;
	if (sent_by_peer(to->origin, in, self))
		return true;
	at = spot_of(to);
	return sent_by_peer(at.ifindex ? at.other : to->wired ? at.host : 0, in, self);
}

/* The frame came from the host of its source, from its standby, or by way of the receiver's. `to`: whom it is for, if anybody. */
inline_always bool is_sender(struct hd_neigh *from, struct hd_fdb *to, struct inner *in, __u32 self)
{
	__u32 host = from->host, other = from->other;

	if (is_place(host)) {
		struct hd_place *place = place_row(host);

		host = place ? place->host : 0;
		other = place ? place->other : 0;
	}
	return sent_by_peer(host, in, self) || sent_by_peer(other, in, self) || sent_on_by(to, in, self);
}

/* The device of a port that a checked frame is for; 0: it is not here, or goes on to the host `on`, if that is not 0. */
inline_always __u32 device_of(struct hd_fdb *to, struct inner *in, __u32 *on)
{
	struct spot at;

	*on = 0;
	if (!to)
		return 0;
	at = spot_of(to);
	if (at.ifindex || !(to->flags & HD_FDB_RELAY))
		return at.ifindex;
	/* The other host knows already that the port is on this one. */
	if (sent_by(at.host, in))
		return to->wired;
	*on = at.host;
	return 0;
}

/* What the outer header takes from the inner packet, whose IP header is `at` bytes into the frame. */
inline_always void inner_flow(struct flow *flow, struct inner *in, __u32 at)
{
	void *ip = in->eth + ETH_LEN;

	flow->proto = LOAD8(ip, in->is_ip6 ? 6 : 9);
	flow->l4 = at + (in->is_ip6 ? IP6_LEN : (LOAD8(ip, 0) & 15) * 4);
	flow->tos = in->is_ip6 ? ip6_class(ip) : LOAD8(ip, 1);
}

/* HD_REASONS_MAX: the way to `next` is known, and the packet fits it. `outer`: bytes before the inner Ethernet header. */
inline_always __u32 relay_refused(struct __sk_buff *skb, struct hd_vtep *next, struct flow *flow, __u32 outer)
{
	if (!next || !(next->flags & HD_VTEP_VALID))
		return HD_VTEP_UNKNOWN;
	return wire_size(skb, flow) - outer > next->mtu ? HD_TOO_BIG : HD_REASONS_MAX;
}

/* The whole packet, with another outer header: as it came it goes on, with its congestion mark and all that is to be cut. */
inline_always int relay_whole(struct __sk_buff *skb, struct inner *in, struct hd_fdb *to, __u32 on, struct hd_config *config)
{
	struct hd_vtep *next = bpf_map_lookup_elem(&vteps, &on);
	struct flow flow = {};
	__u32 refused;
	void *data;

	inner_flow(&flow, in, INNER_IP);
	if (!reach(skb, &data, INNER_IP) || LOAD8(data, OUTER_TTL) <= HD_TTL_RELAYED)
		return drop(0, HD_INNER_UNKNOWN);
	refused = relay_refused(skb, next, &flow, HD_ENCAP);
	if (refused != HD_REASONS_MAX || !next)
		return drop(to->slot, refused);
	if (!(next->flags & HD_VTEP_FAST))
		return config->vxlan_ifindex ? TC_ACT_UNSPEC : drop(to->slot, HD_ENCAP_FAILED);
	flow.tos = LOAD8(data, OUTER_IP + 1);
	flow.source_port = bpf_ntohs(LOAD16(data, OUTER_UDP));
	write_outer(data, next, config->udp_port, in->vni, &flow, bpf_ntohs(LOAD16(data, OUTER_LENGTH)),
		    HD_TTL_RELAYED);
	count(to->slot, HD_RELAYED);
	skb->mark = HD_MARK;
	return bpf_redirect(next->ifindex, 0);
}

/* What the VXLAN device has stripped goes back through it. */
inline_always int relay_inner(struct __sk_buff *skb, struct inner *in, struct hd_fdb *to, __u32 on)
{
	struct hd_vtep *next = bpf_map_lookup_elem(&vteps, &on);
	struct flow flow = {};
	__u32 refused;

	if (in->ttl <= HD_TTL_RELAYED)
		return drop(0, HD_INNER_UNKNOWN);
	inner_flow(&flow, in, ETH_LEN);
	refused = relay_refused(skb, next, &flow, 0);
	if (refused != HD_REASONS_MAX || !next)
		return drop(to->slot, refused);
	count(to->slot, HD_RELAYED);
	return send_slow(skb, 0, next, in->vni, flow.tos, HD_TTL_RELAYED);
}
