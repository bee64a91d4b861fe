/** A router → its routes in the datapath. */
import { route4Key, route6Key, routeActions, routeRow } from '../datapath/layouts.ts';
import {
  contains,
  type Ip,
  ipBytes,
  ipFamily,
  ipNumber,
  ipOfNumber,
  type Prefix,
  parseDestination,
  parsePrefix,
  single,
} from '../model/address.ts';
import type { NetworkItem, RouterItem } from '../model/host-state.ts';
import { metadataAddresses } from '../model/metadata.ts';
import { type MapRow, plain } from './map-row.ts';

/** A subnet that a router or its peer joins, as this router's domain has it. */
interface Joined {
  readonly prefix: Prefix;
  /** The prefix that the same addresses have on the other side: of the router's own as peers see it, of a peer's as it is there. */
  readonly there: Prefix | undefined;
  readonly vni: number;
  readonly mtu: number;
  readonly gateway: Ip;
  readonly peer: boolean;
}

/**
 * A router's routes; no other item's rows depend on it, nor do its own on others. Whose addresses lie in a subnet beside
 * the joined ones is settled: no route leads there, so that nobody speaks for them.
 */
export function planRouter(
  { domain, subnets, besides, routes }: RouterItem,
  mtuOf: (network: Pick<NetworkItem, 'mtuBytes'>) => number,
): MapRow[] {
  const joined = subnets.map((s) => joinedAs(s, mtuOf(s)));
  const unjoined = [...new Set(besides)]
    .map(parseDestination)
    .filter((other) => !joined.some(({ prefix }) => contains(prefix, other)));
  const translates = joined.some(({ there }) => there);
  const own = [...joined.flatMap(({ gateway, peer, there }) => (peer && there ? [] : gateway)), ...metadataAddresses];
  return [
    ...joined.flatMap((subnet) => planJoined(domain, subnet, translates)),
    ...routes
      .filter(({ destination }) => !unjoined.some((other) => contains(other, parseDestination(destination))))
      .map(({ destination, via }) => planRoute(domain, destination, nextHop(via, joined))),
    ...[...unjoined.map(({ cidr }) => cidr), ...own.map(alone)].map((prefix) =>
      planRoute(domain, prefix, { ...nowhere, action: routeActions.LOCAL }),
    ),
  ];
}

function joinedAs({ cidr, as, vni, gateway, peer: isPeers }: RouterItem['subnets'][number], mtu: number): Joined {
  const peer = isPeers === true;
  const prefix = parsePrefix(cidr);
  const other = as === undefined ? undefined : parsePrefix(as);
  const common = { vni, mtu, gateway, peer };
  return peer && other ? { ...common, prefix: other, there: prefix } : { ...common, prefix, there: other };
}

/** `translates`: some subnet, own or a peer's, has another prefix on the other side. */
function planJoined(domain: number, subnet: Joined, translates: boolean): MapRow[] {
  const { prefix, there, vni, mtu, gateway, peer } = subnet;
  const action = !peer ? routeActions.CONNECTED : translates ? routeActions.TRANSLATED : routeActions.PEER;
  const other = there && { bits: there.length, as: plain(startOf(there)) };
  const row = planRoute(domain, prefix.cidr, { ...nowhere, action, vni, mtu, ip: plain(gateway), ...other });
  if (!peer || !there) return [row];
  // The gateway there is for its own tenant alone.
  const theirGateway = alone(moved(gateway, prefix));
  return [row, planRoute(domain, theirGateway, { ...nowhere, action: routeActions.BLACKHOLE })];
}

/** To an address in a subnet of the router's own networks; else to nobody. */
function nextHop(via: Ip | undefined, joined: readonly Joined[]): RouteRow {
  const at = via && single(via);
  const next = at && joined.find(({ peer, prefix }) => !peer && contains(prefix, at));
  if (!next) return { ...nowhere, action: routeActions.BLACKHOLE };
  return { ...nowhere, action: routeActions.VIA, vni: next.vni, mtu: next.mtu, ip: plain(via) };
}

type RouteRow = Parameters<typeof routeRow.encode>[0];
const nowhere = { vni: 0, mtu: 0, bits: 0, ip: new Uint8Array(16), as: new Uint8Array(16) };

function planRoute(domain: number, destination: string, row: RouteRow): MapRow {
  const [ip, length] = destination.split('/') as [Ip, string];
  const key = { prefixlen: 32 + Number(length), domain, ip: ipBytes(ip) };
  const value = routeRow.encode(row);
  return ipFamily(ip) === 4
    ? { map: 'routes4', key: route4Key.encode(key), value }
    : { map: 'routes6', key: route6Key.encode(key), value };
}

const startOf = ({ first, family }: Prefix): Ip => ipOfNumber(first, family);
const alone = (ip: Ip): string => `${ip}/${ipFamily(ip) === 4 ? 32 : 128}`;
/** The address that has the same last bits in another prefix. */
const moved = (ip: Ip, { first, last, family }: Prefix): Ip =>
  ipOfNumber(first | (ipNumber(ip) & (last - first)), family);
