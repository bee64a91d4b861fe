/** The plug-in's socket: HTTP with JSON bodies, as Docker's plug-in client speaks it. Knows methods only by name. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { Compile, type Validator } from '#typebox';
import { peerOfSocket } from '../kernel/peer.ts';
import { errors, HeddleError, toProblem } from '../model/errors.ts';
import { mediaType, readBody, servePluginSocket } from './plugin-socket.ts';
import { type Caller, type Methods, type Reply, requests } from './protocol.ts';

/** Larger than any request of Docker's by far: the longest carry a few hundred published ports. */
const bodyLimit = 1 << 20;

/** The check of each method's request. */
type Checks = Readonly<Record<string, Validator>>;

/**
 * Serves the methods on a unix socket that only root can open. Disposing waits for the calls under way.
 * @param told what is told of what a method throws
 * @throws USAGE
 */
export async function servePlugin(
  socket: string,
  methods: Methods,
  log: Logger,
  told: (e: unknown) => unknown,
): Promise<AsyncDisposable> {
  const checks: Checks = Object.fromEntries(
    Object.entries(requests).map(([method, schema]) => [method, Compile(schema)]),
  );
  return servePluginSocket(socket, (request, response) => serve({ methods, checks, log, told }, request, response));
}

/** Answers one request; whatever it is, it does not throw. */
async function serve(
  { methods, checks, log, told }: { methods: Methods; checks: Checks; log: Logger; told: (e: unknown) => unknown },
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const method = (request.url ?? '').slice(1);
  const answer = (status: number, body: object, sent?: () => void) => {
    // The body may be on its way still: the connection is of no further use.
    if (!request.complete) response.setHeader('connection', 'close');
    response.writeHead(status, { 'content-type': mediaType });
    if (sent) response.once('finish', sent);
    response.end(`${JSON.stringify(body)}\n`);
  };
  try {
    // An own property, not what every object has.
    if (!Object.hasOwn(methods, method))
      throw new HeddleError('ROUTE_UNKNOWN', { method: request.method ?? '', path: `/${method}`.slice(0, 200) });
    if (request.method !== 'POST')
      throw new HeddleError('ROUTE_UNKNOWN', { method: request.method ?? '', path: `/${method}` });
    const name = method as keyof Methods;
    const value = parse(checks[name]!, await readBody(request, bodyLimit));
    const { body, sent } = await (methods[name] as (request: unknown, caller: Caller) => Reply | Promise<Reply>)(
      value,
      {
        get pid() {
          return peerOfSocket(request.socket).pid;
        },
      },
    );
    log.debug({ method, request: value, reply: body }, 'Docker called');
    answer(200, body, sent);
  } catch (e) {
    const problem = toProblem(told(e));
    if (errors[problem.code].family === 'broken') log.error({ err: e, method }, 'a call of Docker failed');
    else log.info({ method, problem: problem.detail, code: problem.code }, 'a call of Docker was refused');
    // Docker shows the text and nothing else. The statuses it looks at are 404 and "not 200".
    const text = `${problem.code}: ${problem.detail}`;
    const status = ['ROUTE_UNKNOWN', 'BAD_REQUEST', 'INVALID', 'TOO_LARGE'].includes(problem.code)
      ? problem.status
      : 200;
    if (!response.headersSent && !response.destroyed)
      answer(
        status,
        status !== 200
          ? { Err: text, Error: text }
          : method.startsWith('IpamDriver.')
            ? { Error: text }
            : { Err: text },
      );
  }
}

/** No body means no arguments. @throws BAD_REQUEST, INVALID */
function parse(check: Validator, text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text === '' ? '{}' : text) ?? {};
  } catch (cause) {
    throw new HeddleError('BAD_REQUEST', { problem: 'the body is no JSON' }, cause);
  }
  if (check.Check(value)) return value;
  // Docker's client has the body only once: when an agent dies in the middle of a call, its next try has none.
  if (text === '')
    throw new HeddleError('BAD_REQUEST', {
      problem: 'the call has no body: the agent was restarted during it; repeat the command',
    });
  const [first] = check.Errors(value);
  throw new HeddleError('INVALID', {
    field: (first?.instancePath ?? '').slice(1).replaceAll('/', '.'),
    problem: first?.message ?? 'invalid',
  });
}
