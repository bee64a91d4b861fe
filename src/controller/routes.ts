import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type TObject, Type } from '#typebox';
import { compileCheck } from '../listen/validate.ts';
import { HeddleError } from '../model/errors.ts';
import type { PortCounters } from '../model/host-state.ts';
import { type HostInput, type Inputs, type Kind, kinds, type Place, placesOf } from '../model/kinds.ts';
import type { Store } from '../store/contract.ts';
import { refuseGiving } from './given-tenants.ts';
import { leaveToAgent } from './host.ts';
import { refuseCreate, refuseRemove, refuseUpdate } from './host-deeds.ts';
import { list } from './list.ts';
import { mergePatch } from './merge-patch.ts';
import { collectionPath, fastifyPath, objectPath } from './paths.ts';
import { parseIfMatch, parseIfNoneMatch } from './precondition.ts';
import type { Presence } from './presence.ts';
import { concernedHosts } from './publisher.ts';
import { parseCounters, parseListQuery, parseNothing, parseRemoval, parseWaitMs, type RawQuery } from './query.ts';
import type { PortRecord, Stored } from './records.ts';
import { must } from './rules.ts';
import { shownAfter, shownTo, viewOf } from './view.ts';
import { waitForHosts } from './wait.ts';
import { streamWatch } from './watch.ts';
import type { World } from './world.ts';
import type { Writer, Written } from './writer.ts';

export interface RouteContext {
  readonly store: Store;
  readonly world: World;
  readonly writer: Writer;
  readonly presence: Presence;
}
type Params = { tenant?: string; ref: string };

/** Routes of every kind, from the table. */
export function registerKinds(app: FastifyInstance, ctx: RouteContext): void {
  for (const kind of Object.keys(kinds) as Kind[])
    for (const place of placesOf(kind)) registerKind(app, ctx, kind, place);
}

function registerKind<K extends Kind>(app: FastifyInstance, ctx: RouteContext, kind: K, place: Place): void {
  const { world, writer, presence } = ctx;
  const { input } = kinds[kind];
  const collection = fastifyPath(collectionPath(kind, place));
  const object = fastifyPath(objectPath(kind, place));
  const scopeOf = (request: FastifyRequest): string =>
    place === 'tenant' ? must(world, 'tenant', '-', (request.params as Params).tenant ?? '').record.id : '-';
  const refOf = (request: FastifyRequest): string => (request.params as Record<string, string>)[kind] ?? '';
  const checkInput = compileCheck(input);
  const patch = patcher(kind, input);

  app.post(collection, { config: { condition: 'If-None-Match' } }, async (request, reply) => {
    const waitMs = parseWaitMs(request.query as RawQuery);
    const tenant = scopeOf(request);
    const ifAbsent = parseIfNoneMatch(request);
    checkInput(request.body);
    refuseCreate(world, request.access, kind, tenant, request.body);
    if (kind === 'host') refuseGiving(world, request.access, (request.body as HostInput).tenants);
    const written = await writer.create(kind, tenant, request.body as Inputs[K], ifAbsent);
    await waitForHosts(ctx, inAll(written), waitMs, reply);
    return sendObject(reply.code(written.created ? 201 : 200), sentAfter(request, written));
  });

  app.get(collection, async (request, reply) => {
    const tenant = scopeOf(request);
    const query = parseListQuery(world, kind, tenant, request.query as RawQuery);
    if (query.watch !== undefined) return streamWatch(ctx, kind, tenant, query, query.watch, request, reply);
    return list(ctx, kind, tenant, query, request.access);
  });

  // One object costs next to nothing, and hosts read many.
  app.get(object, { config: { rate: 'none' } }, async (request, reply) => {
    const found = mustSee(request, must(world, kind, scopeOf(request), refOf(request)));
    if (kind !== 'port') parseNothing(request.query as RawQuery);
    if (kind !== 'port' || !parseCounters(request.query as RawQuery)) return sendObject(reply, found);
    return { ...viewOf(found, ctx), counters: await counters(found.record as never) };
  });

  app.patch(object, { config: { condition: 'If-Match' } }, async (request, reply) => {
    const waitMs = parseWaitMs(request.query as RawQuery);
    const apply = patch(request.body);
    const ifMatch = parseIfMatch(request);
    // What goes with a change (what is behind a port that is bound nowhere now) has ties of its own: asked for before.
    const before = waitMs === undefined ? undefined : world.find(kind, scopeOf(request), refOf(request));
    const concerned = before && concernedHosts(world, { kind, before, after: before });
    const written = await writer.update(kind, scopeOf(request), refOf(request), ifMatch, (have) => {
      const next = apply(have) as Inputs[K];
      if (kind === 'host')
        refuseGiving(world, request.access, (next as HostInput).tenants, (have as HostInput).tenants);
      if (isOnline(refOf(request))) leaveToAgent(have as HostInput, next as HostInput);
      refuseUpdate(world, request.access, must(world, kind, scopeOf(request), refOf(request)), next, have);
      return next;
    });
    await waitForHosts(ctx, inAll(written), waitMs, reply, concerned);
    return sendObject(reply, sentAfter(request, written));
  });

  app.delete(object, { config: { condition: 'If-Match' } }, async (request, reply) => {
    const how = parseRemoval(request.query as RawQuery, kind);
    const ifMatch = parseIfMatch(request);
    if (isOnline(refOf(request))) leaveToAgent(must(world, 'host', '-', refOf(request)).record, undefined);
    const have = must(world, kind, scopeOf(request), refOf(request));
    // What goes with it ends its ties to other hosts: they are asked for before.
    const concerned = concernedHosts(world, { kind, before: have, after: undefined });
    const refuse = (stored: Stored) => refuseRemove(world, request.access, stored);
    const written = await writer.remove(kind, scopeOf(request), refOf(request), ifMatch, { ...how, refuse });
    await waitForHosts(ctx, inAll(written), how.waitMs, reply, concerned);
    return reply.code(204).header('heddle-revision', String(written.revision)).send();
  });

  /** What the principal may see of an object. @throws NOT_FOUND, as if it were not there */
  function mustSee(request: FastifyRequest, found: Stored<K>): Stored<K> {
    const seen = shownTo(world, request.access, found);
    if (!seen) throw new HeddleError('NOT_FOUND', { kind, name: refOf(request).slice(0, 80) });
    return seen;
  }

  const sentAfter = ({ access }: FastifyRequest, { change }: Written<K>): Stored<K> =>
    shownAfter(world, access, change.after!);

  /** The object is a host, and connected. */
  function isOnline(ref: string): boolean {
    return kind === 'host' && presence.get(world.find(kind, '-', ref)?.record.id ?? '') !== undefined;
  }

  function sendObject(reply: FastifyReply, found: Parameters<typeof viewOf<K>>[0]) {
    return reply.header('etag', `"${found.revision}"`).send(viewOf(found, ctx));
  }

  /** Asked of the port's host, now; null if the port is not on it yet. Counted by device: of a port behind another, that one's. @throws HOST_OFFLINE, INTERNAL; NOT_FOUND for an unbound port */
  async function counters(port: PortRecord): Promise<PortCounters | null> {
    const { id, behind = id, name } = port;
    const { host } = world.bindingOf(port);
    if (!host) throw new HeddleError('NOT_FOUND', { kind: 'host of port', name });
    const connected = presence.get(host);
    if (!connected) throw new HeddleError('HOST_OFFLINE', { host: world.host.get(host)!.record.name });
    const answer = await connected.ask({ name: 'counters', ports: [behind] });
    return answer[behind] ?? null;
  }
}

/** One write as a sequence of one. */
const inAll = ({ change, revision }: Written<Kind>) => ({ changes: [change], revision });

/** Checks a patch, and gives the function that makes the whole next input from the present one. @throws INVALID, IMMUTABLE */
function patcher(kind: Kind, input: TObject): (patch: unknown) => (have: unknown) => unknown {
  const { mutable } = kinds[kind];
  const isObject = compileCheck(Type.Object({}));
  const checkWhole = compileCheck(input);
  return (patch) => {
    isObject(patch);
    for (const field of Object.keys(patch as object)) {
      if (!Object.hasOwn(input.properties, field))
        throw new HeddleError('INVALID', { field: field.slice(0, 80), problem: 'is no field here' });
      if (!mutable.includes(field)) throw new HeddleError('IMMUTABLE', { kind, field });
    }
    return (have) => {
      const next = mergePatch(have, patch);
      checkWhole(next);
      return next;
    };
  };
}
