/** Answers the questions of other hosts' doctors: "does a packet of this size arrive?" */
import type { Logger } from 'pino';
import { openProbeSocket, sendDatagram } from '../../../kernel/inet-socket.ts';
import { close, recv } from '../../../kernel/libc.ts';
import { openPacketSocket } from '../../../kernel/packet-socket.ts';
import { watchSocket } from '../../../kernel/socket-watch.ts';
import type { Ip } from '../../../model/address.ts';
import { RateLimit } from '../../dns/limits.ts';
import { DATAPATH_MARK, fieldAt, kindNumber, magic, PROBE_TYPE, parseProbe, probePayload } from './probe-frame.ts';

const READ_MAX = 64;
const BUFFER_BYTES = 512 * 1024;
/** Longer than any question's fixed part; the rest of it is cut off. */
const FRAME_MAX = 128;
/** So many answers at once to each host, and so many a second after that: a doctor asks some dozens. */
const rate = { burst: 500, perSecond: 200 } as const;

/** What the answers need. */
interface AnswersParts {
  readonly vtep: Ip;
  readonly udpPort: number;
  /** Whether the address is another host's VTEP: nobody else gets an answer. */
  readonly isHost: (ip: Ip) => boolean;
  readonly log: Logger;
  /** Milliseconds; default: the process's. */
  readonly now?: () => number;
}

/**
 * Listens on the slow path's device, for frames that only doctors send. An answer is as small as can be, never larger than
 * the question, and goes to the VXLAN port of a host alone. Disposing ends it.
 */
export class ProbeAnswers implements Disposable {
  readonly #parts: AnswersParts;
  #ifindex = 0;
  #said = '';
  #listening: Disposable | undefined;
  readonly #rate: RateLimit;

  constructor(parts: AnswersParts) {
    this.#parts = parts;
    this.#rate = new RateLimit(rate.perSecond, rate.burst, parts.now ?? (() => performance.now()));
  }

  /** Listens on this device from now on, which is another one after it had to be made anew. */
  heed(vxlanIfindex: number): void {
    if (this.#ifindex === vxlanIfindex && this.#listening) return;
    this[Symbol.dispose]();
    this.#ifindex = vxlanIfindex;
    try {
      this.#listening = this.#open();
    } catch (err) {
      const { message } = err as Error;
      // The next pass tries again; what is said once is not said again.
      if (message !== this.#said) this.#parts.log.warn({ err }, 'other hosts’ doctors get no answer');
      this.#said = message;
    }
  }

  [Symbol.dispose](): void {
    this.#listening?.[Symbol.dispose]();
    this.#listening = undefined;
  }

  #open(): Disposable {
    using open = new DisposableStack();
    const { vtep, udpPort, log } = this.#parts;
    const out = open.adopt(openProbeSocket(vtep, DATAPATH_MARK), close);
    const fd = openPacketSocket({
      ifindex: this.#ifindex,
      ethertype: PROBE_TYPE,
      any: [
        [
          { at: fieldAt.magic, size: 4, is: [magic] },
          { at: fieldAt.kind, size: 1, is: [kindNumber.question] },
        ],
      ],
      bufferBytes: BUFFER_BYTES,
    });
    const buffer = new Uint8Array(FRAME_MAX);
    open.use(
      watchSocket(fd, (_, isOpen) => {
        for (let n = 0; n < READ_MAX && isOpen(); n++) {
          const bytes = recv(fd, buffer, 0);
          if (bytes < 0) return;
          const to = this.answerTo(buffer.subarray(0, bytes));
          try {
            if (to) sendDatagram(out, to.payload, to.ip, udpPort);
          } catch (err) {
            log.debug({ err, to: to?.ip }, 'a probe’s answer was not sent');
          }
        }
      }),
    );
    return open.move();
  }

  /** What goes back, and to whom; undefined: nothing does. */
  answerTo(frame: Uint8Array): { readonly ip: Ip; readonly payload: Uint8Array } | undefined {
    const probe = parseProbe(frame);
    if (probe?.kind !== 'question' || probe.asked !== this.#parts.vtep || !this.#parts.isHost(probe.asker))
      return undefined;
    if (!this.#rate.take(probe.asker)) return undefined;
    return { ip: probe.asker, payload: probePayload({ ...probe, kind: 'answer' }) };
  }
}
