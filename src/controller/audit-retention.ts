import { setImmediate } from 'node:timers/promises';
import type { AuditForgotten, AuditLog, AuditRow } from '../store/audit-contract.ts';

/** How much of the audit log is kept. */
export interface AuditKeep {
  /** Records of so long ago, milliseconds. */
  readonly ms: number;
  /** So many bytes at most: then the oldest go earlier. An eighth of them is for refusals, which cannot push out the rest. */
  readonly bytes: number;
}

/** A year, and some 800,000 records. */
export const auditKeepDefault: AuditKeep = { ms: 365 * 86_400_000, bytes: 512 << 20 };

/** Time between two looks, milliseconds. */
const LOOK_MS = 60_000;

interface Options {
  readonly log: Pick<AuditLog, 'forget' | 'extent'>;
  readonly keep: AuditKeep;
  /** What the log is to tell of it. */
  readonly tell: (forgotten: AuditForgotten) => AuditRow;
  readonly onFatal: (cause: unknown) => void;
}

/** Forgets records that are too old or too many, a little at a time; each time the log itself tells of it. */
export class AuditRetention implements AsyncDisposable {
  readonly #options: Options;
  readonly #timer: NodeJS.Timeout;
  #look: Promise<void> | undefined;
  #ended = false;

  constructor(options: Options) {
    this.#options = options;
    this.#timer = setInterval(() => this.look(Date.now()).catch(options.onFatal), LOOK_MS);
    this.#timer.unref();
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true;
    clearInterval(this.#timer);
    await this.#look?.catch(() => undefined); // onFatal has it
  }

  /** One look at a time. @param nowMs milliseconds since 1970. @throws STORE_BROKEN */
  look(nowMs: number): Promise<void> {
    this.#look ??= this.#forget(nowMs).finally(() => {
      this.#look = undefined;
    });
    return this.#look;
  }

  async #forget(nowMs: number): Promise<void> {
    const { log, keep, tell } = this.#options;
    const olderThanMs = nowMs - keep.ms;
    const refusals = keep.bytes / 8;
    const { last: upTo } = await log.extent();
    for (const refused of [true, false])
      while (!this.#ended) {
        const bytes = refused ? refusals : keep.bytes - refusals;
        if (!(await log.forget({ refused, olderThanMs, bytes, upTo }, tell))) break;
        await setImmediate();
      }
  }
}
