/** Which addresses and MACs a port or lease may have: those asked for, and those found free. */
import { createHash } from 'node:crypto';
import {
  gatewayMac,
  type Ip,
  ipFamily,
  ipNumber,
  type Mac,
  macText,
  parseIp,
  parseMac,
  slaacAddress,
} from '../model/address.ts';
import { type Code, HeddleError, hasCode } from '../model/errors.ts';
import { isSlaac } from '../model/subnet-dhcp.ts';
import { claims } from './keys.ts';
import type { LeaseRecord, NetworkRecord, SubnetRecord } from './records.ts';
import { reserved } from './reserved.ts';
import type { RuleContext } from './rules.ts';
import { freeSlaac, slaacMac } from './slaac.ts';
import type { World } from './world.ts';

/** An address and the MAC that goes with it. */
export type Held = LeaseRecord['addresses'][number];

/** A refusal that would be none if these leases gave back what they hold unused. */
export class Withheld<C extends Code = Code> extends HeddleError<C> {
  readonly leases: readonly string[];
  constructor(code: C, details: HeddleError<C>['details'], leases: readonly string[]) {
    super(code, details);
    this.leases = leases;
  }
}

/** One refusal of several things: Withheld if that is so of each of them, for nothing is given back in vain. */
export function refusedTogether<C extends Code>(
  code: C,
  details: HeddleError<C>['details'],
  refusals: readonly HeddleError[],
): HeddleError<C> {
  const leases = refusals.map((e) => (e instanceof Withheld ? e.leases : []));
  return leases.every(({ length }) => length > 0)
    ? new Withheld(code, details, [...new Set(leases.flat())])
    : new HeddleError(code, details);
}

/**
 * An address that a client named.
 * @throws ADDRESS_INVALID, ADDRESS_OUTSIDE, ADDRESS_RESERVED, ADDRESS_TAKEN
 */
export function wantedAddress(world: World, network: NetworkRecord, text: string): Ip {
  const ip = parseIp(text);
  const subnet = world.subnet.get(world.subnetOf(network.id, ip) ?? '');
  if (!subnet) throw new HeddleError('ADDRESS_OUTSIDE', { address: ip, network: network.name });
  const use = world.use(subnet.record.id);
  const why = reserved(use.prefix, subnet.record.gateway).get(ipNumber(ip));
  if (why) throw new HeddleError('ADDRESS_RESERVED', { address: ip, why });
  const port = world.port.get(use.ownerOf('port', ipNumber(ip)) ?? '');
  if (port) throw new HeddleError('ADDRESS_TAKEN', { address: ip, port: port.record.name });
  const shared = world.address.get(use.ownerOf('address', ipNumber(ip)) ?? '');
  if (shared) throw new HeddleError('ADDRESS_TAKEN', { address: ip, shared: shared.record.name });
  const lease = world.lease.get(use.ownerOf('lease', ipNumber(ip)) ?? '');
  if (lease)
    throw new Withheld('ADDRESS_TAKEN', { address: ip, host: hostName(world, lease.record.host) }, [lease.record.id]);
  return ip;
}

/** The families that a network has subnets of, each with those subnets, the oldest first. */
export function families(world: World, network: string): Map<4 | 6, SubnetRecord[]> {
  const subnets = [...world.subnetsOfNetwork.of(network)].sort().map((id) => world.subnet.get(id)!.record);
  return Map.groupBy(subnets, (s) => ipFamily(s.cidr));
}

/**
 * Free addresses of some subnets, the lowest of the oldest subnet first; where they are made of MACs, any. `mac`: that of who
 * is to have one, the first. @throws ADDRESS_TAKEN, ADDRESS_RESERVED if all that there is for that MAC is somebody's
 */
export function* freeAddresses(ctx: RuleContext, subnets: readonly SubnetRecord[], mac?: Mac): Generator<Ip> {
  const { world, pending } = ctx;
  let refused: HeddleError | undefined;
  for (const subnet of subnets) {
    const { id, pools, gateway, network } = subnet;
    const use = world.use(id);
    if (!isSlaac(subnet))
      yield* use.free(intervals(pools), reserved(use.prefix, gateway), (a) => pending(claims.ip(id, a)));
    else if (mac === undefined) yield* freeSlaac(ctx, subnet);
    else {
      const own = refusable(() =>
        wantedAddress(world, world.network.get(network)!.record, slaacAddress(use.prefix, mac)),
      );
      if (own instanceof HeddleError) refused ??= own;
      else yield own;
    }
  }
  if (refused) throw refused;
}

/** An address, or why it is somebody's. */
function refusable(address: () => Ip): Ip | HeddleError {
  try {
    return address();
  } catch (e) {
    if (hasCode(e, 'ADDRESS_TAKEN') || hasCode(e, 'ADDRESS_RESERVED')) return e;
    throw e;
  }
}

const intervals = (pools: SubnetRecord['pools']) =>
  pools.map(({ first, last }) => ({ first: ipNumber(first), last: ipNumber(last) }));

/** True if the address is one of those that are given to ports by themselves. */
export function inPools(world: World, network: string, ip: Ip): boolean {
  const subnet = world.subnet.get(world.subnetOf(network, ip) ?? '');
  const n = ipNumber(ip);
  return subnet !== undefined && intervals(subnet.record.pools).some((p) => p.first <= n && n <= p.last);
}

/** No address of a family is free; `own` is a lease that asks for more, and so has none to give back. */
export function exhausted(
  world: World,
  network: NetworkRecord,
  family: 4 | 6,
  subnets: readonly SubnetRecord[],
  own: string | undefined,
): HeddleError {
  const held = new Map<string, number>();
  for (const { id } of subnets)
    for (const [lease, n] of world.use(id).leases()) held.set(lease, (held.get(lease) ?? 0) + n);
  const details = {
    tenant: world.tenant.get(network.tenant)?.record.name ?? network.tenant,
    network: network.name,
    family,
    subnets: subnets.map(({ id, name, cidr, pools }) => ({
      name,
      cidr,
      pools: pools.map((p) => `${p.first}-${p.last}`),
      ports: world.use(id).count('port'),
      held: world.use(id).count('lease'),
    })),
    hosts: [...held].map(([lease, n]) => ({ host: hostName(world, world.lease.get(lease)!.record.host), held: n })),
  };
  const others = [...held.keys()].filter((id) => id !== own);
  return new Withheld('ADDRESS_POOL_EXHAUSTED', details, others);
}

const hostName = (world: World, id: string): string => world.host.get(id)?.record.name ?? id;

/**
 * A MAC that a client named; `own` are those that it may take over.
 * @throws MAC_INVALID, MAC_RESERVED, MAC_TAKEN
 */
export function wantedMac(world: World, network: string, text: string, own: readonly Mac[]): Mac {
  const mac = parseMac(text);
  if (mac === gatewayMac) throw new HeddleError('MAC_RESERVED', { mac });
  const owner = own.includes(mac) ? '' : (world.ownerOfMac(network, mac) ?? '');
  const port = world.port.get(owner);
  if (port) throw new HeddleError('MAC_TAKEN', { mac, port: port.record.name });
  const lease = world.lease.get(owner);
  if (lease) throw new HeddleError('MAC_TAKEN', { mac, host: hostName(world, lease.record.host) });
  return mac;
}

/**
 * The MAC of an address: locally administered, unicast (IEEE 802 §8.4.2): 02 and five bytes of a hash of network and
 * address, so that an address given to another port keeps its MAC, and with it what the neighbours remember.
 */
export const derivedMac = (network: string, address: Ip): Mac =>
  macText([0x02, ...createHash('sha256').update(`${network} ${address}`).digest().subarray(0, 5)]);

/** The MAC of an address; random if there is no address, or that MAC is taken. `own`: one that the caller has and gives up. */
export function freeMac(
  { world, pending, randomBytes }: RuleContext,
  network: string,
  address: Ip | undefined,
  own?: Mac,
): Mac {
  const random = () => macText([0x02, ...randomBytes(5)]);
  for (let mac = address ? derivedMac(network, address) : random(); ; mac = random()) {
    const taken = mac !== own && (world.ownerOfMac(network, mac) !== undefined || pending(claims.mac(network, mac)));
    if (!taken && mac !== gatewayMac) return mac;
  }
}

/**
 * The MAC of who gets these addresses: the one that an address is made of, else that of the first. `held`: MACs that go with
 * some of them already. @throws MAC_TAKEN, MAC_RESERVED
 */
export function macOf(
  ctx: RuleContext,
  network: string,
  addresses: readonly Ip[],
  held: ReadonlyMap<Ip, Mac> = new Map(),
): Mac {
  const [made] = addresses.flatMap((ip) => slaacMac(ctx.world, network, ip) ?? []);
  if (made === undefined) return held.get(addresses[0]!) ?? freeMac(ctx, network, addresses[0]);
  const own = addresses.flatMap((ip) => held.get(ip) ?? []);
  return wantedMac(ctx.world, network, made, own);
}
