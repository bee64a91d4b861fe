import Fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify';
import type { Logger } from 'pino';
import { type Observed, serveObserved } from '../listen/observed-routes.ts';
import { requestIdLabel, requestIdOf } from '../listen/request-id.ts';
import { inTheWay, listenUnix } from '../listen/unix-socket.ts';
import { compileCheck } from '../listen/validate.ts';
import { withoutSchemas } from '../listen/without-schemas.ts';
import { DnsLookupQuery } from '../model/dns-lookup.ts';
import { errors, HeddleError, toProblem } from '../model/errors.ts';
import type { HostSetting } from '../model/host-setting.ts';
import { LeaveRequest } from '../model/leave.ts';
import { type AttachmentDetails, type AttachmentList, AttachRequest } from '../model/local-api.ts';
import { withoutSecrets } from '../model/masked.ts';
import type { Attacher } from './attach.ts';
import type { Attachments } from './attachments.ts';
import type { Dns } from './dns/start.ts';
import type { Leave } from './leave/leave.ts';
import { type Caller, LocalAccess, permitted, RefusedHere, requireOwn, shownTo } from './local-access.ts';
import type { Refusals } from './refusals.ts';

/** The largest body: user data and keys at their largest, escaped. */
const BODY_BYTES = 256 * 1024;

/** What the local API serves. */
export interface LocalApi {
  readonly attacher: Pick<Attacher, 'attach' | 'detach' | 'details' | 'find'>;
  readonly attachments: Pick<Attachments, 'all'>;
  /** The agent's condition in one object, for `heddle status` and for people at night. */
  readonly status: () => unknown;
  readonly setting: () => HostSetting;
  readonly observed: Observed;
  readonly dns: Pick<Dns, 'lookUp'>;
  readonly leave: Pick<Leave, 'plan' | 'run' | 'answered'>;
  /** What those who ask are told of an error; default: as it is. */
  readonly tell?: (e: unknown) => unknown;
  /** Number of the group whose members may ask what {@link LocalAccess} says, besides root; default: none. */
  readonly group?: number | undefined;
  /** What is refused to others than root is told there. */
  readonly refusals: Pick<Refusals, 'note'>;
  readonly log: Logger;
}

/** Serves the agent's local API on a unix socket for root, and for members of the group. Disposing closes it and removes the socket. */
export async function serveLocalApi(
  socket: string,
  { attacher, attachments, status, setting, observed, dns, leave, tell = (e) => e, group, refusals, log }: LocalApi,
): Promise<AsyncDisposable> {
  const access = new LocalAccess({ group });
  const callerOf = (request: FastifyRequest) => access.caller(request.raw.socket);
  const refuse = (e: FastifyError, request: FastifyRequest, reply: FastifyReply) => {
    const problem = withoutSecrets({ ...toProblem(tell(known(e))), requestId: request.id });
    if (errors[problem.code].family === 'broken') request.log.error({ err: e }, 'a local request failed');
    if (e instanceof RefusedHere) {
      request.log.warn({ problem: problem.detail }, 'a local request was refused');
      const { method, url, raw } = request;
      const who = access.nameOf(raw.socket);
      const asked = `${method} ${url.split('?', 1)[0]}`;
      if (who !== undefined) refusals.note({ who, asked, code: 'FORBIDDEN', why: problem.detail });
    }
    return reply.status(problem.status).type('application/problem+json').send(problem);
  };
  const app = Fastify({
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: requestIdLabel }),
    genReqId: requestIdOf,
    bodyLimit: BODY_BYTES,
    frameworkErrors: refuse,
    ...withoutSchemas,
  });
  app.setErrorHandler(refuse);
  app.setNotFoundHandler((request) => {
    throw new HeddleError('ROUTE_UNKNOWN', { method: request.method, path: request.url });
  });
  access.watch(app.server);
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
    access.admit(request.raw.socket, request.method, request.routeOptions.url ?? request.url);
  });
  serveObserved(app, () => observed);
  app.get('/v1/status', async () => status());
  app.get('/v1/setting', async () => setting());
  app.get('/v1/dns', async ({ query }) => dns.lookUp(checked<DnsLookupQuery>(checks.lookup, query)));
  app.get('/v1/attachments', async (request): Promise<AttachmentList> => {
    const caller = callerOf(request);
    return { items: attachments.all().map((a) => shownTo(caller, a)) };
  });
  app.post('/v1/attachments', async (request) => {
    const caller = callerOf(request);
    const { request: wanted, mostTaps } = permitted(caller, checked<AttachRequest>(checks.attach, request.body));
    const attached = await attacher.attach(wanted, mostTaps);
    note(request, caller, 'attached', attached.port.id);
    return attached;
  });
  app.get('/v1/attachments/:port', async (request): Promise<AttachmentDetails> => {
    const { port, tenant } = named(request);
    const details = attacher.details(port, tenant);
    return { ...details, attachment: shownTo(callerOf(request), details.attachment) };
  });
  app.delete('/v1/attachments/:port', async (request) => {
    const caller = callerOf(request);
    const { port, tenant } = named(request);
    const attachment = attacher.find(port, tenant);
    requireOwn(caller, attachment);
    note(request, caller, 'detaches', attachment.port);
    return attacher.detach(attachment.port);
  });
  app.get('/v1/leave', async () => leave.plan);
  app.post('/v1/leave', async ({ body }, reply) => {
    const leaving = checked<LeaveRequest>(checks.leave, body);
    // Whether the answer was sent, or whoever asked is gone.
    reply.raw.once('close', () => leave.answered());
    return leave.run(leaving);
  });
  await app.ready();
  await listenUnix(app.server, socket, { group });
  return {
    async [Symbol.asyncDispose]() {
      app.server.close();
      app.server.closeAllConnections();
      await app.close();
    },
  };
}

const checks = {
  lookup: compileCheck(DnsLookupQuery),
  attach: compileCheck(AttachRequest),
  leave: compileCheck(LeaveRequest),
};

/** @throws INVALID and other codes of a check */
function checked<T>(check: (value: unknown) => void, value: unknown): T {
  check(value);
  return value as T;
}

/** What others than root do is in the log. */
function note(request: FastifyRequest, { uid, pid }: Caller, deed: string, port: string): void {
  if (uid !== 0) request.log.info({ uid, pid, port }, `a user ${deed} a tap`);
}

/** The attachment that a request is about. */
const named = (request: FastifyRequest) => ({
  ...(request.params as { port: string }),
  ...(request.query as { tenant?: string }),
});

/** Fastify's own errors as ours. */
function known(e: FastifyError): unknown {
  if (e.code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new HeddleError('TOO_LARGE', { limitBytes: BODY_BYTES }, e);
  if (e instanceof SyntaxError || /^FST_ERR_(CTP|BAD_URL|MAX_PARAM)/.test(e.code))
    return new HeddleError('BAD_REQUEST', { problem: e.message }, e);
  return e;
}

/** @throws HOST_MISMATCH if an agent answers on the socket already (two would undo each other's work), or the path is no socket */
export async function requireAlone(socket: string): Promise<void> {
  const problem = await inTheWay(socket);
  if (problem !== undefined) throw new HeddleError('HOST_MISMATCH', { problem });
}
