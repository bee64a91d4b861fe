/** Asks other hosts' agents, with packets as large as encapsulated ones, whether they arrive. */
import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { openProbeSocket, sendDatagram } from '../../../kernel/inet-socket.ts';
import { close, hasErrno, recv } from '../../../kernel/libc.ts';
import { openPacketSocket } from '../../../kernel/packet-socket.ts';
import { watchSocket } from '../../../kernel/socket-watch.ts';
import type { Ip } from '../../../model/address.ts';
import {
  DATAPATH_MARK,
  fieldAt,
  kindNumber,
  leastProbeBytes,
  magic,
  PROBE_TYPE,
  type Probe,
  parseProbe,
  probePayload,
} from './probe-frame.ts';
import { largestThatFits } from './search.ts';

/** A size is asked for so often, with so long between and after: others' loss is no MTU. */
const questions = { count: 4, everyMs: 150 } as const;
/** Hosts that are asked at a time: as many packets are on the way as in one burst of an ordinary connection. */
const atOnce = 16;
const BUFFER_BYTES = 1 << 20;
const FRAME_MAX = 128;

/** Who is asked. */
interface ProbeTarget {
  readonly vtep: Ip;
  /** Size of the largest encapsulated packet that goes there, outer IP header included, bytes. */
  readonly wholeBytes: number;
}

/** How this host asks. */
interface ProbeOptions {
  readonly vtep: Ip;
  readonly udpPort: number;
  /** The slow path's device, by which answers come. */
  readonly vxlanIfindex: number;
  readonly signal: AbortSignal;
}

/** The largest packet of each target that arrives, in their order; 0: none does. Ends at once when aborted. @throws KERNEL */
export async function probePaths(targets: readonly ProbeTarget[], options: ProbeOptions): Promise<number[]> {
  using asker = new Asker(options);
  const found: number[] = [];
  for (let i = 0; i < targets.length; i += atOnce)
    found.push(
      ...(await Promise.all(
        targets
          .slice(i, i + atOnce)
          .map(({ vtep, wholeBytes }) =>
            largestThatFits(leastProbeBytes(vtep), wholeBytes, (sizes) => asker.ask(vtep, sizes)),
          ),
      )),
    );
  return found;
}

/** One run: a socket for questions, one for answers. */
class Asker implements Disposable {
  readonly #options: ProbeOptions;
  readonly #run = randomInt(2 ** 32);
  readonly #open = new DisposableStack();
  readonly #out: number;
  /** "asked bytes" of questions that have been answered. */
  readonly #answered = new Set<string>();
  #heard = Promise.withResolvers<void>();

  constructor(options: ProbeOptions) {
    using open = new DisposableStack();
    this.#options = options;
    this.#out = open.adopt(openProbeSocket(options.vtep, DATAPATH_MARK), close);
    const fd = openPacketSocket({
      ifindex: options.vxlanIfindex,
      ethertype: PROBE_TYPE,
      any: [
        [
          { at: fieldAt.magic, size: 4, is: [magic] },
          { at: fieldAt.kind, size: 1, is: [kindNumber.answer] },
          { at: fieldAt.run, size: 4, is: [this.#run] },
        ],
      ],
      bufferBytes: BUFFER_BYTES,
    });
    const buffer = new Uint8Array(FRAME_MAX);
    open.use(
      watchSocket(fd, (_, isOpen) => {
        for (let bytes = 0; isOpen() && bytes >= 0; ) {
          bytes = recv(fd, buffer, 0);
          const probe = bytes < 0 ? undefined : parseProbe(buffer.subarray(0, bytes));
          if (probe?.asker === options.vtep) this.#answered.add(`${probe.asked} ${probe.bytes}`);
        }
        this.#heard.resolve();
        this.#heard = Promise.withResolvers<void>();
      }),
    );
    this.#open = open.move();
  }

  [Symbol.dispose](): void {
    this.#open.dispose();
  }

  /** Which of these sizes have arrived. Resolves as soon as the largest has, for then all fit. */
  async ask(asked: Ip, sizes: readonly number[]): Promise<ReadonlySet<number>> {
    const arrived = () => new Set(sizes.filter((bytes) => this.#answered.has(`${asked} ${bytes}`)));
    for (let n = 0; n < questions.count; n++) {
      for (const bytes of new Set(sizes).difference(arrived())) this.#send(asked, bytes);
      await this.#until(() => arrived().has(sizes.at(-1)!));
      if (arrived().has(sizes.at(-1)!)) break;
    }
    return arrived();
  }

  /** Waits until it is so, or for the time between questions. @throws when aborted */
  async #until(isSo: () => boolean): Promise<void> {
    const over = new AbortController();
    const { signal } = this.#options;
    const late = delay(questions.everyMs, true, { signal: AbortSignal.any([signal, over.signal]) });
    try {
      while (!isSo()) if (await Promise.race([late, this.#heard.promise])) return;
    } finally {
      over.abort();
      late.catch(() => undefined);
      signal.throwIfAborted();
    }
  }

  #send(asked: Ip, bytes: number): void {
    const { vtep, udpPort } = this.#options;
    const probe: Probe = { kind: 'question', bytes, run: this.#run, asker: vtep, asked };
    try {
      sendDatagram(this.#out, probePayload(probe, bytes), asked, udpPort);
    } catch (e) {
      // It does not fit this host's own device, or there is no way: it does not arrive.
      if (!['EMSGSIZE', 'ENETUNREACH', 'EHOSTUNREACH', 'EPERM', 'EAGAIN'].some((errno) => hasErrno(e, errno))) throw e;
    }
  }
}
