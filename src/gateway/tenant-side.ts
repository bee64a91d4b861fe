/** The inside of a gateway namespace and its pair towards the workloads. */
import type { BpfProgram } from '../kernel/bpf.ts';
import { hasErrno } from '../kernel/libc.ts';
import { ensureNoLink, type Link, linkByName, linkSet } from '../kernel/link.ts';
import { type Netlink, openNetlink } from '../kernel/netlink.ts';
import { inNetns, type Netns } from '../kernel/netns.ts';
import { type SysctlPath, sysctlWrite } from '../kernel/sysctl.ts';
import { ensureClsact, ensureFilter } from '../kernel/tc.ts';
import { gatewayMac, type Ip, ipFamily, macBytes, macText, parsePrefix } from '../model/address.ts';
import type { NetworkItem, RouterItem } from '../model/host-state.ts';
import type { NetworkId } from '../model/ids.ts';
import { metadataAddressesOf } from '../model/metadata.ts';
import { aliasOf, hostEnd } from './names.ts';
import { ensurePair, setAddresses } from './pair.ts';
import { type RouterSide, routerSide, setRoutes } from './router-side.ts';

/** The device's name inside of every gateway namespace. */
export const tenantDevice = 'tenant';
/** As that of a port's device: `from_port` is to see frames that are too big. */
const hostEndMtuBytes = 65_535;
/** Of the host's end: nobody addresses it. */
const hostEndMac = macText(macBytes(gatewayMac).with(0, macBytes(gatewayMac)[0]! ^ 0x40));

/** An address of a gateway with its subnet's prefix length. */
export interface GatewayAddress {
  readonly ip: Ip;
  readonly prefixLength: number;
}

/** What a pair must be. */
export interface TenantSide {
  readonly network: NetworkId;
  readonly addresses: readonly GatewayAddress[];
  readonly mtuBytes: number;
  readonly router: RouterSide;
}

/** An address alone, on the loopback device. */
const whole = (ip: Ip): GatewayAddress => ({ ip, prefixLength: ipFamily(ip) === 4 ? 32 : 128 });

/** What every device of the namespace begins with: forwards, asks and answers for itself only, believes no advertisement. */
const defaults: readonly (readonly [SysctlPath, number])[] = [
  [['ipv4', 'ip_forward'], 1],
  ...(['all', 'default'] as const).flatMap((which): (readonly [SysctlPath, number])[] => [
    [['ipv4', 'conf', which, 'rp_filter'], 0],
    [['ipv4', 'conf', which, 'send_redirects'], 0],
    [['ipv4', 'conf', which, 'accept_redirects'], 0],
    [['ipv4', 'conf', which, 'route_localnet'], 0],
  ]),
];
const defaults6: readonly (readonly [SysctlPath, number])[] = [
  [['ipv6', 'conf', 'all', 'forwarding'], 1],
  [['ipv6', 'conf', 'default', 'disable_ipv6'], 0],
  [['ipv6', 'conf', 'default', 'accept_dad'], 0],
  [['ipv6', 'conf', 'default', 'accept_ra'], 0],
  [['ipv6', 'conf', 'default', 'accept_redirects'], 0],
];

/** Sets up a namespace that has just been made: for all devices that it will have. @throws KERNEL */
export function prepareNetns(netns: Netns): void {
  inNetns(netns, () => {
    for (const [path, value] of defaults) sysctlWrite(undefined, path, value);
    try {
      for (const [path, value] of defaults6) sysctlWrite(undefined, path, value);
    } catch (e) {
      if (!hasErrno(e, 'ENOENT')) throw e; // a kernel without IPv6: no subnet of it can work here
    }
  });
  using inside = openNetlink(netns);
  linkSet(inside, linkByName(inside, 'lo')!.ifindex, { up: true });
}

/**
 * Makes sure of the pair: the end inside with the gateway's MAC and addresses, the host's end with the program. Repeatable; a
 * pair that is half made, or whose other end is elsewhere, is made anew. The alias comes last. Costs about 1 ms. @throws KERNEL
 */
export function ensureTenantSide(nl: Netlink, netns: Netns, want: TenantSide, program: BpfProgram): Link {
  using inside = openNetlink(netns);
  const { outer, inner } = ensurePair(nl, inside, {
    name: hostEnd('tenant', want.network),
    mac: hostEndMac,
    mtuBytes: hostEndMtuBytes,
    peer: { name: tenantDevice, mac: gatewayMac, mtuBytes: want.mtuBytes, netns },
  });
  try {
    ensureClsact(nl, outer.ifindex);
    ensureFilter(nl, outer.ifindex, 'ingress', program);
    if (!outer.up) linkSet(nl, outer.ifindex, { up: true, addrGenMode: 'none' });
    if (inner.mtuBytes !== want.mtuBytes || !inner.up)
      linkSet(inside, inner.ifindex, { mtuBytes: want.mtuBytes, up: true });
    const metadata = metadataAddressesOf(want.addresses.map((a) => a.ip));
    setAddresses(inside, inner.ifindex, [...want.addresses, ...metadata.map(whole)]);
    setAddresses(inside, linkByName(inside, 'lo')!.ifindex, want.router.addresses.map(whole));
    const alias = aliasOf('tenant', want.network);
    if (outer.alias !== alias) linkSet(nl, outer.ifindex, { alias });
    return outer;
  } catch (e) {
    ensureNoLink(nl, outer.ifindex);
    throw e;
  }
}

/** The router's routes of a pair that is there; without one of them it is still a gateway. @throws KERNEL */
export function ensureTenantRoutes(netns: Netns, { router }: TenantSide): void {
  using inside = openNetlink(netns);
  setRoutes(inside, linkByName(inside, tenantDevice)!.ifindex, router.routes);
}

/** What a network's gateway must be. */
export class WantedSide {
  readonly side: TenantSide;
  /** The same in the same words, to be compared. */
  readonly text: string;
  readonly #network: NetworkItem;
  readonly #router: RouterItem | undefined;

  constructor(network: NetworkItem, mtuBytes: number, router: RouterItem | undefined) {
    this.#network = network;
    this.#router = router;
    this.side = {
      network: network.id,
      addresses: gatewayAddresses(network),
      mtuBytes,
      router: routerSide(network, router),
    };
    this.text = JSON.stringify(this.side);
  }

  /** It was made of these very items, so it need not be made again: a router may have thousands of routes. */
  isOf(network: NetworkItem, mtuBytes: number, router: RouterItem | undefined): boolean {
    return this.#network === network && this.side.mtuBytes === mtuBytes && this.#router === router;
  }
}

/** A subnet's gateway with the subnet's prefix length. */
const gatewayAddresses = (network: NetworkItem): GatewayAddress[] =>
  network.subnets.flatMap(({ cidr, gateway }) =>
    gateway ? [{ ip: gateway, prefixLength: parsePrefix(cidr).length }] : [],
  );
