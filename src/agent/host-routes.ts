/** What the host as a port reaches by its interface, without taking anything from the routes that it has. */
import { linkList } from '../kernel/link.ts';
import { openNetlink } from '../kernel/netlink.ts';
import type { Netns } from '../kernel/netns.ts';
import { type Route, routeList } from '../kernel/route.ts';
import { type Interval, type Ip, ipFamily, ipNumber, overlap } from '../model/address.ts';
import { HeddleError } from '../model/errors.ts';
import type { NetworkItem, PortItem } from '../model/host-state.ts';
import type { HostAttachment } from '../model/local-api.ts';
import type { DeviceWant } from './workload-end.ts';
import { gatewaysOf, subnetOf, type WorkloadConfig } from './workload-netns.ts';

/** Routes of the attachment beyond its port's subnets. @throws INVALID if no subnet of a route's family has a gateway */
export function routesBeyond(
  { routes }: HostAttachment,
  port: PortItem,
  network: NetworkItem,
): WorkloadConfig['routes'] {
  const gateways = gatewaysOf(port, network);
  return routes.map((dst) => {
    const gateway = gateways.find((ip) => ipFamily(ip) === ipFamily(dst));
    if (gateway) return { dst, gateway };
    const problem = `${dst} has no way: the port is in no IPv${ipFamily(dst)} subnet with a gateway`;
    throw new HeddleError('INVALID', { field: 'routes', problem });
  });
}

/** `own`: where the interface is to be. @throws HOST_ROUTE_TAKEN if the host reaches any of what the port is to reach, or the underlay there, by another way already */
export function refuseCollision(
  own: Netns,
  { attachment, port, network }: DeviceWant<HostAttachment>,
  underlay: readonly Ip[],
): void {
  const wanted = [...port.addresses.flatMap((ip) => subnetOf(ip, network)?.cidr ?? []), ...attachment.routes];
  using nl = openNetlink(own);
  // By a default route, perhaps.
  const others = underlay.map((ip) => ({ dst: `${ip}/${ipFamily(ip) === 4 ? 32 : 128}`, type: 1 }));
  const found = collision(wanted, [...routeList(nl), ...others]);
  if (!found) return;
  const device = linkList(nl).find(({ ifindex }) => ifindex === found.route.oif)?.name ?? 'the underlay';
  throw new HeddleError('HOST_ROUTE_TAKEN', { prefix: found.prefix, route: found.route.dst, device });
}

/** Shorter prefixes are ways outside, as default routes are: no subnet is so large. */
export const shortest = 8;
/** RTN_UNICAST, RTN_LOCAL, RTN_BROADCAST: those that lead somewhere; what refuses is meant for what nobody has. */
const leading: readonly number[] = [1, 2, 3];

/** A prefix that one of the host's own routes or addresses overlaps, and which. */
export function collision(
  wanted: readonly string[],
  routes: readonly Pick<Route, 'dst' | 'type' | 'oif'>[],
): { prefix: string; route: Pick<Route, 'dst' | 'oif'> } | undefined {
  const own = routes.filter(({ dst, type }) => leading.includes(type) && Number(dst.split('/')[1]) >= shortest);
  for (const prefix of wanted) {
    const route = own.find(({ dst }) => overlap(addressesOf(dst), addressesOf(prefix)));
    if (route) return { prefix, route };
  }
  return undefined;
}

function addressesOf(prefix: string): Interval {
  const [ip = '', length] = prefix.split('/');
  const family = ipFamily(ip);
  const size = 1n << BigInt((family === 4 ? 32 : 128) - Number(length));
  const first = ipNumber(ip as Ip);
  return { family, first, last: first + size - 1n };
}
