/** What has become of an object: its kept versions, and how each differs from the one before. */
import type { FieldChange } from '../model/change.ts';
import { HeddleError } from '../model/errors.ts';
import { fieldChanges } from '../model/field-changes.ts';
import { type HistoryEntry, historyLimits, type ObjectHistory } from '../model/history.ts';
import { isUuid } from '../model/ids.ts';
import type { Kind } from '../model/kinds.ts';
import type { Store, Version } from '../store/contract.ts';
import { nameKey } from './keys.ts';
import { timeText } from './point.ts';
import { type AnyRecord, parseRecord } from './records.ts';
import { fieldsOf } from './view.ts';
import type { World } from './world.ts';

/** What is asked of an object's history. */
export interface HistoryQuery {
  readonly limit: number;
  /** Only what was written before this revision. */
  readonly before: bigint | undefined;
}

interface Context {
  readonly store: Pick<Store, 'versions' | 'extent'>;
  readonly world: World;
}

/**
 * The history of an object, or of all that have had a name, told apart by their ids; it may be gone.
 * @throws NOT_FOUND if no kept revision knows it
 */
export async function objectHistory(
  { store, world }: Context,
  kind: Kind,
  scope: string,
  nameOrId: string,
  { limit, before }: HistoryQuery,
): Promise<ObjectHistory> {
  const ids = await idsOf({ store, world }, kind, scope, nameOrId);
  const { oldest, oldestAtMs } = await store.extent();
  const entries: HistoryEntry[] = [];
  /** Of what is older, not all has been read. */
  let known = 0n;
  for (const id of ids) {
    const options = { limit: limit + 1, ...(before !== undefined && { before }) };
    const versions = await store.versions(`/${kind}/${scope}/${id}`, options);
    entries.push(...entriesOf(kind, versions, versions.length > limit, oldest));
    const last = versions.at(-2)?.revision ?? 0n;
    if (versions.length > limit && last > known) known = last;
  }
  if (entries.length === 0 && known === 0n && before === undefined)
    throw new HeddleError('NOT_FOUND', { kind, name: nameOrId.slice(0, 80) });
  entries.sort((a, b) => Number(BigInt(b.revision) - BigInt(a.revision)));
  const last = entries[limit - 1];
  // What one write did is not torn apart.
  const from = last && BigInt(last.revision) > known ? BigInt(last.revision) : known;
  const items = entries.filter(({ revision }) => BigInt(revision) >= from);
  const more = known > 0n || items.length < entries.length;
  const oldestAt = oldest === 0n ? undefined : timeText(oldestAtMs);
  return {
    oldest: String(oldest),
    ...(oldestAt !== undefined && { oldestAt }),
    items,
    ...(more && { next: String(from) }),
  };
}

/** A tenant's id, also of one that is gone. @throws NOT_FOUND */
export async function tenantEver(context: Context, nameOrId: string): Promise<string> {
  const [newest] = await idsOf(context, 'tenant', '-', nameOrId);
  if (newest === undefined) throw new HeddleError('NOT_FOUND', { kind: 'tenant', name: nameOrId.slice(0, 80) });
  return newest;
}

/** Who has a name, and who had it, the last one first; an id is its own. */
async function idsOf({ store, world }: Context, kind: Kind, scope: string, nameOrId: string): Promise<string[]> {
  if (isUuid(nameOrId)) return [nameOrId];
  const present = world.find(kind, scope, nameOrId)?.record.id;
  const named = await store.versions(nameKey(kind, scope, nameOrId), { limit: historyLimits.entries });
  return [...new Set([present, ...named.map(({ value }) => value)])].filter((id) => id !== undefined);
}

/**
 * Versions of one object, the newest first, as entries; what changed nothing that clients read is none.
 * @param isPart there are older ones: the last is only what the one before it is compared with
 */
function entriesOf(kind: Kind, versions: readonly Version[], isPart: boolean, oldest: bigint): HistoryEntry[] {
  const records = versions.map(({ value }) => (value === undefined ? undefined : parseRecord(kind, value)));
  const shown = isPart ? versions.slice(0, -1) : versions;
  return shown.flatMap(({ revision, atMs }, i) => {
    const [record, before] = [records[i], records[i + 1]];
    const of = record ?? before;
    if (!of) return []; // a delete whose object is forgotten
    const isFirst = i === versions.length - 1;
    const action = !record ? 'delete' : before ? 'update' : isFirst && revision <= oldest ? 'kept' : 'create';
    const fields = action === 'kept' ? [] : fieldsChanged(kind, before, record);
    if (action === 'update' && fields.length === 0) return [];
    const at = timeText(atMs);
    const { id, name } = of;
    const object = fieldsOf(kind, of);
    return { revision: String(revision), ...(at !== undefined && { at }), action, id, name, fields, object };
  });
}

/** The fields that differ between two states of one object; undefined: it was, or is, not there. */
export function fieldsChanged(kind: Kind, before: AnyRecord | undefined, after: AnyRecord | undefined): FieldChange[] {
  const [was, is] = [before, after].map((record) => (record ? fieldsOf(kind, record) : {}));
  // What says which object it is changes, if at all, by its name alone.
  const own = new Set(['id', 'tenant', 'createdAt', ...(before && after ? [] : ['name'])]);
  return fieldChanges(was!, is!).filter(({ field }) => !own.has(field));
}
