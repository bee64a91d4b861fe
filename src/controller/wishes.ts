/** What users wrote of objects, apart from what is the system's own: what a rollback brings back. */

import { runtimeFields } from '../model/document.ts';
import { type Inputs, type Kind, kinds } from '../model/kinds.ts';
import { rules } from './kind-rules.ts';
import type { PortRecord, Records } from './records.ts';
import type { Rules } from './rules.ts';

/** The fields of an object's input that are a user's wish. */
export type Wish = Readonly<Record<string, unknown>>;

/** Of hosts, which come and go by themselves, the rest is their agents' word. */
const ofHosts: readonly string[] = ['labels', 'openPorts'];

/** The whole input that would make an object. */
export const inputOf = <K extends Kind>(kind: K, record: Records[K]): Inputs[K] & Wish =>
  (rules[kind] as Rules<K>).input(record) as Inputs[K] & Wish;

/** True for a field that a user decides, and no agent, move or attachment. */
function isWish(kind: Kind, field: string): boolean {
  return kind === 'host' ? ofHosts.includes(field) : !runtimeFields[kind].includes(field);
}

/**
 * What a user wants of an object; undefined for what is there for the system's own sake: leases, which hosts ask for, and ports
 * that were made for an attachment or learned.
 */
export function wishOf<K extends Kind>(kind: K, record: Records[K] | undefined): Wish | undefined {
  if (!record || kind === 'lease' || (kind === 'port' && (record as PortRecord).ephemeral)) return undefined;
  return Object.fromEntries(Object.entries(inputOf(kind, record)).filter(([field]) => isWish(kind, field)));
}

/** The input by which an object as it is gets what a user wanted, and keeps the rest. */
export function inputWith<K extends Kind>(kind: K, record: Records[K], wish: Wish): Inputs[K] {
  const kept = Object.entries(inputOf(kind, record)).filter(
    ([field]) => !isWish(kind, field) && field in kinds[kind].input.properties,
  );
  return { ...wish, ...Object.fromEntries(kept) } as unknown as Inputs[K];
}
