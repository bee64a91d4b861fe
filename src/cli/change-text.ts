/** Changes of objects, as people read them. */
import type { Client } from '../client/client.ts';
import type { FieldChange } from '../model/field-changes.ts';
import type { ObjectChange } from '../model/history.ts';
import { type Kind, kinds } from '../model/kinds.ts';
import { type Io, paint } from './io.ts';
import { learnNames, type Names } from './show.ts';
import { printable } from './table.ts';

/** Longest value that is shown, characters. */
const VALUE_CHARS = 60;

/** A value as text: ids of other objects as their names. */
function valueText(value: unknown, names: Names): string {
  if (value === undefined) return '-';
  const named = (v: unknown): unknown => (typeof v === 'string' ? (names.get(v) ?? v) : v);
  const shown = Array.isArray(value) ? value.map(named) : named(value);
  const text = typeof shown === 'string' ? shown : JSON.stringify(shown);
  return printable(text.length > VALUE_CHARS ? `${text.slice(0, VALUE_CHARS)}…` : text);
}

/** "mtuBytes: 1500 -> 1400". */
export const fieldText = ({ field, before, after }: FieldChange, names: Names): string =>
  before === undefined
    ? `${field}: ${valueText(after, names)}`
    : `${field}: ${valueText(before, names)} -> ${valueText(after, names)}`;

/** Learns the names of what changes refer to, before and after. */
export async function learnReferred(
  client: Client,
  kind: Kind,
  changes: readonly FieldChange[],
  names: Map<string, string>,
  tenant: string | undefined,
): Promise<void> {
  for (const side of ['before', 'after'] as const)
    await learnNames(client, kind, Object.fromEntries(changes.map((c) => [c.field, c[side]])), names, tenant);
}

const signs = { created: ['+', 'green'], changed: ['~', 'yellow'], deleted: ['-', 'red'] } as const;

/** Objects that differ, one a line, with the fields that changed; of what is gone or new the line says all. */
export async function changesText(io: Io, client: Client, items: readonly ObjectChange[]): Promise<string> {
  const tenants = await client.list('tenant');
  const names = new Map([...tenants, ...items].map(({ id, name }) => [id, name]));
  const lines: string[] = [];
  for (const { type, kind, tenant, name, changes } of items) {
    const [sign, colour] = signs[type];
    const whose = tenant === undefined ? '' : `${names.get(tenant) ?? tenant}/`;
    lines.push(paint(io, colour, `${sign} ${kind} ${printable(`${whose}${name}`)}`));
    if (type !== 'changed') continue;
    if (tenant === undefined || names.has(tenant)) await learnReferred(client, kind as Kind, changes, names, tenant);
    lines.push(...changes.map((change) => `    ${fieldText(change, names)}`));
  }
  return lines.map((line) => `${line}\n`).join('');
}

/** A kind that was typed. */
export const isKind = (text: string): text is Kind => Object.hasOwn(kinds, text);
