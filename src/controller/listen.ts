import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { endWhole, httpsAddress, listening, parseTcp } from '../listen/tcp.ts';
import { type ServerTls, tlsServer } from '../listen/tls-server.ts';
import { BACKLOG, listenUnix } from '../listen/unix-socket.ts';
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
  const server =
    'unix' in where
      ? createServer(serverOptions(bounds), hand)
      : tlsServer(await tls(), { ...serverOptions(bounds), ...handshakeOptions(bounds) }, hand);
  server.on('upgrade', (request, socket, head) => app.server.emit('upgrade', request, socket, head));
  countEnds(server, counts, (e, socket) => app.server.emit('clientError', e, socket));
  boundConnections(server, bounds, counts);
  const end = endWhole(server);
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
  return { address: httpsAddress(bound), [Symbol.dispose]: end };
}

const handshakeOptions = ({ headersMs }: Bounds) => ({
  handshakeTimeout: headersMs,
  requestCert: true,
  // A certificate that is not ours is answered as such, and users come without any.
  rejectUnauthorized: false,
});
