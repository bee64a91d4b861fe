import type { FastifyInstance, FastifyReply } from 'fastify';
import { compileCheck } from '../listen/validate.ts';
import { QuotaPatch } from '../model/quota.ts';
import { fastifyPath, quotaPath } from './paths.ts';
import { parseIfMatch } from './precondition.ts';
import { parseNothing, type RawQuery } from './query.ts';
import { quotaOf } from './quota.ts';
import type { RouteContext } from './routes.ts';

type Limits = Readonly<Record<string, number | null>>;

/** What a tenant may have, and has: a resource of its own, beside the tenant, as others may change it than the tenant's name. */
export function registerQuota(app: FastifyInstance, { world, writer }: Pick<RouteContext, 'world' | 'writer'>): void {
  const path = fastifyPath(quotaPath);
  const checkPatch = compileCheck(QuotaPatch);
  const tenantOf = (params: unknown): string => (params as { tenant: string }).tenant;
  const send = (reply: FastifyReply, tenant: string) => {
    const quota = quotaOf(world, tenant);
    return reply.header('etag', `"${quota.revision}"`).send(quota);
  };

  app.get(path, { config: { rate: 'none' } }, async (request, reply) => {
    parseNothing(request.query as RawQuery);
    return send(reply, tenantOf(request.params));
  });

  app.patch(path, { config: { condition: 'If-Match' } }, async (request, reply) => {
    parseNothing(request.query as RawQuery);
    const ifMatch = parseIfMatch(request);
    checkPatch(request.body);
    await writer.limit(tenantOf(request.params), ifMatch, (request.body as { limits: Limits }).limits);
    return send(reply, tenantOf(request.params));
  });
}
