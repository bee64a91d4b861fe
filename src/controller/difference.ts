/** What is different now from what was at a revision. */
import { setImmediate } from 'node:timers/promises';
import type { ObjectChange } from '../model/change.ts';
import type { Difference } from '../model/history.ts';
import { type Kind, kinds } from '../model/kinds.ts';
import type { Store } from '../store/contract.ts';
import { fieldsChanged } from './history.ts';
import { type ObjectKey, parseObjectKey } from './keys.ts';
import { momentOf } from './point.ts';
import { parseRecord, type Records } from './records.ts';
import type { World } from './world.ts';

/** An object as it was at an earlier revision and at a later one; undefined: it was not there. */
export interface Pair<K extends Kind = Kind> {
  readonly kind: K;
  readonly scope: string;
  readonly id: string;
  readonly before: Records[K] | undefined;
  readonly after: Records[K] | undefined;
}

/** Others have their turn after so many revisions. */
const TURN = 256;

/**
 * Every object that was written between two revisions, as it was at both: of those that are meant. Cost: what was written
 * between them; of others, a look at the key.
 * @throws COMPACTED; the reason of `gone`, if that aborts
 */
export async function pairsBetween(
  store: Pick<Store, 'watch'>,
  from: bigint,
  to: bigint,
  isMeant: (key: ObjectKey) => boolean,
  gone: AbortSignal,
): Promise<Pair[]> {
  const texts = new Map<string, { of: ObjectKey; before: string | undefined; after: string | undefined }>();
  if (from < to)
    // Every revision changes some key, so the last one comes.
    for await (const { revision, changes } of store.watch('/', from + 1n, gone)) {
      if (revision > to) break;
      for (const { key, value, previous } of changes) {
        const of = parseObjectKey(key);
        if (!of || !isMeant(of)) continue;
        const { before } = texts.get(key) ?? { before: previous };
        texts.set(key, { of, before, after: value });
      }
      if (revision === to) break;
      if (Number(revision) % TURN !== 0) continue;
      await setImmediate();
      gone.throwIfAborted();
    }
  gone.throwIfAborted();
  return [...texts.values()].flatMap(({ of, before, after }) => {
    const [was, is] = [before, after].map((text) => (text === undefined ? undefined : parseRecord(of.kind, text)));
    return was || is ? { ...of, before: was, after: is } : [];
  });
}

/** True for a tenant's objects, and for itself; without a tenant for all. */
export const isOf = ({ kind, scope, id }: ObjectKey, tenant: string | undefined): boolean =>
  tenant === undefined || scope === tenant || (kind === 'tenant' && id === tenant);

/** What differs as clients read it, by tenant, kind and name. `world` has the names of tenants that did not change. */
export function objectChanges(pairs: readonly Pair[], { tenant: tenants }: Pick<World, 'tenant'>): ObjectChange[] {
  const named = new Map(pairs.flatMap(({ kind, id, ...p }) => (kind === 'tenant' ? [[id, nameOf(p)]] : [])));
  const tenantOf = (scope: string) =>
    scope === '-' ? {} : { tenant: named.get(scope) ?? tenants.get(scope)?.record.name ?? scope };
  const changes = pairs.map((pair): ObjectChange => {
    const { kind, scope, id, before, after } = pair;
    const action = !before ? 'create' : !after ? 'delete' : 'update';
    return { action, kind, id, ...tenantOf(scope), name: nameOf(pair), fields: fieldsChanged(kind, before, after) };
  });
  return changes.filter(({ action, fields }) => action !== 'update' || fields.length > 0).sort(byName);
}
const nameOf = ({ before, after }: Pick<Pair, 'before' | 'after'>): string => (after ?? before)!.name;

const rank = new Map(Object.keys(kinds).map((kind, i) => [kind, i]));

const byName = (a: ObjectChange, b: ObjectChange): number =>
  (a.tenant ?? '').localeCompare(b.tenant ?? '') ||
  rank.get(a.kind)! - rank.get(b.kind)! ||
  (a.name < b.name ? -1 : a.name > b.name ? 1 : a.id! < b.id! ? -1 : 1);

/** @throws COMPACTED; the reason of `gone`, if that aborts */
export async function differenceSince(
  { store, world }: { store: Pick<Store, 'watch' | 'extent' | 'writtenAt'>; world: World },
  since: bigint,
  isMeant: (key: ObjectKey) => boolean,
  limit: number,
  gone: AbortSignal,
): Promise<Difference> {
  const { revision: now } = await store.extent();
  const pairs = await pairsBetween(store, since, now, isMeant, gone);
  const all = objectChanges(pairs, world);
  const [from, to] = await Promise.all([momentOf(store, since), momentOf(store, now)]);
  return { since: from, now: to, total: all.length, changes: all.slice(0, limit) };
}
