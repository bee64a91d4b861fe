/** The addresses of a port: which it may have, and how it claims them. */
import { type Ip, type Mac, parseIp, parseMac } from '../model/address.ts';
import { HeddleError } from '../model/errors.ts';
import type { PortInput } from '../model/kinds.ts';
import { exhausted, families, freeAddresses, wantedAddress } from './addresses.ts';
import type { Draft } from './draft.ts';
import { claims, objectKey } from './keys.ts';
import { takeOver } from './lease-draft.ts';
import type { NetworkRecord, PortRecord, Stored } from './records.ts';
import { must, type RuleContext } from './rules.ts';
import type { World } from './world.ts';

/** What the lease of a port's host holds in its network: the port may have it without asking. */
interface Held {
  readonly lease: Stored<'lease'> | undefined;
  readonly macs: ReadonlyMap<Ip, Mac>;
}
export function heldAt(world: World, network: string, host: string | undefined): Held {
  const lease = host === undefined ? undefined : world.lease.get(world.leaseOf(network, host) ?? '');
  return { lease, macs: new Map(lease?.record.addresses.map(({ ip, mac }) => [ip, mac])) };
}

/** Those that are asked for a new port, else one of each family. A segment has none. @throws the codes of a wanted address */
export function addressesOf(
  ctx: RuleContext,
  network: NetworkRecord,
  { addresses, segment, mac }: PortInput,
  held: Held,
): Ip[] {
  if (segment && addresses?.length)
    throw new HeddleError('INVALID', { field: 'addresses', problem: 'a segment has none' });
  if (segment) return [];
  return addresses
    ? wanted(ctx.world, network, addresses, held, [])
    : oneOfEach(ctx, network, mac === undefined ? undefined : parseMac(mac));
}

/** @throws INVALID for the same twice, ADDRESS_INVALID, ADDRESS_OUTSIDE, ADDRESS_RESERVED, ADDRESS_TAKEN */
function wanted(world: World, network: NetworkRecord, texts: readonly string[], held: Held, own: readonly Ip[]): Ip[] {
  const addresses = texts
    .map(parseIp)
    .map((ip) => (held.macs.has(ip) || own.includes(ip) ? ip : wantedAddress(world, network, ip)));
  if (new Set(addresses).size < addresses.length)
    throw new HeddleError('INVALID', { field: 'addresses', problem: 'the same address twice' });
  return addresses;
}

/** One address of each family that the network has. What a host holds is its own to give, also to itself. @throws ADDRESS_POOL_EXHAUSTED, ADDRESS_TAKEN */
function oneOfEach(ctx: RuleContext, network: NetworkRecord, mac: Mac | undefined): Ip[] {
  return [...families(ctx.world, network.id)].map(([family, subnets]) => {
    const [free] = freeAddresses(ctx, subnets, mac);
    if (!free) throw exhausted(ctx.world, network, family, subnets, undefined);
    return free;
  });
}

/** Addresses come to a port, from its host's lease if that holds them. */
export function claimAddresses(
  world: World,
  draft: Draft,
  { id, network, mac }: PortRecord,
  addresses: readonly Ip[],
  { lease, macs }: Held,
): void {
  for (const ip of addresses) {
    const subnet = world.subnetOf(network, ip)!;
    draft.require(objectKey('subnet', world.subnet.get(subnet)!.record));
    if (!macs.has(ip)) draft.claim(claims.ip(subnet, ip), id);
  }
  if (lease) takeOver(world, draft, lease, { id, addresses, mac });
}

/**
 * The addresses that a port is to have from now on: a machine behind a segment says itself which it has.
 * @throws IMMUTABLE for any other port, and the codes of a wanted address
 */
export function nextAddresses(
  world: World,
  draft: Draft,
  { record }: Stored<'port'>,
  texts: readonly string[] = [],
): readonly Ip[] {
  const { addresses: before, network, behind, tenant } = record;
  const asked = new Set(texts.map(parseIp));
  if (asked.size === texts.length && asked.symmetricDifference(new Set(before)).size === 0) return before;
  const parent = world.port.get(behind ?? '')?.record;
  if (!parent?.segment) throw new HeddleError('IMMUTABLE', { kind: 'port', field: 'addresses' });
  const held = heldAt(world, network, parent.host);
  const after = wanted(world, must(world, 'network', tenant, network).record, texts, held, before);
  for (const ip of before) if (!after.includes(ip)) draft.release(claims.ip(world.subnetOf(network, ip)!, ip));
  const come = after.filter((ip) => !before.includes(ip));
  claimAddresses(world, draft, record, come, held);
  return after;
}
