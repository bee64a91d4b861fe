/** What one host's datapath knows, as plain values: the same rows fill the maps and the reference model. */

import type { MapName } from '../../src/datapath/layouts.ts';
import {
  FLOOD_SENDER,
  FLOOD_SENDER_TAG,
  fdbFlags,
  fdbKey,
  fdbRow,
  floodFlags,
  floodKey,
  floodRow,
  indexKey,
  neigh4Key,
  neigh6Key,
  neighRow,
  peerKey,
  peerRow,
  placeRow,
  portFlags,
  portRow,
  route4Key,
  route6Key,
  routeActions,
  routeRow,
  stationKey,
  vtepFlags,
  vtepRow,
} from '../../src/datapath/layouts.ts';
import { outerIp4Sum } from '../../src/datapath/template.ts';
import { PLACE_FIRST } from '../../src/model/ids.ts';
import { ip, join, mac } from './frames.ts';

export interface PortSpec {
  readonly ifindex: number;
  readonly slot: number;
  readonly vni: number;
  readonly mac: string;
  readonly ip4?: string;
  readonly ip6?: string;
  readonly mtu: number;
  /** It is a gateway's. */
  readonly router?: boolean;
  /** Number of the router that joins its subnets. */
  readonly domain?: number;
  /** Others are behind its device. */
  readonly trunk?: boolean;
  /** Behind a port that has the device, or on a segment there; told apart by its tag, if any, and MAC. */
  readonly behind?: boolean;
  readonly vlan?: number;
  /** It is a physical segment. */
  readonly segment?: boolean;
  /** Wired here, and bound to another host. */
  readonly standsBy?: boolean;
  /** The host that it has come from, whose gateway has its older connections. */
  readonly origin?: number;
  /** Its network lowers the MSS of TCP. */
  readonly clamp?: boolean;
}
export interface StationSpec {
  readonly vni: number;
  readonly mac: string;
  readonly ips: readonly string[];
  /** Of a machine on a segment: a place. */
  readonly host: number;
  /** A local port's device and slot. */
  readonly ifindex?: number;
  readonly slot?: number;
  readonly domain?: number;
  readonly vlan?: number;
  /** Its device is a tap. */
  readonly tap?: boolean;
  /** It is a machine on a segment. */
  readonly segment?: boolean;
  /** Its standby's number. */
  readonly other?: number;
  /** The host that it has come from. */
  readonly origin?: number;
  /** Its network lowers the MSS of TCP. */
  readonly clamp?: boolean;
  /** This host is its standby, or serves its segment; where it is wired here. */
  readonly relay?: true | { readonly ifindex: number; readonly slot: number };
}
/**
 * A row of a router; what `action` does not need is left out. `ip`: the subnet's gateway, or the next hop; `as`: the prefix
 * that it has on the other side.
 */
export interface RouteSpec {
  readonly domain: number;
  readonly prefix: string;
  readonly action: keyof typeof routeActions;
  readonly vni?: number;
  readonly mtu?: number;
  readonly ip?: string;
  readonly as?: string;
}
export interface VtepSpec {
  readonly host: number;
  /** The device that leads there; by default, one that is not there. */
  readonly ifindex?: number;
  readonly remote: string;
  readonly fast: boolean;
  readonly mtu: number;
}
/** Where the machines of a segment are; `ifindex`: its device, if this host forwards for it. */
export interface PlaceSpec {
  readonly number: number;
  readonly host: number;
  readonly other?: number;
  readonly ifindex?: number;
}
/** Where a network's broadcasts go: local devices, and hosts. */
export interface ListSpec {
  readonly vni: number;
  readonly devices: readonly {
    readonly ifindex: number;
    readonly slot: number;
    readonly vlan?: number;
    readonly flags?: number;
  }[];
  readonly hosts: readonly number[];
  /** Who alone may send to it; default: all ports. */
  readonly senders?: readonly { readonly slot: number; readonly vlan?: number }[];
}
export interface World {
  readonly self: number;
  readonly vtep: string;
  readonly udpPort: number;
  readonly vxlanIfindex: number;
  readonly ports: readonly PortSpec[];
  readonly stations: readonly StationSpec[];
  readonly vteps: readonly VtepSpec[];
  readonly routes: readonly RouteSpec[];
  readonly places?: readonly PlaceSpec[];
  readonly lists?: readonly ListSpec[];
}

export const A = 0x1001;
export const B = 0x1002;
/** An IPv4-only network. */
export const C = 0x1003;
/** Networks that a router joins to A, and to B. */
export const D = 0x1004;
export const E = 0x1005;
/** Networks of a tenant whose router has default routes, and of a peer of that. */
export const F = 0x1006;
export const G = 0x1007;
export const P = 0x1008;
export const routerOfA = 0x2001;
export const routerOfB = 0x2002;
const routerOfF = 0x2003;
const routerOfP = 0x2004;
export const macs = {
  one: '02:00:00:00:00:01',
  two: '02:00:00:00:00:02',
  three: '02:00:00:00:00:03',
  four: '02:00:00:00:00:04',
  five: '02:00:00:00:00:05',
  six: '02:00:00:00:00:06',
  seven: '02:00:00:00:00:07',
  eight: '02:00:00:00:00:08',
  nine: '02:00:00:00:00:09',
  ten: '02:00:00:00:00:10',
  eleven: '02:00:00:00:00:11',
  twelve: '02:00:00:00:00:12',
  trunk: '02:00:00:00:00:20',
  nested: '02:00:00:00:00:21',
  tagged: '02:00:00:00:00:22',
  twin: '02:00:00:00:00:23',
  segment: '02:00:00:00:00:30',
  machine: '02:00:00:00:00:31',
  printer: '02:00:00:00:00:32',
  guest: '02:00:00:00:00:40',
  gone: '02:00:00:00:00:41',
  came: '02:00:00:00:00:42',
  slow: '02:00:00:00:00:43',
  lost: '02:00:00:00:00:44',
  abroad: '02:00:00:00:00:45',
  idle: '02:00:00:00:00:50',
  away: '02:00:00:00:00:51',
  nowhere: '02:00:00:00:00:52',
  settled: '02:00:00:00:00:46',
  gateway: '02:68:67:00:00:01',
};
/** EUI-64 link-local address of `macs` entry n. */
export const linkLocal = (n: number): string => `fe80::ff:fe00:${n}`;

const local = (domain: number, prefix: string): RouteSpec => ({ domain, prefix, action: 'LOCAL' });

/** How a tenant sees the other one's first subnets, which have the same prefixes as its own. */
const seen = {
  [A]: ['100.64.1.0/24', 'fd64:1::/64'],
  [B]: ['100.64.2.0/24', 'fd64:2::/64'],
} as const;

/** What the routers of both tenants know, which are peers; equal, but for the networks. */
function routesOf(domain: number, near: typeof A | typeof B, far: number): RouteSpec[] {
  const connected = (prefix: string, vni: number, ip: string, mtu: number, as?: string): RouteSpec => ({
    ...{ domain, prefix, vni, ip, mtu },
    ...(as && { as }),
    action: 'CONNECTED',
  });
  const other = near === A ? B : A;
  const peers = (prefix: string, as: string, ip: string): RouteSpec => ({
    ...{ domain, prefix, as, ip, vni: other, mtu: 1450 },
    action: 'TRANSLATED',
  });
  const via = (prefix: string, vni: number, ip: string): RouteSpec => ({
    ...{ domain, prefix, vni, ip },
    mtu: vni === near ? 1450 : 1300,
    action: 'VIA',
  });
  return [
    connected('10.0.0.0/24', near, '10.0.0.9', 1450, seen[near][0]),
    connected('fd00::/64', near, 'fd00::9', 1450, seen[near][1]),
    peers(seen[other][0], '10.0.0.0/24', '10.0.0.9'),
    peers(seen[other][1], 'fd00::/64', 'fd00::9'),
    connected('10.1.0.0/24', far, '10.1.0.9', 1300),
    connected('fd01::/64', far, 'fd01::9', 1300),
    ...['10.0.0.9/32', '10.1.0.9/32', '169.254.169.254/32', 'fd00::9/128', 'fd01::9/128'].map((own) =>
      local(domain, own),
    ),
    via('172.16.0.0/16', near, '10.0.0.1'),
    via('fd10::/64', near, 'fd00::1'),
    via('172.17.0.0/16', near, '10.0.0.2'),
    via('172.18.0.0/16', far, '10.1.0.8'),
    via('fd18::/64', far, 'fd01::8'),
    via('172.19.0.0/16', near, '10.0.0.77'),
    via('172.21.0.0/16', near, '10.0.0.3'),
    { domain, prefix: '172.20.0.0/16', action: 'BLACKHOLE' },
    { domain, prefix: 'fd20::/64', action: 'BLACKHOLE' },
    via('172.20.1.0/24', far, '10.1.0.8'),
  ];
}

/** What the routers of F and of its peer know: F has all that is elsewhere behind nine, and subnets that nobody joins. */
function routesOfPeers(): RouteSpec[] {
  const subnets = [
    { vni: F, net: 3, owner: routerOfF },
    { vni: G, net: 5, owner: routerOfF },
    { vni: P, net: 7, owner: routerOfP },
  ];
  const reached = [routerOfF, routerOfP].flatMap((domain) =>
    subnets.flatMap(({ vni, net, owner }): RouteSpec[] => {
      const action = domain === owner ? 'CONNECTED' : 'PEER';
      return [
        { domain, action, vni, prefix: `10.${net}.0.0/24`, mtu: 1450, ip: `10.${net}.0.254` },
        { domain, action, vni, prefix: `fd0${net}::/64`, mtu: 1450, ip: `fd0${net}::fe` },
        local(domain, `10.${net}.0.254/32`),
        local(domain, `fd0${net}::fe/128`),
      ];
    }),
  );
  const outside = { domain: routerOfF, action: 'VIA', vni: F, mtu: 1450 } as const;
  return [
    ...reached,
    { ...outside, prefix: '0.0.0.0/0', ip: '10.3.0.9' },
    { ...outside, prefix: '::/0', ip: 'fd03::9' },
    ...['10.4.0.0/24', 'fd04::/64', '10.6.0.0/24', 'fd06::/64'].map((unjoined) => local(routerOfF, unjoined)),
  ];
}

/**
 * Tenants A and B use the same addresses and MACs. One and two are here, three on host 2 (fast), four on host 3 (slow),
 * five on host 4 (no VTEP row), six on host 5 (IPv6 underlay). One has a second address, 10.0.0.11. Tenant A has a gateway
 * here, 10.0.0.9. A router joins network D to A; D has seven here and eight on host 2. Tenant B has the same, and nobody in E
 * but eight. What is behind one is 172.16.0.0/16 and fd10::/64; C is joined to nothing.
 *
 * TCP from one, and to seven, agrees on segments that fit.
 *
 * A third tenant's router joins F, with nine and a gateway here, and G, with ten on host 2; both have a second address in a
 * subnet of their networks that is not joined. Everything else is behind nine. Its peer joins P, with eleven here, last of
 * the ports, and twelve on host 2.
 * @param devices interface indexes that exist where the programs run: four of ports, one of no port, the gateway's, those of
 *   seven, nine and eleven
 */
export function standardWorld(devices: readonly number[]): World {
  const [d1 = 0, d2 = 0, d3 = 0, d4 = 0, , d6 = 0, d7 = 0, d8 = 0, d9 = 0] = devices;
  const home = (ifindex: number, slot: number, vni: number, mac: string, domain: number) => ({
    ...{ ifindex, slot, vni, mac, domain },
    mtu: 1450,
  });
  const far = (vni: number): StationSpec[] =>
    [macs.three, macs.four, macs.five, macs.six].map((m, i) => ({
      vni,
      mac: m,
      ips: [`10.0.0.${i + 3}`, `fd00::${i + 3}`, linkLocal(i + 3)],
      host: i + 2,
    }));
  return {
    self: 1,
    vtep: '192.0.2.1',
    udpPort: 4789,
    vxlanIfindex: 99,
    ports: [
      { ...home(d1, 1, A, macs.one, routerOfA), ip4: '10.0.0.1', ip6: 'fd00::1', clamp: true },
      { ...home(d2, 2, A, macs.two, routerOfA), ip4: '10.0.0.2', ip6: 'fd00::2' },
      { ...home(d3, 3, B, macs.one, routerOfB), ip4: '10.0.0.1', ip6: 'fd00::1' },
      { ifindex: d4, slot: 4, vni: C, mac: macs.one, ip4: '10.0.0.1', mtu: 1450 },
      { ifindex: d6, slot: 0, vni: A, mac: macs.gateway, ip4: '10.0.0.9', ip6: 'fd00::9', mtu: 1450, router: true },
      { ...home(d7, 5, D, macs.seven, routerOfA), ip4: '10.1.0.7', ip6: 'fd01::7', mtu: 1300 },
      { ...home(d8, 6, F, macs.nine, routerOfF), ip4: '10.3.0.9', ip6: 'fd03::9' },
      { ...home(d9, 7, P, macs.eleven, routerOfP), ip4: '10.7.0.11', ip6: 'fd07::11' },
    ],
    stations: [
      { ...home(d1, 1, A, macs.one, routerOfA), ips: ['10.0.0.1', '10.0.0.11', 'fd00::1', linkLocal(1)], host: 1 },
      { ...home(d2, 2, A, macs.two, routerOfA), ips: ['10.0.0.2', 'fd00::2', linkLocal(2)], host: 1 },
      { ...home(d7, 5, D, macs.seven, routerOfA), ips: ['10.1.0.7', 'fd01::7', linkLocal(7)], host: 1, clamp: true },
      { vni: A, mac: macs.four, ips: ['172.16.0.4', 'fd10::4'], host: 3 },
      ...[D, E].map((vni) => ({ vni, mac: macs.eight, ips: ['10.1.0.8', 'fd01::8', linkLocal(8)], host: 2 })),
      ...far(A),
      { vni: A, mac: macs.gateway, ips: ['10.0.0.9', 'fd00::9', linkLocal(9)], host: 1, ifindex: d6, slot: 0 },
      { ...home(d3, 3, B, macs.one, routerOfB), ips: ['10.0.0.1', 'fd00::1', linkLocal(1)], host: 1 },
      ...far(B),
      { vni: C, mac: macs.one, ips: ['10.0.0.1'], host: 1, ifindex: d4, slot: 4 },
      { vni: C, mac: macs.three, ips: ['10.0.0.3'], host: 2 },
      {
        ...home(d8, 6, F, macs.nine, routerOfF),
        ips: ['10.3.0.9', '10.4.0.9', 'fd03::9', 'fd04::9', linkLocal(9)],
        host: 1,
      },
      { vni: F, mac: macs.gateway, ips: ['10.3.0.254', 'fd03::fe'], host: 1, ifindex: d6, slot: 0 },
      { vni: G, mac: macs.ten, ips: ['10.5.0.10', '10.6.0.10', 'fd05::10', 'fd06::10', linkLocal(10)], host: 2 },
      { ...home(d9, 7, P, macs.eleven, routerOfP), ips: ['10.7.0.11', 'fd07::11', linkLocal(11)], host: 1 },
      { vni: P, mac: macs.twelve, ips: ['10.7.0.12', 'fd07::12', linkLocal(12)], host: 2 },
    ],
    vteps: [
      { host: 2, remote: '192.0.2.2', fast: true, mtu: 1450 },
      { host: 3, remote: '192.0.2.3', fast: false, mtu: 1400 },
      { host: 5, remote: '2001:db8::5', fast: false, mtu: 1430 },
    ],
    routes: [...routesOf(routerOfA, A, D), ...routesOf(routerOfB, B, E), ...routesOfPeers()],
  };
}

const padded = (address: string): Uint8Array => join(ip(address), new Uint8Array(16 - ip(address).length));
const mapped = (address: string): Uint8Array => (address.includes(':') ? ip(address) : ip(`::ffff:${address}`));

const isOnSegment = (w: World, { behind, ifindex, vlan }: PortSpec): boolean =>
  behind === true && w.ports.some((s) => s.segment && s.ifindex === ifindex && s.vlan === vlan);

/** The rows of the world's maps, less `config`. */
export function* rowsOf(w: World, local6 = '2001:db8::1'): Generator<[MapName, Uint8Array, Uint8Array]> {
  for (const p of w.ports) {
    const families = (p.ip4 ? portFlags.IP4 : 0) | (p.ip6 ? portFlags.IP6 : 0);
    const routed = (p.ip4 ? portFlags.ROUTED4 : 0) | (p.ip6 ? portFlags.ROUTED6 : 0);
    const flags =
      families |
      (p.domain ? routed : 0) |
      (p.router ? portFlags.ROUTER : 0) |
      (p.trunk || p.behind ? portFlags.TRUNK : 0) |
      (p.segment || isOnSegment(w, p) ? portFlags.SEGMENT : 0) |
      (p.clamp ? portFlags.CLAMP : 0) |
      (p.standsBy ? portFlags.STANDBY : 0);
    const vlan = p.vlan ?? 0;
    const among = p.segment ? new Uint8Array(6) : mac(p.mac);
    yield [
      p.behind || p.segment ? 'stations' : 'ports',
      p.behind || p.segment
        ? stationKey.encode({ ifindex: p.ifindex, vlan, mac: among })
        : indexKey.encode({ index: p.ifindex }),
      portRow.encode({
        slot: p.slot,
        vni: p.vni,
        mac: mac(p.mac),
        flags,
        mtu: p.mtu,
        domain: p.domain ?? 0,
        ip4: ip(p.ip4 ?? '0.0.0.0'),
        ip6: ip(p.ip6 ?? '::'),
        vlan,
        origin: p.origin ?? 0,
      }),
    ];
  }
  for (const s of w.stations) {
    const local = s.ifindex !== undefined;
    const wired = s.relay === true ? undefined : s.relay;
    yield [
      'fdb',
      fdbKey.encode({ vni: s.vni, mac: mac(s.mac), pad: 0 }),
      fdbRow.encode({
        ifindex: s.ifindex ?? 0,
        slot: s.slot ?? wired?.slot ?? 0,
        host: s.host,
        flags:
          (local && !s.vlan && !s.tap ? fdbFlags.PEER : 0) |
          (s.tap ? fdbFlags.TAP : 0) |
          (s.segment ? fdbFlags.SEGMENT : 0) |
          (s.relay ? fdbFlags.RELAY : 0) |
          (s.clamp ? fdbFlags.CLAMP : 0),
        origin: s.origin ?? 0,
        domain: s.domain ?? 0,
        vlan: s.vlan ?? 0,
        other: local ? (s.other ?? 0) : 0,
        wired: wired?.ifindex ?? 0,
      }),
    ];
    const row = neighRow.encode({ mac: mac(s.mac), host: s.host, other: s.other ?? 0 });
    for (const a of s.ips) {
      if (a.includes(':')) yield ['neigh6', neigh6Key.encode({ vni: s.vni, ip: ip(a) }), row];
      else yield ['neigh4', neigh4Key.encode({ vni: s.vni, ip: ip(a) }), row];
    }
  }
  for (const v of w.vteps) {
    const six = v.remote.includes(':');
    const local = six ? local6 : w.vtep;
    const flags = vtepFlags.VALID | (v.fast ? vtepFlags.FAST : 0) | (six ? vtepFlags.IP6 : 0);
    yield [
      'vteps',
      indexKey.encode({ index: v.host }),
      vtepRow.encode({
        flags,
        ifindex: v.ifindex ?? 77,
        local: padded(local),
        remote: padded(v.remote),
        dst_mac: mac('02:00:00:00:01:02'),
        src_mac: mac('02:00:00:00:01:01'),
        csum: six ? 0 : outerIp4Sum(ip(local), ip(v.remote)),
        mtu: v.mtu,
      }),
    ];
    yield ['peers', peerKey.encode({ ip: mapped(v.remote) }), peerRow.encode({ host: v.host })];
  }
  for (const { number, host, other = 0, ifindex = 0 } of w.places ?? [])
    yield ['places', indexKey.encode({ index: number - PLACE_FIRST }), placeRow.encode({ host, other, ifindex })];
  for (const { vni, devices, hosts, senders } of w.lists ?? []) {
    const nothing = { ifindex: 0, slot: 0, host: 0, vlan: 0, flags: senders ? floodFlags.SHARERS : 0 };
    const places = [...devices.map((d) => ({ ...nothing, ...d })), ...hosts.map((host) => ({ ...nothing, host }))];
    for (const [index, place] of places.entries())
      yield ['flood', floodKey.encode({ vni, index }), floodRow.encode(place)];
    for (const { slot, vlan = 0 } of senders ?? [])
      yield [
        'flood',
        floodKey.encode({ vni, index: FLOOD_SENDER + vlan * FLOOD_SENDER_TAG + slot }),
        floodRow.encode({ ...nothing, slot, vlan }),
      ];
  }
  for (const r of w.routes) {
    const [address = '', length] = r.prefix.split('/');
    const key = { prefixlen: 32 + Number(length), domain: r.domain, ip: ip(address) };
    const row = routeRow.encode({
      action: routeActions[r.action],
      vni: r.vni ?? 0,
      mtu: r.mtu ?? 0,
      bits: r.as ? Number(r.as.split('/')[1]) : 0,
      ip: padded(r.ip ?? '::'),
      as: padded(r.as?.split('/')[0] ?? '::'),
    });
    if (address.includes(':')) yield ['routes6', route6Key.encode(key), row];
    else yield ['routes4', route4Key.encode(key), row];
  }
}
