import { isDeepStrictEqual } from 'node:util';
import { ipFamily } from '../model/address.ts';
import { HeddleError } from '../model/errors.ts';
import { limits } from '../model/fields.ts';
import type { AddressId, PortId, TenantId } from '../model/ids.ts';
import { exhausted, families, freeAddresses, wantedAddress } from './addresses.ts';
import { Draft } from './draft.ts';
import { claims, objectKey } from './keys.ts';
import type { AddressRecord, NetworkRecord } from './records.ts';
import { freeName, must, type RuleContext, type Rules } from './rules.ts';
import type { World } from './world.ts';

/** An address that ports share is claimed as one of a port is, once, whoever of them has it. */
export const addressRules: Rules<'address'> = {
  create(ctx, scope, { name, network: ref, address, ports, holder, heardMs, labels = {} }) {
    const { world, now, newId } = ctx;
    must(world, 'tenant', '-', scope);
    const network = must(world, 'network', scope, ref).record;
    freeName(world, 'address', scope, name);
    const ip = address === undefined ? lowestFree(ctx, network) : wantedAddress(world, network, address);
    const subnet = world.subnet.get(world.subnetOf(network.id, ip)!)!.record;
    const id = newId<AddressId>();
    const draft = new Draft()
      .require(objectKey('network', network))
      .require(objectKey('subnet', subnet))
      .claim(claims.ip(subnet.id, ip), id);
    const bare: AddressRecord = {
      id,
      name,
      createdAt: now().toISOString(),
      labels,
      tenant: scope as TenantId,
      network: network.id,
      address: ip,
      ports,
    };
    withinLimits(world, bare);
    const record = withHolder(world, draft, { ...bare, ...(holder && heard(ctx, heardMs)) }, holder);
    return { record, draft: draft.create('address', record) };
  },

  update(ctx, have, { name, ports, holder, heardMs, labels = {} }) {
    const { world } = ctx;
    const { holder: before, ...rest } = have.record;
    freeName(world, 'address', rest.tenant, name, rest.id);
    const next: AddressRecord = { ...rest, name, ports, labels };
    withinPortLimits(world, next, have.record.ports);
    const draft = new Draft();
    // Who had it and is gone, or may not have it any more, has it no longer.
    const had = { ...next, ...(before && { holder: before }) };
    const named = holder ? (world.find('port', rest.tenant, holder)?.record.id ?? holder) : undefined;
    const isSaid = heardMs !== undefined || named !== before;
    const at = heard(ctx, heardMs);
    // A word may be late: its host, or this controller, was away.
    const record =
      isSaid && (heardMs === undefined || isNews(ctx, rest, at, named === before))
        ? withHolder(world, draft, { ...next, ...at }, holder)
        : withHolder(world, draft, next, holderOf(world, had));
    if (isDeepStrictEqual(record, have.record)) return have;
    return { record, draft: draft.update(have, record) };
  },

  remove({ world }, have) {
    const { network, address } = have.record;
    return new Draft().remove(have).release(claims.ip(world.subnetOf(network, address)!, address));
  },

  input: ({ name, network, address, ports, holder, labels }) => ({
    name,
    network,
    address,
    ports: [...ports],
    ...(holder && { holder }),
    labels: { ...labels },
  }),
};

/** When that was. */
const heard = ({ now }: RuleContext, agoMs = 0): { heldAt: string } => ({
  heldAt: new Date(now().getTime() - agoMs).toISOString(),
});

/** Later than what was said last; of who has it already, by so much that it is worth a write. */
function isNews(
  { now }: RuleContext,
  { heldAt }: Pick<AddressRecord, 'heldAt'>,
  at: { heldAt: string },
  isSame: boolean,
): boolean {
  const last = heldAt === undefined ? Number.NEGATIVE_INFINITY : Date.parse(heldAt);
  // Some controller's clock was wrong: nobody would get it until then.
  if (last > now().getTime() + CLOCKS_MS) return true;
  return Date.parse(at.heldAt) - last >= (isSame ? REPEAT_MS : 0);
}
/** Clocks of controllers are together within that. */
const CLOCKS_MS = 60_000;
const REPEAT_MS = 1_000;

/** The port that has it: the one that had it last, if it is there and may still. */
export function holderOf(world: World, { holder, network, ports }: AddressRecord): PortId | undefined {
  const port = world.port.get(holder ?? '')?.record;
  return port?.network === network && ports.includes(port.name) ? port.id : undefined;
}

/** @throws NOT_FOUND; INVALID for a port that may not have it */
function withHolder(
  world: World,
  draft: Draft,
  { network, tenant, ports, address, ...rest }: AddressRecord,
  ref: string | null | undefined,
): AddressRecord {
  const record = { ...rest, network, tenant, ports, address };
  if (!ref) return record;
  const port = must(world, 'port', tenant, ref).record;
  const bad = (problem: string) => new HeddleError('INVALID', { field: 'holder', problem });
  if (port.network !== network) throw bad(`port ${port.name} is in another network`);
  if (!ports.includes(port.name)) throw bad(`port ${port.name} is not among those that may have it`);
  if (port.behind || port.segment) throw bad(`port ${port.name} has no interface of its own`);
  // The datapath asks first whether a port has the protocol at all.
  if (!port.addresses.some((ip) => ipFamily(ip) === ipFamily(address)))
    throw bad(`port ${port.name} has no IPv${ipFamily(address)} address of its own`);
  draft.require(objectKey('port', port));
  return { ...record, holder: port.id };
}

/** IPv4 if the network has any. @throws ADDRESS_POOL_EXHAUSTED, INVALID */
function lowestFree(ctx: RuleContext, network: NetworkRecord) {
  const [family] = [...families(ctx.world, network.id)].sort(([a], [b]) => a - b);
  if (!family) throw new HeddleError('INVALID', { field: 'network', problem: `${network.name} has no subnet` });
  const [free] = freeAddresses(ctx, family[1]);
  if (!free) throw exhausted(ctx.world, network, ipFamily(family[1][0]!.cidr), family[1], undefined);
  return free;
}

/** @throws SHARED_LIMIT */
function withinLimits(world: World, address: AddressRecord): void {
  if ([...world.addressesOfNetwork.of(address.network)].length >= limits.sharedPerNetwork)
    throw new HeddleError('SHARED_LIMIT', { of: 'a network', limit: limits.sharedPerNetwork });
  withinPortLimits(world, address, []);
}

/** Those that may have it already do not count: what other controllers made at once is one too many, and moves all the same. */
function withinPortLimits(world: World, { id, network, ports }: AddressRecord, already: readonly string[]): void {
  const others = [...world.addressesOfNetwork.of(network)].filter((other) => other !== id);
  for (const port of ports.filter((name) => !already.includes(name))) {
    const count = others.filter((other) => world.address.get(other)!.record.ports.includes(port)).length;
    if (count >= limits.sharedPerPort)
      throw new HeddleError('SHARED_LIMIT', { of: `port ${port}`, limit: limits.sharedPerPort });
  }
}
