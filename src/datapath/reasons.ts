/**
 * Why a packet was dropped, and the events worth a count. The single source: generates the C header, these codes and
 * docs/reference/reasons.md. The order is the wire format of the counters: append, never reorder.
 */
export interface Reason {
  readonly name: string;
  readonly kind: 'drop' | 'event';
  /** For people: what happened, and what to do. */
  readonly text: string;
}
const drop = <const N extends string>(name: N, text: string) => ({ name, kind: 'drop', text }) as const;
const event = <const N extends string>(name: N, text: string) => ({ name, kind: 'event', text }) as const;

export const reasons = [
  // From a workload.
  drop('port_unknown', 'The device has no port: not attached yet, or detached already.'),
  drop('truncated', 'The frame ends inside a header.'),
  drop('vlan', 'A VLAN or QinQ tag from a port that has no ports behind it, or one that is none of 802.1Q’s, or two.'),
  drop('src_mac', 'The source MAC is not the port’s.'),
  drop(
    'src_ip4',
    'The IPv4 source is not an address of the port, nor of what a router reaches through it; to the subnets of a router’s peer only the port’s own addresses are allowed.',
  ),
  drop(
    'src_ip6',
    'The IPv6 source is not an address of the port, nor of what a router reaches through it, or the port has no IPv6; to the subnets of a router’s peer only the port’s own addresses are allowed.',
  ),
  drop('ethertype', 'Neither IPv4, IPv6 nor ARP.'),
  drop('ip4_header', 'IPv4 version, header length or total length is wrong.'),
  drop('ip6_header', 'IPv6 version, payload length or chain of extension headers is wrong.'),
  drop('arp_malformed', 'ARP that is not Ethernet/IPv4 request, or not of its declared size.'),
  drop('arp_spoof', 'ARP whose sender is not the port.'),
  drop('arp_gratuitous', 'An ARP reply or announcement: neighbours are answered by Heddle, so nobody needs it.'),
  drop(
    'arp_unknown',
    'ARP for an address that no port of the network has: in a network without a physical segment, to a single MAC, or a probe.',
  ),
  drop('nd_malformed', 'Neighbour discovery with a wrong length, hop limit or checksum field.'),
  drop('nd_spoof', 'A neighbour solicitation whose source or link-layer option is not the port’s.'),
  drop(
    'nd_forbidden',
    'Router advertisement, neighbour advertisement or redirect from a workload, or a router solicitation to anybody but the routers.',
  ),
  drop(
    'nd_unknown',
    'A neighbour solicitation for an address that no port of the network has: in a network without a physical segment, to a single MAC, or a probe.',
  ),
  drop(
    'broadcast',
    'Broadcast in a network without a physical segment, or from a gateway, or what a router would forward, or to a port’s address.',
  ),
  drop(
    'multicast',
    'Multicast in a network without a physical segment, or from a gateway, or what a router would forward; IGMP and MLD; a group’s MAC that is not that of the address.',
  ),
  drop('unknown_unicast', 'No port of the network has this destination MAC.'),
  drop('to_self', 'The destination, or the next hop, is the sender itself.'),
  drop('too_big', 'Larger than the path’s MTU; the sender was told by ICMP where it can be.'),
  drop(
    'vtep_unknown',
    'The destination’s host has no VTEP row; or the destination is a machine on a segment of this host whose device is not attached, or not told of yet.',
  ),
  drop('encap_failed', 'The kernel refused to add or remove the outer header or a tag.'),
  // From the underlay.
  drop(
    'vxlan_malformed',
    'Outer or VXLAN header with wrong lengths, flags or reserved bits, or sent to a group or to everybody.',
  ),
  drop('vxlan_source', 'VXLAN from an address that is no known VTEP.'),
  drop(
    'inner_source',
    'No port of that VNI, nor of its router, has this source address: wrong VNI, or a stranger’s frame.',
  ),
  drop('inner_vtep', 'The inner source’s port is not on the host that sent it.'),
  drop('inner_mac', 'The inner source MAC is neither that port’s nor a gateway’s.'),
  drop(
    'inner_malformed',
    'The inner frame is truncated, or not IPv4 or IPv6; or to everybody in a network that this host knows no physical segment of.',
  ),
  drop('inner_unknown', 'No local port of that VNI has the inner destination MAC.'),
  drop('ecn', 'Congestion was marked outside, but the inner packet cannot carry the mark (RFC 6040).'),
  drop('unmarked', 'A local program’s own UDP to the VXLAN port; only the datapath may send it.'),
  // Events.
  event('arp_answered', 'ARP answered in place.'),
  event('nd_answered', 'Neighbour solicitation answered in place.'),
  event('nd_dad', 'Duplicate address detection of the port’s own address: nothing to answer.'),
  event('too_big_told', 'ICMP “too big” sent to the workload.'),
  event(
    'slow_tx',
    'Sent through the VXLAN device: the next hop’s MAC is not known, or the underlay is IPv6. Copies to everybody are not counted here.',
  ),
  event('slow_rx', 'Received through the VXLAN device, as everything over IPv6 and large frames for taps are.'),
  // Of routers.
  drop('ttl_expired', 'A routed packet’s TTL or hop limit has run out; the sender was told by ICMP where it can be.'),
  drop(
    'no_neighbour',
    'Routed to an address or next hop that no port has; the sender was told by ICMP where it can be.',
  ),
  drop('blackhole', 'The router has a route for this destination that leads nowhere.'),
  event('icmp_told', 'ICMP “time exceeded” or “unreachable” sent to the workload in the router’s name.'),
  // Of the host's services: DHCP and router advertisements.
  drop(
    'dhcp_server',
    'DHCP as only servers send it (from port 67 or 547, or to port 68 or 546) from a workload: the host alone answers.',
  ),
  drop('service_none', 'A DHCP request or router solicitation in a network without a gateway on this host.'),
  drop(
    'service_rate',
    'More DHCP requests and router solicitations than a port may send: 8 a second, 32 after a pause; the machines of a segment share ten times that.',
  ),
  event('service_request', 'A DHCP request or router solicitation, given to the host’s own service.'),
  // To a host that is a workload itself.
  drop(
    'not_host',
    'For a host that is on the network itself, but for none of its port’s addresses: it is no router, and its other addresses are not the network’s. Or UDP to the VXLAN port, which is for the underlay alone.',
  ),
  // Of ports behind others, and of ports that move.
  drop('station', 'A tagged frame, and no port behind this one has that VLAN and source MAC.'),
  drop('same_segment', 'From one port to another behind the same device and VLAN: that one hears it without Heddle.'),
  drop('standby', 'From a segment whose frames another host takes in; this one stands by.'),
  event('relayed', 'Came to the host that the port has left, and was sent on to where it is now.'),
  // Broadcast, multicast and questions for unknown addresses, in networks that have a physical segment.
  drop(
    'flood_rate',
    'To everybody, and too much: a port may send 100 such frames a second, a segment 1,000, and a host makes 20,000 copies a second of what comes from one host in one network, of which a port may use a quarter, a segment half. Or still to be cut into more than 8 packets.',
  ),
  event('flooded', 'To everybody: copied to the network’s ports here, to its segments, and to its other hosts.'),
  event('flood_received', 'To everybody, from another host: copied to the network’s ports here, and to its segments.'),
  drop(
    'icmp_forged',
    'An ICMP error about a packet that was not sent to the port, nor to what a router reaches through it.',
  ),
  drop('gate_shut', 'From or to a segment that this host does not forward for now; its status says why.'),
  // Of ports that have moved.
  event(
    'to_origin',
    'To the gateway of the host that the port has come from: of a connection with the outside that did not begin here.',
  ),
] as const satisfies readonly Reason[];

/** A reason's name. */
export type ReasonName = (typeof reasons)[number]['name'];
/** A reason's number, 0-based; the C constant is HD_<NAME>. */
export const reasonNumber = new Map<ReasonName, number>(reasons.map((r, i) => [r.name, i]));
/** Room in the counter key space, so that an added reason does not change a layout. */
export const REASONS_MAX = 64;
