/**
 * The ruleset of a gateway's namespace. Nobody but Heddle writes there, so what must hold even while the host's ruleset is
 * being flushed, stands here: a workload gets no further than its network asks for.
 */
import { type Ip, ipFamily } from '../model/address.ts';
import { bounded, connectionLimits } from './connection-limits.ts';
import { dnsLimits } from './dns-limits.ts';
import { type LinkAddresses, linkRange6 } from './link-addresses.ts';
import { metadataInput, metadataLimits } from './metadata-limits.ts';
import type { Entry } from './published.ts';
import { chain, collection, replaceTable } from './ruleset.ts';

/** What a gateway lets through. */
export interface GatewayRules {
  /** Its own towards the workloads; the first of each family answers for names. */
  readonly addresses: readonly Ip[];
  /** The link to the host; absent: there is no way outside. */
  readonly link?: LinkAddresses;
  /** Workloads may open connections to the outside. */
  readonly sourceNat: boolean;
  readonly published: readonly Entry[];
  /** What was published by ports that have moved: nothing begins there any more, and what is open goes on. */
  readonly left?: readonly Entry[];
  /** UDP port of the underlay's VXLAN: no workload may speak to it. */
  readonly vxlanPort: number;
  /** About as many connections as the network may have at once: all networks share the host's table of them. */
  readonly connectionsMax: number;
}

/** The ruleset as text for `nft -f`. */
export function gatewayRules(g: GatewayRules): string {
  return replaceTable([
    ...dnsLimits,
    ...metadataLimits,
    ...connectionLimits(g.connectionsMax),
    ...published(g),
    ...nat(g),
    input,
    forward(g),
  ]);
}

const families = [4, 6] as const;
const published = ({ published: entries, left = [] }: GatewayRules): string[] =>
  families.flatMap((family) => {
    const address = `ipv${family}_addr`;
    const own = entries.filter((e) => ipFamily(e.to) === family);
    const open = [...own, ...left.filter((e) => ipFamily(e.to) === family)];
    const to = (e: Entry): string => `${e.to} . ${e.port}`;
    return [
      collection(
        'map',
        `published${family}`,
        `inet_proto . inet_service : ${address} . inet_service`,
        own.map((e) => `${e.protocol} . ${e.passage} : ${to(e)}`),
      ),
      collection('set', `servers${family}`, `inet_proto . ${address} . inet_service`, [
        ...new Set(open.map((e) => `${e.protocol} . ${to(e)}`)),
      ]),
    ];
  });

/** Whichever server a workload asks, the gateway answers. */
const names = (addresses: readonly Ip[]): string[] =>
  ([4, 6] as const).flatMap((family) => {
    const server = addresses.find((a) => ipFamily(a) === family);
    const ip = family === 4 ? 'ip' : 'ip6';
    const asked = `iifname "tenant" meta nfproto ipv${family} meta l4proto { tcp, udp } th dport 53`;
    return server ? [`${asked} dnat ${ip} to ${server}`] : [];
  });

function nat({ link, addresses }: GatewayRules): string[] {
  if (!link) return [chain('prerouting', 'nat hook prerouting priority dstnat', names(addresses))];
  return [
    chain('prerouting', 'nat hook prerouting priority dstnat', [
      ...names(addresses),
      'iifname "outside" meta nfproto ipv4 meta l4proto { tcp, udp } dnat ip to meta l4proto . th dport map @published4',
      'iifname "outside" meta nfproto ipv6 meta l4proto { tcp, udp } dnat ip6 to meta l4proto . th dport map @published6',
    ]),
    chain('postrouting', 'nat hook postrouting priority srcnat', [
      `oifname "outside" meta nfproto ipv4 snat ip to ${link.gateway4}`,
      `oifname "outside" meta nfproto ipv6 snat ip6 to ${link.gateway6}`,
    ]),
  ];
}

const neighbours = 'icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept';

/** A gateway itself answers pings, names, and what workloads ask about themselves. */
const input = chain('input', 'filter hook input priority filter', [
  'ct state { established, related } accept',
  'iifname "lo" accept',
  neighbours,
  // Each ping may be a connection to the kernel; what else is let in has limits of its own.
  `iifname "tenant" meta l4proto { icmp, ipv6-icmp } ${bounded}`,
  'icmp type echo-request accept',
  'icmpv6 type echo-request accept',
  'iifname "tenant" meta l4proto { tcp, udp } th dport 53 accept',
  ...metadataInput,
  'drop',
]);

/** What may go outside under the host's address: not what routers say to each other, nor tunnels that somebody there may trust. */
const outgoing = '{ tcp, udp, icmp, ipv6-icmp, sctp }';

/** TCP that begins otherwise than connections do: of one that nobody knows any more, or never knew. */
const headless = 'meta l4proto tcp tcp flags & (fin | syn | rst | ack) != syn ct state new';

/**
 * Link-local addresses are the host's own neighbours: metadata services, other gateways. What a network allows no more ends
 * with its connections, whose every packet is judged: also one that begins anew between the same two ports, which the kernel
 * may take for the old one.
 */
function forward({ link, sourceNat, vxlanPort }: GatewayRules): string {
  const out = 'iifname "tenant" oifname "outside"';
  const into = 'iifname "outside" oifname "tenant"';
  // Between subnets of the network. The two ways of a connection go through two hosts' gateways: neither sees it whole.
  const within = 'iifname "tenant" oifname "tenant"';
  const allowed = [
    `${out} meta l4proto != ${outgoing} reject with icmpx admin-prohibited`,
    'ct state related accept',
    ...(sourceNat
      ? []
      : [`${out} ct direction original reject with icmpx admin-prohibited`, `${into} ct direction reply drop`]),
    ...families.map((family) => {
      const ip = family === 4 ? 'ip' : 'ip6';
      return `${into} ct direction original meta l4proto . ${ip} daddr . th dport != @servers${family} drop`;
    }),
    'ct state established accept',
    'ct state invalid drop',
    // Who has lost a connection is told so.
    `${out} ${headless} reject with tcp reset`,
    `${into} ${headless} drop`,
    ...(sourceNat
      ? [
          `${out} ${bounded}`,
          `${out} ip daddr != { 127.0.0.0/8, 169.254.0.0/16, 224.0.0.0/3 } accept`,
          `${out} ip6 daddr != { ::1, fe80::/10, ff00::/8, ${linkRange6} } accept`,
        ]
      : []),
    `${into} ct status dnat accept`,
  ];
  return chain('forward', 'filter hook forward priority filter', [
    `${out} meta l4proto udp th dport ${vxlanPort} drop`,
    `${within} ${bounded}`,
    `${within} accept`,
    ...(link ? allowed : []),
    'reject with icmpx admin-prohibited',
  ]);
}
