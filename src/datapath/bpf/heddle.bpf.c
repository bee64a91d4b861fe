// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The datapath: seven tc programs.
 *   from_port      ingress of a workload's host-side device
 *   from_segment   ingress of a NIC that physical segments are on
 *   to_host        egress of it, where the workload is the host itself
 *   from_underlay  ingress of the NIC
 *   from_vxlan     ingress of the VXLAN device in external mode: the slow path
 *   to_underlay    egress of the NIC
 *   pass_marked    the same before to_underlay, where nobody else filters
 */
#include "host.h"
#include "outer.h"
#include "outgoing.h"
#include "port.h"
#include "station.h"
#include "vxlan.h"

char heddle_license[] SEC("license") = "Dual BSD/GPL";

SEC("tc")
int from_port(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;
	struct hd_port *port = bpf_map_lookup_elem(&ports, &ifindex);
	void *data;

	if (!port)
		return drop(0, HD_PORT_UNKNOWN);
	if (!reach(skb, &data, ETH_LEN))
		return drop(port->slot, HD_TRUNCATED);
	if (is_tagged(skb, data) || !mac_same(data + 6, port->mac)) {
		port = station_behind(skb, port, data);
		if (!port)
			return TC_ACT_SHOT;
		if (!reach(skb, &data, ETH_LEN))
			return drop(port->slot, HD_TRUNCATED);
	}
	return frame_from_port(skb, port, data);
}

/* What is of no segment is the host's own. */
SEC("tc")
int from_segment(struct __sk_buff *skb)
{
	struct hd_port *port = 0;
	int verdict = station_on_segment(skb, &port);
	void *data;

	if (verdict != GO_ON || !port)
		return verdict;
	if (!reach(skb, &data, ETH_LEN))
		return drop(port->slot, HD_TRUNCATED);
	return frame_from_port(skb, port, data);
}

SEC("tc")
int to_host(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;
	struct hd_port *port = bpf_map_lookup_elem(&ports, &ifindex);

	if (!port)
		return drop(0, HD_PORT_UNKNOWN);
	if (!is_for_port(skb, port) || is_tunnel_udp(skb))
		return drop(port->slot, HD_NOT_HOST);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int from_underlay(struct __sk_buff *skb)
{
	struct hd_config *config;
	void *data;

	/* What has a tag here is of a VLAN of its own: an underlay in one has a device for it. */
	if (skb->vlan_present || !reach(skb, &data, OUTER_VXLAN) || LOAD16(data, 12) != bpf_htons(TYPE_IP4) ||
	    LOAD8(data, OUTER_PROTOCOL) != PROTO_UDP)
		return TC_ACT_UNSPEC;
	config = config_row();
	if (!config || !is_vxlan(data, config))
		return TC_ACT_UNSPEC;
	return vxlan_from_underlay(skb, config);
}

SEC("tc")
int from_vxlan(struct __sk_buff *skb)
{
	return inner_from_vxlan(skb);
}

SEC("tc")
int to_underlay(struct __sk_buff *skb)
{
	if (skb->mark == HD_MARK || !is_tunnel_udp(skb))
		return TC_ACT_UNSPEC;
	return drop(0, HD_UNMARKED);
}

/* What to_underlay and nobody else would look at, and pass. */
SEC("tc")
int pass_marked(struct __sk_buff *skb)
{
	return skb->mark == HD_MARK ? TC_ACT_OK : TC_ACT_UNSPEC;
}
