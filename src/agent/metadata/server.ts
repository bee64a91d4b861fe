/** One network's metadata service on sockets inside its gateway's namespace; this process's event loop serves them. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { openBoundSocket } from '../../kernel/inet-socket.ts';
import { inNetns, type Netns } from '../../kernel/netns.ts';
import type { Ip } from '../../model/address.ts';
import { peerAddress } from '../peer-address.ts';
import type { Desk } from './desk.ts';

const HTTP_PORT = 80;
/** A client that is slow with its request, or with reading the answer, is of no use to anybody. Milliseconds and bytes. */
const patience = {
  headersTimeout: 5_000,
  requestTimeout: 5_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
  maxHeaderSize: 8_192,
} as const;
const IDLE_MS = 5_000;
const REQUESTS_BY_CONNECTION = 200;

/** What a server needs. */
export interface MetadataServerParts {
  readonly netns: Netns;
  /** Each gets a socket of its own. */
  readonly addresses: readonly Ip[];
  readonly desk: Desk;
  readonly log: Logger;
}

/**
 * Serves HTTP/1.1 on port 80 of the addresses. Disposing closes all sockets at once.
 * @throws KERNEL if a socket cannot be made; then none stays
 */
export function openMetadataServer({ netns, addresses, desk, log }: MetadataServerParts): Disposable {
  using open = new DisposableStack();
  for (const address of addresses) {
    const fd = inNetns(netns, () => openBoundSocket('tcp', address, HTTP_PORT));
    const server = serve(fd, desk);
    server.on('error', (err) => log.warn({ err, netns: netns.path }, 'a metadata socket failed'));
    open.defer(() => {
      server.close();
      server.closeAllConnections();
    });
  }
  return open.move();
}

function serve(fd: number, desk: Desk): Server {
  const server = createServer(patience, (request, response) => respond(request, response, desk));
  server.timeout = IDLE_MS;
  server.maxRequestsPerSocket = REQUESTS_BY_CONNECTION;
  server.on('connection', (socket) => admit(socket, desk));
  server.listen({ fd });
  return server;
}

function admit(socket: Socket, desk: Desk): void {
  const client = peerAddress(socket);
  const leave = client === undefined ? undefined : desk.enter(client);
  if (leave) socket.on('close', leave);
  else socket.destroy();
}

/** Connections whose last answer is under way. */
const ending = new WeakSet<Socket>();

function respond(request: IncomingMessage, response: ServerResponse, desk: Desk): void {
  const { method = '', url = '', headers, socket } = request;
  const client = peerAddress(socket);
  // Requests that came in one packet with others are read even when an answer before has ended the connection.
  if (client === undefined || ending.has(socket)) return void socket.destroy();
  const { status, body, headers: more, close } = desk.answer({ method, url, headers }, client);
  if (close) ending.add(socket);
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    ...more,
    ...(close && { connection: 'close' }),
  });
  response.end(body);
}
