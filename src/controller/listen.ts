import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { BACKLOG, listenUnix } from '../listen/unix-socket.ts';
import { type Ip, ipNumber, parsePrefix, prefixHas } from '../model/address.ts';
import { HeddleError } from '../model/errors.ts';
import { type Bounds, boundAnswer, boundConnections, defaultBounds, serverOptions } from './connections.ts';

/** Where to listen: "127.0.0.1:7470", "[::1]:7470"; a unix socket's path; an inherited listening socket's descriptor. */
export type Listen = { readonly tcp: string } | { readonly unix: string } | { readonly fd: number };

/** The lab's underlay (RFC 2544's range for benchmarks: never on the Internet). */
const labRange = parsePrefix('198.18.0.0/15');

/**
 * Serves the application on one more socket. Until TLS and roles come, only loopback and lab addresses are allowed.
 * @returns what clients connect to: "http://127.0.0.1:7470", "unix:/run/heddle/controller.sock"
 * @throws USAGE for other addresses, or if something else listens there
 */
export async function listen(
  app: FastifyInstance,
  where: Listen,
  bounds: Bounds = defaultBounds,
): Promise<{ server: Server; address: string }> {
  // The application's own server never listens; others hand their requests and upgrades to it.
  const hand = (request: IncomingMessage, response: ServerResponse) => {
    boundAnswer(response, bounds);
    app.server.emit('request', request, response);
  };
  const server = createServer(serverOptions(bounds), hand);
  server.on('upgrade', (request, socket, head) => app.server.emit('upgrade', request, socket, head));
  boundConnections(server, bounds);
  if ('tcp' in where) {
    const { host, port } = parseTcp(where.tcp);
    await listening(server, () => server.listen({ host, port, backlog: BACKLOG }));
  } else if ('unix' in where) {
    await listenUnix(server, where.unix);
  } else {
    await listening(server, () => server.listen({ fd: where.fd }));
  }
  const bound = server.address() as AddressInfo | string | null;
  if (bound === null || typeof bound === 'string')
    return { server, address: `unix:${bound ?? ('unix' in where ? where.unix : 'inherited')}` };
  try {
    requireAllowed(bound.address);
  } catch (e) {
    server.close();
    throw e;
  }
  const host = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address;
  return { server, address: `http://${host}:${bound.port}` };
}

function parseTcp(text: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([0-9.]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  if (!match || !host || Number(match[3]) > 65_535)
    throw new HeddleError('USAGE', {
      problem: `"${text}" is no address to listen on: write 127.0.0.1:7470 or [::1]:7470`,
    });
  requireAllowed(host);
  return { host, port: Number(match[3]) };
}

function requireAllowed(host: string): void {
  const loopback = host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
  const lab = /^\d+(\.\d+){3}$/.test(host) && prefixHas(labRange, host as Ip) && ipNumber(host as Ip) > 0n;
  if (!loopback && !lab)
    throw new HeddleError('USAGE', {
      problem: `refusing to listen on ${host}: until TLS and roles come, the controller listens on loopback (127.0.0.0/8, ::1), lab addresses (${labRange.cidr}) and unix sockets only`,
    });
}

async function listening(server: Server, start: () => void): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject).once('listening', resolve);
  start();
  await promise.catch((cause: NodeJS.ErrnoException) => {
    throw new HeddleError('USAGE', { problem: `cannot listen: ${cause.message}` }, cause);
  });
}
