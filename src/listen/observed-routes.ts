import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { expositionType } from '../metrics/exposition.ts';

/** One thing that must be so for a daemon to do its work. */
export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** For people: how it is. */
  readonly detail: string;
}

/** What a daemon tells to those who watch over it. */
export interface Observed {
  /** The daemon's metrics, in the text format. */
  readonly metrics: () => Promise<string>;
  /** What it needs to serve; it is ready when all hold. */
  readonly readiness: () => readonly Check[] | Promise<readonly Check[]>;
}

/**
 * Serves `/metrics`, `/healthz` (the process answers) and `/readyz` (it can do its work; else 503): a line of text, or with
 * `?format=json` or `Accept: application/json` an object with each check.
 */
export function serveObserved(app: FastifyInstance, observed: () => Observed): void {
  // Whoever watches is not held up by others who ask too much: that is when it is needed.
  const options = { config: { rate: 'none' } } as const;
  app.get('/metrics', options, async (_, reply) => reply.type(expositionType).send(await observed().metrics()));
  app.get('/healthz', options, async (request, reply) => answer(request, reply, []));
  app.get('/readyz', options, async (request, reply) => answer(request, reply, await observed().readiness()));
}

function answer(request: FastifyRequest, reply: FastifyReply, checks: readonly Check[]): FastifyReply {
  const failing = checks.filter(({ ok }) => !ok);
  const status = failing.length === 0 ? 'ok' : 'not ready';
  reply.code(failing.length === 0 ? 200 : 503).header('cache-control', 'no-store');
  const { format } = request.query as { format?: unknown };
  if (format === 'json' || request.headers.accept?.includes('application/json')) return reply.send({ status, checks });
  const lines = failing.map(({ name, detail }) => `${name}: ${detail}`);
  return reply.type('text/plain; charset=utf-8').send(`${[status, ...lines].join('\n')}\n`);
}
