/** What is said when a set of documents is applied, and what is answered. */
import { type Static, Type } from '#typebox';
import { KindName, ObjectChange } from './change.ts';
import { documentLimits } from './document.ts';
import { strict } from './fields.ts';
import { namePattern } from './ids.ts';

/** What every document has, whatever its kind. */
export const DocumentHead = Type.Object(
  {
    kind: KindName,
    tenant: Type.Optional(
      Type.String({ minLength: 1, maxLength: 63, description: 'Its name; of kinds that have one' }),
    ),
    name: Type.String({ minLength: 1, maxLength: 63 }),
  },
  { description: 'The body of a create of this kind, with the kind, and the tenant, beside the fields' },
);

export const ApplyInput = Type.Object(
  {
    documents: Type.Array(DocumentHead, {
      minItems: 1,
      maxItems: documentLimits.documents,
      description: 'In any order, each object once',
    }),
    set: Type.Optional(
      Type.String({ pattern: namePattern, description: 'What the documents belong to; default: "default"' }),
    ),
    prune: Type.Optional(
      Type.Boolean({
        description: 'Delete what was applied with the same set before and is not among the documents; needs one',
      }),
    ),
    tenant: Type.Optional(
      Type.String({ minLength: 1, maxLength: 63, description: 'Of whose objects alone some are deleted' }),
    ),
    take: Type.Optional(Type.Boolean({ description: 'Take over objects that belong to another set' })),
    dryRun: Type.Optional(Type.Boolean({ description: 'Write nothing' })),
    plan: Type.Optional(Type.Boolean({ description: 'Write nothing, and say what each host would change' })),
  },
  strict,
);
export type ApplyInput = Static<typeof ApplyInput>;

const HostPlan = Type.Object(
  {
    host: Type.String(),
    items: Type.Array(
      Type.Object(
        {
          action: Type.Enum(['create', 'update', 'delete']),
          kind: Type.String({ description: 'What it knows: network, port, peer, router, …' }),
          name: Type.String(),
        },
        strict,
      ),
    ),
  },
  { ...strict, description: 'What a host would know otherwise than now' },
);
export type HostPlan = Static<typeof HostPlan>;

export const ApplyResult = Type.Object(
  {
    revision: Type.String({ description: 'Of the last write; if nothing was to be written, the present one' }),
    changes: Type.Array(ObjectChange, { description: 'In the order in which they are made' }),
    hosts: Type.Optional(Type.Array(HostPlan)),
  },
  strict,
);
export type ApplyResult = Static<typeof ApplyResult>;

export const ExportResult = Type.Object(
  {
    revision: Type.String(),
    documents: Type.Array(Type.Object({ kind: Type.String(), name: Type.String() })),
  },
  strict,
);
