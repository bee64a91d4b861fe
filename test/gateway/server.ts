/** Servers inside of a namespace, served by this process: each tells its client who it takes it for. */
import { createSocket } from 'node:dgram';
import { createServer, type Socket } from 'node:net';
import { openBoundSocket } from '../../src/kernel/inet-socket.ts';
import { inNetns, openNetns } from '../../src/kernel/netns.ts';
import type { Ip } from '../../src/model/address.ts';

/** A server; `seen` are the clients' addresses, in their order. */
export interface Served extends Disposable {
  readonly seen: string[];
}

function socketIn(path: string, protocol: 'tcp' | 'udp', address: string, port: number): number {
  using netns = openNetns(path);
  return inNetns(netns, () => openBoundSocket(protocol, address as Ip, port));
}

/** TCP: answers "name client\n", and each later line with another; a client that has ended its side gets the end. */
function serveTcp(path: string, address: string, port: number, name: string): Served {
  const seen: string[] = [];
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: false }, (socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    seen.push(socket.remoteAddress ?? '');
    socket.on('error', () => undefined); // it is the client that tells
    socket.on('data', (text) => socket.write(text));
    socket.write(`${name} ${socket.remoteAddress}\n`);
    if (!name.endsWith('…')) socket.end();
  });
  server.listen({ fd: socketIn(path, 'tcp', address, port) });
  return {
    seen,
    [Symbol.dispose]() {
      server.close();
      // One whose client is cut off by now would not end by itself.
      for (const socket of open) socket.destroy();
    },
  };
}

function serveUdp(path: string, address: string, port: number, name: string): Served {
  const seen: string[] = [];
  const server = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  server.on('message', (_text, from) => {
    seen.push(from.address);
    server.send(`${name} ${from.address}\n`, from.port, from.address);
  });
  server.bind({ fd: socketIn(path, 'udp', address, port) });
  return { seen, [Symbol.dispose]: () => void server.close() };
}

/** A server on an address of a namespace. A name that ends in "…" keeps its TCP connections, and gives back what comes. */
export const serve = (path: string, protocol: 'tcp' | 'udp', address: string, port: number, name: string): Served =>
  (protocol === 'tcp' ? serveTcp : serveUdp)(path, address, port, name);
