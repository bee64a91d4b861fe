import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { type Answer, decode, encode, type Packet, TRUNCATED_RESPONSE } from 'dns-packet';
import { FrameReader, framed } from '../../src/agent/dns/frames.ts';
import { openBoundSocket } from '../../src/kernel/inet-socket.ts';
import { inNetns, openNetns } from '../../src/kernel/netns.ts';
import type { Ip } from '../../src/model/address.ts';

/**
 * A resolver on port 53 of an address in a namespace: every A query has one answer, "big.…" a hundred, which over UDP are
 * cut off, and "none.…" does not exist. Keeps the names that it was asked for. Disposing closes it.
 */
export class FakeResolver implements Disposable {
  readonly asked: string[] = [];
  readonly #open = new DisposableStack();

  constructor(netns: string, address: string) {
    using ns = openNetns(netns);
    const open = (kind: 'udp' | 'tcp') => inNetns(ns, () => openBoundSocket(kind, address as Ip, 53));
    const udp = createSocket('udp4');
    udp.on('message', (message, { port, address: client }) => udp.send(this.#answer(message, true), port, client));
    udp.bind({ fd: open('udp') });
    this.#open.defer(() => udp.close());
    const tcp = createServer((socket) => {
      const reader = new FrameReader(65_535);
      socket.on('error', () => undefined);
      socket.on('data', (part) => {
        for (const message of reader.push(part) ?? []) socket.end(framed(this.#answer(message, false)));
      });
    });
    tcp.listen({ fd: open('tcp') });
    this.#open.defer(() => tcp.close());
  }

  #answer(message: Buffer, udp: boolean): Buffer {
    const { id = 0, questions = [] } = decode(message);
    const { name = '', type } = questions[0] ?? {};
    this.asked.push(name);
    const count = type !== 'A' || name.startsWith('none.') ? 0 : name.startsWith('big.') ? 100 : 1;
    const answers = Array.from(
      { length: count },
      (_, i): Answer => ({ type: 'A', name, ttl: 60, data: `192.0.2.${i + 1}` }),
    );
    const cut = udp && count > 20;
    const flags = (cut ? TRUNCATED_RESPONSE : 0) | (name.startsWith('none.') ? 3 : 0);
    const response: Packet = { type: 'response', id, flags, questions, answers: cut ? [] : answers };
    return encode(response);
  }

  [Symbol.dispose](): void {
    this.#open.dispose();
  }
}
