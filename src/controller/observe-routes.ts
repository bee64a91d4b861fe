/** Routes of those who watch over the installation: events, its condition, metrics, readiness. */
import type { FastifyInstance } from 'fastify';
import { type Observed, serveObserved } from '../listen/observed-routes.ts';
import type { SharedAnswer } from '../listen/shared-answer.ts';
import { forbidden } from './access.ts';
import { conditionFor, type Judgement } from './condition.ts';
import type { Events } from './events.ts';
import { answerEvents } from './events-api.ts';
import { conditionPath, eventsPath } from './paths.ts';
import { parseNothing, type RawQuery } from './query.ts';
import type { RequestCounts } from './request-log.ts';
import type { World } from './world.ts';

export interface ObserveContext {
  readonly events: Events;
  readonly requests: RequestCounts;
  readonly observed: Observed;
  readonly condition: SharedAnswer<Judgement>;
  readonly now: () => Date;
}

export function registerObserve(app: FastifyInstance, ctx: ObserveContext & { readonly world: World }): void {
  serveObserved(app, () => ctx.observed);
  app.get(eventsPath, async (request, reply) => answerEvents(ctx, request, reply));
  app.get(conditionPath, async (request) => {
    parseNothing(request.query as RawQuery);
    if (request.access.levelIn('condition', '-') === undefined)
      throw forbidden(request.access, 'read', 'the condition');
    return conditionFor(await ctx.condition.get(), request.access);
  });
}
