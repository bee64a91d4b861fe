/** Whether an installation is well, as one controller sees it: what `heddle status` shows. */
import { type Static, Type } from '#typebox';
import { strict } from './fields.ts';

/** From which share on something counts as nearly full. */
export const nearlyFull = 0.9;
/** A host may owe changes so long before it counts as behind, milliseconds. */
export const behindMs = 10_000;
/** Clocks may differ by so much, milliseconds: timestamps of logs and certificates are compared by people and programs. */
export const clockSkewMs = 5_000;
/** Most problems in one answer; how many more there are is said. */
export const problemsMax = 200;

/** What may be wrong, and how bad it is: of an error something does not work, of a warning it soon may not. */
const problemKinds = {
  HOST_OFFLINE: 'error',
  HOST_BEHIND: 'error',
  HOST_SILENT: 'error',
  HOST_LACKS: 'error',
  PORT_FAILED: 'error',
  AUTHORITY_INVALID: 'error',
  ADDRESS_CONTESTED: 'warning',
  POOL_NEARLY_FULL: 'warning',
  MAP_NEARLY_FULL: 'warning',
  VERSIONS_DIFFER: 'warning',
  CLOCKS_DIFFER: 'warning',
  CERTIFICATE_ENDS: 'warning',
  AUTHORITY_ENDS: 'warning',
  ROTATION_UNFINISHED: 'warning',
} as const satisfies Readonly<Record<string, 'error' | 'warning'>>;
export type ProblemKind = keyof typeof problemKinds;

const Trouble = Type.Object(
  {
    problem: Type.Enum(Object.keys(problemKinds) as ProblemKind[]),
    severity: Type.Enum(['error', 'warning']),
    kind: Type.Optional(Type.String({ description: 'Kind of the object that it is about' })),
    name: Type.Optional(Type.String()),
    tenant: Type.Optional(Type.String({ description: 'Name of its tenant' })),
    text: Type.String({ description: 'What is not well, and why' }),
    next: Type.String({ description: 'What to do about it' }),
  },
  strict,
);
/** One thing that is not well. */
export type Trouble = Static<typeof Trouble>;

/** Something that is not well, as bad as its kind says. */
export const trouble = (problem: ProblemKind, about: Omit<Trouble, 'problem' | 'severity'>): Trouble => ({
  problem,
  severity: problemKinds[problem],
  ...about,
  text: about.text.slice(0, 700),
});

const Count = Type.Integer({ minimum: 0 });
export const Condition = Type.Object(
  {
    well: Type.Boolean({ description: 'There is no error; there may be warnings' }),
    version: Type.String({ description: 'Of the controller that answers' }),
    startedAt: Type.String({ format: 'date-time', description: 'When it began' }),
    revision: Type.String({ description: 'The store’s' }),
    hosts: Type.Object({ total: Count, online: Count, offline: Type.Array(Type.String()) }, strict),
    ports: Type.Object(
      { total: Count, up: Count, pending: Count, error: Count, unknown: Count, unbound: Count },
      strict,
    ),
    problems: Type.Array(Trouble, { description: `Errors first; at most ${problemsMax}` }),
    more: Type.Integer({ minimum: 0, description: 'Problems that are not named' }),
  },
  strict,
);
export type Condition = Static<typeof Condition>;
