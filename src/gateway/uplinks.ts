import { type Address, addressList } from '../kernel/address.ts';
import { linkList } from '../kernel/link.ts';
import type { Netlink } from '../kernel/netlink.ts';
import { routeList } from '../kernel/route.ts';
import { type Ip, ipFamily, ipNumber, ipOfNumber } from '../model/address.ts';

function uplinkIndexes(nl: Netlink, addresses: readonly Address[], vtep: Ip): Set<number> {
  const underlay = addresses.flatMap((a) => (a.ip === vtep ? [a.ifindex] : []));
  const routed = routeList(nl).flatMap(({ gateway, oif }) => (gateway !== undefined && oif ? [oif] : []));
  const ours = linkList(nl).flatMap((l) => (l.alias?.startsWith('heddle:') ? [l.ifindex] : []));
  return new Set([...underlay, ...routed]).difference(new Set(ours));
}

/**
 * This host's addresses but the VTEP, by which others may get to it: on whatever device, but ours, and those that lead to its
 * own containers and machines. Those on uplinks first, each part in order. With an IPv6 address goes its subnet's first one,
 * which every router there has (RFC 4291 §2.6.1).
 */
export function reachedBy(nl: Netlink, vtep: Ip): Ip[] {
  const all = addressList(nl).filter((a) => mayReach(a.ip));
  const up = uplinkIndexes(nl, all, vtep);
  const inner = linkList(nl).flatMap((l) => (l.alias?.startsWith('heddle:') || isInner(l) ? [l.ifindex] : []));
  const further = new Set(inner).difference(up);
  const on = (wanted: (ifindex: number) => boolean) =>
    all
      .filter((a) => wanted(a.ifindex))
      .flatMap((a) => [a.ip, ...anycastOf(a)])
      .sort();
  const found = [...on((i) => up.has(i)), ...on((i) => !up.has(i) && !further.has(i))];
  return [...new Set(found)].filter((ip) => ip !== vtep);
}

const isInner = ({ kind }: { readonly kind?: string }): boolean => kind === 'bridge' || kind === 'veth';

/** Not loopback's own, nor those of a link. */
export const mayReach = (ip: Ip): boolean => !/^(127\.|::1$|fe[89ab]|169\.254\.)/.test(ip);

const anycastOf = ({ ip, prefixLength }: Address): Ip[] =>
  ipFamily(ip) === 6 && prefixLength < 127
    ? [ipOfNumber((ipNumber(ip) >> BigInt(128 - prefixLength)) << BigInt(128 - prefixLength), 6)]
    : [];

/**
 * Devices by which this host gets to other machines, whatever they are: the underlay's, and those with a router behind them.
 * Names in order.
 */
export function uplinks(nl: Netlink, vtep: Ip): string[] {
  const indexes = uplinkIndexes(nl, addressList(nl), vtep);
  return linkList(nl)
    .flatMap((l) => (indexes.has(l.ifindex) ? [l.name] : []))
    .toSorted();
}

/** An API that workloads have no business with. */
export interface ControlPlane {
  readonly address: Ip;
  readonly port: number;
}

/** Where a controller's URL points, if it names an address: unix sockets are out of reach anyway. */
export function controlPlaneOf(url: string): ControlPlane | undefined {
  const { protocol, hostname, port } = URL.parse(url) ?? {};
  if (protocol !== 'http:' && protocol !== 'https:') return undefined;
  const address = hostname!.replace(/^\[(.*)\]$/, '$1');
  if (ipFamily(address) === 4 && !/^[\d.]+$/.test(address)) return undefined;
  return { address: address as Ip, port: Number(port) || (protocol === 'https:' ? 443 : 80) };
}
