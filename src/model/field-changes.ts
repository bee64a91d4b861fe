/** What differs between two states of an object, field by field. */
import { isDeepStrictEqual } from 'node:util';
import type { FieldChange } from './change.ts';

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The fields that differ, in the order in which the later state has them; "labels.tier" is of one that has fields itself. A list is one value. */
export function fieldChanges(before: object, after: object, prefix = ''): FieldChange[] {
  const [was, is] = [before as Fields, after as Fields];
  return [...new Set([...Object.keys(is), ...Object.keys(was)])].flatMap((name) => {
    const [a, b] = [was[name], is[name]];
    if (isDeepStrictEqual(a, b)) return [];
    if ((isFields(a) || a === undefined) && (isFields(b) || b === undefined))
      return fieldChanges(a ?? {}, b ?? {}, `${prefix}${name}.`);
    return { field: `${prefix}${name}`, ...(a !== undefined && { before: a }), ...(b !== undefined && { after: b }) };
  });
}
