import { setImmediate } from 'node:timers/promises';
import type { AuditBounds, AuditForgotten, AuditLog, AuditRow, AuditSort } from '../store/audit-contract.ts';

/** How much of the audit log is kept. */
export interface AuditKeep {
  /** Records of so long ago, milliseconds. */
  readonly ms: number;
  /**
   * So many bytes at most: then the oldest go earlier, of the tenant that has most. An eighth of them is for refusals, which
   * cannot push out the rest.
   */
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
  readonly tell: (forgotten: AuditForgotten, sort: AuditSort) => AuditRow;
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
    const { log, keep } = this.#options;
    const { last: upTo, sorts } = await log.extent();
    for (const { refused, tenant } of sorts) {
      const bounds = { refused, tenant, olderThanMs: nowMs - keep.ms, bytes: Number.MAX_SAFE_INTEGER, upTo };
      while (await this.#step(bounds));
    }
    const refusals = keep.bytes / 8;
    for (const refused of [true, false])
      while (await this.#cut(refused, refused ? refusals : keep.bytes - refusals, upTo));
  }

  /** Of whoever has most, a little: so everybody's are kept for as long as they fit into a fair share. False if that is not needed. */
  async #cut(refused: boolean, most: number, upTo: number): Promise<boolean> {
    const { sorts } = await this.#options.log.extent();
    const own = sorts.filter((sort) => sort.refused === refused);
    const beyond = own.reduce((sum, { bytes }) => sum + bytes, -most);
    const [largest] = own.toSorted((a, b) => b.bytes - a.bytes);
    if (beyond <= 0 || !largest) return false;
    const { tenant, bytes } = largest;
    return this.#step({ refused, tenant, olderThanMs: 0, bytes: Math.max(0, bytes - beyond), upTo });
  }

  /** False if there was nothing, or this has ended. */
  async #step(bounds: AuditBounds): Promise<boolean> {
    const { log, tell } = this.#options;
    if (this.#ended || !(await log.forget(bounds, (forgotten) => tell(forgotten, bounds)))) return false;
    await setImmediate();
    return true;
  }
}
