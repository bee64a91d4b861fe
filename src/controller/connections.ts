import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Counts } from '../metrics/counts.ts';
import { clientOf } from './rate-limit.ts';

/** What strangers may hold of a server; times in milliseconds. */
export interface Bounds {
  /** From the connection, or the end of the answer before if something of the next request has come, to the end of the headers. */
  readonly headersMs: number;
  /** To the end of the body. */
  readonly requestMs: number;
  /** A connection that says nothing between two requests. */
  readonly idleMs: number;
  /** From the end of an answer, as it is handed over, to the moment at which its client has taken it. */
  readonly answerMs: number;
  /** How often the times of requests are looked at. */
  readonly checkMs: number;
  /** Connections of one client address. */
  readonly perClient: number;
  /** Those of them whose client has not shown who it is: one more ends the oldest. */
  readonly unknownPerClient: number;
  /** Connections of all. */
  readonly all: number;
}

/**
 * A host has one stream and some requests; a lab of 20 hosts on one address a few hundred connections. 10,000 idle ones
 * of one client leave all others theirs. Hosts behind one address that come back all at once show who they are with their first
 * request; whoever is ended as one too many comes again.
 */
export const defaultBounds: Bounds = {
  headersMs: 10_000,
  requestMs: 30_000,
  // Long enough for a client to keep its connection between two commands of a script.
  idleMs: 60_000,
  answerMs: 60_000,
  checkMs: 2_000,
  perClient: 1_024,
  unknownPerClient: 256,
  all: 32_768,
};

/** What a server is made with to keep the times of requests. */
export const serverOptions = ({ headersMs, requestMs, idleMs, checkMs }: Bounds) => ({
  headersTimeout: headersMs,
  requestTimeout: requestMs,
  keepAliveTimeout: idleMs,
  connectionsCheckingInterval: checkMs,
});

/** What to do when it is known who is at the other end. */
const whenKnown = new WeakMap<Socket, () => void>();
/** The client of a request's socket has shown who it is: it is no stranger's any more. */
export const clientIsKnown = (socket: Socket): void => whenKnown.get(socket)?.();

/**
 * Ends a connection beyond the bounds before a byte of it is read; beyond that of those that have not shown who they are the
 * oldest of them: whoever can shows it within moments, and strangers keep nobody out. Unix sockets have no client address and no
 * bound.
 */
export function boundConnections(
  server: Server,
  { perClient, unknownPerClient, all }: Bounds,
  counts: ConnectionCounts,
): void {
  /** By client; its connections, and those of strangers by their other end. */
  const clients = new Map<string, { count: number; readonly unknown: Map<string, Socket> }>();
  server.maxConnections = all;
  server.on('drop', () => counts.add({ why: 'full' }));
  server.prependListener('connection', (socket) => {
    if (socket.remoteAddress === undefined) return;
    const client = clientOf(socket.remoteAddress);
    const held = clients.get(client) ?? { count: 0, unknown: new Map() };
    if (held.count >= perClient) {
      counts.add({ why: 'share' });
      return socket.destroy();
    }
    const end = endOf(socket);
    held.count++;
    // One before it from the same port may not be heard to have closed yet: this one is the youngest all the same.
    held.unknown.delete(end);
    held.unknown.set(end, socket);
    clients.set(client, held);
    if (held.unknown.size > unknownPerClient) {
      counts.add({ why: 'share' });
      endOldest(held.unknown);
    }
    socket.once('close', () => {
      forget(held.unknown, end, socket);
      if (--held.count === 0) clients.delete(client);
    });
  });
  const note = (socket: Socket) => {
    const unknown = clients.get(clientOf(socket.remoteAddress ?? ''))?.unknown;
    const end = endOf(socket);
    const connection = unknown?.get(end);
    whenKnown.set(socket, () => connection && forget(unknown!, end, connection));
  };
  // Requests by TLS have another socket than their connection.
  server.on('connection', note).on('secureConnection', note);
}

/** Connections that ended without a request, of whom nothing is known that a record could say. */
export type ConnectionCounts = Counts<'heddle_connections_refused_total'>;
export function connectionCounts(): ConnectionCounts {
  const counts: ConnectionCounts = new Counts('heddle_connections_refused_total');
  // A rate of what is first seen as one is none.
  for (const why of ['share', 'full', 'handshake', 'request']) counts.add({ why }, 0);
  return counts;
}

/**
 * Counts what ends below the routes: handshakes that fail, and what is no request, or is none in time.
 * @param answer tells the client why, where it can be told
 */
export function countEnds(server: Server, counts: ConnectionCounts, answer: (e: Error, socket: Socket) => void): void {
  const strangers = new WeakSet<object>();
  server.prependListener('tlsClientError', (e: NodeJS.ErrnoException, socket: Socket) => {
    // Who says nothing and goes, as probes do, or is ended as one too many, has not failed in it.
    const isSilent = e.code === 'ECONNRESET' && connectionOf(socket)?.bytesRead === 0;
    if (!isSilent) counts.add({ why: 'handshake' });
    strangers.add(socket);
  });
  server.on('clientError', (e: NodeJS.ErrnoException, socket) => {
    if (strangers.has(socket)) return socket.destroy();
    // Else its client has gone.
    if (/^(HPE|ERR_HTTP)_/.test(e.code ?? '')) counts.add({ why: 'request' });
    answer(e, socket as Socket);
  });
}

/** The connection below a socket of TLS, which Node itself keeps so; undefined if it does not any more. */
const connectionOf = (socket: Socket): Socket | undefined => (socket as { _parent?: Socket })._parent;

/** Of some; it counts no more at once, though it is heard to have closed later. */
function endOldest(unknown: Map<string, Socket>): void {
  const [end, oldest] = unknown.entries().next().value!;
  unknown.delete(end);
  oldest.destroy();
}

/** Another connection may have its end by now. */
function forget(unknown: Map<string, Socket>, end: string, connection: Socket): void {
  if (unknown.get(end) === connection) unknown.delete(end);
}

const endOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;

/** Ends the connection of a client that does not take its answer, which waits in memory meanwhile. A watch waits for its client by itself. */
export function boundAnswer(response: ServerResponse, { answerMs }: Pick<Bounds, 'answerMs'>): void {
  response.once('prefinish', () => {
    const timer = setTimeout(() => response.destroy(), answerMs).unref();
    response.once('close', () => clearTimeout(timer));
  });
}
