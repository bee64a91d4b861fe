/** QEMU's machine protocol, over its unix socket: what moves a guest to another QEMU, and says when it stood still. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { until } from '../../src/lab/processes.ts';

/** Something that happened in QEMU, by its own clock: this machine's. */
export interface QmpEvent {
  readonly event: string;
  readonly data: Record<string, unknown>;
  /** Milliseconds since 1970. */
  readonly atMs: number;
}

/** A connection to one QEMU. Disposing closes it; QEMU goes on. */
export class Qmp implements Disposable {
  readonly #socket: Socket;
  readonly #asked = new Map<number, PromiseWithResolvers<unknown>>();
  readonly events: QmpEvent[] = [];
  #next = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    // A QEMU that is killed with something unread resets the connection: its close follows, and says the same.
    const ignore = () => undefined;
    socket.on('error', ignore).on('close', () => {
      for (const { reject } of this.#asked.values()) reject(new Error('QEMU is gone'));
    });
    createInterface({ input: socket })
      .on('error', ignore) // which it is told of as well
      .on('line', (line) => this.#line(JSON.parse(line)));
  }

  /** Waits for QEMU to make its socket. */
  static async open(path: string): Promise<Qmp> {
    const socket = await until(`QEMU listens at ${path}`, 20_000, async () => {
      const tried = connect(path);
      return once(tried, 'connect').then(
        () => tried,
        (e: NodeJS.ErrnoException) => {
          if (!['ENOENT', 'ECONNREFUSED'].includes(e.code ?? '')) throw e;
          return undefined;
        },
      );
    });
    const qmp = new Qmp(socket);
    await qmp.run('qmp_capabilities');
    return qmp;
  }

  /** A command; its answer. @throws if QEMU refuses it, or is gone */
  run<T = unknown>(execute: string, args: object = {}): Promise<T> {
    const id = ++this.#next;
    const asked = Promise.withResolvers<unknown>();
    this.#asked.set(id, asked);
    this.#socket.write(`${JSON.stringify({ execute, arguments: args, id })}\n`, (e) => e && asked.reject(e));
    return asked.promise as Promise<T>;
  }
  /** The last event of that name. */
  last = (name: string): QmpEvent | undefined => this.events.findLast(({ event }) => event === name);

  #line(said: Said): void {
    if (said.event !== undefined) {
      const { seconds, microseconds } = said.timestamp;
      this.events.push({ event: said.event, data: said.data ?? {}, atMs: seconds * 1000 + microseconds / 1000 });
      return;
    }
    const asked = this.#asked.get(said.id ?? -1);
    if (said.id !== undefined) this.#asked.delete(said.id);
    if (said.error) asked?.reject(new Error(`QEMU: ${said.error.desc}`));
    else asked?.resolve(said.return);
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

interface Said {
  readonly id?: number;
  readonly return?: unknown;
  readonly error?: { readonly desc: string };
  readonly event?: string;
  readonly data?: Record<string, unknown>;
  readonly timestamp: { readonly seconds: number; readonly microseconds: number };
}
