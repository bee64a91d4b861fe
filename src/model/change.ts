/** How an object differs from what it was: what apply and rollback do, and what is different since. */
import { type Static, Type } from '#typebox';
import { Id, strict } from './fields.ts';
import { type Kind, kinds } from './kinds.ts';

export const KindName = Type.Enum(Object.keys(kinds) as Kind[]);

/** A field of an object, before and after. */
export const FieldChange = Type.Object(
  { field: Type.String(), before: Type.Optional(Type.Unknown()), after: Type.Optional(Type.Unknown()) },
  {
    ...strict,
    description: 'A field, as mtuBytes or labels.tier; before or after are absent where it was or is not there',
  },
);
export type FieldChange = Static<typeof FieldChange>;

export const ObjectChange = Type.Object(
  {
    action: Type.Enum(['create', 'update', 'delete', 'adopt', 'unchanged'], {
      description:
        'adopt: it is as its document asks for, and belongs to the set from now on; this one and unchanged are of documents alone',
    }),
    kind: KindName,
    id: Type.Optional({ ...Id, description: 'Absent of what a document makes' }),
    tenant: Type.Optional(Type.String({ description: 'Name of the tenant that it belongs to' })),
    name: Type.String(),
    fields: Type.Array(FieldChange),
  },
  strict,
);
export type ObjectChange = Static<typeof ObjectChange>;
