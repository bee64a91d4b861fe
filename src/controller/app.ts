import { TLSSocket } from 'node:tls';
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
import { withoutSchemas } from '../listen/without-schemas.ts';
import { errors, HeddleError, hasCode, toProblem } from '../model/errors.ts';
import { limits } from '../model/fields.ts';
import { withoutSecrets } from '../model/masked.ts';
import { admit, admitAgain, type Identify, requireRights } from './admission.ts';
import { registerApply } from './apply-routes.ts';
import type { Audit } from './audit.ts';
import { type AuditContext, registerAudit } from './audit-api.ts';
import { deedOf, recordRequests } from './audit-requests.ts';
import { registerAuthority } from './authority-routes.ts';
import { clientIsKnown } from './connections.ts';
import { ClientGone } from './gone.ts';
import { registerHistory } from './history-routes.ts';
import { shownOn } from './host-sockets.ts';
import { registerJoin, type TrustContext } from './join-routes.ts';
import { parseJsonBodies } from './json-body.ts';
import { type LoginContext, registerLogin } from './login-routes.ts';
import { type ObserveContext, registerObserve } from './observe-routes.ts';
import { openapiDocument } from './openapi.ts';
import { refuseForeignHost } from './origin.ts';
import { openapiPath, streamPath } from './paths.ts';
import { refuseConditions } from './precondition.ts';
import { parseNothing, type RawQuery } from './query.ts';
import { registerQuota } from './quota-routes.ts';
import { RateLimit } from './rate-limit.ts';
import { type RefusalContext, registerRefusals, tellingRates } from './refusal-routes.ts';
import { watchRequests } from './request-log.ts';
import { type RouteContext, registerKinds } from './routes.ts';
import { helloRates, type StreamContext, serveStream } from './stream.ts';
import { registerTokens } from './token-routes.ts';

/** Largest message of an agent: a report of 4,096 ports, each with the longest message, has 3 MiB. */
const MESSAGE_BYTES = 4 << 20;

/** The HTTP application, not yet listening: every route, and every error as a problem (RFC 9457). */
export function buildApp(
  ctx: RouteContext &
    ObserveContext &
    TrustContext &
    LoginContext &
    Omit<StreamContext, 'log'> & { readonly audit: Audit },
  logger: FastifyBaseLogger,
  { identify, rateLimit }: { readonly identify: Identify; readonly rateLimit: RateLimit | undefined },
): FastifyInstance {
  const app = fastify({
    loggerInstance: logger,
    ...withoutSchemas,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: requestIdLabel }),
    bodyLimit: limits.bodyBytes,
    genReqId: requestIdOf,
    requestIdHeader: false,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    // Long enough for a client to keep its connection between two commands of a script.
    keepAliveTimeout: 60_000,
    routerOptions: { maxParamLength: 253 },
    // A path that the router cannot read never reaches the error handler.
    frameworkErrors(e, request, reply) {
      refuse(e, request, reply);
      if (request.method !== 'GET') ctx.audit.refused(deedOf(request), request.problem!, () => ({}));
    },
  }) as unknown as FastifyInstance;
  const admission = { world: ctx.world, identify, now: ctx.now, rateLimit };
  parseJsonBodies(app);
  watchRequests(app, ctx.requests);
  recordRequests(app, ctx);
  app.setErrorHandler(refuse);
  app.setNotFoundHandler(({ method, url }) => {
    throw new HeddleError('ROUTE_UNKNOWN', { method, path: url.slice(0, 200) });
  });
  requireRights(app);
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
    refuseForeignHost(request.headers.host, request.headers.origin, request.raw.socket instanceof TLSSocket);
    if (!request.is404) refuseConditions(request);
    await admit(admission, request);
    if (request.principal) clientIsKnown(request.raw.socket);
    if (request.principal?.kind === 'host') ctx.hostSockets.note(request.principal.host, request.raw.socket);
  });
  app.addHook('preHandler', (request) => admitAgain(admission, request));
  app.addHook('preHandler', async ({ principal, raw: { socket } }) => {
    if (principal?.kind !== 'host' || !ctx.world.trust.host(principal.host).record.before) return;
    const shown = shownOn(socket);
    if (shown) await (await ctx.authority()).noteShown(principal.host, shown.raw);
  });
  app.register(websocket, {
    options: { perMessageDeflate: false, maxPayload: MESSAGE_BYTES },
    // Not a closing handshake: an agent that hangs would hold up our end, and each comes back by itself.
    preClose(done) {
      for (const client of app.websocketServer.clients) client.terminate();
      app.websocketServer.close(done);
    },
  });
  app.register(async (routes) =>
    registerRoutes(routes, {
      ...{ ...ctx, rateLimit, log: logger },
      ...{ hellos: new RateLimit(helloRates), tellings: new RateLimit(tellingRates) },
    }),
  );
  return app;
}

/** Every route there is. */
export function registerRoutes(
  app: FastifyInstance,
  ctx: RouteContext & ObserveContext & TrustContext & LoginContext & StreamContext & AuditContext & RefusalContext,
): void {
  registerKinds(app, ctx);
  registerObserve(app, ctx);
  registerQuota(app, ctx);
  registerHistory(app, ctx);
  registerApply(app, ctx);
  registerTokens(app, ctx);
  registerAudit(app, ctx);
  registerRefusals(app, ctx);
  registerJoin(app, ctx);
  registerAuthority(app, ctx);
  registerLogin(app, ctx);
  app.get(openapiPath, async (request) => {
    parseNothing(request.query as RawQuery);
    return openapiDocument();
  });
  app.get(streamPath, { websocket: true, config: { rate: 'none' } }, (socket, request) =>
    serveStream(ctx, socket, deedOf(request)),
  );
}

/** As others call it: no answer of ours has it, since nobody reads this one. */
const CLIENT_GONE_STATUS = 499;

/** Answers with the error as a problem, and logs it. */
function refuse(cause: unknown, request: FastifyRequest, reply: FastifyReply): void {
  if (cause instanceof ClientGone) {
    request.log.info({ method: request.method, path: request.url }, cause.message);
    reply.code(CLIENT_GONE_STATUS).send();
    return;
  }
  const e = request.tooSoon ?? cause;
  const problem = withoutSecrets({ ...toProblem(known(e, request.routeOptions.bodyLimit)), requestId: request.id });
  request.problem = problem.code;
  const fields = { code: problem.code, method: request.method, path: request.url };
  if (errors[problem.code].family === 'broken') request.log.error({ ...fields, err: e }, problem.detail);
  else request.log[problem.code === 'RATE_LIMITED' ? 'debug' : 'info'](fields, problem.detail);
  // Whole seconds alone (RFC 9110 §10.2.3).
  if (hasCode(e, 'RATE_LIMITED')) reply.header('retry-after', String(Math.ceil(e.details.retryAfterMs / 1000)));
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer');
  reply.code(problem.status).type('application/problem+json').header('x-request-id', request.id).send(problem);
}

/** Fastify's own refusals in our codes. */
function known(e: unknown, limitBytes: number = limits.bodyBytes): unknown {
  const { code = '', statusCode = 500, message = '' } = e as { code?: string; statusCode?: number; message?: string };
  if (e instanceof HeddleError) return e;
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new HeddleError('TOO_LARGE', { limitBytes }, e);
  if (statusCode >= 400 && statusCode < 500)
    return new HeddleError('BAD_REQUEST', { problem: message.slice(0, 200) }, e);
  return e;
}
