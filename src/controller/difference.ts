/** What is different now from what was at a revision. */
import { setImmediate } from 'node:timers/promises';
import type { Difference, ObjectChange } from '../model/history.ts';
import { type Kind, kinds } from '../model/kinds.ts';
import type { Store } from '../store/contract.ts';
import { changesOf } from './history.ts';
import { parseObjectKey } from './keys.ts';
import { momentOf } from './point.ts';
import { parseRecord, type Records } from './records.ts';

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
 * Every object that was written between two revisions, as it was at both. Cost: what was written between them.
 * @throws COMPACTED
 */
export async function pairsBetween(store: Pick<Store, 'watch'>, from: bigint, to: bigint): Promise<Pair[]> {
  const then = new Map<string, string | undefined>();
  const now = new Map<string, string | undefined>();
  if (from < to)
    // Every revision changes some key, so the last one comes.
    for await (const { revision, changes } of store.watch('/', from + 1n)) {
      if (revision > to) break;
      for (const { key, value, previous } of changes) {
        if (!parseObjectKey(key)) continue;
        if (!then.has(key)) then.set(key, previous);
        now.set(key, value);
      }
      if (revision === to) break;
      if (Number(revision) % TURN === 0) await setImmediate();
    }
  return [...then].flatMap(([key, text]) => {
    const { kind, scope, id } = parseObjectKey(key)!;
    const [before, after] = [text, now.get(key)].map((t) => (t === undefined ? undefined : parseRecord(kind, t)));
    return before || after ? { kind, scope, id, before, after } : [];
  });
}

/** An object's change as clients read it; undefined if they read the same. */
export function changeOf({ kind, scope, id, before, after }: Pair): ObjectChange | undefined {
  const changes = changesOf(kind, before, after);
  const type = !before ? 'created' : !after ? 'deleted' : 'changed';
  if (type === 'changed' && changes.length === 0) return undefined;
  const { name } = (after ?? before)!;
  return { type, kind, id, name, ...(scope !== '-' && { tenant: scope }), changes };
}

/** True for a tenant's objects, and for itself. */
export const isOf =
  (tenant: string | undefined) =>
  ({ kind, scope, id }: Pick<Pair, 'kind' | 'scope' | 'id'>): boolean =>
    tenant === undefined || scope === tenant || (kind === 'tenant' && id === tenant);

const rank = new Map(Object.keys(kinds).map((kind, i) => [kind, i]));

/** By tenant, kind and name. */
export const byName = (a: ObjectChange, b: ObjectChange): number =>
  (a.tenant ?? '').localeCompare(b.tenant ?? '') ||
  rank.get(a.kind)! - rank.get(b.kind)! ||
  (a.name < b.name ? -1 : a.name > b.name ? 1 : a.id < b.id ? -1 : 1);

/** @param tenant id of the tenant whose objects are meant; default: all. @throws COMPACTED */
export async function differenceSince(
  store: Pick<Store, 'watch' | 'extent' | 'writtenAt'>,
  since: bigint,
  tenant: string | undefined,
  limit: number,
): Promise<Difference> {
  const { revision: now } = await store.extent();
  const pairs = (await pairsBetween(store, since, now)).filter(isOf(tenant));
  const all = pairs.flatMap((pair) => changeOf(pair) ?? []).sort(byName);
  const [from, to] = await Promise.all([momentOf(store, since), momentOf(store, now)]);
  return { since: from, now: to, total: all.length, items: all.slice(0, limit) };
}
