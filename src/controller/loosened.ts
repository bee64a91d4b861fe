import { isDeepStrictEqual } from 'node:util';
import { type Ip, parsePrefix, prefixHas } from '../model/address.ts';
import type { Inputs } from '../model/kinds.ts';
import type { PortRecord, RouterRecord, Stored } from './records.ts';
import { inputOf, type Wish } from './wishes.ts';
import type { World } from './world.ts';

/**
 * What an object is meanwhile, on its way from what it is to what is wished: without what it has now and is not to have, for
 * another may need that first. Undefined if it has nothing of that.
 * @param isNameWanted another one is to have its name
 */
export function loosened(world: World, { kind, record }: Stored, wish: Wish, isNameWanted: boolean): Wish | undefined {
  const have = inputOf(kind, record as never) as Wish;
  const name = isNameWanted ? { name: `rollback-${record.id}` } : undefined;
  const less =
    kind === 'router'
      ? lessOfRouter(world, record as RouterRecord, wish as Inputs['router'])
      : kind === 'port'
        ? lessOfPort(record as PortRecord, wish as Inputs['port'])
        : undefined;
  return name || less ? { ...have, ...less, ...name } : undefined;
}

/** In both lists. */
const common = <T>(a: readonly T[], b: readonly unknown[] = []): T[] =>
  a.filter((x) => b.some((y) => isDeepStrictEqual(x, y)));

/** The subnets, peers and routes that it keeps; nothing that stays is interrupted. */
function lessOfRouter(world: World, have: RouterRecord, wish: Inputs['router']): Wish | undefined {
  const subnets = common(have.subnets, wish.subnets);
  const peers = common(have.peers, wish.peers);
  const translations = common(have.translations, wish.translations).filter((t) => subnets.includes(t.subnet));
  const isLess =
    subnets.length < have.subnets.length ||
    peers.length < have.peers.length ||
    translations.length < have.translations.length;
  if (!isLess) return undefined;
  const prefixes = subnets.map((id) => parsePrefix(world.subnet.get(id)!.record.cidr));
  const isReached = (via: Ip | undefined) => via === undefined || prefixes.some((p) => prefixHas(p, via));
  return { subnets, peers, translations, routes: common(have.routes, wish.routes).filter((r) => isReached(r.via)) };
}

/** Machines on a segment may have exchanged addresses. */
function lessOfPort({ addresses }: PortRecord, wish: Inputs['port']): Wish | undefined {
  const kept = common(addresses, wish.addresses);
  return kept.length < addresses.length ? { addresses: kept } : undefined;
}
