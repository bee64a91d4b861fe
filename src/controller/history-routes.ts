import type { FastifyInstance, FastifyRequest } from 'fastify';
import { compileCheck } from '../listen/validate.ts';
import { type RollbackInput, RollbackInput as RollbackSchema } from '../model/history.ts';
import { type Kind, kinds, type Place, placesOf } from '../model/kinds.ts';
import { type Access, forbidden, seenTenant, type Verb } from './access.ts';
import { differenceSince, isOf } from './difference.ts';
import { Gate } from './gate.ts';
import { whenGone } from './gone.ts';
import { objectHistory, tenantEver } from './history.ts';
import type { ObjectKey } from './keys.ts';
import { diffPath, fastifyPath, historyPath, rollbackPath } from './paths.ts';
import { parsePoint } from './point.ts';
import { waitsAs } from './principal.ts';
import { parseDiffQuery, parseHistoryQuery, parseWaitMs, type RawQuery } from './query.ts';
import { rollback } from './rollback.ts';
import type { RouteContext } from './routes.ts';
import { waitForHosts } from './wait.ts';

/** History of every kind's objects, what is different since, and the way back. */
export function registerHistory(app: FastifyInstance, ctx: RouteContext): void {
  const { store } = ctx;
  for (const kind of Object.keys(kinds) as Kind[])
    for (const place of placesOf(kind))
      app.get(fastifyPath(historyPath(kind, place)), async (request) => {
        const query = parseHistoryQuery(request.query as RawQuery);
        return objectHistory(ctx, kind, await scopeOf(place, request), refOf(kind, request), query);
      });

  const differences = new Gate();
  app.get(diffPath, async (request, reply) => {
    const gone = whenGone(reply);
    const { since, tenant, limit } = parseDiffQuery(request.query as RawQuery);
    const revision = await parsePoint(store, 'since', since, Date.now());
    const scope = tenant === undefined ? undefined : await tenantFor(request.access, tenant);
    const work = async () => {
      const access = accessIn(scope, request);
      const isMeant = (key: ObjectKey) => isOf(key, scope) && access.reads(key.kind, key.scope, key.id);
      return differenceSince(ctx, revision, isMeant, limit, gone);
    };
    return differences.pass(gone, work, waitsAs(request.principal));
  });

  const check = compileCheck(RollbackSchema);
  app.post(rollbackPath, async (request, reply) => {
    const gone = whenGone(reply);
    const waitMs = parseWaitMs(request.query as RawQuery);
    check(request.body);
    const { to, tenant, dryRun = false } = request.body as RollbackInput;
    let { access } = request;
    const verb = dryRun ? 'read' : 'write';
    const scope = tenant === undefined ? undefined : await tenantFor(access, tenant);
    // Who may not do it takes nobody's place.
    refuseRollback(access, scope, verb);
    const revision = await parsePoint(store, 'to', to, Date.now());
    const admit = () => {
      access = accessIn(scope, request);
      refuseRollback(access, scope, verb);
    };
    const isMeant = (key: ObjectKey) => isOf(key, scope) && mayComeBack(access, key);
    const done = await rollback(ctx, { to: revision, admit, isMeant, dryRun, gone, who: waitsAs(request.principal) });
    if (!dryRun) await waitForHosts(ctx, done, waitMs, reply);
    return done.answer;
  });

  /** A tenant's id; also of one that is gone, for whom nothing is hidden. @throws NOT_FOUND */
  async function tenantFor(access: Access, ref: string): Promise<string> {
    return access.readsAll ? tenantEver(ctx, ref) : seenTenant(ctx.world, access, ref);
  }

  /** What who asks may now, when its turn has come. @throws as a new request; NOT_FOUND if the tenant is not seen any more */
  function accessIn(tenant: string | undefined, request: FastifyRequest): Access {
    const access = request.accessNow();
    if (tenant !== undefined && !access.readsAll) seenTenant(ctx.world, access, tenant);
    return access;
  }

  /** Of a tenant that is seen its own history, and not that of others that had its name before. */
  function refOf(kind: Kind, { params, access }: FastifyRequest): string {
    const ref = (params as Record<string, string>)[kind] ?? '';
    return kind === 'tenant' && !access.readsAll ? seenTenant(ctx.world, access, ref) : ref;
  }

  /** @throws FORBIDDEN */
  function refuseRollback(access: Access, tenant: string | undefined, verb: Verb): void {
    // Of all kinds there are in a tenant, routers are the last that somebody may write.
    if (tenant === undefined ? access.may(verb, 'tenant', '-') : access.may(verb, 'router', tenant)) return;
    const name = tenant && ctx.world.tenant.get(tenant)?.record.name;
    throw forbidden(access, 'roll back', name ? 'objects' : 'the installation', name);
  }

  /** Also of a tenant that is gone. */
  async function scopeOf(place: Place, request: FastifyRequest): Promise<string> {
    const { tenant } = request.params as { tenant?: string };
    return place === 'tenant' ? tenantEver(ctx, tenant ?? '') : '-';
  }
}

/** A right that was taken from somebody does not come back; and a tenant's name is nobody's in it. */
const mayComeBack = (access: Access, { kind }: ObjectKey): boolean =>
  kind !== 'grant' && (kind !== 'tenant' || access.readsAll);
