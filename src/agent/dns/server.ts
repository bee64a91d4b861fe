/** One network's DNS on sockets inside its gateway's namespace; this process's event loop serves them. */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import type { Logger } from 'pino';
import { openBoundSocket } from '../../kernel/inet-socket.ts';
import { inNetns, type Netns } from '../../kernel/netns.ts';
import { type Ip, ipFamily } from '../../model/address.ts';
import { peerAddress } from '../peer-address.ts';
import { FrameReader, framed } from './frames.ts';
import { clientLimits, InFlight } from './limits.ts';
import type { NetworkDns } from './network-dns.ts';

const DNS_PORT = 53;
/** A connection without a word for so long is closed, milliseconds. */
const IDLE_MS = 10_000;
/** No query is longer; a client that says so has no good in mind, or is no DNS client. */
const QUERY_MAX = 4_096;
/** Answers that a connection's client has not read yet, bytes. */
const UNREAD_MAX = 256 * 1_024;

/** What a server needs. */
export interface ServerParts {
  readonly netns: Netns;
  /** Each gets sockets of its own, so that answers come from the address that was asked. */
  readonly addresses: readonly Ip[];
  readonly dns: NetworkDns;
  readonly log: Logger;
}

/**
 * Serves UDP and TCP on port 53 of the addresses. Disposing closes all sockets at once.
 * @throws KERNEL if a socket cannot be made; then none stays
 */
export function openDnsServer({ netns, addresses, dns, log }: ServerParts): Disposable {
  using open = new DisposableStack();
  const connections = new InFlight(clientLimits.connectionsByClient, clientLimits.connectionsByNetwork);
  const failed = (err: NodeJS.ErrnoException): void => {
    // A query from a link-local address, which is not answered: see `peerAddress`.
    if (err.syscall === 'uv_if_indextoiid') dns.counters.dropped += 1;
    else log.warn({ err, netns: netns.path }, 'a DNS socket failed');
  };
  for (const address of addresses) {
    const udp = serveUdp(
      inNetns(netns, () => openBoundSocket('udp', address, DNS_PORT)),
      address,
      dns,
    );
    udp.on('error', failed);
    open.defer(() => udp.close());
    const { server, closeAll } = serveTcp(
      inNetns(netns, () => openBoundSocket('tcp', address, DNS_PORT)),
      dns,
      connections,
    );
    server.on('error', failed);
    open.defer(closeAll);
  }
  return open.move();
}

function serveUdp(fd: number, address: Ip, dns: NetworkDns): UdpSocket {
  const socket = createSocket(ipFamily(address) === 4 ? 'udp4' : 'udp6');
  let closed = false;
  socket.on('close', () => {
    closed = true;
  });
  socket.on('message', (message, { address: client, port }) => {
    // Nothing can be sent to port 0, though it can be a packet's source; Node throws instead of sending.
    if (client.includes('%') || port === 0) {
      dns.counters.dropped += 1;
      return;
    }
    const send = (answer: Buffer | undefined): void => {
      // A client that is gone, or a full queue: UDP has no news of it, and the client asks again.
      if (answer && !closed) socket.send(answer, port, client, () => undefined);
    };
    const answer = message.length > QUERY_MAX ? undefined : dns.answer(message, client, 'udp');
    if (answer instanceof Promise) answer.then(send);
    else send(answer);
  });
  socket.bind({ fd });
  return socket;
}

function serveTcp(fd: number, dns: NetworkDns, connections: InFlight): { server: Server; closeAll: () => void } {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const client = peerAddress(socket);
    // Its reset may come at any time, also before it is told to go; 'close' follows.
    socket.on('error', () => undefined);
    if (client === undefined || !connections.enter(client)) {
      socket.destroy();
      return;
    }
    sockets.add(socket);
    socket.on('close', () => {
      sockets.delete(socket);
      connections.leave(client);
    });
    converse(socket, client, dns);
  });
  server.listen({ fd });
  const closeAll = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { server, closeAll };
}

/** Messages of one connection; answers go out as they are ready (RFC 7766 §6.2.1.1). */
function converse(socket: Socket, client: string, dns: NetworkDns): void {
  const reader = new FrameReader(QUERY_MAX);
  let pending = 0;
  let ended = false;
  const endIfDone = (): void => {
    if (ended && pending === 0) socket.end();
  };
  const reply = (answer: Buffer | undefined): void => {
    if (!answer || socket.destroyed) return;
    socket.write(framed(answer));
    if (socket.writableLength > UNREAD_MAX) socket.destroy();
  };
  const take = (message: Buffer): void => {
    const answer = dns.answer(message, client, 'tcp');
    if (!(answer instanceof Promise)) return reply(answer);
    pending += 1;
    answer.then((bytes) => {
      pending -= 1;
      reply(bytes);
      endIfDone();
    });
  };
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  socket.on('data', (part) => {
    const messages = reader.push(part);
    if (!messages) socket.destroy();
    else for (const message of messages) take(message);
  });
  socket.on('end', () => {
    ended = true;
    endIfDone();
  });
}
