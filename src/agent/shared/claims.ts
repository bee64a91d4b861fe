/** Tells the controller which port of this host has announced a shared address. */
import type { Logger } from 'pino';
import type { Client } from '../../client/client.ts';
import { type HeddleError, hasCode } from '../../model/errors.ts';
import type { AddressId, PortId } from '../../model/ids.ts';
import { Rounds } from '../rounds.ts';
import { verdictOf } from '../verdict.ts';

/** What telling works with. */
export interface ClaimParts {
  readonly client: Pick<Client, 'update'>;
  /** The tenant of an address that the port may have, on this host; undefined: it may not, or no longer. */
  readonly tenantOf: (address: AddressId, port: PortId) => string | undefined;
  /** Between two words on one address. Default 1 s: two ports that both believe to have it switch no more often. */
  readonly pauseMs?: number;
  readonly log: Logger;
}

/** Who announced an address, and when: milliseconds of this process's clock. */
interface Heard {
  readonly port: PortId;
  readonly atMs: number;
}

/** What was heard last counts. Disposing forgets what was not told. */
export class Claims implements Disposable {
  readonly #parts: ClaimParts;
  readonly #rounds: Rounds;
  readonly #heard = new Map<AddressId, Heard>();
  /** When an address was told of, milliseconds of this process's clock. */
  readonly #toldMs = new Map<AddressId, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: ClaimParts) {
    this.#parts = parts;
    this.#rounds = new Rounds(() => this.#round(), parts.log);
  }

  /** Why the controller gives some addresses to nobody here for now; who announced them is remembered. */
  get refusal(): HeddleError | undefined {
    return this.#rounds.refusal;
  }
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#rounds[Symbol.dispose]();
  }

  heard(address: AddressId, port: PortId): void {
    this.#heard.set(address, { port, atMs: performance.now() });
    void this.#rounds.run();
  }

  /** What waits is told at once: the controller listens to this host again. */
  tell(): void {
    void this.#rounds.run();
  }

  forget(address: AddressId): void {
    this.#heard.delete(address);
    this.#toldMs.delete(address);
  }

  /** True if nothing is left to tell. @throws what says that the controller hears nothing of this host now */
  async #round(): Promise<boolean> {
    const { pauseMs = 1_000 } = this.#parts;
    let waitMs = Number.POSITIVE_INFINITY;
    const due: (readonly [AddressId, Heard, string])[] = [];
    for (const [address, heard] of [...this.#heard]) {
      const left = (this.#toldMs.get(address) ?? Number.NEGATIVE_INFINITY) + pauseMs - performance.now();
      if (left > 0) {
        waitMs = Math.min(waitMs, left);
        continue;
      }
      const tenant = this.#parts.tenantOf(address, heard.port);
      // What is heard meanwhile is told next.
      this.#heard.delete(address);
      if (tenant !== undefined) due.push([address, heard, tenant]);
    }
    // One tenant's many words keep no other's waiting.
    const told = [...Map.groupBy(due, ([, , tenant]) => tenant).values()].map((words) => this.#tellAll(words));
    const outcomes = await Promise.allSettled(told);
    clearTimeout(this.#timer);
    if (Number.isFinite(waitMs)) this.#timer = setTimeout(() => void this.#rounds.run(), waitMs).unref();
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    return outcomes.every((outcome) => outcome.status === 'fulfilled' && outcome.value);
  }

  async #tellAll(words: readonly (readonly [AddressId, Heard, string])[]): Promise<boolean> {
    let whole = true;
    for (const [i, [address, heard, tenant]] of words.entries())
      try {
        whole = (await this.#tell(address, heard, tenant)) && whole;
      } catch (cause) {
        for (const [later, was] of words.slice(i + 1)) this.#keep(later, was);
        throw cause;
      }
    return whole;
  }

  /** For the next round, if nothing newer was heard. */
  #keep(address: AddressId, heard: Heard): void {
    if (!this.#heard.has(address)) this.#heard.set(address, heard);
  }

  async #tell(address: AddressId, heard: Heard, tenant: string): Promise<boolean> {
    const { client, log } = this.#parts;
    const { port, atMs } = heard;
    const heardMs = Math.max(0, Math.round(performance.now() - atMs));
    this.#toldMs.set(address, performance.now());
    try {
      // Also if the address is its own already: another host's word may be on its way, and an older one is not heeded.
      await client.update('address', address, { holder: port, heardMs }, { tenant });
      return true;
    } catch (cause) {
      const verdict = verdictOf(cause);
      if (verdict === 'refused' || verdict === 'broken')
        log.warn({ err: cause, address, port }, 'the controller does not give a shared address to who announced it');
      if (verdict === 'refused' && !isUnknown(cause)) return true;
      this.#keep(address, heard);
      this.#toldMs.delete(address);
      if (verdict === 'away') throw cause;
      if (verdict === 'later') this.#rounds.postpone(cause);
      return false;
    }
  }
}

/** A port that was made on this host may not be known yet. */
const isUnknown = (cause: unknown): boolean => hasCode(cause, 'NOT_FOUND') && cause.details.kind === 'port';
