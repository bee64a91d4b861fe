/** UDP flows between namespaces, served by this process. */
import { createSocket, type Socket } from 'node:dgram';
import { openBoundSocket } from '../../src/kernel/inet-socket.ts';
import { inNetns, openNetns } from '../../src/kernel/netns.ts';
import type { Ip } from '../../src/model/address.ts';

/** A flow; `seen`: as whom its server took it for each answer, "address port", in their order. */
export interface DatagramFlow extends Disposable {
  readonly seen: string[];
}

function socketIn(path: string, address: string, port: number): Socket {
  using netns = openNetns(path);
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  socket.bind({ fd: inNetns(netns, () => openBoundSocket('udp', address as Ip, port)) });
  socket.on('error', () => undefined); // what is missing is an answer
  return socket;
}

/** Answers each datagram with its client's address and port. */
export function mirrorDatagrams(path: string, address: string, port: number): Disposable {
  const socket = socketIn(path, address, port);
  socket.on('message', (_text, from) => socket.send(`${from.address} ${from.port}`, from.port, from.address));
  return { [Symbol.dispose]: () => void socket.close() };
}

/** Says something to a mirror each 50 ms, from one port. */
export function datagramFlow(path: string, address: string, port: number): DatagramFlow {
  const socket = socketIn(path, address.includes(':') ? '::' : '0.0.0.0', 0);
  const seen: string[] = [];
  socket.on('message', (text) => seen.push(text.toString()));
  const timer = setInterval(() => socket.send('more', port, address), 50);
  return {
    seen,
    [Symbol.dispose]() {
      clearInterval(timer);
      socket.close();
    },
  };
}
