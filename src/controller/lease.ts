/**
 * A lease: the addresses of one network that one host holds unused. Each is claimed by the very key by which a port would
 * claim it, so that nobody else gets it; the host gives them to its ports without asking.
 */
import { isDeepStrictEqual } from 'node:util';
import { ipFamily, parseIp } from '../model/address.ts';
import { HeddleError } from '../model/errors.ts';
import { type LeaseId, namePattern, type TenantId } from '../model/ids.ts';
import { exhausted, families, freeAddresses, type Held, wantedAddress } from './addresses.ts';
import { Draft } from './draft.ts';
import { claims, objectKey } from './keys.ts';
import { hold, letGo } from './lease-draft.ts';
import type { LeaseRecord, NetworkRecord, Stored } from './records.ts';
import { freeName, must, type RuleContext, type Rules } from './rules.ts';
import type { World } from './world.ts';

export const leaseRules: Rules<'lease'> = {
  create(ctx, scope, { name, network: networkRef, host: hostRef, size, addresses = [], labels = {} }) {
    const { world, now, newId } = ctx;
    must(world, 'tenant', '-', scope);
    const network = must(world, 'network', scope, networkRef).record;
    const host = must(world, 'host', '-', hostRef).record;
    const have = world.lease.get(world.leaseOf(network.id, host.id) ?? '');
    if (have) return again(ctx, have, { name, size, addresses });
    const id = newId<LeaseId>();
    const empty: LeaseRecord = {
      id,
      name: name === undefined ? ownName(world, scope, `${network.name}-${host.name}`, id) : name,
      createdAt: now().toISOString(),
      labels,
      tenant: scope as TenantId,
      network: network.id,
      host: host.id,
      size,
      addresses: [],
    };
    freeName(world, 'lease', scope, empty.name);
    const draft = new Draft()
      .require(objectKey('network', network))
      .require(objectKey('host', host))
      .claim(claims.lease(network.id, host.id), id)
      .claim(claims.bound(host.id, id), id);
    const record = filled(ctx, draft, network, empty, addresses, addresses.length === 0);
    return { record, draft: draft.create('lease', record) };
  },

  update(ctx, have, { size, addresses = [], labels = {} }) {
    const network = must(ctx.world, 'network', have.record.tenant, have.record.network).record;
    const draft = new Draft();
    const { addresses: same, labels: sameLabels } = leaseRules.input(have.record);
    const growsOnly = isDeepStrictEqual([addresses, labels], [same, sameLabels]);
    const record = filled(ctx, draft, network, { ...have.record, size, labels }, addresses, growsOnly);
    if (isDeepStrictEqual(record, have.record)) return have;
    return { record, draft: draft.update(have, record) };
  },

  remove({ world }, have) {
    return removeLease(world, new Draft(), have);
  },

  input: ({ name, network, host, size, addresses, labels }) => ({
    name,
    network,
    host,
    size,
    addresses: addresses.map(({ ip }) => ip),
    labels: { ...labels },
  }),
};

/** A create of what is there brings it to what is asked; nothing is taken from it. @throws ID_TAKEN */
function again(
  ctx: RuleContext,
  have: Stored<'lease'>,
  { name, size, addresses }: { name: string | undefined; size: number; addresses: readonly string[] },
) {
  const { record } = have;
  if (name !== undefined && name !== record.name) throw new HeddleError('ID_TAKEN', { kind: 'lease', id: record.id });
  const kept = [...new Set([...record.addresses.map(({ ip }) => ip), ...addresses.map(parseIp)])];
  const { labels } = record;
  const made = leaseRules.update(ctx, have, { ...leaseRules.input(record), size, addresses: kept, labels });
  return 'draft' in made ? { ...made, have } : made;
}

/** The lease and all its claims, as a part of a write. */
export function removeLease(world: World, draft: Draft, have: Stored<'lease'>): Draft {
  const { id, network, host, addresses } = have.record;
  letGo(world, draft, network, addresses);
  return draft.remove(have).release(claims.lease(network, host)).release(claims.bound(host, id));
}

/**
 * The lease with exactly these addresses, and then as many free ones as there are, up to its size in each family.
 * @param growsOnly nothing else is asked: then it is refused if a family that is to grow gets nothing
 * @throws ADDRESS_POOL_EXHAUSTED, and the codes of a wanted address
 */
function filled(
  ctx: RuleContext,
  draft: Draft,
  network: NetworkRecord,
  lease: LeaseRecord,
  texts: readonly string[],
  growsOnly: boolean,
): LeaseRecord {
  const { world } = ctx;
  const wanted = texts.map(parseIp);
  if (new Set(wanted).size < wanted.length)
    throw new HeddleError('INVALID', { field: 'addresses', problem: 'the same address twice' });
  const had = new Map(lease.addresses.map((held) => [held.ip, held]));
  const fresh = new Set(wanted.filter((ip) => !had.has(ip)).map((ip) => wantedAddress(world, network, ip)));
  const addresses: Held[] = wanted.map((ip) => had.get(ip) ?? hold(ctx, draft, lease, ip));
  letGo(
    world,
    draft,
    network.id,
    lease.addresses.filter(({ ip }) => !wanted.includes(ip)),
  );
  for (const [family, subnets] of families(world, network.id)) {
    const before = wanted.filter((ip) => ipFamily(ip) === family).length;
    let count = before;
    if (count < lease.size)
      for (const ip of freeAddresses(ctx, subnets)) {
        if (!fresh.has(ip)) {
          addresses.push(hold(ctx, draft, lease, ip));
          count++;
        }
        if (count === lease.size) break;
      }
    if (growsOnly && count < lease.size && count === before) throw exhausted(world, network, family, subnets, lease.id);
  }
  return { ...lease, addresses };
}

/** "web-h1" if that is a name and free, else one of the id. */
function ownName(world: World, scope: string, name: string, id: string): string {
  const fits = new RegExp(namePattern).test(name) && !world.find('lease', scope, name);
  return fits ? name : `l-${id.slice(-12)}`;
}
