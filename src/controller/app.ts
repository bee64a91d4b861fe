import websocket from '@fastify/websocket';
import {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  fastify,
  LogController,
} from 'fastify';
import { requestIdLabel, requestIdOf } from '../listen/request-id.ts';
import { errors, HeddleError, toProblem } from '../model/errors.ts';
import { limits } from '../model/fields.ts';
import { type ObserveContext, registerObserve } from './observe-routes.ts';
import { openapiDocument, openapiPath, streamPath } from './openapi.ts';
import { refuseForeignHost } from './origin.ts';
import { watchRequests } from './request-log.ts';
import { type RouteContext, registerKinds } from './routes.ts';
import { type StreamContext, serveStream } from './stream.ts';

/** Largest message of an agent: a report of 4,096 ports, each with the longest message, has 3 MiB. */
const MESSAGE_BYTES = 4 << 20;

/** The HTTP application, not yet listening: every route, and every error as a problem (RFC 9457). */
export function buildApp(ctx: RouteContext & ObserveContext & Omit<StreamContext, 'log'>, logger: FastifyBaseLogger): FastifyInstance {
  const app = fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: limits.bodyBytes,
    genReqId: requestIdOf,
    requestIdLogLabel: requestIdLabel,
    requestIdHeader: false,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    // Long enough for a client to keep its connection between two commands of a script.
    keepAliveTimeout: 60_000,
    routerOptions: { maxParamLength: 253 },
    // A path that the router cannot read never reaches the error handler.
    frameworkErrors: refuse,
  }) as unknown as FastifyInstance;
  app.addContentTypeParser(
    'application/merge-patch+json',
    { parseAs: 'string' },
    app.getDefaultJsonParser('error', 'error'),
  );
  watchRequests(app, ctx.requests);
  app.setErrorHandler(refuse);
  app.setNotFoundHandler(({ method, url }) => {
    throw new HeddleError('ROUTE_UNKNOWN', { method, path: url.slice(0, 200) });
  });
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
    refuseForeignHost(request.headers.host, request.headers.origin);
  });
  app.register(websocket, {
    options: { perMessageDeflate: false, maxPayload: MESSAGE_BYTES },
    // Not a closing handshake: an agent that hangs would hold up our end, and each comes back by itself.
    preClose(done) {
      for (const client of app.websocketServer.clients) client.terminate();
      app.websocketServer.close(done);
    },
  });
  app.register(async (routes) => registerRoutes(routes, { ...ctx, log: logger }));
  return app;
}

/** Every route there is. */
export function registerRoutes(app: FastifyInstance, ctx: RouteContext & ObserveContext & StreamContext): void {
  registerKinds(app, ctx);
  registerObserve(app, ctx);
  app.get(openapiPath, async () => openapiDocument());
  app.get(streamPath, { websocket: true }, (socket) => serveStream(ctx, socket));
}

/** Answers with the error as a problem, and logs it. */
function refuse(e: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const problem = { ...toProblem(known(e)), requestId: request.id };
  request.problem = problem.code;
  const fields = { code: problem.code, method: request.method, path: request.url };
  if (errors[problem.code].family === 'broken') request.log.error({ ...fields, err: e }, problem.detail);
  else request.log.info(fields, problem.detail);
  reply.code(problem.status).type('application/problem+json').header('x-request-id', request.id).send(problem);
}

/** Fastify's own refusals in our codes. */
function known(e: unknown): unknown {
  const { code = '', statusCode = 500, message = '' } = e as { code?: string; statusCode?: number; message?: string };
  if (e instanceof HeddleError) return e;
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new HeddleError('TOO_LARGE', { limitBytes: limits.bodyBytes }, e);
  if (statusCode >= 400 && statusCode < 500)
    return new HeddleError('BAD_REQUEST', { problem: message.slice(0, 200) }, e);
  return e;
}
