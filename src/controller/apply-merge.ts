/** How a document and what is there become what is to be: ADR 34. */
import { givenFields } from '../model/document.ts';
import { type Kind, kinds } from '../model/kinds.ts';
import type { Said } from './applied.ts';
import { isObject } from './document-of.ts';

type Fields = Readonly<Record<string, unknown>>;

/** The fields of a document, to be kept beside the object. */
export const saidOf = (fields: Fields): Said =>
  Object.fromEntries(
    Object.entries(fields).map(([field, value]) => [field, isObject(value) ? Object.keys(value).sort() : true]),
  );

/**
 * What an object is to be: as it is, with what the document says, and without what its last document said and this one does
 * not. What neither says stays, whoever set it. A field that is an object (labels) is merged key by key, a list is replaced.
 */
export function merged(kind: Kind, live: Fields, said: Said, fields: Fields): Record<string, unknown> {
  const next: Record<string, unknown> = { ...live };
  for (const [field, keys] of Object.entries(said))
    if (!Object.hasOwn(fields, field) && mayGo(kind, field)) {
      const rest = keys === true ? {} : without(live[field], keys);
      if (Object.keys(rest).length > 0) next[field] = rest;
      else delete next[field];
    }
  for (const [field, value] of Object.entries(fields)) {
    const keys = said[field];
    next[field] = isObject(value)
      ? { ...without(live[field], keys === true || keys === undefined ? [] : keys), ...value }
      : value;
  }
  return next;
}

/** A document may stop saying it: it can change, and was not simply given. */
const mayGo = (kind: Kind, field: string): boolean =>
  kinds[kind].mutable.includes(field) && !givenFields[kind]?.includes(field);

const without = (value: unknown, keys: readonly string[]): Fields =>
  isObject(value) ? Object.fromEntries(Object.entries(value).filter(([key]) => !keys.includes(key))) : {};
