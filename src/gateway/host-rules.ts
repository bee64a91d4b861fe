/** The ruleset of a host's own namespace: the second step of what goes out, the first of what comes in. */
import { ipFamily } from '../model/address.ts';
import type { GuardRules } from './guard.ts';
import { type LinkAddresses, linkRange4, linkRange6 } from './link-addresses.ts';
import type { Entry } from './published.ts';
import { chain, collection, replaceTable } from './ruleset.ts';
import type { ControlPlane } from './uplinks.ts';

/** One network's way outside, as its host sees it. */
export interface Way {
  /** The host's end of the link. */
  readonly device: string;
  readonly link: LinkAddresses;
  readonly sourceNat: boolean;
  readonly published: readonly Entry[];
  /** Prefixes whose clients may use what is published; empty: all. */
  readonly publishFrom: readonly string[];
  /** The network's own prefixes. */
  readonly subnets: readonly string[];
}

/** What the host's ruleset depends on. */
export interface HostRules {
  readonly ways: readonly Way[];
  /** UDP port of the underlay's VXLAN. */
  readonly vxlanPort: number;
  /** Devices that this agent made forward, so that the host is no router for others than its gateways. */
  readonly opened: { readonly ipv4: readonly string[]; readonly ipv6: readonly string[] };
  /** Devices that lead to other machines. */
  readonly uplinks: readonly string[];
  /** The controller: no workload may speak to it. */
  readonly controlPlane?: ControlPlane | undefined;
  /** What workloads are kept from besides. */
  readonly guard?: GuardRules;
}

/** The ruleset as text for `nft -f`; our chains come just before those of others at the same hook. */
export function hostRules(h: HostRules): string {
  const { collections: sets = [], chains = [] } = h.guard ?? {};
  return replaceTable([...collections(h), ...sets, ...nat(h), input, ...chains, ...forward(h)]);
}

const families = [4, 6] as const;
const ip = (family: 4 | 6): string => (family === 4 ? 'ip' : 'ip6');
const gatewayEnd = (way: Way, family: 4 | 6): string => (family === 4 ? way.link.gateway4 : way.link.gateway6);

function collections({ ways, opened, uplinks }: HostRules): string[] {
  const names = (list: readonly Way[]): string[] => list.map((w) => `"${w.device}"`);
  const devices = (name: string, list: readonly string[]): string =>
    collection(
      'set',
      name,
      'ifname',
      list.map((device) => `"${device}"`),
    );
  return [
    collection('set', 'inside', 'ifname', names(ways)),
    collection('set', 'outgoing', 'ifname', names(ways.filter((w) => w.sourceNat))),
    devices('opened4', opened.ipv4),
    devices('opened6', opened.ipv6),
    devices('uplinks', uplinks),
    ...families.flatMap((family) => {
      const address = `ipv${family}_addr`;
      const entries = ways.flatMap((w) =>
        w.published.filter((e) => ipFamily(e.to) === family).map((e) => ({ ...e, at: gatewayEnd(w, family) })),
      );
      return [
        collection(
          'set',
          `own${family}`,
          `ifname . ${address}`,
          ways.map((w) => `"${w.device}" . ${gatewayEnd(w, family)}`),
        ),
        collection(
          'map',
          `any${family}`,
          `inet_proto . inet_service : ${address} . inet_service`,
          entries.flatMap((e) =>
            e.hostAddress === undefined ? [`${e.protocol} . ${e.hostPort} : ${e.at} . ${e.passage}`] : [],
          ),
        ),
        collection(
          'map',
          `one${family}`,
          `inet_proto . ${address} . inet_service : ${address} . inet_service`,
          entries.flatMap((e) =>
            e.hostAddress === undefined
              ? []
              : [`${e.protocol} . ${e.hostAddress} . ${e.hostPort} : ${e.at} . ${e.passage}`],
          ),
        ),
      ];
    }),
  ];
}

function nat({ ways }: HostRules): string[] {
  const published = families.flatMap((family) => [
    `meta nfproto ipv${family} dnat ${ip(family)} to meta l4proto . ${ip(family)} daddr . th dport map @one${family}`,
    `meta nfproto ipv${family} dnat ${ip(family)} to meta l4proto . th dport map @any${family}`,
  ]);
  const toPublished = 'meta l4proto { tcp, udp } fib daddr type local jump published';
  return [
    chain('published', undefined, published),
    // What comes from a wire to a loopback address is nobody's business, also where something else would let it in.
    chain('prerouting', 'nat hook prerouting priority dstnat - 1', ['ip daddr 127.0.0.0/8 return', toPublished]),
    chain('output', 'nat hook output priority -101', [toPublished]),
    chain('postrouting', 'nat hook postrouting priority srcnat - 1', [
      'oifname @inside ip saddr 127.0.0.0/8 masquerade',
      // A workload that comes to a published port of its own network: the answer must come back here.
      ...families.map((family) => `oifname . ${ip(family)} saddr @own${family} masquerade`),
      ...ways.flatMap(ownSubnets),
      `oifname != @inside ip saddr ${linkRange4} masquerade`,
      `oifname != @inside ip6 saddr ${linkRange6} masquerade`,
    ]),
  ];
}

/** Clients whose addresses the network itself has: its workloads would look for them in the network. */
const ownSubnets = (way: Way): string[] =>
  way.published.length === 0
    ? []
    : way.subnets.map((cidr) => `oifname "${way.device}" ${ip(ipFamily(cidr))} saddr ${cidr} masquerade`);

/** The host's own services are not for workloads. */
const input = chain('input', 'filter hook input priority filter - 10', [
  'iifname != @inside accept',
  'ct state { established, related } accept',
  'icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept',
  'drop',
]);

function forward({ ways, vxlanPort, controlPlane: api, guard }: HostRules): string[] {
  const guarded = ways.filter((w) => w.publishFrom.length > 0);
  return [
    ...guarded.map((w) => chain(`from_${w.device}`, undefined, [...w.publishFrom.map(allowed), 'drop'])),
    chain('inward', undefined, [
      'ct state related accept',
      // Also what is open, and begins anew between two ports that the kernel still knows.
      ...guarded.map((w) => `oifname "${w.device}" ct status dnat ct direction original jump from_${w.device}`),
      'ct state established accept',
      // Who begins in the middle is to leave nothing in the host's table.
      'meta l4proto tcp tcp flags & (fin | syn | rst | ack) != syn drop',
      'ct status dnat accept',
      'drop',
    ]),
    chain('outward', undefined, [
      `meta l4proto udp th dport ${vxlanPort} drop`,
      ...(api ? [`${ip(ipFamily(api.address))} daddr ${api.address} tcp dport ${api.port} drop`] : []),
      // Of what is published here the address is another by now.
      ...(guard?.first ?? []),
      ...families.map((family) => `meta nfproto ipv${family} iifname . ${ip(family)} saddr != @own${family} drop`),
      'ct state { established, related } accept',
      'ct state invalid drop',
      'iifname != @outgoing drop',
      'ct status dnat return',
      // The host's own containers and machines: what these do not publish is not outside.
      'meta oifkind { "bridge", "veth" } oifname != @uplinks drop',
    ]),
    // Devices that forward because of us: nobody else is to gain from it.
    chain('strangers', undefined, ['ct status dnat accept', 'ct state new drop']),
    chain('forward', 'filter hook forward priority filter - 10', [
      'iifname @inside jump outward',
      'oifname @inside jump inward',
      ...families.map(
        (family) => `meta nfproto ipv${family} iifname @opened${family} oifname != @inside jump strangers`,
      ),
    ]),
  ];
}

const allowed = (prefix: string): string =>
  prefix.endsWith('/0')
    ? `meta nfproto ipv${ipFamily(prefix)} accept`
    : `${ip(ipFamily(prefix))} saddr ${prefix} accept`;
