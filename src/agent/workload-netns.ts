import { newAddress } from '../kernel/address.ts';
import { changeToOperational, linkChange } from '../kernel/link.ts';
import { openNetlink } from '../kernel/netlink.ts';
import { linkNames, type Netns } from '../kernel/netns.ts';
import { leadsByMain, newRoute, routeList } from '../kernel/route.ts';
import { disableIpv6, sysctlWrite } from '../kernel/sysctl.ts';
import { type Ip, ipFamily, parsePrefix, prefixHas } from '../model/address.ts';
import { HeddleError } from '../model/errors.ts';
import type { NetworkItem, PortItem } from '../model/host-state.ts';

/**
 * The kernel would take `%d` for a pattern. Without a namespace: it is yet to be made.
 * @throws IFNAME_INVALID; IFNAME_TAKEN if the namespace has an interface of that name
 */
export function parseIfname(ifname: string, netns: Netns | undefined): string {
  if (!/^[^\s/:%]{1,15}$/.test(ifname) || ifname === '.' || ifname === '..')
    throw new HeddleError('IFNAME_INVALID', { ifname: ifname.slice(0, 40) });
  if (!netns) return ifname;
  if (linkNames(netns).has(ifname)) throw new HeddleError('IFNAME_TAKEN', { ifname, netns: netns.path });
  return ifname;
}

/** The first of `stem`0, `stem`1, … that the namespace does not have and nobody is about to make there. */
export function freeIfname(netns: Netns | undefined, stem: string, reserved: ReadonlySet<string>): string {
  const taken = netns ? linkNames(netns) : new Set();
  for (let n = 0; ; n++) if (!taken.has(`${stem}${n}`) && !reserved.has(`${stem}${n}`)) return `${stem}${n}`;
}

/** Every namespace's loopback device (net/core/dev.c requires it). */
const loopback = 1;

/** What the workload's end is to be set up with. */
export interface WorkloadConfig {
  readonly ifname: string;
  readonly ifindex: number;
  readonly port: PortItem;
  readonly network: NetworkItem;
  /** A route there by way of the gateway. */
  readonly routes: readonly { readonly dst: string; readonly gateway: Ip }[];
}

/**
 * Sets up the workload's end: loopback up, addresses (no duplicate detection: the controller gave them once), link-local
 * from the MAC if the port has IPv6 and no IPv6 at all if not, device up, routes, of which a default one gives way to one
 * that the namespace has.
 */
export function configureWorkload(netns: Netns, { ifname, ifindex, port, network, routes }: WorkloadConfig): void {
  configureIpv6(
    netns,
    ifname,
    port.addresses.some((ip) => ipFamily(ip) === 6),
  );
  using nl = openNetlink(netns);
  const isDefault = (dst: string): boolean => dst.endsWith('/0');
  const have = routes.some(({ dst }) => isDefault(dst)) ? routeList(nl).filter(leadsByMain) : [];
  changeToOperational(nl, ifindex, [
    linkChange(loopback, { up: true }),
    ...port.addresses.map((ip) =>
      newAddress({ ifindex, ip, prefixLength: prefixLength(ip, network) }, { nodad: true }),
    ),
    linkChange(ifindex, { up: true }),
  ]);
  const missing = routes.filter(({ dst }) => !isDefault(dst) || !have.some((r) => r.dst === dst));
  nl.batch(missing.map(({ dst, gateway }) => newRoute({ dst, gateway, oif: ifindex })));
}

/** A default route for each family in which the port's subnet has a gateway. */
export const defaultRoutes = (port: PortItem, network: NetworkItem): WorkloadConfig['routes'] =>
  gatewaysOf(port, network).map((gateway) => ({ dst: ipFamily(gateway) === 4 ? '0.0.0.0/0' : '::/0', gateway }));

/**
 * With IPv6, also where it is off (as in containers): no duplicate address detection (the controller gives an address once), no
 * waiting for router advertisements. Without: none at all.
 */
function configureIpv6(netns: Netns, ifname: string, wanted: boolean): void {
  if (!wanted) return disableIpv6(netns, ifname);
  for (const name of ['accept_dad', 'accept_ra', 'disable_ipv6']) sysctlWrite(netns, ['ipv6', 'conf', ifname, name], 0);
}

/** The subnet that one of a port's addresses is in. */
export const subnetOf = (ip: Ip, network: NetworkItem) =>
  network.subnets.find((s) => prefixHas(parsePrefix(s.cidr), ip));

/** Of the address's subnet; of the whole address if that is gone. */
export function prefixLength(ip: Ip, network: NetworkItem): number {
  const subnet = subnetOf(ip, network);
  return subnet ? parsePrefix(subnet.cidr).length : ipFamily(ip) === 4 ? 32 : 128;
}

/** The gateways of the port's subnets, at most one of a family. */
export function gatewaysOf(port: PortItem, network: NetworkItem): Ip[] {
  const byFamily = new Map<4 | 6, Ip>();
  for (const ip of port.addresses) {
    const gateway = subnetOf(ip, network)?.gateway;
    if (gateway && !byFamily.has(ipFamily(gateway))) byFamily.set(ipFamily(gateway), gateway);
  }
  return [...byFamily.values()];
}
