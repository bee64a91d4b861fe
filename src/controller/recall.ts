import { Withheld } from './addresses.ts';
import type { LeaseRecord } from './records.ts';
import type { World, WorldChange } from './world.ts';

/** How long a request waits for other hosts to give back addresses that they hold unused. */
const RECALL_MS = 3_000;

/**
 * Repeats a write that was refused because other hosts hold, unused, what it needs. Their leases' sizes are lowered; their
 * agents see that and give back. Only connected hosts can, so without one of those the refusal stands at once.
 */
export class Recall {
  readonly #world: World;
  readonly #isOnline: (host: string) => boolean;
  readonly #lower: (lease: LeaseRecord) => Promise<unknown>;
  /** First come, first woken. */
  readonly #waiting = new Set<() => void>();

  constructor(world: World, isOnline: (host: string) => boolean, lower: (lease: LeaseRecord) => Promise<unknown>) {
    this.#world = world;
    this.#isOnline = isOnline;
    this.#lower = lower;
    world.listeners.add(this.#observe);
  }

  /** @throws what the write throws in the end */
  async retried<T>(write: () => Promise<T>): Promise<T> {
    let deadline: AbortSignal | undefined;
    for (;;) {
      const { revision } = this.#world;
      try {
        return await write();
      } catch (e) {
        if (!(e instanceof Withheld) || deadline?.aborted) throw e;
        deadline ??= AbortSignal.timeout(RECALL_MS);
        if (!(await this.#recalled(e.leases, revision, deadline))) throw e;
      }
    }
  }

  /** Asks for it, and waits until an address has come free since a revision, or the deadline. False if nobody can be asked. */
  async #recalled(ids: readonly string[], since: bigint, deadline: AbortSignal): Promise<boolean> {
    const held = ids.flatMap((id) => this.#world.lease.get(id)?.record ?? []);
    if (held.length < ids.length) return true; // one is gone since it was in the way
    const leases = held.filter(({ host }) => this.#isOnline(host));
    if (leases.length === 0) return false;
    const { promise, resolve } = Promise.withResolvers<void>();
    const missed = this.#world.revision > since; // what came free may be in it
    this.#waiting.add(resolve);
    deadline.addEventListener('abort', () => resolve(), { once: true });
    try {
      await Promise.all(leases.filter((l) => l.size > 0).map(this.#lower));
      if (!missed) await promise;
    } finally {
      this.#waiting.delete(resolve);
    }
    return true;
  }

  /** Wakes as many as addresses have come free; all, if there is a new subnet or pool. */
  readonly #observe = (changes: readonly WorldChange[]): void => {
    if (this.#waiting.size === 0) return;
    let free = 0;
    for (const change of changes) {
      if (change.kind === 'subnet') free = Number.POSITIVE_INFINITY;
      if (change.kind === 'port' || change.kind === 'lease') free += held(change.before) - held(change.after);
    }
    for (const wake of this.#waiting) {
      if (free-- <= 0) return;
      this.#waiting.delete(wake);
      wake();
    }
  };
}

const held = (object: WorldChange['after']): number =>
  (object?.record as Pick<LeaseRecord, 'addresses'> | undefined)?.addresses.length ?? 0;
