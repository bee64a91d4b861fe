/** A set of documents becomes a sequence of writes: in whatever order they come, and as a whole or not at all. */
import { isDeepStrictEqual } from 'node:util';
import { compileCheck } from '../listen/validate.ts';
import type { ObjectChange } from '../model/change.ts';
import { type Document, documentName, laterFields } from '../model/document.ts';
import { HeddleError } from '../model/errors.ts';
import { type HostInput, type Kind, kinds, referentsFirst } from '../model/kinds.ts';
import type { Access } from './access.ts';
import type { Applied } from './applied.ts';
import { merged, saidOf } from './apply-merge.ts';
import { documentsRefused, type Refused } from './apply-problems.ts';
import { refuseImmutable, withPeers } from './apply-refs.ts';
import { documentChanges, documentOf, type Sees } from './document-of.ts';
import type { Wanted } from './document-set.ts';
import { Draft } from './draft.ts';
import { refuseGiving } from './given-tenants.ts';
import { leaveToAgent } from './host.ts';
import { appliedKey, objectKey } from './keys.ts';
import { rules } from './kind-rules.ts';
import { loosened } from './loosened.ts';
import { type RouterRecord, type Stored, scopeOf } from './records.ts';
import { must, type Rules } from './rules.ts';
import type { Sequence } from './sequence.ts';
import { settle, type Task } from './settle.ts';
import type { World } from './world.ts';

/** How a set is applied. */
export interface ApplyOptions {
  readonly set: string;
  /** Delete what the set had and no longer names. */
  readonly prune: boolean;
  /** Name or id: of this tenant's objects alone. */
  readonly tenant: string | undefined;
  /** Take objects over from other sets. */
  readonly take: boolean;
  /** The host's agent is connected. */
  readonly isOnline: (host: string) => boolean;
  /** Of who applies it. */
  readonly access: Access;
  /** Of which tenants' objects names are told. */
  readonly sees: Sees;
  /** It may be deleted by who applies the set. */
  readonly mayRemove: (stored: Stored) => boolean;
}

/** Something to do, and of what a refusal is to speak. */
type Work = Task & Omit<Refused, 'error'>;

/** One request to apply a set; it may be decided several times, if others write in between. */
export class Application {
  readonly #wanted: readonly Wanted[];
  readonly #options: ApplyOptions;
  /** As it was when it was decided first. */
  #before: readonly State[] | undefined;
  /** By id, what was to go, whenever it was decided. */
  readonly #removed = new Map<string, Document>();

  constructor(wanted: readonly Wanted[], options: ApplyOptions) {
    this.#wanted = wanted;
    this.#options = options;
  }

  /**
   * Decides the writes. What is refused is tried again after the others: so the order in which documents come has no meaning.
   * @returns what changes, since it was decided first, in the order of the documents' kinds, deletes last
   * @param gone ends it
   * @throws DOCUMENTS_REFUSED with all that is refused in the end; the reason of `gone`
   */
  readonly decide = async (sequence: Sequence, gone: AbortSignal): Promise<ObjectChange[]> => {
    const { world } = sequence;
    const [wanted, options] = [this.#wanted, this.#options];
    this.#before ??= wanted.map((w) => stateOf(world, w, options.sees));
    const pruned = options.prune ? unnamed(world, wanted, options) : [];
    for (const stored of pruned) this.#removed.set(stored.record.id, documentOf(world, stored, [], options.sees));
    const works = [
      ...wanted.map((w) => ({ ...workOf(w, () => makeFirst(sequence, w, options)), letGo: () => letGo(sequence, w) })),
      ...wanted.filter(hasLater).map((w) => workOf(w, () => write(sequence, w, options, w.fields))),
      ...pruned.map((stored) => removal(sequence, stored, this.#removed.get(stored.record.id)!, options)),
    ];
    const refusals = await settle(works, gone);
    if (refusals.length > 0) throw documentsRefused(refusals.map(({ task, error }) => ({ ...task, error })));
    return [
      ...wanted.map((w, i) => changeOf(w, this.#before![i]!, stateOf(world, w, options.sees))),
      ...[...this.#removed]
        // Others may have kept it from going meanwhile.
        .filter(([id, { kind }]) => !world.objects(kind).has(id))
        .map(([id, document]) => ({
          action: 'delete' as const,
          id,
          ...headOf(document),
          fields: documentChanges(document, undefined),
        })),
    ];
  };
}

const workOf = ({ document, kind, name, fields, ...w }: Wanted, run: () => void): Work => ({
  ...{ object: documentName({ ...w, kind, name }), document, kind, name, fields, run },
});
const hasLater = ({ kind, fields }: Wanted): boolean =>
  laterFields[kind]?.some((field) => Object.hasOwn(fields, field)) ?? false;

/** Makes the object, or brings it to what is wanted; one with fields for later is only made. */
function makeFirst(sequence: Sequence, wanted: Wanted, options: ApplyOptions): void {
  if (!hasLater(wanted)) return write(sequence, wanted, options, wanted.fields);
  if (find(sequence.world, wanted)) return;
  const later = new Set(laterFields[wanted.kind]);
  const now = Object.fromEntries(Object.entries(wanted.fields).filter(([field]) => !later.has(field)));
  write(sequence, wanted, options, now);
}

/** A router leaves what it is to leave, before it joins anything; what stays is not interrupted. */
function letGo(sequence: Sequence, wanted: Wanted): boolean {
  const { world, ctx } = sequence;
  const have = find(world, wanted);
  if (have?.kind !== 'router' || !Array.isArray(wanted.fields.subnets)) return false;
  const scope = scopeOf(have.record);
  const live = rules.router.input(have.record as RouterRecord);
  const ids = wanted.fields.subnets.flatMap((ref) => world.find('subnet', scope, String(ref))?.record.id ?? []);
  const less = loosened(world, have, { ...live, subnets: ids }, false);
  if (!less) return false;
  const made = rules.router.update(ctx, have as Stored<'router'>, less as never);
  if ('draft' in made) sequence.add(made.draft);
  return true;
}

const checks = new Map<Kind, (value: unknown) => void>();
function check(kind: Kind, value: unknown): void {
  const known = checks.get(kind) ?? compileCheck(kinds[kind].input);
  checks.set(kind, known);
  known(value);
}

type Given = Partial<Pick<HostInput, 'tenants'>>;

/** Brings one object to what its document says of these fields. @throws the codes of the kind's rules, IMMUTABLE, SET_TAKEN, FORBIDDEN */
function write(sequence: Sequence, wanted: Wanted, options: ApplyOptions, said: Wanted['fields']): void {
  const { world, ctx } = sequence;
  const { kind, name, tenant } = wanted;
  const { set } = options;
  const scope = tenant === undefined ? '-' : must(world, 'tenant', '-', tenant).record.id;
  const fields = withPeers(world, scope, said, options.sees);
  const have = world.find(kind, scope, name);
  const kindRules = rules[kind] as Rules<Kind>;
  const applied = have && world.applied.get(have.record.id);
  const beside: Applied = { kind, set, said: saidOf(said) };
  let made: ReturnType<typeof kindRules.create>;
  if (have) {
    if (applied && applied.set !== set && !options.take)
      throw new HeddleError('SET_TAKEN', { set: applied.set, want: set });
    const live = kindRules.input(have.record as never) as unknown as Record<string, unknown>;
    refuseImmutable(world, kind, scope, live, fields);
    const next = merged(kind, live, applied?.said ?? {}, fields);
    check(kind, next);
    if (kind === 'host') refuseGiving(world, options.access, (next as Given).tenants, (live as Given).tenants);
    if (kind === 'host' && options.isOnline(have.record.id)) leaveToAgent(live as never, next as never);
    made = kindRules.update(ctx, have as never, next as never);
  } else {
    const input = { name, ...fields };
    check(kind, input);
    if (kind === 'host') refuseGiving(world, options.access, (input as Given).tenants);
    made = kindRules.create(ctx, scope, input as never);
  }
  const same = !('draft' in made) || isDeepStrictEqual(made.record, have?.record);
  if (same && isDeepStrictEqual(applied, beside)) return;
  const record = made.record;
  const draft = same || !('draft' in made) ? untouched(have ?? (made as Stored)) : made.draft;
  sequence.add(draft.put(appliedKey(kind, record), JSON.stringify(beside)));
}

/** A write beside an object that stays as it is. */
const untouched = ({ kind, record, revision }: Stored): Draft =>
  new Draft().unchanged(objectKey(kind, record), revision);

/** What was applied with the set and no document names, what refers to others first. */
function unnamed(world: World, wanted: readonly Wanted[], { set, tenant, mayRemove }: ApplyOptions): Stored[] {
  const named = new Set(wanted.map((w) => find(world, w)?.record.id));
  const scope = tenant && world.find('tenant', '-', tenant)?.record.id;
  return [...world.applied]
    .filter(([id, applied]) => applied.set === set && !named.has(id as never))
    .flatMap(([id, { kind }]) => world.objects(kind).get(id) ?? [])
    .filter((stored) => (tenant === undefined || scopeOf(stored.record) === scope) && mayRemove(stored))
    .sort((a, b) => referentsFirst.indexOf(b.kind) - referentsFirst.indexOf(a.kind));
}

function removal(sequence: Sequence, { kind, record }: Stored, document: Document, options: ApplyOptions): Work {
  const run = () => {
    // Something else may have taken it along.
    const have = sequence.world.objects(kind).get(record.id);
    if (!have) return;
    if (kind === 'host' && options.isOnline(record.id)) leaveToAgent(record as never, undefined);
    sequence.add((rules[kind] as Rules<Kind>).remove(sequence.ctx, have as never));
  };
  return { object: documentName(document), kind, name: document.name, run };
}

function find(world: World, { kind, tenant, name }: Wanted): Stored | undefined {
  const scope = tenant === undefined ? '-' : world.find('tenant', '-', tenant)?.record.id;
  return scope === undefined ? undefined : world.find(kind, scope, name);
}

/** An object as a document, with all fields that are spoken of, and the set that it belongs to. */
interface State {
  readonly id?: string;
  readonly document: Document | undefined;
  readonly set: string | undefined;
}
function stateOf(world: World, wanted: Wanted, sees: Sees): State {
  const stored = find(world, wanted);
  if (!stored) return { document: undefined, set: undefined };
  const document = documentOf(world, stored, Object.keys(wanted.fields), sees);
  return { id: stored.record.id, document, set: world.applied.get(stored.record.id)?.set };
}

const headOf = ({ kind, tenant, name }: Pick<Document, 'kind' | 'tenant' | 'name'>) => ({
  kind,
  ...(tenant !== undefined && { tenant }),
  name,
});
function changeOf(wanted: Wanted, before: State, after: State): ObjectChange {
  const fields = documentChanges(before.document, after.document);
  const kept = before.set === after.set ? 'unchanged' : 'adopt';
  const action = before.document === undefined ? 'create' : fields.length > 0 ? 'update' : kept;
  return { action, ...(before.id !== undefined && { id: before.id }), ...headOf(wanted), fields };
}
