import type { FastifyInstance, FastifyRequest } from 'fastify';
import { compileCheck } from '../listen/validate.ts';
import { type RollbackInput, RollbackInput as RollbackSchema } from '../model/history.ts';
import { type Kind, kinds } from '../model/kinds.ts';
import { differenceSince } from './difference.ts';
import { whenGone } from './gone.ts';
import { objectHistory, tenantEver } from './history.ts';
import { diffPath, historyPath, rollbackPath } from './history-openapi.ts';
import { parsePoint } from './point.ts';
import { parseDiffQuery, parseHistoryQuery, parseWaitMs, type RawQuery } from './query.ts';
import { rollback } from './rollback.ts';
import { fastifyPath, type RouteContext } from './routes.ts';
import { waitForHosts } from './wait.ts';

/** History of every kind's objects, what is different since, and the way back. */
export function registerHistory(app: FastifyInstance, ctx: RouteContext): void {
  const { store } = ctx;
  for (const kind of Object.keys(kinds) as Kind[])
    app.get(fastifyPath(historyPath(kind)), async (request) => {
      const query = parseHistoryQuery(request.query as RawQuery);
      return objectHistory(ctx, kind, await scopeOf(kind, request), refOf(kind, request), query);
    });

  app.get(diffPath, async (request, reply) => {
    const gone = whenGone(reply);
    const { since, tenant, limit } = parseDiffQuery(request.query as RawQuery);
    const revision = await parsePoint(store, 'since', since, Date.now());
    const scope = tenant === undefined ? undefined : await tenantEver(ctx, tenant);
    return differenceSince(ctx, revision, scope, limit, gone);
  });

  const check = compileCheck(RollbackSchema);
  app.post(rollbackPath, async (request, reply) => {
    const gone = whenGone(reply);
    const waitMs = parseWaitMs(request.query as RawQuery);
    check(request.body);
    const { to, tenant, dryRun = false } = request.body as RollbackInput;
    const revision = await parsePoint(store, 'to', to, Date.now());
    const scope = tenant === undefined ? undefined : await tenantEver(ctx, tenant);
    const done = await rollback(ctx, { to: revision, tenant: scope, dryRun, gone });
    if (!dryRun) await waitForHosts(ctx, done, waitMs, reply);
    return done.answer;
  });

  /** Also of a tenant that is gone. */
  async function scopeOf(kind: Kind, request: FastifyRequest): Promise<string> {
    const { tenant } = request.params as { tenant?: string };
    return kinds[kind].scope === 'tenant' ? tenantEver(ctx, tenant ?? '') : '-';
  }
}

const refOf = (kind: Kind, request: FastifyRequest): string => (request.params as Record<string, string>)[kind] ?? '';
