/** What hosts tell of what they refused by themselves. */
import type { FastifyInstance } from 'fastify';
import { compileCheck } from '../listen/validate.ts';
import { HostRefusals } from '../model/refusals.ts';
import type { Audit } from './audit.ts';
import { deedOf } from './audit-requests.ts';
import { requireSelf } from './host-deeds.ts';
import { fastifyPath, refusalsPath } from './paths.ts';
import { parseNothing, type RawQuery } from './query.ts';
import type { RateLimit } from './rate-limit.ts';
import { must } from './rules.ts';
import type { World } from './world.ts';

/** Tellings of a host, a hundred refusals each: 2 ms of CPU also where the records are only counted. Its agent tells once a second. */
export const tellingRates = { write: 2, read: 0 } as const;

export interface RefusalContext {
  readonly world: World;
  readonly audit: Pick<Audit, 'refused' | 'refusedMore'>;
  /** How often a host may tell; root for it as often as it likes. */
  readonly tellings: Pick<RateLimit, 'take'>;
}

/** Recorded as refusals of the host itself, whoever they were of: of that nobody but the host knows. */
export function registerRefusals(app: FastifyInstance, { world, audit, tellings }: RefusalContext): void {
  const check = compileCheck(HostRefusals);
  app.post(fastifyPath(refusalsPath), async (request, reply) => {
    const { principal } = request;
    if (principal?.kind === 'host') tellings.take(`host:${principal.host}`, 'write');
    parseNothing(request.query as RawQuery);
    check(request.body);
    const { id, name } = must(world, 'host', '-', (request.params as { host: string }).host).record;
    requireSelf(request.access, id, 'tell', `what host ${name} refused`);
    const deed = { ...deedOf(request), host: name };
    const { items, more = 0 } = request.body as HostRefusals;
    for (const { code, ...told } of items) audit.refused(deed, code, () => ({ kind: 'host', object: id, name, told }));
    audit.refusedMore(deed, more);
    return reply.code(204).send();
  });
}
