import { constants } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import type { FastifyInstance } from 'fastify';
import { BACKLOG, listenUnix } from '../listen/unix-socket.ts';
import { HeddleError } from '../model/errors.ts';
import {
  type Bounds,
  boundAnswer,
  boundConnections,
  type ConnectionCounts,
  countEnds,
  defaultBounds,
  serverOptions,
} from './connections.ts';

/** Where to listen: "127.0.0.1:7470", "[::1]:7470"; a unix socket's path; an inherited listening socket's descriptor. */
export type Listen = { readonly tcp: string } | { readonly unix: string } | { readonly fd: number };

/** What the controller shows and believes by TLS; all PEM. */
export interface TlsContext {
  readonly key: string;
  /** Its certificate, and behind it what leads to an older authority, while there is one. */
  readonly cert: string;
  /** The authorities whose hosts are let in. */
  readonly ca: string;
}
/** The same as it is now, and word of every new one. */
export interface ServerTls {
  readonly context: TlsContext;
  onRenewed(listener: (context: TlsContext) => void): Disposable;
}

/** Connections by unix sockets: none but root can make them. */
const local = new WeakSet<Socket>();
/** Who is at the other end is root on this machine. */
export const isLocal = (socket: Socket): boolean => local.has(socket);

/** How to listen. */
export interface ListenOptions {
  readonly bounds?: Bounds;
  /** What sockets that have an address show and believe; asked for if there is one. */
  readonly tls: () => Promise<ServerTls>;
  readonly counts: ConnectionCounts;
}

/**
 * Serves the application on one more socket: by TLS 1.3 alone, but for unix sockets. Who comes with a certificate has shown that it
 * has its key; whose it is, and that it is one of ours, is for the routes to ask.
 * Disposing ends it and all its connections, those too that have not ended their handshake.
 * @returns what clients connect to: "https://192.0.2.1:7470", "unix:/run/heddle/controller.sock"
 * @throws USAGE if something else listens there
 */
export async function listen(
  app: FastifyInstance,
  where: Listen,
  { bounds = defaultBounds, tls, counts }: ListenOptions,
): Promise<Disposable & { readonly address: string }> {
  // The application's own server never listens; others hand their requests and upgrades to it.
  const hand = (request: IncomingMessage, response: ServerResponse) => {
    boundAnswer(response, bounds);
    app.server.emit('request', request, response);
  };
  const server = 'unix' in where ? createServer(serverOptions(bounds), hand) : tlsServer(await tls(), bounds, hand);
  server.on('upgrade', (request, socket, head) => app.server.emit('upgrade', request, socket, head));
  countEnds(server, counts, (e, socket) => app.server.emit('clientError', e, socket));
  boundConnections(server, bounds, counts);
  const connections = new Set<Socket>();
  server.on('connection', (socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
  });
  const end = () => {
    server.close();
    for (const socket of connections) socket.destroy();
  };
  if ('tcp' in where) {
    const { host, port } = parseTcp(where.tcp);
    await listening(server, () => server.listen({ host, port, backlog: BACKLOG }));
  } else if ('unix' in where) {
    server.prependListener('connection', (socket) => local.add(socket));
    await listenUnix(server, where.unix);
  } else {
    await listening(server, () => server.listen({ fd: where.fd }));
  }
  const bound = server.address() as AddressInfo | string | null;
  if (bound === null || typeof bound === 'string')
    return { address: `unix:${bound ?? ('unix' in where ? where.unix : 'inherited')}`, [Symbol.dispose]: end };
  const host = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address;
  return { address: `https://${host}:${bound.port}`, [Symbol.dispose]: end };
}

function tlsServer(
  tls: ServerTls,
  bounds: Bounds,
  hand: (request: IncomingMessage, response: ServerResponse) => void,
): Server {
  const server = createTlsServer(
    {
      ...serverOptions(bounds),
      ...contextOf(tls.context),
      handshakeTimeout: bounds.headersMs,
      requestCert: true,
      // A certificate that is not ours is answered as such, and users come without any.
      rejectUnauthorized: false,
    },
    hand,
  );
  const renewed = tls.onRenewed((context) => server.setSecureContext(contextOf(context)));
  server.once('close', () => renewed[Symbol.dispose]());
  return server;
}

/** All of it: a context that is set takes nothing over from the one before. */
const contextOf = (context: TlsContext): SecureContextOptions => ({
  ...context,
  minVersion: 'TLSv1.3',
  // A session that goes on would not be asked for its certificate again.
  secureOptions: constants.SSL_OP_NO_TICKET,
});

/** The address without brackets. @throws USAGE */
export function parseTcp(text: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([0-9.]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  if (!match || !host || Number(match[3]) > 65_535)
    throw new HeddleError('USAGE', {
      problem: `"${text}" is no address to listen on: write 127.0.0.1:7470 or [::1]:7470`,
    });
  return { host, port: Number(match[3]) };
}

async function listening(server: Server, start: () => void): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject).once('listening', resolve);
  start();
  await promise.catch((cause: NodeJS.ErrnoException) => {
    throw new HeddleError('USAGE', { problem: `cannot listen: ${cause.message}` }, cause);
  });
}
