import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Counts, Durations } from '../metrics/counts.ts';
import type { Exposition } from '../metrics/exposition.ts';
import type { Code } from '../model/errors.ts';
import { openapiPathOf } from './paths.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Why it was refused, or failed; set by who answers so. */
    problem?: Code;
  }
}

/** Methods that routes have; any other is counted as one. */
const methods: ReadonlySet<string> = new Set(['GET', 'POST', 'PATCH', 'DELETE', 'PUT', 'HEAD']);

/** Requests of the API as they are counted. */
export class RequestCounts {
  readonly #requests = new Counts('heddle_http_requests_total');
  readonly #problems = new Counts('heddle_http_problems_total');
  readonly #durations = new Durations('heddle_http_request_duration_seconds');

  /** @param seconds until its answer begins */
  answered(request: Pick<FastifyRequest, 'method' | 'routeOptions' | 'problem'>, code: number, seconds: number): void {
    const route = openapiPathOf(request.routeOptions.url ?? 'unknown');
    const method = methods.has(request.method) ? request.method : 'other';
    this.#requests.add({ route, method, code: String(code) });
    this.#durations.observe({ route, method }, seconds);
    if (request.problem) this.#problems.add({ error: request.problem });
  }

  expose(into: Exposition): void {
    for (const counted of [this.#requests, this.#problems, this.#durations]) counted.expose(into);
  }
}

/** Counts every request, and logs each that is answered as asked: writes as info, reads as debug. */
export function watchRequests(app: FastifyInstance, counts: RequestCounts): void {
  app.decorateRequest('problem');
  app.addHook('onSend', async (request, reply, payload) => {
    counts.answered(request, reply.statusCode, reply.elapsedTime / 1000);
    return payload;
  });
  app.addHook('onResponse', async (request, reply) => {
    // What was refused or failed has its line.
    if (request.problem) return;
    const { method, url: path } = request;
    const level = method === 'GET' || method === 'HEAD' ? 'debug' : 'info';
    request.log[level]({ method, path, status: reply.statusCode, ms: Math.round(reply.elapsedTime) }, 'answered');
  });
}
