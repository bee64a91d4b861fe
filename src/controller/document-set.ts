/** Documents as they come, as what is wanted: read, and in the order in which it can be made. */

import { compileCheck } from '../listen/validate.ts';
import { DocumentHead } from '../model/apply.ts';
import { documentName } from '../model/document.ts';
import { HeddleError } from '../model/errors.ts';
import { parseName } from '../model/ids.ts';
import { type Kind, kinds, referentsFirst } from '../model/kinds.ts';
import { documentsRefused, type Refused } from './apply-problems.ts';

/** A document, read: what it says of which object. */
export interface Wanted {
  /** Its number, from 1. */
  readonly document: number;
  readonly kind: Kind;
  /** Of kinds that have one. */
  readonly tenant?: string;
  readonly name: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

const checkHead = compileCheck(DocumentHead);
const invalid = (field: string, problem: string) => new HeddleError('INVALID', { field, problem });

/** The documents in the order of `referentsFirst`. @throws DOCUMENTS_REFUSED with all that cannot be read */
export function parseDocuments(documents: readonly unknown[]): Wanted[] {
  const wanted: Wanted[] = [];
  const refused: Refused[] = [];
  const seen = new Map<string, number>();
  for (const [i, value] of documents.entries()) {
    try {
      const one = parseDocument(value, i + 1);
      const before = seen.get(documentName(one));
      if (before !== undefined) throw invalid('name', `document ${before} is of the same object: leave one out`);
      seen.set(documentName(one), i + 1);
      wanted.push(one);
    } catch (error) {
      if (!(error instanceof HeddleError)) throw error;
      refused.push({ object: objectText(value), document: i + 1, error });
    }
  }
  if (refused.length > 0) throw documentsRefused(refused);
  return wanted.sort((a, b) => rank(a) - rank(b) || (documentName(a) < documentName(b) ? -1 : 1));
}

/** @throws INVALID, NAME_INVALID */
function parseDocument(value: unknown, document: number): Wanted {
  checkHead(value);
  const { kind, tenant, name, ...fields } = value as Omit<Wanted, 'document' | 'fields'>;
  const { scope, input } = kinds[kind];
  if (scope === 'tenant' && tenant === undefined) throw invalid('tenant', `is required: whose ${kind} it is`);
  if (scope === 'cluster' && tenant !== undefined) throw invalid('tenant', `a ${kind} has none: leave it out`);
  for (const field of Object.keys(fields))
    if (!Object.hasOwn(input.properties, field)) throw invalid(field.slice(0, 80), `a ${kind} has no such field`);
  return { document, kind, ...(tenant !== undefined && { tenant }), name: parseName(name), fields };
}

/** As well as it can be said of what cannot be read. */
function objectText(value: unknown): string {
  const { kind, tenant, name } = (value ?? {}) as Record<string, unknown>;
  const text = (v: unknown): string => (typeof v === 'string' ? v.slice(0, 63) : '?');
  return documentName({
    kind: text(kind) as Kind,
    name: text(name),
    ...(tenant !== undefined && { tenant: text(tenant) }),
  });
}

/** Whoever asks for a number or an address by name comes before those that take any that is free: ports and shared addresses alike. */
function rank({ kind, fields }: Wanted): number {
  const asks = ['vni', 'address', 'addresses', 'mac'].some((field) => Object.hasOwn(fields, field));
  const behind = fields.behind === undefined ? 0 : 0.1;
  const as = kind === 'address' ? 'port' : kind;
  return referentsFirst.indexOf(as) + (asks ? 0 : 0.5) + behind;
}
