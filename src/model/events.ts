/** What happened to objects, as `heddle events` shows it: kept in memory by the controller, bounded, and gone with it. */
import { type Static, Type } from '#typebox';
import { Id, limits, Name, strict } from './fields.ts';
import { type Kind, kinds } from './kinds.ts';

/** Every type of event: which kinds have it, and what it says. A warning wants somebody to look. */
export const eventTypes = {
  created: { severity: 'info', text: 'it was made' },
  updated: { severity: 'info', text: 'fields of it were written: `fields` names them' },
  deleted: { severity: 'info', text: 'it is gone' },
  bound: { severity: 'info', text: 'the port is on a host now' },
  moved: { severity: 'info', text: 'the port is on another host now' },
  unbound: { severity: 'info', text: 'the port is on no host any more' },
  wired: { severity: 'info', text: 'the host has made the port’s device, and packets pass' },
  waiting: { severity: 'info', text: 'the port’s host waits for something: `text` says for what' },
  failed: { severity: 'warning', text: 'the port’s host cannot make it work: `code` and `text` say why' },
  online: { severity: 'info', text: 'the host’s agent is connected' },
  offline: { severity: 'warning', text: 'the host’s agent is not connected any more; its workloads go on' },
  refused: { severity: 'warning', text: 'an agent that calls itself this host was refused: `code` and `text` say why' },
} as const satisfies Readonly<Record<string, { severity: 'info' | 'warning'; text: string }>>;
export type EventType = keyof typeof eventTypes;

/** How many events are kept; the oldest go first. */
export const eventLimits = { perObject: 64, perTenant: 4096, inAll: 65_536, page: limits.pageSize } as const;

export const Event = Type.Object(
  {
    id: Type.String({
      pattern: '^[0-9]+$',
      description: 'Rises from event to event, from 1 when the controller begins',
    }),
    at: Type.String({ format: 'date-time', description: 'By the controller’s clock' }),
    type: Type.Enum(Object.keys(eventTypes) as EventType[]),
    severity: Type.Enum(['info', 'warning']),
    kind: Type.Enum(Object.keys(kinds) as Kind[]),
    object: { ...Id, description: 'The object’s id' },
    name: { ...Name, description: 'Its name then' },
    tenant: Type.Optional({ ...Id, description: 'Of an object in a tenant, and of a tenant itself' }),
    tenantName: Type.Optional(Name),
    host: Type.Optional(Type.String({ description: 'Name of the host that it is about, of a port' })),
    code: Type.Optional(Type.String({ description: 'Why not, for programs' })),
    fields: Type.Optional(Type.Array(Type.String(), { description: 'What was written' })),
    revision: Type.Optional(Type.String({ description: 'Store revision that did it' })),
    text: Type.String({ description: 'For people' }),
  },
  strict,
);
export type Event = Static<typeof Event>;

/** A list of events, the oldest first. */
export const EventPage = Type.Object(
  {
    since: Type.String({ format: 'date-time', description: 'When this controller began: nothing earlier is known' }),
    items: Type.Array(Event),
    next: Type.Optional(Type.String({ description: 'If there is more: the "after" of the next page' })),
  },
  strict,
);
export type EventPage = Static<typeof EventPage>;

/** A line of a followed answer: an event, or that some went before they could be sent: of the tenant that is asked for, or of all. */
export type EventLine = Event | { readonly lost: number };
