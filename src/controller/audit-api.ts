/** Lists and follows of the audit log. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type AuditEnd, type AuditLine, type AuditPage, type AuditRecord, auditLimits } from '../model/audit.ts';
import { HeddleError, toProblem } from '../model/errors.ts';
import { type AuditEntry, type AuditExtent, type AuditFilter, isAsked } from '../store/audit-contract.ts';
import type { Store } from '../store/contract.ts';
import { type Access, forbidden } from './access.ts';
import type { Audit } from './audit.ts';
import { tenantEver } from './history.ts';
import { sendLines } from './lines.ts';
import { auditPath } from './paths.ts';
import { parseTime, timeText } from './point.ts';
import { flag, integer, one, type RawQuery, refuseUnknown } from './query.ts';
import type { World } from './world.ts';

/** Most that a text of a query has. */
const TEXT_CHARS = 253;
const ID_MAX = Number.MAX_SAFE_INTEGER;

export interface AuditContext {
  readonly store: Store;
  readonly audit: Pick<Audit, 'settled'>;
  readonly world: World;
  readonly now: () => Date;
}

/** What is asked for. */
interface AuditQuery {
  /** Of one tenant, by its id. */
  readonly tenant: string | undefined;
  readonly filter: AuditFilter;
  readonly limit: number;
  readonly after: number | undefined;
  readonly before: number | undefined;
  readonly follow: boolean;
}

/** The route of the audit log: administrators read all of it, those of a tenant what is of that. */
export function registerAudit(app: FastifyInstance, ctx: AuditContext): void {
  app.get(auditPath, async (request, reply) => {
    const query = await parseAuditQuery(ctx, request);
    // Whoever was refused something and then reads finds it.
    await ctx.audit.settled();
    const reader = readerOf(ctx.world, request.access, query);
    return query.follow ? follow(ctx, query, request, reply) : page(ctx, query, reader);
  });
}

/** What somebody may read. */
interface Reader {
  readonly filter: AuditFilter;
  /** Whoever reads one tenant is not told of those who are not of it, nor where they are. */
  readonly readsAll: boolean;
}

/** @throws FORBIDDEN if there is nothing */
function readerOf(world: World, access: Access, { tenant, filter }: AuditQuery): Reader {
  if (access.may('read', 'audit', '-'))
    return { filter: { ...filter, ...(tenant !== undefined && { tenants: [tenant] }) }, readsAll: true };
  const tenants = tenant === undefined ? [...world.tenant.keys()] : [tenant];
  const read = tenants.filter((id) => access.may('read', 'audit', id));
  const name = tenant === undefined ? undefined : world.tenant.get(tenant)?.record.name;
  if (read.length === 0) throw forbidden(access, 'read', 'the audit log', name);
  // What is not shown is not searched either.
  const isSearched = filter.who !== undefined || filter.request !== undefined;
  return { filter: { ...filter, tenants: read, ...(isSearched && { inside: true }) }, readsAll: false };
}

async function page({ store }: AuditContext, query: AuditQuery, { filter, readsAll }: Reader): Promise<AuditPage> {
  const { limit, after, before } = query;
  const { entries, at } = await store.audit.read(filter, {
    limit,
    ...(after !== undefined && { after }),
    ...(before !== undefined && { before }),
  });
  const keptSince = keptSinceOf(await store.audit.extent(), filter);
  return {
    ...(keptSince !== undefined && { keptSince }),
    items: entries.map((entry) => recordOf(entry, readsAll)),
    ...(entries.length === limit && { next: String(at) }),
  };
}

/** Of what is asked for, when the newest was that is forgotten; else when the first was. */
function keptSinceOf({ beganAtMs, sorts }: AuditExtent, filter: AuditFilter): string | undefined {
  const times = sorts.filter((sort) => isAsked(filter, sort)).map(({ forgotten }) => forgotten.atMs);
  const forgotten = Math.max(0, ...times);
  return timeText(forgotten === 0 ? beganAtMs : forgotten);
}

function recordOf({ id, atMs, revision, inside, record }: AuditEntry, readsAll: boolean): AuditRecord {
  const kept = JSON.parse(record) as Omit<AuditRecord, 'id' | 'at' | 'revision'>;
  const whole = {
    ...{ id: String(id), at: timeText(atMs)! },
    ...kept,
    ...(revision !== undefined && { revision: String(revision) }),
  };
  if (readsAll) return whole;
  const { from, requestId, ...rest } = whole;
  if (!inside) return { ...rest, who: { kind: 'outsider' } };
  const isUser = kept.who.kind === 'user';
  return { ...rest, ...(isUser && from !== undefined && { from }), ...(requestId !== undefined && { requestId }) };
}

/** One JSON line for every record behind `after`, or from `since` on, or from now on; empty lines between them. */
async function follow(
  { store, world }: AuditContext,
  query: AuditQuery,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const after = query.after ?? (query.filter.sinceMs === undefined ? (await store.audit.extent()).last : 0);
  const readerNow = () => readerOf(world, request.accessNow(), query);
  const { filter: asked } = readerOf(world, request.access, query);
  return sendLines<AuditLine | AuditEnd>(reply, {
    look: readerNow,
    async pump(write, signal) {
      for await (const { entries, forgottenAtMs } of store.audit.watch(asked, after, signal)) {
        const { filter, readsAll } = readerNow();
        if (forgottenAtMs !== undefined) await write({ forgottenUntil: timeText(forgottenAtMs)! });
        for (const entry of entries) {
          const record = recordOf(entry, readsAll);
          if (readsAll || filter.tenants?.includes(record.tenant ?? '')) await write(record);
        }
      }
    },
    last: (why) => ({ problem: toProblem(why) }),
  });
}

/** @throws INVALID, NOT_FOUND of a tenant that the principal does not see */
async function parseAuditQuery(ctx: AuditContext, { query, access }: FastifyRequest): Promise<AuditQuery> {
  const raw = query as RawQuery;
  refuseUnknown(raw, [
    ...['since', 'until', 'tenant', 'who', 'kind', 'object', 'refused', 'request'],
    ...['after', 'before', 'limit', 'follow'],
  ]);
  const nowMs = ctx.now().getTime();
  const tenantRef = text(raw, 'tenant');
  const [after, before] = [id(raw, 'after'), id(raw, 'before')];
  const isFollowed = flag(raw, 'follow');
  if (before !== undefined && (after !== undefined || isFollowed))
    throw new HeddleError('INVALID', { field: 'before', problem: 'goes neither with after nor with follow' });
  return {
    tenant: tenantRef === undefined ? undefined : await tenantOf(ctx, access, tenantRef),
    filter: {
      sinceMs: time(raw, 'since', nowMs),
      untilMs: time(raw, 'until', nowMs),
      who: text(raw, 'who'),
      kind: text(raw, 'kind'),
      object: text(raw, 'object'),
      refused: raw.refused === undefined ? undefined : flag(raw, 'refused'),
      request: text(raw, 'request'),
    },
    limit: integer(raw, 'limit', 1, auditLimits.page) ?? auditLimits.pageDefault,
    after,
    before,
    follow: isFollowed,
  };
}

/** The id of a tenant; to who reads all, also of one that is gone. @throws NOT_FOUND */
async function tenantOf(ctx: AuditContext, access: Access, ref: string): Promise<string> {
  const found = ctx.world.find('tenant', '-', ref)?.record.id;
  if (found !== undefined && access.sees(found)) return found;
  if (found === undefined && access.readsAll) return tenantEver(ctx, ref);
  throw new HeddleError('NOT_FOUND', { kind: 'tenant', name: ref.slice(0, 80) });
}

function text(raw: RawQuery, field: string): string | undefined {
  const given = one(raw, field);
  if (given !== undefined && (given === '' || given.length > TEXT_CHARS))
    throw new HeddleError('INVALID', { field, problem: `must have 1 to ${TEXT_CHARS} characters` });
  return given;
}

function time(raw: RawQuery, field: string, nowMs: number): number | undefined {
  const given = one(raw, field);
  return given === undefined ? undefined : parseTime(field, given, nowMs);
}

function id(raw: RawQuery, field: string): number | undefined {
  const given = one(raw, field);
  if (given === undefined) return undefined;
  const n = Number(given);
  if (!/^\d{1,16}$/.test(given) || n > ID_MAX) throw new HeddleError('INVALID', { field, problem: 'must be an id' });
  return n;
}
