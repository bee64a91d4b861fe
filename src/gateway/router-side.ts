/** What the gateway of a network has of the router that joins it. */
import { RTPROT_HEDDLE } from '../kernel/address.ts';
import type { Netlink } from '../kernel/netlink.ts';
import { routeAdd, routeDelete, routeList } from '../kernel/route.ts';
import { contains, type Ip, parsePrefix, single } from '../model/address.ts';
import type { NetworkItem, RouterItem } from '../model/host-state.ts';

/** A router as one network's gateways know it. */
export interface RouterSide {
  /** Its addresses in other networks: every gateway of it answers for them, but not for those that a peer has under others. */
  readonly addresses: readonly Ip[];
  /** Its routes by next hops in this network: what comes back from outside goes that way. */
  readonly routes: readonly { readonly destination: string; readonly via: Ip }[];
}

/**
 * What the gateway of `network` has of its router, if there is one. Which next hops are in this network is the network's own
 * word, of which its addresses are made too: the kernel takes no route by a next hop that it has no prefix of.
 */
export function routerSide(network: NetworkItem, router: RouterItem | undefined): RouterSide {
  if (!router) return { addresses: [], routes: [] };
  const own = new Set(network.subnets.map((s) => s.gateway));
  const prefixes = network.subnets.filter((s) => s.routed).map((s) => parsePrefix(s.cidr));
  const isHere = (via: Ip): boolean => {
    const at = single(via);
    return prefixes.some((prefix) => contains(prefix, at));
  };
  return {
    addresses: router.subnets.flatMap(({ gateway, peer, as }) =>
      own.has(gateway) || (peer && as !== undefined) ? [] : gateway,
    ),
    routes: router.routes.flatMap(({ destination, via }) => (via && isHere(via) ? { destination, via } : [])),
  };
}

/** Behind all that the kernel makes of addresses. */
const metric = 2000;

/** Exactly these by next hops on a link, each for itself, besides the kernel's own; never a default route: that leads outside. @throws KERNEL */
export function setRoutes(nl: Netlink, oif: number, routes: RouterSide['routes']): void {
  const wanted = new Map(
    routes
      .filter(({ destination }) => !destination.endsWith('/0'))
      .map(({ destination, via }) => [`${destination} ${via}`, { dst: destination, gateway: via, oif, metric }]),
  );
  const have = routeList(nl).filter((r) => r.protocol === RTPROT_HEDDLE && r.oif === oif && r.metric === metric);
  for (const { dst, gateway } of have)
    if (gateway && !wanted.delete(`${dst} ${gateway}`)) routeDelete(nl, { dst, gateway, oif, metric });
  const refused: unknown[] = [];
  for (const route of wanted.values())
    try {
      routeAdd(nl, route);
    } catch (e) {
      refused.push(e);
    }
  if (refused.length > 0) throw refused[0];
}
