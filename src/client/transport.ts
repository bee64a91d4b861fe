import { Agent, type IncomingMessage, request } from 'node:http';
import { request as requestByTls, type Agent as TlsAgent } from 'node:https';
import { fromProblem, HeddleError, type Problem } from '../model/errors.ts';
import type { CurrentCredentials } from './credentials.ts';
import { agentOf, authorizationHeader, failureText } from './tls.ts';

/** Where root of a controller's own machine finds it, if nobody says. */
export const controllerSocket = '/run/heddle/controller.sock';

/** Where a server listens: "https://192.0.2.1:7470" or "unix:/run/heddle/controller.sock"; "http://127.0.0.1:8080" on loopback. */
export type Address = string;

/** A server, and what it and the client know each other by; without it a server by TLS cannot be asked. */
export interface Server {
  readonly address: Address;
  readonly credentials?: CurrentCredentials | undefined;
  /** In the place of credentials: connections to somebody who is not known yet. */
  readonly agent?: TlsAgent | undefined;
}

/** A query: arrays repeat the key, undefined leaves it out. */
export type Query = Readonly<Record<string, unknown>>;

export interface RequestOptions {
  readonly query?: Query;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  /** For the answer to begin (its headers), milliseconds; default 10 s. What follows may take as long as it likes. */
  readonly deadlineMs?: number | undefined;
}

/** So long a server may take to begin its answer, if the request does not say otherwise. */
export const answerMs = 10_000;

/** Connections stay open between requests; idle ones do not keep the process alive. */
const agent = new Agent({ keepAlive: true });

/**
 * Sends one request and gives the answer's body as it comes.
 * @throws what the server refuses with, and what `unreachable` makes of a failed connection or of no answer within the
 * deadline; an abort passes unchanged
 */
export async function send(
  server: Server,
  method: string,
  path: string,
  options: RequestOptions,
  unreachable: (problem: string, cause: unknown) => HeddleError,
): Promise<IncomingMessage> {
  const { signal, deadlineMs = answerMs } = options;
  const late = new AbortController();
  // Not AbortSignal.timeout(): it could not be called off, and would cut the body of an answer that came in time.
  const timer = setTimeout(() => late.abort(), deadlineMs);
  let response: IncomingMessage;
  try {
    const either = AbortSignal.any([late.signal, ...(signal ? [signal] : [])]);
    response = await exchange(server, method, path, { ...options, signal: either });
  } catch (cause) {
    signal?.throwIfAborted();
    // Of an address that is none, or of what makes the token: nobody was asked.
    if (cause instanceof HeddleError) throw cause;
    if (late.signal.aborted) throw unreachable(`no answer within ${deadlineMs / 1000} s`, cause);
    throw unreachable(failureText(cause), cause);
  } finally {
    clearTimeout(timer);
  }
  if ((response.statusCode ?? 500) < 400) return response;
  throw await refusalOf(response, unreachable);
}

/** What an answer refuses with. @param otherwise makes an error of one that does not say it as the API does */
export async function refusalOf(
  response: IncomingMessage,
  otherwise: (problem: string, cause: unknown) => Error,
): Promise<Error> {
  const text = await readText(response);
  return isProblem(response)
    ? fromProblem(JSON.parse(text) as Problem)
    : otherwise(`HTTP ${response.statusCode}`, text);
}

/** The answer's body as JSON; undefined if it is empty. */
export async function readJson(response: IncomingMessage): Promise<unknown> {
  const text = await readText(response);
  return text === '' ? undefined : JSON.parse(text);
}

/** The answer's lines as they come; stopping closes the connection. */
export async function* readLines(response: IncomingMessage): AsyncGenerator<string> {
  response.setEncoding('utf8');
  let rest = '';
  for await (const chunk of response) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}

/** The whole of an answer as text. */
export async function readText(response: IncomingMessage): Promise<string> {
  response.setEncoding('utf8');
  let text = '';
  for await (const chunk of response) text += chunk;
  return text;
}

const isProblem = (r: IncomingMessage): boolean =>
  r.headers['content-type']?.startsWith('application/problem+json') ?? false;

async function exchange(
  server: Server,
  method: string,
  path: string,
  options: RequestOptions,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const body = options.body === undefined ? undefined : JSON.stringify(options.body);
  const { open, ...to } = target(server);
  const outgoing = open({
    ...to,
    method,
    path: path + queryText(options.query),
    headers: {
      ...options.headers,
      ...(await authorizationHeader(server.credentials)),
      ...(body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
    },
    ...(options.signal ? { signal: options.signal } : {}),
  });
  outgoing.once('response', resolve);
  outgoing.once('error', (e: NodeJS.ErrnoException) => {
    // The server closed an idle connection just as we took it. A read may simply be repeated.
    if (method === 'GET' && outgoing.reusedSocket && e.code === 'ECONNRESET')
      exchange(server, method, path, options).then(resolve, reject);
    else reject(e);
  });
  outgoing.end(body);
  return promise;
}

/** @throws USAGE */
function target({ address, credentials, agent: byTls = credentials && agentOf(credentials()) }: Server) {
  if (address.startsWith('unix:'))
    return { open: request, agent, socketPath: address.slice('unix:'.length), host: 'localhost' };
  const url = URL.parse(address);
  const host = url?.hostname.replace(/^\[|\]$/g, '');
  if (url?.protocol === 'https:') {
    if (!byTls)
      throw new HeddleError('USAGE', { problem: `for ${address} a login is needed first: heddle login ${address}` });
    return { open: requestByTls, agent: byTls, host, port: url.port || '443' };
  }
  if (url?.protocol !== 'http:' || !isLoopback(host!))
    throw new HeddleError('USAGE', {
      problem: `"${address}" is no address: write https://192.0.2.1:7470 or unix:/path`,
    });
  return { open: request, agent, host, port: url.port || '80' };
}

const isLoopback = (host: string): boolean => host === '::1' || host === 'localhost' || /^127(\.\d+){3}$/.test(host);

function queryText(query: Query = {}): string {
  const pairs = Object.entries(query).flatMap(([key, value]) =>
    (Array.isArray(value) ? value : [value]).flatMap((v) => (v === undefined ? [] : [[key, String(v)]])),
  );
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs)}`;
}
