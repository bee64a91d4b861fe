/** Objects of which only known fields may say anything: what an engine adds one day is refused until somebody has looked at it. Pure. */
import { HeddleError } from '../../model/errors.ts';
import type { Fields } from './body.ts';

/** By field: true if it may have any value; else whether it may have this one, and how what it is not is told. */
export type Known = Readonly<Record<string, true | Rule>>;
export type Rule = (value: unknown) => string | undefined;

/** Refuses fields that are not known, unless they are empty, and values that are against the rules. @throws INVALID */
export function requireKnown(fields: Fields, known: Known, what: string): void {
  const folded = new Set(Object.keys(known).map(fold));
  for (const [name, value] of Object.entries(fields)) {
    const rule = Object.hasOwn(known, name) ? known[name]! : undefined;
    const problem =
      rule === undefined
        ? folded.has(fold(name))
          ? 'is spelled in another way than the API does'
          : isEmpty(value)
            ? undefined
            : 'may not be used'
        : rule === true
          ? undefined
          : rule(value);
    if (problem !== undefined) throw new HeddleError('INVALID', { field: `${what}${name.slice(0, 80)}`, problem });
  }
}

/** Go takes fields in any case, and two letters for others. */
const fold = (name: string): string => name.toUpperCase().toLowerCase();

/** What Go writes for a field that nobody has set. */
export function isEmpty(value: unknown): boolean {
  if (typeof value === 'object' && value !== null)
    return Array.isArray(value) ? value.length === 0 : Object.values(value).every(isEmpty);
  return value === null || value === undefined || value === false || value === 0 || value === '';
}

/** Empty, or one of these texts. */
export const oneOf =
  (...texts: readonly string[]): Rule =>
  (value) =>
    isEmpty(value) || texts.includes(value as string) ? undefined : `may only be ${texts.join(', ')}`;

/** A list, each entry of which is a text that obeys the rule. */
export const listOf =
  (rule: (text: string) => string | undefined): Rule =>
  (value) => {
    if (isEmpty(value)) return undefined;
    if (!Array.isArray(value) || value.some((entry) => typeof entry !== 'string')) return 'must be a list of texts';
    return value.map((entry: string) => rule(entry)).find((problem) => problem !== undefined);
  };
