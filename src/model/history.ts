/** The shapes of history: what was, when, and what is different since. */
import { type Static, Type } from '#typebox';
import { FieldChange, ObjectChange } from './change.ts';
import { Id, Revision, strict } from './fields.ts';

/** How much of it there is in one answer. */
export const historyLimits = {
  entries: 1000,
  entriesDefault: 100,
  changes: 10_000,
  changesDefault: 1000,
  point: 40,
} as const;

const when = Type.String({ format: 'date-time', description: 'Absent if nobody knows' });

const HistoryEntry = Type.Object(
  {
    revision: Revision,
    at: Type.Optional(when),
    action: Type.Enum(['create', 'update', 'delete', 'kept'], {
      description: 'kept: as it was at the oldest revision that is left',
    }),
    id: Id,
    name: Type.String(),
    fields: Type.Array(FieldChange),
    object: Type.Record(Type.String(), Type.Unknown(), {
      description: 'As it was afterwards, or before it was deleted',
    }),
  },
  strict,
);
export type HistoryEntry = Static<typeof HistoryEntry>;

/** Answer to: what has become of an object? */
export const ObjectHistory = Type.Object(
  {
    oldest: { ...Revision, description: 'What was written before this one is forgotten' },
    oldestAt: Type.Optional(when),
    items: Type.Array(HistoryEntry, { description: 'The newest first; all objects that have had the name' }),
    next: Type.Optional({ ...Revision, description: 'If there is more: the "before" of the next page' }),
  },
  strict,
);
export type ObjectHistory = Static<typeof ObjectHistory>;

/** A moment: its revision, and when that was written. */
const Moment = Type.Object({ revision: Revision, at: Type.Optional(when) }, strict);
export type Moment = Static<typeof Moment>;

/** Answer to: what is different since then? */
export const Difference = Type.Object(
  {
    since: Moment,
    now: Moment,
    total: Type.Integer({ description: 'Objects that differ; changes has at most as many as were asked for' }),
    changes: Type.Array(ObjectChange),
  },
  strict,
);
export type Difference = Static<typeof Difference>;

/** What a rollback is asked. */
export const RollbackInput = Type.Object(
  {
    to: Type.String({
      minLength: 1,
      maxLength: historyLimits.point,
      description: 'A revision, a time (RFC 3339), or how long ago, as 90m',
    }),
    tenant: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 63,
        description: 'Name or id of a tenant; default: the whole installation',
      }),
    ),
    dryRun: Type.Optional(Type.Boolean({ description: 'Say what it would do, and do nothing; default: false' })),
  },
  strict,
);
export type RollbackInput = Static<typeof RollbackInput>;

/** What it did, or would do. */
export const Rollback = Type.Object(
  {
    to: Moment,
    revision: { ...Revision, description: 'Of its last write; of a dry run the one it was computed on' },
    dryRun: Type.Boolean(),
    changes: Type.Array(ObjectChange),
  },
  strict,
);
export type Rollback = Static<typeof Rollback>;
