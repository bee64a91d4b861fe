/** What routers that name each other may not have in common, and how that is kept when several are changed at once. */
import { isDeepStrictEqual } from 'node:util';
import { type Prefix, parseDestination } from '../model/address.ts';
import { HeddleError } from '../model/errors.ts';
import type { RouterId } from '../model/ids.ts';
import type { Draft } from './draft.ts';
import { objectKey } from './keys.ts';
import { PrefixSet } from './prefix-set.ts';
import type { RouterRecord, Stored } from './records.ts';
import { visiblePrefixes } from './router-translations.ts';
import type { World } from './world.ts';

/** The routers that one names and that are there. */
const named = (world: World, { peers }: RouterRecord): Stored<'router'>[] =>
  peers.flatMap((id) => world.router.get(id) ?? []);
/** Those of them that name it too. */
const mutual = (world: World, router: RouterRecord, but?: string): RouterRecord[] =>
  named(world, router).flatMap(({ record }) => (record.id !== but && record.peers.includes(router.id) ? record : []));

/**
 * Refuses a router by which it or one of its peers would reach the same address in two ways, and makes the write depend on
 * all that this was decided on: also routers that are named only, for their answer may be on its way.
 * @throws PEER_OVERLAPS
 */
export function reach(world: World, draft: Draft, before: RouterRecord | undefined, router: RouterRecord): void {
  for (const peer of named(world, router)) unchanged(draft, peer);
  const peers = mutual(world, router);
  const own = clash(world, router, peers);
  if (own) throw overlaps(router, own, own.find(({ owner }) => owner !== router.id)!.owner);
  if (before && isDeepStrictEqual(shownTo(before), shownTo(router))) return;
  for (const peer of peers) {
    for (const other of named(world, peer)) if (other.record.id !== router.id) unchanged(draft, other);
    for (const network of world.networksOf(peer.subnets)) draft.samePrefixes(world, network);
    const theirs = clash(world, peer, [router, ...mutual(world, peer, router.id)]);
    if (theirs) throw overlaps(router, theirs, peer.id);
  }
}

/** The same for a prefix that comes to a network which a router joins. @throws PEER_OVERLAPS */
export function reachPrefix(world: World, draft: Draft, router: RouterRecord, prefix: Prefix): void {
  for (const peer of named(world, router)) unchanged(draft, peer);
  const other = new PrefixSet(mutual(world, router).flatMap((peer) => visible(world, peer))).touching(prefix);
  if (other) throw overlaps(router, [{ prefix, owner: router.id }], other.owner);
}

/** A prefix of a router. */
interface Owned {
  readonly prefix: Prefix;
  readonly owner: RouterId;
}

/** Two prefixes with the same addresses, by which a router would reach them in two ways. */
function clash(
  world: World,
  router: RouterRecord,
  peers: readonly RouterRecord[],
): readonly [Owned, Owned] | undefined {
  if (peers.length === 0) return undefined;
  const foreign = new PrefixSet(peers.flatMap((peer) => visible(world, peer)));
  if (foreign.clash) return foreign.clash;
  const owner = router.id;
  // Of its networks also what it does not join: their workloads would find two stations for one address.
  for (const network of world.networksOf(router.subnets))
    for (const id of world.subnetsOfNetwork.of(network)) {
      const { prefix } = world.use(id);
      const other = foreign.touching(prefix);
      if (other) return [{ prefix, owner }, other];
    }
  for (const { destination } of router.routes) {
    const prefix = parseDestination(destination);
    const other = foreign.around(prefix);
    if (other) return [{ prefix, owner }, other];
  }
  return undefined;
}

/** Tells whoever asks for a router which of its prefixes is in the way, if it is one of its own, and nothing of others' addresses. */
function overlaps({ id }: RouterRecord, clash: readonly Owned[], peer: RouterId): HeddleError {
  const own = clash.find(({ owner }) => owner === id);
  return new HeddleError('PEER_OVERLAPS', { peer, ...(own && { prefix: own.prefix.cidr }) });
}

/** What of a router is its peers' business. */
const shownTo = ({ subnets, peers, translations }: RouterRecord) => ({ subnets, peers, translations });

/** As its peers see them. */
const visible = (world: World, router: RouterRecord): Owned[] =>
  [...visiblePrefixes(world, router).values()].map((prefix) => ({ prefix, owner: router.id }));
const unchanged = (draft: Draft, { record, revision }: Stored<'router'>): Draft =>
  draft.unchanged(objectKey('router', record), revision);
