/**
 * The rows of a port, which may be on this host or another, wired on two of them, alone on its device or behind another port:
 * where its MAC and addresses are, and what it may send.
 */
import {
  fdbFlags,
  fdbKey,
  fdbRow,
  indexKey,
  neigh4Key,
  neigh6Key,
  neighRow,
  placeRow,
  portFlags,
  portRow,
  stationKey,
} from '../datapath/layouts.ts';
import { type Ip, ipBytes, ipFamily, linkLocal, type Mac, macBytes, parsePrefix, prefixHas } from '../model/address.ts';
import type { AddressItem, NetworkItem, PortItem } from '../model/host-state.ts';
import { isPlace, PLACE_FIRST } from '../model/ids.ts';
import { type Device, type Facts, networkMtu } from './facts.ts';
import type { MapRow } from './map-row.ts';

/** What has a MAC and addresses in a network. */
type Station = Pick<PortItem, 'mac' | 'addresses' | 'host' | 'standby' | 'origin'>;

/** Where a station is on this host. */
interface Wiring {
  /** Its device, if it has one here. */
  readonly device?: Device | undefined;
  /** It is wired here. */
  readonly wired?: boolean;
  /** What comes for it goes on to its host: it is wired here, and bound there; or it has gone there. */
  readonly relays?: boolean;
  /** Number of the host whose gateway has the connections that it did not begin here; 0: none. */
  readonly origin?: number;
  /** Number of its router. */
  readonly domain?: number;
  readonly vlan?: number;
  /** It is a machine on a physical segment. */
  readonly segment?: boolean;
}

/** The rows of a port. `segment`: it is behind one that is a physical segment. */
export function planPort(port: PortItem, network: NetworkItem, facts: Facts, segment: boolean): MapRow[] {
  const standsBy = port.standby === facts.self;
  const wired = port.host === facts.self || standsBy || (isPlace(port.host) && port.behind !== undefined);
  const device = wired ? deviceOf(port, facts) : undefined;
  if (port.segment || port.place !== undefined)
    return [
      ...planPlace(port, device, facts),
      ...(device ? [planSegment(port, network, device, facts, standsBy)] : []),
    ];
  if (port.host === facts.self && !device) return [];
  const routed = new Set(wired ? port.addresses.filter((ip) => isRouted(ip, network)) : []);
  const domain = routed.size > 0 ? network.domain! : 0;
  const origin = device && !segment ? originOf(port, facts.self) : 0;
  const relays = standsBy || port.origin === facts.self;
  const vlan = port.vlan ?? (port.behind ? device?.vlan : undefined) ?? 0;
  const rows = planStation(network, port, { device, wired, relays, origin, domain, vlan, segment });
  if (!device) return rows;
  const flags =
    (port.behind || device.trunk ? portFlags.TRUNK : 0) |
    (standsBy ? portFlags.STANDBY : 0) |
    (segment ? portFlags.SEGMENT : 0);
  return [
    ...rows,
    planDevice(port, network, device, facts, { domain, routed, flags, behind: !!port.behind, vlan, origin }),
  ];
}

/**
 * Where a port has come from, to the host that has its device. One that stands by may get its guest at any moment, which then
 * comes from the other; unless it comes back here.
 */
const originOf = ({ host, standby, origin }: PortItem, self: number): number =>
  origin === self ? 0 : standby === self ? host : (origin ?? 0);

/** What is behind another port is on its device. */
const deviceOf = ({ id, behind }: PortItem, { devices }: Facts): Device | undefined =>
  devices.get(id) ?? (behind && devices.get(behind));

/** The address lies in a subnet that the network's router joins. */
const isRouted = (ip: Ip, network: NetworkItem): boolean =>
  network.domain !== undefined && network.subnets.some((s) => s.routed && prefixHas(parsePrefix(s.cidr), ip));

/** A segment itself: nobody sends to it, and those on it send as themselves. */
const planSegment = (port: PortItem, network: NetworkItem, device: Device, facts: Facts, standsBy: boolean): MapRow =>
  planDevice(port, network, device, facts, {
    flags: portFlags.SEGMENT | (standsBy ? portFlags.STANDBY : 0),
    behind: true,
    key: NO_MAC,
    vlan: device.vlan ?? 0,
  });
/** Where its machines are. */
const planPlace = ({ place, host, standby }: PortItem, device: Device | undefined, { self }: Facts): MapRow[] =>
  place === undefined
    ? []
    : [
        {
          map: 'places',
          key: indexKey.encode({ index: place - PLACE_FIRST }),
          value: placeRow.encode({ host, other: standby ?? 0, ifindex: host === self ? (device?.ifindex ?? 0) : 0 }),
        },
      ];
const NO_MAC = '00:00:00:00:00:00' as Mac;

/** An address that ports share is where the one is that has it. */
export const planShared = ({ vni }: NetworkItem, { address }: AddressItem, holder: Station): MapRow =>
  planNeighbour(vni, address, neighbourOf(holder));

const neighbourOf = ({ mac, host, standby }: Station): Uint8Array =>
  neighRow.encode({ mac: macBytes(mac), host, other: standby ?? 0 });

/** Where a station is: its addresses and its MAC. */
export function planStation({ vni, mssClamp }: NetworkItem, station: Station, wiring: Wiring): MapRow[] {
  const mac = macBytes(station.mac);
  const neighbour = neighbourOf(station);
  return [
    ...addressesOf(station).map((ip) => planNeighbour(vni, ip, neighbour)),
    {
      map: 'fdb',
      key: fdbKey.encode({ vni, mac, pad: 0 }),
      value: fdbRow.encode(planMac(station, wiring, mssClamp ? fdbFlags.CLAMP : 0)),
    },
  ];
}

/** To the device; or, where the station stands by, on to its host; or as its place says. */
function planMac({ host, standby }: Station, wiring: Wiring, common: number): Parameters<typeof fdbRow.encode>[0] {
  const { device, origin = 0, domain = 0, vlan = 0, segment } = wiring;
  const relays = wiring.relays || (isPlace(host) && wiring.wired);
  const flags =
    common |
    (device?.redirectPeer && vlan === 0 ? fdbFlags.PEER : 0) |
    (device && (device.tap || vlan !== 0) ? fdbFlags.TAP : 0) |
    (device && segment ? fdbFlags.SEGMENT : 0) |
    (relays ? fdbFlags.RELAY : 0);
  const ifindex = device?.ifindex ?? 0;
  const slot = device?.slot ?? 0;
  const where = relays
    ? { ifindex: 0, wired: ifindex, other: 0 }
    : { ifindex, wired: 0, other: (device && standby) ?? 0 };
  return { ...where, slot, host, flags, origin, domain, vlan: device ? vlan : 0 };
}

/** What a device's row has besides its station. */
interface Extra {
  /** Number of its router, and which addresses that joins. */
  readonly domain?: number;
  readonly routed?: ReadonlySet<Ip>;
  readonly flags?: number;
  /** It is told apart from others on the device by its tag and MAC, or by `key` in its place. */
  readonly behind?: boolean;
  readonly key?: Mac;
  readonly vlan?: number;
  readonly origin?: number;
}

/** What may come from a device, or from one of many stations behind it. */
export function planDevice(station: Station, network: NetworkItem, device: Device, facts: Facts, extra: Extra): MapRow {
  const { domain = 0, routed, vlan = 0 } = extra;
  const ip4 = station.addresses.find((a) => ipFamily(a) === 4);
  const ip6 = station.addresses.find((a) => ipFamily(a) === 6);
  const flags =
    (ip4 ? portFlags.IP4 : 0) |
    (ip6 ? portFlags.IP6 : 0) |
    (ip4 && routed?.has(ip4) ? portFlags.ROUTED4 : 0) |
    (ip6 && routed?.has(ip6) ? portFlags.ROUTED6 : 0) |
    (network.mssClamp ? portFlags.CLAMP : 0) |
    (device.redirectPeer && vlan === 0 ? portFlags.PEER : 0) |
    (extra.flags ?? 0);
  const value = portRow.encode({
    slot: device.slot,
    vni: network.vni,
    mac: macBytes(station.mac),
    flags,
    mtu: networkMtu(network, facts),
    domain,
    ip4: ip4 ? ipBytes(ip4) : new Uint8Array(4),
    ip6: ip6 ? ipBytes(ip6) : new Uint8Array(16),
    vlan,
    origin: extra.origin ?? 0,
  });
  const { ifindex } = device;
  return extra.behind
    ? { map: 'stations', key: stationKey.encode({ ifindex, mac: macBytes(extra.key ?? station.mac), vlan }), value }
    : { map: 'ports', key: indexKey.encode({ index: ifindex }), value };
}

/** A station with IPv6 also has its link-local address; the interface is set to make it from the MAC. */
const addressesOf = ({ addresses, mac }: Station): readonly Ip[] =>
  addresses.some((a) => ipFamily(a) === 6) ? [...addresses, linkLocal(mac)] : addresses;

const planNeighbour = (vni: number, ip: Ip, value: Uint8Array): MapRow =>
  ipFamily(ip) === 4
    ? { map: 'neigh4', key: neigh4Key.encode({ vni, ip: ipBytes(ip) }), value }
    : { map: 'neigh6', key: neigh6Key.encode({ vni, ip: ipBytes(ip) }), value };
