/** What is written to the store, as records tell of it: objects, and what else is no bookkeeping. */
import { secretFields } from '../model/audit.ts';
import type { FieldChange } from '../model/change.ts';
import { fieldChanges } from '../model/field-changes.ts';
import { kinds } from '../model/kinds.ts';
import type { Applied } from './applied.ts';
import { fieldsChanged } from './history.ts';
import { authorityKey, hostTrustPrefix, joinTokenPrefix, type ObjectKey, quotaPrefix, tokenPrefix } from './keys.ts';
import { type AnyRecord, scopeOf } from './records.ts';

/** What a write did to one thing. */
export interface Subject {
  readonly action: 'create' | 'update' | 'delete' | 'adopt';
  /** Of the table of kinds, or what is none. */
  readonly kind: string;
  readonly object?: string;
  readonly name?: string;
  /** Id of its tenant. */
  readonly tenant?: string;
  readonly changes: readonly FieldChange[];
  /** Of a field by its whole name, as labels.tier. */
  readonly isSecret: (field: string) => boolean;
}

const actionOf = (before: unknown, after: unknown) =>
  before === undefined ? 'create' : after === undefined ? 'delete' : 'update';

/** An object as it was, and as it is to be. Cost: its fields. */
export function objectSubject({ kind, id }: ObjectKey, was?: AnyRecord, is?: AnyRecord): Subject | undefined {
  const record = is ?? was;
  if (!record) return undefined;
  const tenant = kind === 'tenant' ? id : scopeOf(record);
  // What clients do not read of an object is not recorded either.
  const { properties } = kinds[kind].output;
  const topOf = (field: string) => field.split('.', 1)[0]!;
  return {
    action: actionOf(was, is),
    ...{ kind, object: id, name: record.name, ...(tenant !== '-' && { tenant }) },
    changes: fieldsChanged(kind, was, is).filter(({ field }) => Object.hasOwn(properties, topOf(field))),
    isSecret: (field) => secretFields[kind].includes(topOf(field)),
  };
}

/** An object of which only the set of documents changes that it belongs to. */
export function adoptedSubject(
  { kind, id, scope }: ObjectKey,
  record: AnyRecord,
  was?: Applied,
  is?: Applied,
): Subject {
  const of = objectSubject({ kind, id, scope }, record, record)!;
  const set = { field: 'set', ...(was && { before: was.set }), ...(is && { after: is.set }) };
  return { ...of, action: is ? 'adopt' : 'update', changes: was?.set === is?.set ? [] : [set] };
}

/** What is written besides objects: as which kind it is recorded, and which of its fields: all others may be secrets. */
const others: readonly { readonly prefix: string; readonly kind: string; readonly fields: readonly string[] }[] = [
  { prefix: authorityKey, kind: 'authority', fields: [] },
  {
    prefix: hostTrustPrefix,
    kind: 'certificate',
    fields: [
      ...['generation', 'joined.token', 'certificate.authority', 'certificate.notAfter'],
      ...['before.authority', 'before.notAfter'],
    ],
  },
  {
    prefix: joinTokenPrefix,
    kind: 'host-token',
    fields: ['createdAt', 'expiresAt', 'uses', 'left', 'host', 'tenants', 'keeps.host', 'keeps.of', 'by'],
  },
  {
    prefix: tokenPrefix,
    kind: 'token',
    fields: ['user', 'groups', 'description', 'scope.tenants', 'scope.readOnly', 'createdAt', 'expiresAt', 'by'],
  },
];

/** Anything else, by values of the store. */
export function otherSubject(key: string, before: string | undefined, after: string | undefined): Subject | undefined {
  if (before === undefined && after === undefined) return undefined;
  const action = actionOf(before, after);
  const changes = () => fieldChanges(parse(before), parse(after)).filter(({ field }) => field !== 'id');
  if (key.startsWith(quotaPrefix)) {
    const tenant = key.slice(quotaPrefix.length);
    return { action, kind: 'quota', object: tenant, tenant, changes: changes(), isSecret: () => false };
  }
  const known = others.find(({ prefix }) => key.startsWith(prefix));
  // What nobody has thought of is recorded, and nothing of what is in it.
  if (!known) return keySubject(key, action);
  const { kind, fields, prefix } = known;
  const object = key.slice(prefix.length);
  return { action, kind, ...(object && { object }), changes: changes(), isSecret: (f) => !fields.includes(f) };
}

const parse = (text: string | undefined): object => (text === undefined ? {} : (JSON.parse(text) as object));

/** A key of which nothing more is known. */
export const keySubject = (key: string, action: Subject['action']): Subject => ({
  action,
  kind: key.split('/')[1] ?? '',
  name: key,
  changes: [],
  isSecret: () => true,
});
