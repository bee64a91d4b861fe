/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Broadcast, multicast, and questions for addresses that nobody is known to have, in networks that have a physical segment:
 * the sender's host makes a copy for every place of the network's list, which are its own devices and other hosts; those
 * make copies for their own devices alone, so nothing goes round. In networks without a list all this is dropped.
 */
#pragma once
#include "deliver.h"
#include "rate.h"
#include "slow.h"

/* Instead of a verdict: to be flooded. */
#define TO_FLOOD 101

/* One frame of a port in ten milliseconds, of a segment in one; after a pause so many as two seconds give. */
#define FLOOD_COST 10000000ULL
#define FLOOD_COST_SEGMENT 1000000ULL
#define FLOOD_BURST 2000000000ULL
/*
 * Copies of what comes from one host in one network: 20,000 a second, and no more at once than the queue of a CPU takes,
 * which all networks share. The last frame's copies may overdraw it.
 */
#define FLOOD_COPY_COST 50000ULL
#define FLOOD_COPY_BURST (500 * FLOOD_COPY_COST)
/* What a copy costs its sender besides: a port may use a quarter of that, a segment half. */
#define FLOOD_SHARE_COST (4 * FLOOD_COPY_COST)
#define FLOOD_SHARE_COST_SEGMENT (2 * FLOOD_COPY_COST)
/* What would be cut into more packets is not copied: nobody sends that to everybody. */
#define FLOOD_PACKETS_MAX 8

struct flood {
	__u32 vni;
	__u32 from; /* the host; 0: this one's gateway */
	__u32 slot; /* whom the counts are for; 0: the frame came from another host */
	__u32 size; /* of the IP packet on the wire */
	__u32 ifindex; /* where its sender is, if that is here, with its tag */
	__u16 vlan;
	__u8 tos;
	bool received; /* from another host */
	__u32 packets; /* that each copy is on the wire */
	__u32 copies;
};

/* What is still to be cut counts as what it will be. */
inline_always __u32 packets_of(struct __sk_buff *skb)
{
	return skb->gso_size ? skb->len / skb->gso_size + 1 : 1;
}

inline_always struct hd_flood *flood_row(__u32 vni, __u32 index)
{
	struct hd_flood_key key = { .vni = vni, .index = index };

	return bpf_map_lookup_elem(&flood, &key);
}

inline_always struct hd_bucket *flood_bucket(__u32 vni, __u32 host)
{
	struct hd_flood_copies_key key = { .vni = vni, .host = host };
	struct hd_bucket *row = bpf_map_lookup_elem(&flood_copies, &key);
	struct hd_bucket first = {};

	if (row)
		return row;
	bpf_map_update_elem(&flood_copies, &key, &first, BPF_NOEXIST);
	return bpf_map_lookup_elem(&flood_copies, &key);
}

/* Never to where its sender is: that one's wire has it already, whichever way it came here. */
inline_always void copy_to_device(struct __sk_buff *skb, struct flood *f, struct hd_flood *to)
{
	__u32 bytes = skb->len;

	if (to->ifindex == f->ifindex && to->vlan == f->vlan)
		return;
	if (to->flags & HD_FLOOD_SEGMENT && !gate_open(to->slot)) {
		count(to->slot, HD_GATE_SHUT);
		return;
	}
	f->copies += f->packets;
	if (!put_tag(skb, to->vlan)) {
		count(to->slot, HD_ENCAP_FAILED);
		return;
	}
	if (bpf_clone_redirect(skb, to->ifindex, 0) >= 0)
		count_rx(to->slot, bytes);
	if (to->vlan)
		bpf_skb_vlan_pop(skb);
}

/* By the VXLAN device, which encapsulates the copy and leaves the original as it is. */
inline_always void copy_to_host(struct __sk_buff *skb, struct flood *f, __u32 host)
{
	struct hd_vtep *to = bpf_map_lookup_elem(&vteps, &host);
	struct hd_config *config = config_row();
	__u32 mark = skb->mark;

	if (!config || !to || !(to->flags & HD_VTEP_VALID)) {
		count(f->slot, HD_VTEP_UNKNOWN);
		return;
	}
	if (f->size > to->mtu) {
		count(f->slot, HD_TOO_BIG);
		return;
	}
	f->copies += f->packets;
	if (!set_tunnel_key(skb, to, f->vni, f->tos, HD_TTL)) {
		count(f->slot, HD_ENCAP_FAILED);
		return;
	}
	skb->mark = HD_MARK;
	bpf_clone_redirect(skb, config->vxlan_ifindex, 0);
	skb->mark = mark;
}

/* One copy; 0: the list has ended. */
__noinline int flood_copy(struct __sk_buff *skb, struct flood *f, __u32 index)
{
	struct hd_flood *to;

	if (!f)
		return 0;
	to = flood_row(f->vni, index);
	if (!to)
		return 0;
	if (to->ifindex)
		copy_to_device(skb, f, to);
	else if (!f->received)
		copy_to_host(skb, f, to->host);
	return 1;
}

/* All copies; the original ends here. */
__noinline int flood_list(struct __sk_buff *skb, struct flood *f)
{
	struct hd_bucket *bucket;
	__u64 now, full;

	if (!f)
		return TC_ACT_SHOT;
	bucket = flood_bucket(f->vni, f->from);
	now = bpf_ktime_get_ns();
	f->packets = packets_of(skb);
	if (f->packets > FLOOD_PACKETS_MAX || !bucket || bucket->full > now + FLOOD_COPY_BURST)
		return drop(f->slot, HD_FLOOD_RATE);
	for (__u32 i = 0; i < HD_FLOOD_MAX; i++)
		if (!flood_copy(skb, f, i))
			break;
	/* The row may be another's by now. */
	bucket = flood_bucket(f->vni, f->from);
	if (!bucket)
		return TC_ACT_SHOT;
	full = bucket->full;
	bucket->full = (full > now ? full : now) + f->copies * FLOOD_COPY_COST;
	count(f->slot, f->received ? HD_FLOOD_RECEIVED : HD_FLOODED);
	return TC_ACT_SHOT;
}

/* A list of ports that share addresses is theirs alone: what others send to everybody would tell them who is to have one. */
inline_always bool may_flood(__u32 vni, __u32 slot, __u32 vlan)
{
	struct hd_flood *first = flood_row(vni, 0);

	if (!first)
		return false;
	return !(first->flags & HD_FLOOD_SHARERS) || flood_row(vni, HD_FLOOD_SENDER + vlan * HD_FLOOD_SENDER_TAG + slot);
}

/* What a port sends to everybody. `reason`: why it is dropped where there is no list, or not for it. */
__noinline int flood_from_port(struct __sk_buff *skb, struct hd_port *port, __u32 size, __u32 tos, __u32 reason)
{
	struct hd_config *config = config_row();
	struct hd_bucket *bucket;
	struct flood f = {};
	__u64 cost, share;
	__u32 slot;
	int verdict;

	if (!port || !config)
		return TC_ACT_SHOT;
	/* Older kernels take no key out of what a global function is given. */
	slot = port->slot;
	if (!may_flood(port->vni, slot, port->vlan))
		return drop(slot, reason);
	if (size > port->mtu)
		return drop(slot, HD_TOO_BIG);
	f.vni = port->vni;
	f.slot = slot;
	f.size = size;
	f.tos = tos;
	f.ifindex = skb->ifindex;
	f.vlan = port->vlan;
	/* A gateway has no slot of its own, and asks no more than the host's kernel lets it: it pays for its copies alone. */
	if (port->flags & HD_PORT_ROUTER) {
		count_tx(slot, skb->len);
		return flood_list(skb, &f);
	}
	bucket = bpf_map_lookup_elem(&flood_rate, &slot);
	cost = packets_of(skb) * (port->flags & HD_PORT_SEGMENT ? FLOOD_COST_SEGMENT : FLOOD_COST);
	share = port->flags & HD_PORT_SEGMENT ? FLOOD_SHARE_COST_SEGMENT : FLOOD_SHARE_COST;
	if (!bucket || !take_token(&bucket->full, cost, FLOOD_BURST))
		return drop(slot, HD_FLOOD_RATE);
	f.from = config->self;
	count_tx(slot, skb->len);
	verdict = flood_list(skb, &f);
	if (f.copies * share > cost)
		bucket->full += f.copies * share - cost;
	return verdict;
}
