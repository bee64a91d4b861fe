/** How much a tenant may have. What counts is said by each kind's entry in the table of kinds; nothing else names units. */
import { type TObject, Type } from '#typebox';
import { Id, Revision, strict } from './fields.ts';
import { type KindSpec, kinds } from './kinds.ts';

/** "ports", "addresses": every unit that some kind counts in, in the order of the table. */
export const quotaUnits: readonly string[] = [
  ...new Set(Object.values<KindSpec>(kinds).flatMap(({ counts }) => Object.keys(counts))),
];

/** Most of a unit; a unit that is not there has no limit. */
export type QuotaLimits = Readonly<Record<string, number>>;

/** Largest limit that can be set. */
export const LIMIT_MAX = 1_000_000_000;

const limit = Type.Integer({ minimum: 0, maximum: LIMIT_MAX });
const perUnit = <T>(field: T): Record<string, T> => Object.fromEntries(quotaUnits.map((unit) => [unit, field]));

/** What a client may write of a tenant's quota, as a merge patch: null ends a limit. */
export const QuotaPatch: TObject = Type.Object(
  {
    limits: Type.Object(perUnit(Type.Optional(Type.Union([limit, Type.Null()]))), {
      ...strict,
      description: 'Most that the tenant may have, by unit; null: no limit. Less than it has stops growth alone',
    }),
  },
  strict,
);

/** A tenant's quota as a client reads it. */
export const QuotaView: TObject = Type.Object(
  {
    tenant: Id,
    revision: { ...Revision, description: 'Store revision of the last change of a limit; "0": there never was one' },
    limits: Type.Object(perUnit(Type.Optional(limit)), {
      ...strict,
      description: 'Most that the tenant may have; what is not named has no limit',
    }),
    used: Type.Object(perUnit(Type.Integer()), { ...strict, description: 'What it has now, of every unit' }),
  },
  strict,
);

/** The same as a type: units are only known at run time. */
export interface Quota {
  readonly tenant: string;
  readonly revision: string;
  readonly limits: QuotaLimits;
  readonly used: Readonly<Record<string, number>>;
}
