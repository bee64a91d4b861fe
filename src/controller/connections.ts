import type { Server, ServerResponse } from 'node:http';
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
  /** Connections of all. */
  readonly all: number;
}

/**
 * A host has one stream and some requests; a lab of 20 hosts on one address a few hundred connections. 10,000 idle ones
 * of one client leave all others theirs.
 */
export const defaultBounds: Bounds = {
  headersMs: 10_000,
  requestMs: 30_000,
  // Long enough for a client to keep its connection between two commands of a script.
  idleMs: 60_000,
  answerMs: 60_000,
  checkMs: 2_000,
  perClient: 1_024,
  all: 32_768,
};

/** What a server is made with to keep the times of requests. */
export const serverOptions = ({ headersMs, requestMs, idleMs, checkMs }: Bounds) => ({
  headersTimeout: headersMs,
  requestTimeout: requestMs,
  keepAliveTimeout: idleMs,
  connectionsCheckingInterval: checkMs,
});

/** Ends a connection beyond the bounds before a byte of it is read. Unix sockets have no client address and no bound. */
export function boundConnections(server: Server, { perClient, all }: Bounds): void {
  const counts = new Map<string, number>();
  server.maxConnections = all;
  server.prependListener('connection', (socket) => {
    if (socket.remoteAddress === undefined) return;
    const client = clientOf(socket.remoteAddress);
    const count = (counts.get(client) ?? 0) + 1;
    if (count > perClient) return socket.destroy();
    counts.set(client, count);
    socket.once('close', () => {
      const left = counts.get(client)! - 1;
      if (left > 0) counts.set(client, left);
      else counts.delete(client);
    });
  });
}

/** Ends the connection of a client that does not take its answer, which waits in memory meanwhile. A watch waits for its client by itself. */
export function boundAnswer(response: ServerResponse, { answerMs }: Pick<Bounds, 'answerMs'>): void {
  response.once('prefinish', () => {
    const timer = setTimeout(() => response.destroy(), answerMs).unref();
    response.once('close', () => clearTimeout(timer));
  });
}
