/** Routes of those who watch over the installation: events, its condition, metrics, readiness. */
import type { FastifyInstance } from 'fastify';
import { type Observed, serveObserved } from '../listen/observed-routes.ts';
import { type ConditionContext, conditionOf } from './condition.ts';
import type { Events } from './events.ts';
import { answerEvents } from './events-api.ts';
import { conditionPath, eventsPath } from './observe-paths.ts';
import { type RawQuery, refuseUnknown } from './query.ts';
import type { RequestCounts } from './request-log.ts';

export interface ObserveContext extends Omit<ConditionContext, 'world' | 'presence'> {
  readonly events: Events;
  readonly requests: RequestCounts;
  readonly observed: Observed;
}

export function registerObserve(app: FastifyInstance, ctx: ObserveContext & ConditionContext): void {
  serveObserved(app, () => ctx.observed);
  app.get(eventsPath, async (request, reply) => answerEvents(ctx, request, reply));
  app.get(conditionPath, async (request) => {
    refuseUnknown(request.query as RawQuery, []);
    return conditionOf(ctx);
  });
}
