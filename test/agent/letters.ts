/** Letters that say who may get them: senders go on sending them, and every workload notes whatever reaches it. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { openBoundSocket } from '../../src/kernel/inet-socket.ts';
import { inNetns, openNetns } from '../../src/kernel/netns.ts';
import { until } from '../../src/lab/processes.ts';
import type { Ip } from '../../src/model/address.ts';
import { openPackets, type Packets } from '../traffic/packets.ts';

const port = 4242;
const everyMs = 20;
const mark = 'letter ';

interface Letter {
  readonly to: Ip;
  /** Names of the workloads that may have the address while the letter is under way. */
  readonly may: readonly string[];
  /** Differs from one owner of the address to the next. */
  readonly turn: number;
}

async function openSocket(netns: string, boundTo: number): Promise<Socket> {
  using ns = openNetns(netns);
  const socket = createSocket('udp4');
  const listening = once(socket, 'listening');
  socket.bind({ fd: inNetns(ns, () => openBoundSocket('udp', '0.0.0.0' as Ip, boundTo)) });
  await listening;
  return socket;
}

/** Disposing it ends the sending. */
export class Letters implements AsyncDisposable {
  readonly #open = new AsyncDisposableStack();
  readonly #senders: Socket[] = [];
  readonly #boxes = new Map<string, Packets>();
  readonly #current = new Map<Ip, Letter>();
  /** Who has had an answer, by turn. */
  readonly #answered = new Map<number, Set<Socket>>();
  /** Letters that reached somebody who may not have them, or were answered by such a one. */
  readonly misdelivered = new Set<string>();
  #turns = 0;
  sent = 0;
  delivered = 0;

  constructor() {
    const timer = setInterval(() => this.#round(), everyMs);
    this.#open.defer(() => clearInterval(timer));
  }
  /** Reads what is still in the boxes. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const letter of this.#current.values()) this.#send(letter);
    this.#look();
    await this.#open.disposeAsync();
  }

  /** Has a namespace send to all addresses that are known by then. */
  async sendFrom(netns: string): Promise<void> {
    const socket = await openSocket(netns, 0);
    this.#open.defer(() => void socket.close());
    socket.on('message', (answer) => {
      const text = answer.toString();
      const { turn } = this.#check(text.slice(0, text.indexOf(' ')), text);
      this.#answered.get(turn)?.add(socket);
    });
    this.#senders.push(socket);
  }
  /**
   * Notes what reaches a workload through whatever device, also what its kernel would not take; and answers what it takes.
   * Closing the box lets the namespace go.
   */
  async readAt(name: string, netns: string): Promise<Disposable> {
    const packets = openPackets(netns);
    const socket = await openSocket(netns, port);
    socket.on('message', (letter, from) => socket.send(`${name} has ${letter}`, from.port, from.address));
    this.#boxes.set(name, packets);
    const box = {
      [Symbol.dispose]: () => {
        if (!this.#boxes.has(name)) return;
        this.#look();
        this.#boxes.delete(name);
        packets[Symbol.dispose]();
        socket.close();
      },
    };
    return this.#open.use(box);
  }

  /** From now on letters to the address are for these workloads. @returns its turn */
  address(to: Ip, may: readonly string[]): number {
    const letter = { to, may, turn: ++this.#turns };
    this.#current.set(to, letter);
    this.#answered.set(letter.turn, new Set());
    this.#send(letter);
    return letter.turn;
  }
  /** Resolves when every sender has had an answer to a letter of that turn. */
  answer(turn: number): Promise<true> {
    const isWhole = () => this.#answered.get(turn)!.size === this.#senders.length || undefined;
    return until('the answer to all who send letters', 20_000, isWhole);
  }

  #round(): void {
    for (const letter of this.#current.values()) this.#send(letter);
    this.#look();
  }
  #send(letter: Letter): void {
    const text = `${mark}${JSON.stringify(letter)}`;
    for (const sender of this.#senders) sender.send(text, port, letter.to);
    this.sent += this.#senders.length;
  }
  #look(): void {
    for (const [name, packets] of this.#boxes)
      for (const frame of packets.received()) {
        const text = Buffer.from(frame).toString('latin1');
        if (!text.includes(mark)) continue;
        this.delivered++;
        this.#check(name, text);
      }
  }
  #check(name: string, text: string): Letter {
    const letter = JSON.parse(text.slice(text.indexOf(mark) + mark.length)) as Letter;
    if (!letter.may.includes(name)) this.misdelivered.add(`${name} got a letter to ${letter.to} of ${letter.may}`);
    return letter;
  }
}
