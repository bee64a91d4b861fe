import {
  type Ip,
  ipNumber,
  ipOfNumber,
  overlap,
  type Prefix,
  parseIp,
  parsePrefix,
  prefixHas,
} from '../model/address.ts';
import { HeddleError } from '../model/errors.ts';
import type { SubnetId, TenantId } from '../model/ids.ts';
import type { SubnetInput } from '../model/kinds.ts';
import { isSlaac, type SubnetDhcp } from '../model/subnet-dhcp.ts';
import { Draft } from './draft.ts';
import { claims, objectKey, prefixesKey } from './keys.ts';
import { letGo } from './lease-draft.ts';
import type { SubnetRecord } from './records.ts';
import { reserved, usable } from './reserved.ts';
import { reachPrefix } from './router-peers.ts';
import { freeName, must, type Rules, unused } from './rules.ts';
import { parseDhcp } from './subnet-dhcp.ts';
import type { World } from './world.ts';

export const subnetRules: Rules<'subnet'> = {
  create({ world, now, newId }, scope, { name, network: ref, cidr, gateway, pools, dhcp, labels = {} }) {
    must(world, 'tenant', '-', scope);
    const network = must(world, 'network', scope, ref);
    freeName(world, 'subnet', scope, name);
    const prefix = parsePrefix(cidr);
    noOverlap(world, network.record.id, prefix);
    const router = world.router.get(world.views.routerOf(network.record.id) ?? '');
    if (router) apart(world, network.record.id, prefix, router.record.subnets);
    const via = gateway === null ? undefined : parseGateway(prefix, gateway, network.record.name);
    const record: SubnetRecord = {
      id: newId<SubnetId>(),
      name,
      createdAt: now().toISOString(),
      labels,
      tenant: scope as TenantId,
      network: network.record.id,
      cidr: prefix.cidr,
      ...(via ? { gateway: via } : {}),
      pools: parsePools(prefix, pools, dhcp),
      ...(dhcp && { dhcp: parseDhcp(prefix, via, dhcp) }),
    };
    const key = prefixesKey(network.record.id);
    const draft = new Draft()
      .require(objectKey('network', network.record))
      .samePrefixes(world, network.record.id)
      .put(key, record.cidr)
      .create('subnet', record);
    if (router) {
      draft.unchanged(objectKey('router', router.record), router.revision);
      reachPrefix(world, draft, router.record, prefix);
    } else draft.empty(claims.routed(network.record.id, ''));
    return { record, draft };
  },
  update({ world }, have, { name, pools, dhcp, labels = {} }) {
    freeName(world, 'subnet', have.record.tenant, name, have.record.id);
    const { dhcp: _, ...rest } = have.record;
    const prefix = parsePrefix(rest.cidr);
    // What ports and leases have there would be what it may not be any more.
    if (isSlaac(have.record) !== isSlaac({ ...(dhcp && { dhcp }) }))
      throw new HeddleError('IMMUTABLE', { kind: 'subnet', field: 'dhcp/ipv6' });
    const told = dhcp && { dhcp: parseDhcp(prefix, rest.gateway, dhcp) };
    const record = { ...rest, name, labels, pools: parsePools(prefix, pools, dhcp), ...told };
    return { record, draft: new Draft().update(have, record) };
  },
  remove({ world }, have) {
    const { id, network } = have.record;
    unused(have, 'port', world.use(id).ports());
    unused(have, 'address', world.use(id).count('address'));
    const router = world.router.get(world.views.routerOf(network) ?? '')?.record;
    if (router?.subnets.includes(id)) unused(have, 'router', 1, `take it out of router ${router.name}`);
    const key = prefixesKey(network);
    const draft = new Draft()
      .remove(have)
      .quiet(claims.ip(id, ''), world.revision)
      .empty(claims.routed(network, id))
      .samePrefixes(world, network);
    for (const ref of world.use(id).leases().keys()) {
      const lease = world.lease.get(ref)!;
      const inside = lease.record.addresses.filter(({ ip }) => prefixHas(world.use(id).prefix, ip));
      letGo(world, draft, network, inside);
      draft.update(lease, { ...lease.record, addresses: lease.record.addresses.filter((h) => !inside.includes(h)) });
    }
    return world.subnetsOfNetwork.size(network) > 1 ? draft.put(key, '') : draft.release(key);
  },
  input: ({ name, network, cidr, gateway, pools, dhcp, labels }) => ({
    name,
    network,
    cidr,
    gateway: gateway ?? null,
    pools: pools.map((p) => ({ ...p })),
    ...(dhcp && { dhcp: structuredClone(dhcp) as SubnetDhcp }),
    labels: { ...labels },
  }),
};

function noOverlap(world: World, network: string, prefix: Prefix): void {
  for (const id of world.subnetsOfNetwork.of(network)) {
    const other = world.use(id).prefix;
    if (overlap(prefix, other))
      throw new HeddleError('PREFIX_OVERLAPS', {
        prefix: prefix.cidr,
        other: other.cidr,
        subnet: world.subnet.get(id)!.record.name,
      });
  }
}

/**
 * A network that a router joins knows the router's addresses: none of its own prefixes, joined or not, may have them too.
 * @throws PREFIX_OVERLAPS
 */
export function apart(world: World, network: string, prefix: Prefix, joined: readonly string[]): void {
  for (const id of joined) {
    const other = world.subnet.get(id)!.record;
    if (other.network !== network && overlap(prefix, world.use(id).prefix))
      throw new HeddleError('PREFIX_OVERLAPS', { prefix: prefix.cidr, other: other.cidr, subnet: other.name });
  }
}

/** @throws ADDRESS_INVALID, ADDRESS_OUTSIDE, ADDRESS_RESERVED */
function parseGateway(prefix: Prefix, text: string | undefined, network: string): Ip {
  if (text === undefined) return ipOfNumber(usable(prefix).first, prefix.family);
  const ip = parseIp(text);
  if (!prefixHas(prefix, ip)) throw new HeddleError('ADDRESS_OUTSIDE', { address: ip, network });
  const why = reserved(prefix, undefined).get(ipNumber(ip));
  if (why) throw new HeddleError('ADDRESS_RESERVED', { address: ip, why });
  return ip;
}

/** @throws POOL_INVALID, ADDRESS_INVALID */
function parsePools(prefix: Prefix, pools: SubnetInput['pools'], dhcp: SubnetInput['dhcp']): SubnetRecord['pools'] {
  if (isSlaac({ ...(dhcp && { dhcp }) })) {
    const [pool] = pools ?? [];
    if (!pool) return [];
    const problem = 'addresses of the subnet are made of MACs, and none of them by a pool';
    throw new HeddleError('POOL_INVALID', { pool: `${pool.first}-${pool.last}`, problem });
  }
  if (pools === undefined) {
    const { first, last } = usable(prefix);
    return [{ first: ipOfNumber(first, prefix.family), last: ipOfNumber(last, prefix.family) }];
  }
  const parsed = pools.map(({ first, last }) => ({ first: parseIp(first), last: parseIp(last) }));
  const sorted = parsed.toSorted((a, b) => (ipNumber(a.first) < ipNumber(b.first) ? -1 : 1));
  for (const [i, p] of sorted.entries()) {
    const bad = (problem: string) => new HeddleError('POOL_INVALID', { pool: `${p.first}-${p.last}`, problem });
    if (!prefixHas(prefix, p.first) || !prefixHas(prefix, p.last)) throw bad(`not within ${prefix.cidr}`);
    if (ipNumber(p.first) > ipNumber(p.last)) throw bad('its first address is above its last');
    const before = sorted[i - 1];
    if (before && ipNumber(before.last) >= ipNumber(p.first)) throw bad(`overlaps ${before.first}-${before.last}`);
  }
  return parsed;
}
