import type { FieldChange } from '../model/change.ts';
import { type Document, documentFields, emptyMatters, runtimeFields } from '../model/document.ts';
import { fieldChanges } from '../model/field-changes.ts';
import { everyTenant, type Kind, kinds, type Translation } from '../model/kinds.ts';
import { rules } from './kind-rules.ts';
import { type Stored, scopeOf } from './records.ts';
import type { Rules } from './rules.ts';
import type { World } from './world.ts';

type Fields = Readonly<Record<string, unknown>>;
/** The objects of a tenant are not hidden; of '-': nothing is. */
export type Sees = (tenant: string) => boolean;

/**
 * An object as the document that makes it: what can be wished for, with names for ids, and without what is so by itself.
 * @param also fields that say what has become of it (`runtimeFields`), to be told too
 * @param sees of which other tenants names are told
 */
export function documentOf<K extends Kind>(
  world: World,
  stored: Stored<K>,
  also: Iterable<string> = [],
  sees: Sees = () => true,
): Document {
  const { kind, record } = stored;
  const input = (rules[kind] as Rules<K>).input(record) as unknown as Fields;
  const hidden = new Set(['name', ...runtimeFields[kind]]).difference(new Set(also));
  const scope = scopeOf(record);
  const tenant = scope === '-' ? {} : { tenant: world.tenant.get(scope)!.record.name };
  const fields = documentFields(kind).flatMap((field) => {
    if (hidden.has(field) || isByItself(field, input[field])) return [];
    return [[field, named(world, kind, scope, field, input[field], sees)]];
  });
  return { kind, ...tenant, name: record.name, ...Object.fromEntries(fields) };
}

function isByItself(field: string, value: unknown): boolean {
  if (value === undefined || value === false) return true;
  if (emptyMatters.has(field) || typeof value !== 'object' || value === null) return false;
  return Object.keys(value).length === 0;
}

/** A field's value with names for ids; what is gone by now is left out of a list. */
function named(world: World, kind: Kind, scope: string, field: string, value: unknown, sees: Sees): unknown {
  if (field === 'labels') return Object.fromEntries(Object.entries(value as object).sort());
  if (field === 'translations')
    return (value as Translation[]).map((t) => ({ ...t, subnet: world.subnet.get(t.subnet)?.record.name ?? t.subnet }));
  if (field === 'peers') return (value as string[]).flatMap((id) => peerName(world, scope, id, sees) ?? []);
  const target = kinds[kind].refersTo[field];
  if (!target || value === null) return value;
  if (field === 'tenants' && (value as string[]).includes(everyTenant)) return value;
  const nameOf = (id: string): string | undefined => world.objects(target).get(id)?.record.name;
  return Array.isArray(value) ? value.flatMap((id) => nameOf(id) ?? []) : (nameOf(value as string) ?? value);
}

/** A router as its peer's document names it: "r1", or of another tenant "globex/r1"; of one that is hidden, its id, there or not. */
function peerName(world: World, scope: string, id: string, sees: Sees): string | undefined {
  const router = world.router.get(id)?.record;
  if (!router || !(router.tenant === scope || sees(router.tenant))) return sees('-') ? undefined : id;
  return router.tenant === scope ? router.name : `${world.tenant.get(router.tenant)!.record.name}/${router.name}`;
}

/** What differs between two documents of an object. */
export const documentChanges = (before: Document | undefined, after: Document | undefined): FieldChange[] =>
  fieldChanges(fieldsOf(before), fieldsOf(after));

function fieldsOf(document: Document | undefined): object {
  const { kind: _kind, tenant: _tenant, name: _name, ...fields } = document ?? ({} as Partial<Document>);
  return fields;
}

/** A value with keys, not a list. */
export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
