/** Records of what was done and of what was refused, as `heddle audit` shows them. */
import { type Static, Type } from '#typebox';
import type { Problem } from './errors.ts';
import { limits, strict } from './fields.ts';
import type { Kind } from './kinds.ts';
import { ToldRefusal } from './refusals.ts';

/** How much of it there is in one record and one answer. */
export const auditLimits = {
  page: limits.pageSize,
  pageDefault: 200,
  /** Of a field's value before or after, as JSON. */
  valueBytes: 1024,
  /** Of all values of a record. */
  valuesBytes: 8192,
  fields: 256,
  nameChars: 80,
} as const;

/** What was done. */
const actions = {
  create: 'it was made',
  update: 'fields of it were written, or what only the system keeps of it',
  delete: 'it was deleted',
  adopt: 'it belongs to a set of documents from now on',
  refused: 'a request was refused: `code` says why',
  unrecorded: 'so many more refusals of one source were not recorded one by one: `count`',
  forgotten: 'the controller no longer keeps what is older',
} as const;
type Action = keyof typeof actions;

/**
 * Fields whose values may be secrets, such as passwords in a guest's user data: a record says that they were written, and not
 * what. Each kind has its line, so that a new one is asked.
 */
export const secretFields: Readonly<Record<Kind, readonly string[]>> = {
  tenant: [],
  network: [],
  subnet: [],
  port: ['userData'],
  address: [],
  lease: [],
  router: [],
  host: [],
  grant: [],
};

const Who = Type.Object(
  {
    kind: Type.Enum(['user', 'host', 'local', 'joiner', 'controller', 'nobody', 'outsider'], {
      description:
        'local: root on the controller’s machine; joiner: a host to be, by the id of its token; nobody: who gave no credentials that count; outsider: to those who read one tenant, everybody who is not of it',
    }),
    name: Type.Optional(Type.String()),
    token: Type.Optional(Type.String({ description: 'Id of the API token that a user came with' })),
  },
  strict,
);
export type Who = Static<typeof Who>;
/** "user:alice", "host:h1", "root@ctl", "controller". */
export const whoText = ({ kind, name }: Pick<Who, 'kind' | 'name'>): string =>
  name === undefined ? kind : kind === 'local' ? name : `${kind}:${name}`;

const AuditField = Type.Object(
  {
    field: Type.String(),
    before: Type.Optional(Type.Unknown()),
    after: Type.Optional(Type.Unknown()),
    withheld: Type.Optional(
      Type.Enum(['secret', 'size'], { description: 'Why before and after are not here, though it was written' }),
    ),
  },
  {
    ...strict,
    description: 'A field, as mtuBytes or labels.tier; before or after are absent where it was or is not there',
  },
);
export type AuditField = Static<typeof AuditField>;

const text = (description: string) => Type.Optional(Type.String({ description }));

export const AuditRecord = Type.Object(
  {
    id: Type.String({ pattern: '^[0-9]+$', description: 'Rises from record to record' }),
    at: Type.String({
      format: 'date-time',
      description: 'By the controller’s clock; never earlier than the one before',
    }),
    action: Type.Enum(Object.keys(actions) as Action[], {
      description: Object.entries(actions)
        .map(([action, text]) => `${action}: ${text}`)
        .join('; '),
    }),
    who: Who,
    from: text('The client’s address, or "unix"; absent of the controller’s own deeds'),
    requestId: text('As in the header x-request-id'),
    method: text('Of the request'),
    route: text('Of the request, as in the OpenAPI description'),
    tenant: text('Id of the tenant that it is of'),
    tenantName: text('Its name then'),
    kind: text('What it is: a kind of objects, or what is none, as quota'),
    object: text('Its id'),
    name: text('Its name then; of a refusal, as it was asked for'),
    fields: Type.Optional(Type.Array(AuditField, { description: 'What differs, as history shows it' })),
    moreFields: Type.Optional(Type.Integer({ description: 'So many more fields differ' })),
    revision: text('The store’s revision that it made'),
    code: text('Why it was refused'),
    told: Type.Optional(ToldRefusal),
    count: Type.Optional(
      Type.Integer({ description: 'How many: refusals that were not recorded, records that were forgotten' }),
    ),
    since: Type.Optional(Type.String({ format: 'date-time', description: 'When the first of these was' })),
    until: Type.Optional(Type.String({ format: 'date-time', description: 'When the last of these was' })),
  },
  strict,
);
export type AuditRecord = Static<typeof AuditRecord>;

/** A list of records: the newest first, or with "after" the oldest first. */
export const AuditPage = Type.Object(
  {
    keptSince: Type.Optional(
      Type.String({
        format: 'date-time',
        description: 'What was before this time is forgotten, or was before there were records; absent: there are none',
      }),
    ),
    items: Type.Array(AuditRecord),
    next: Type.Optional(
      Type.String({ description: 'If there may be more: the "before", or "after", of the next page' }),
    ),
  },
  strict,
);
export type AuditPage = Static<typeof AuditPage>;

/** A line of a followed answer: a record, or that those of up to a time were forgotten before they could be sent. */
export type AuditLine = AuditRecord | { readonly forgottenUntil: string };
/** The last line of one that the server ends: why. */
export type AuditEnd = { readonly problem: Problem };
