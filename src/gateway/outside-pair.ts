/** The pair between a gateway's namespace and its host. */
import { existsSync } from 'node:fs';
import { addressList } from '../kernel/address.ts';
import { hasErrno } from '../kernel/libc.ts';
import { changeToOperational, ensureNoLink, linkByName, linkList, linkSet } from '../kernel/link.ts';
import { neighbourUse } from '../kernel/neighbour.ts';
import { type Netlink, openNetlink } from '../kernel/netlink.ts';
import type { Netns } from '../kernel/netns.ts';
import { routeAdd } from '../kernel/route.ts';
import { disableIpv6, type SysctlPath, sysctlWrite } from '../kernel/sysctl.ts';
import type { Ip } from '../model/address.ts';
import type { NetworkId } from '../model/ids.ts';
import { isKept, linkAddresses, linkIndexOf, linksMax } from './link-addresses.ts';
import { aliasOf, hostEnd, networkOfAlias } from './names.ts';
import { ensurePair, setAddresses } from './pair.ts';

/** The device's name inside of a gateway namespace. */
const outsideDevice = 'outside';

/** A pair that is there, from whichever agent. */
export interface OutsidePair {
  readonly network: NetworkId;
  readonly ifindex: number;
  /** Of its addresses; undefined while it has none. */
  readonly index: number | undefined;
}

/** All pairs of this host, by the mark of their host's end. */
export function outsidePairs(nl: Netlink): OutsidePair[] {
  return linkList(nl).flatMap(({ alias, ifindex }) => {
    const network = networkOfAlias('outside', alias);
    if (!network) return [];
    const index = addressList(nl, ifindex).flatMap((a) => (a.ifindex === ifindex ? (linkIndexOf(a.ip) ?? []) : []))[0];
    return [{ network, ifindex, index }];
  });
}

/** The lowest index that none of these has, and that may be used; undefined when all are in use. */
export function freeIndex(taken: ReadonlySet<number>): number | undefined {
  for (let index = 0; index < linksMax; index++) if (!taken.has(index) && !isKept(index)) return index;
  return undefined;
}

/** Narrow: this device alone forwards, and takes answers for connections from the host's loopback address. */
const hostSettings = (name: string): readonly (readonly [SysctlPath, number])[] => [
  [['ipv4', 'conf', name, 'forwarding'], 1],
  [['ipv4', 'conf', name, 'route_localnet'], 1],
  [['ipv4', 'conf', name, 'accept_redirects'], 0],
  [['ipv4', 'conf', name, 'send_redirects'], 0],
];
const hostSettings6 = (name: string): readonly (readonly [SysctlPath, number])[] => [
  [['ipv6', 'conf', name, 'disable_ipv6'], 0],
  [['ipv6', 'conf', name, 'accept_ra'], 0],
  [['ipv6', 'conf', name, 'accept_dad'], 0],
  [['ipv6', 'conf', name, 'accept_redirects'], 0],
];

/**
 * Makes sure of the pair and of the gateway's end of it. The host's end of a new one has no addresses: nothing passes before
 * the rules are there, and a workload's first packets wait for an answer instead of being told that there is no way.
 * Repeatable. @throws KERNEL
 */
export function ensureOutsidePair(
  nl: Netlink,
  netns: Netns,
  network: NetworkId,
  index: number,
  mtuBytes: number,
): void {
  using inside = openNetlink(netns);
  const name = hostEnd('outside', network);
  const { outer, inner } = ensurePair(nl, inside, { name, mtuBytes, peer: { name: outsideDevice, mtuBytes, netns } });
  if (!outer.up) disableIpv6(undefined, name); // until the rules are there
  const alias = aliasOf('outside', network);
  if (outer.alias !== alias) linkSet(nl, outer.ifindex, { alias });
  if (outer.mtuBytes !== mtuBytes || !outer.up) linkSet(nl, outer.ifindex, { mtuBytes, up: true });
  if (inner.mtuBytes !== mtuBytes || !inner.up) linkSet(inside, inner.ifindex, { mtuBytes, up: true });
  changeToOperational(nl, outer.ifindex);
  changeToOperational(inside, inner.ifindex);
  const { gateway4, gateway6, host4, host6 } = linkAddresses(index);
  setAddresses(inside, inner.ifindex, linkOf(gateway4, gateway6));
  for (const [dst, gateway] of [['0.0.0.0/0', host4], ...(hasIpv6() ? ([['::/0', host6]] as const) : [])] as const)
    try {
      routeAdd(inside, { dst, gateway, oif: inner.ifindex });
    } catch (e) {
      if (!hasErrno(e, 'EEXIST')) throw e;
    }
}

/**
 * Opens the way: the host's end gets its addresses, and makes itself known to what waits. Call it when the rules are there.
 * Repeatable. @throws KERNEL
 */
export function openOutsidePair(nl: Netlink, network: NetworkId, index: number): void {
  const name = hostEnd('outside', network);
  const link = linkByName(nl, name);
  if (!link) return; // it went meanwhile
  for (const [path, value] of [...hostSettings(name), ...(hasIpv6() ? hostSettings6(name) : [])])
    sysctlWrite(undefined, path, value);
  const { gateway4, gateway6, host4, host6 } = linkAddresses(index);
  setAddresses(nl, link.ifindex, linkOf(host4, host6));
  // The question tells the gateway who asks.
  for (const { ip } of linkOf(gateway4, gateway6)) neighbourUse(nl, { ifindex: link.ifindex, ip });
}

const linkOf = (ip4: Ip, ip6: Ip) => [
  { ip: ip4, prefixLength: 31 },
  ...(hasIpv6() ? [{ ip: ip6, prefixLength: 127 }] : []),
];

const hasIpv6 = (): boolean => existsSync('/proc/sys/net/ipv6');

/** Removes the pair; one that is gone already is fine. */
export function removeOutsidePair(nl: Netlink, network: NetworkId): void {
  const link = linkByName(nl, hostEnd('outside', network));
  if (link) ensureNoLink(nl, link.ifindex);
}
