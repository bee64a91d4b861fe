/** Lists and follows of events. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { hostsOf } from '../compile/binding.ts';
import { HeddleError } from '../model/errors.ts';
import {
  type Event,
  type EventLine,
  type EventPage,
  type EventType,
  eventLimits,
  eventTypes,
} from '../model/events.ts';
import type { HostId } from '../model/ids.ts';
import { type Kind, kinds, placesOf } from '../model/kinds.ts';
import { type Access, seenTenant } from './access.ts';
import type { Events } from './events.ts';
import { sendLines } from './lines.ts';
import { parseTime } from './point.ts';
import { flag, integer, one, type RawQuery, refuseUnknown } from './query.ts';
import { scopeOf } from './records.ts';
import type { World } from './world.ts';

/** Events that are written between two looks at whether the client still takes them. */
const BATCH = 256;

/** What is asked for. */
interface EventQuery {
  readonly limit: number;
  /** Id behind which the answer begins. */
  readonly after: number;
  readonly follow: boolean;
  /** Ids of the tenants whose events are asked for ('-': of what is in none); undefined: of all. */
  readonly tenants: readonly string[] | undefined;
  /** Some that are asked for are not theirs. */
  readonly wide: boolean;
  readonly matches: (event: Event, access: Access) => boolean;
}

interface EventsContext {
  readonly world: World;
  readonly events: Events;
  readonly now: () => Date;
}

/** Answers `GET /v1/events`. @throws INVALID, NOT_FOUND */
export function answerEvents(
  ctx: EventsContext,
  request: FastifyRequest,
  reply: FastifyReply,
): EventPage | FastifyReply {
  const { access } = request;
  const query = parseEventQuery(ctx, request.query as RawQuery, access);
  if (query.follow) return follow(ctx.events, query, request, reply);
  const { events } = ctx;
  const items: Event[] = [];
  const [only] = query.wide || query.tenants?.length !== 1 ? [] : query.tenants;
  for (const event of events.after(query.after, only)) {
    if (!query.matches(event, access)) continue;
    if (items.length === query.limit) return { since: events.since.toISOString(), items, next: items.at(-1)!.id };
    items.push(event);
  }
  return { since: events.since.toISOString(), items };
}

function parseEventQuery({ world, events, now }: EventsContext, raw: RawQuery, access: Access): EventQuery {
  refuseUnknown(raw, ['kind', 'object', 'tenant', 'type', 'since', 'after', 'limit', 'follow']);
  const kind = oneOf(raw, 'kind', Object.keys(kinds) as Kind[]);
  const tenantRef = one(raw, 'tenant');
  const object = one(raw, 'object');
  if (object !== undefined && kind === undefined)
    throw new HeddleError('INVALID', { field: 'kind', problem: 'is required with object' });
  const tenantFor = (ref: string) => (access.readsAll ? tenantOf(world, events, ref) : seenTenant(world, access, ref));
  const tenant = tenantRef === undefined ? undefined : tenantFor(tenantRef);
  const types = new Set(
    [raw.type ?? []].flat().map((text) => known('type', text, Object.keys(eventTypes) as EventType[])),
  );
  const sinceText = one(raw, 'since');
  const since = sinceText === undefined ? undefined : parseTime('since', sinceText, now().getTime());
  const isIt = object === undefined ? undefined : objectOf(world, events, access, { kind: kind!, object, tenant });
  return {
    limit: integer(raw, 'limit', 1, eventLimits.page) ?? eventLimits.page,
    after: integer(raw, 'after', 0, 999_999_999) ?? 0,
    follow: flag(raw, 'follow'),
    tenants: tenant === undefined ? tenantsOf(world, access) : [tenant],
    // What concerns a port is its tenant's, and its host's.
    wide: isIt !== undefined,
    matches: (event, may) =>
      (isIt ? isIt(event) : kind === undefined || event.kind === kind) &&
      (isSeen(event, may) || (isIt !== undefined && kind === 'port' && event.kind === 'host')) &&
      (tenant === undefined || isIt !== undefined || event.tenant === tenant) &&
      (types.size === 0 || types.has(event.type)) &&
      (since === undefined || Date.parse(event.at) >= since),
  };
}

/**
 * Whether an event is of an object, or of one of its name that is gone; of a port, also whether it is that the host where it
 * is wired came or went. @throws NOT_FOUND for one of which nothing is known
 */
function objectOf(
  world: World,
  events: Events,
  access: Access,
  { kind, object, tenant }: { kind: Kind; object: string; tenant: string | undefined },
): (event: Event) => boolean {
  const isNamed = (event: Event) =>
    event.kind === kind &&
    (tenant === undefined || event.tenant === tenant) &&
    (event.object === object || event.name === object);
  const scopes = placesOf(kind).flatMap((place) =>
    place === 'cluster' ? ['-'] : tenant === undefined ? [...world.tenant.keys()] : [tenant],
  );
  const found = scopes
    .flatMap((scope) => world.find(kind, scope, object) ?? [])
    .filter(({ record }) => access.reads(kind, scopeOf(record), record.id));
  const ids = new Set<string>(found.map(({ record }) => record.id));
  if (ids.size === 0 && !events.after(0, tenant).some((event) => isNamed(event) && isSeen(event, access)))
    throw new HeddleError('NOT_FOUND', { kind, name: object.slice(0, 80) });
  const isItsHost = ({ type, object: host, at }: Event) =>
    (type === 'online' || type === 'offline') &&
    [...ids].some((id) => {
      const port = world.port.get(id)?.record;
      return port !== undefined && port.createdAt <= at && hostsOf(world.bindingOf(port)).includes(host as HostId);
    });
  return (event) =>
    isNamed(event) || (event.kind === kind && ids.has(event.object)) || (kind === 'port' && isItsHost(event));
}

/** An event of an object that the principal reads. */
const isSeen = ({ kind, tenant = '-', object }: Event, access: Access): boolean =>
  access.readsAll || access.reads(kind, kind === 'tenant' ? '-' : tenant, object);

/** Whose events are the principal's; undefined: all are. */
const tenantsOf = (world: World, access: Access): readonly string[] | undefined =>
  access.readsAll
    ? undefined
    : [...world.tenant.keys(), '-'].filter((scope) => access.may('read', scope === '-' ? 'host' : 'router', scope));

/** The id of a tenant that is there, or was. @throws NOT_FOUND */
function tenantOf(world: World, events: Events, ref: string): string {
  const found = world.find('tenant', '-', ref)?.record.id;
  if (found !== undefined) return found;
  for (const { tenant, tenantName } of events.after(0)) if (tenant === ref || tenantName === ref) return tenant!;
  throw new HeddleError('NOT_FOUND', { kind: 'tenant', name: ref.slice(0, 80) });
}

function known<T extends string>(field: string, text: string, all: readonly T[]): T {
  const found = all.find((value) => value === text);
  if (!found) throw new HeddleError('INVALID', { field, problem: `must be one of ${all.join(', ')}` });
  return found;
}

function oneOf<T extends string>(raw: RawQuery, field: string, all: readonly T[]): T | undefined {
  const text = one(raw, field);
  return text === undefined ? undefined : known(field, text, all);
}

/** One JSON line for every event that is kept and every one that comes; {"lost": n} where some went before they could be sent. */
function follow(
  events: Events,
  { matches, ...query }: EventQuery,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  return sendLines<EventLine>(reply, {
    look: () => request.accessNow(),
    async pump(write, signal) {
      // Not a race of promises: racing one that lives as long as the answer would keep a little of every event.
      signal.addEventListener('abort', () => events.wake());
      const reader = events.reader(query);
      while (!signal.aborted) {
        // Taken before looking, so that what is noted between the look and the wait is not missed.
        const { news } = events;
        const { lost, events: batch } = reader.take(BATCH);
        const access = request.accessNow();
        if (lost > 0) await write({ lost });
        for (const event of batch) if (matches(event, access)) await write(event);
        if (batch.length < BATCH) await news;
      }
    },
  });
}
