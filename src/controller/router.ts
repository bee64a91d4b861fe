import { type Ip, ipFamily, ipNumber, type Prefix, parseDestination, parseIp, single } from '../model/address.ts';
import { HeddleError } from '../model/errors.ts';
import { limits } from '../model/fields.ts';
import type { RouterId, TenantId } from '../model/ids.ts';
import type { Route } from '../model/kinds.ts';
import { metadataAddresses } from '../model/metadata.ts';
import { Draft } from './draft.ts';
import { claims, objectKey } from './keys.ts';
import { PrefixSet } from './prefix-set.ts';
import type { RouterRecord, SubnetRecord } from './records.ts';
import { reserved } from './reserved.ts';
import { reach } from './router-peers.ts';
import { parseTranslations } from './router-translations.ts';
import { freeName, must, type Rules } from './rules.ts';
import { apart } from './subnet.ts';
import { moveCursor, nextVni } from './vni.ts';
import type { World } from './world.ts';

export const routerRules: Rules<'router'> = {
  create(ctx, scope, { name, subnets = [], routes = [], peers = [], translations = [], labels = {} }) {
    const { world, now, newId } = ctx;
    const tenant = must(world, 'tenant', '-', scope);
    freeName(world, 'router', scope, name);
    // One too many, of two that are made at once, does no harm.
    const limit = limits.routersPerTenant;
    if (world.routersOfTenant.size(scope) >= limit) throw new HeddleError('ROUTER_LIMIT', { limit });
    const joined = joinable(world, scope, subnets);
    const record: RouterRecord = {
      id: newId<RouterId>(),
      name,
      createdAt: now().toISOString(),
      labels,
      tenant: scope as TenantId,
      domain: nextVni(ctx, name),
      subnets: joined.map(({ id }) => id),
      routes: parseRoutes(world, joined, routes),
      peers: nameable(world, peers, []),
      translations: parseTranslations(world, scope, joined, translations),
    };
    const draft = new Draft()
      .require(objectKey('tenant', tenant.record))
      .claim(claims.vni(record.domain), record.id)
      .create('router', record);
    moveCursor(world, draft, record.domain);
    join(world, draft, record.id, [], joined);
    reach(world, draft, undefined, record);
    return { record, draft };
  },
  update({ world }, have, { name, subnets = [], routes = [], peers = [], translations = [], labels = {} }) {
    const { id, tenant } = have.record;
    freeName(world, 'router', tenant, name, id);
    const joined = joinable(world, tenant, subnets, id);
    const record = {
      ...have.record,
      name,
      labels,
      subnets: joined.map((s) => s.id),
      routes: parseRoutes(world, joined, routes),
      peers: nameable(world, peers, have.record.peers, id),
      translations: parseTranslations(world, tenant, joined, translations),
    };
    const draft = new Draft().update(have, record);
    join(world, draft, id, recordsOf(world, have.record), joined);
    reach(world, draft, have.record, record);
    return { record, draft };
  },
  remove({ world }, have) {
    const { id, domain } = have.record;
    const draft = new Draft().remove(have).release(claims.vni(domain));
    join(world, draft, id, recordsOf(world, have.record), []);
    return draft;
  },
  input: ({ name, subnets, routes, peers, translations, labels }) => ({
    name,
    subnets: [...subnets],
    routes: routes.map((r) => ({ ...r })),
    peers: [...peers],
    translations: translations.map((t) => ({ ...t })),
    labels: { ...labels },
  }),
};

const recordsOf = (world: World, { subnets }: RouterRecord): SubnetRecord[] =>
  subnets.map((id) => world.subnet.get(id)!.record);

/**
 * The subnets that a router is to join.
 * @throws NOT_FOUND, INVALID, SUBNET_WITHOUT_GATEWAY, NETWORK_ROUTED, PREFIX_OVERLAPS
 */
function joinable(world: World, tenant: string, refs: readonly string[], self?: string): SubnetRecord[] {
  const subnets = refs.map((ref) => must(world, 'subnet', tenant, ref).record);
  if (new Set(subnets).size < subnets.length)
    throw new HeddleError('INVALID', { field: 'subnets', problem: 'the same subnet twice' });
  for (const { name, cidr, gateway, network } of subnets) {
    if (!gateway) throw new HeddleError('SUBNET_WITHOUT_GATEWAY', { subnet: name, cidr });
    const other = world.router.get(world.views.routerOf(network) ?? '')?.record;
    if (other && other.id !== self)
      throw new HeddleError('NETWORK_ROUTED', {
        network: world.network.get(network)!.record.name,
        router: other.name,
      });
  }
  const joined = subnets.map(({ id }) => id);
  for (const network of world.networksOf(joined))
    for (const id of world.subnetsOfNetwork.of(network)) apart(world, network, world.use(id).prefix, joined);
  return subnets;
}

/** The routers to name; one that was named before may be gone. @throws NOT_FOUND, INVALID */
function nameable(world: World, ids: readonly string[], before: readonly string[], self?: string): RouterId[] {
  const bad = (problem: string) => new HeddleError('INVALID', { field: 'peers', problem });
  if (new Set(ids).size < ids.length) throw bad('the same router twice');
  for (const id of ids) {
    if (id === self) throw bad('the router itself');
    if (!before.includes(id) && !world.router.has(id)) throw new HeddleError('NOT_FOUND', { kind: 'router', name: id });
  }
  return ids as RouterId[];
}

/** A prefix that the router joins, and what in it is no next hop. */
interface Joined {
  readonly prefix: Prefix;
  readonly not: ReadonlyMap<bigint, string>;
}

/** Every router has a route to itself for these. */
const metadata = new Set(metadataAddresses.map((ip) => `${ip}/${ipFamily(ip) === 4 ? 32 : 128}`));

/** @throws PREFIX_INVALID, ADDRESS_INVALID, ROUTE_INVALID */
function parseRoutes(world: World, joined: readonly SubnetRecord[], routes: readonly Route[]): RouterRecord['routes'] {
  const prefixes = new PrefixSet(
    joined.map(({ id, gateway }): Joined => {
      const { prefix } = world.use(id);
      return { prefix, not: reserved(prefix, gateway) };
    }),
  );
  const seen = new Set<string>();
  return routes.map((route) => {
    const destination = parseDestination(route.destination);
    const bad = (problem: string) => new HeddleError('ROUTE_INVALID', { destination: destination.cidr, problem });
    if (seen.has(destination.cidr)) throw bad('it is there twice');
    seen.add(destination.cidr);
    if (metadata.has(destination.cidr)) throw bad('workloads ask there for their metadata, on every network');
    const subnet = prefixes.around(destination)?.prefix.cidr;
    if (subnet) throw bad(`it is within ${subnet}, which the router joins and so reaches by itself`);
    if (route.via === undefined) return { destination: destination.cidr };
    return { destination: destination.cidr, via: nextHop(prefixes, destination.family, parseIp(route.via), bad) };
  });
}

/** A next hop is an address that a port of the subnets can have. */
function nextHop(joined: PrefixSet<Joined>, family: 4 | 6, via: Ip, bad: (problem: string) => HeddleError): Ip {
  if (ipFamily(via) !== family) throw bad(`its next hop ${via} is not of IPv${family}`);
  const n = ipNumber(via);
  const on = joined.around(single(via));
  if (!on) throw bad(`its next hop ${via} is in none of the subnets that the router joins`);
  const why = on.not.get(n);
  if (why) throw bad(`${via} cannot be its next hop: ${why}`);
  return via;
}

/** Claims what the router has now and did not have before, gives back what it has no more. Meanwhile no subnet comes or goes. */
function join(
  world: World,
  draft: Draft,
  id: string,
  before: readonly SubnetRecord[],
  after: readonly SubnetRecord[],
): void {
  const held = new Set(before.map((s) => s.network));
  for (const network of world.networksOf(after.map((s) => s.id))) draft.samePrefixes(world, network);
  for (const s of before) if (!after.includes(s)) draft.release(claims.routed(s.network, s.id));
  for (const s of after) {
    if (before.includes(s)) continue;
    if (!held.has(s.network)) draft.empty(claims.routed(s.network, ''));
    draft.claim(claims.routed(s.network, s.id), id);
  }
}
