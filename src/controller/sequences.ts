import { type Code, HeddleError, hasCode } from '../model/errors.ts';
import type { Store } from '../store/contract.ts';
import { Gate } from './gate.ts';
import type { Recall } from './recall.ts';
import type { RuleContext } from './rules.ts';
import { Sequence } from './sequence.ts';
import type { Committed } from './transaction.ts';
import { type Turns, turnsOf } from './turns.ts';
import type { UnderWay } from './under-way.ts';
import type { WorldChange } from './world.ts';

/** How often a write is decided anew after another one came first. */
export const TRIES = 50;

/** What is shared with single writes. */
interface Parts {
  readonly store: Pick<Store, 'txn'>;
  readonly ctx: RuleContext;
  readonly turns: Turns;
  readonly underWay: UnderWay;
  readonly recall: Recall;
}

/**
 * Gives a sequence its steps. Asked again on a newer world, it must give what is left to do; what it returns is of all. It ends
 * with the signal's reason when that aborts: the one that came with the request, until something is written, and then another one.
 */
type Decide<T> = (sequence: Sequence, gone: AbortSignal) => T | Promise<T>;

/** Of what is begun: it is brought to its end, whoever waits for it. */
const stays = new AbortController().signal;

/** What a sequence of writes did. */
interface SequenceWritten<T> {
  /** What was decided last. */
  readonly result: T;
  readonly changes: readonly WorldChange[];
  /** Of the last transaction; the world's, if nothing was to be written. */
  readonly revision: bigint;
}

/**
 * Several writes, decided together on a copy of the world. One sequence comes after the other; so do, apart from them, those
 * that only ask what would be.
 */
export class Sequences {
  readonly #parts: Parts;
  readonly #writes = new Gate();
  readonly #rehearsals = new Gate();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Writes in the order of the steps, in as few transactions as are legal. If somebody writes in between, it is decided
   * again on a new copy.
   * @param gone whoever it is for does not wait any more: it ends, unless something is written already
   * @param who it is for, as it waits for its turn
   * @throws what `decide` throws: then nothing was written, unless somebody wrote in between; BUSY; the signal's reason
   */
  async write<T>(gone: AbortSignal, decide: Decide<T>, who?: string): Promise<SequenceWritten<T>> {
    const changes: WorldChange[] = [];
    const ends = () => (changes.length > 0 ? stays : gone);
    const decideOn = async (sequence: Sequence): Promise<T> => {
      const result = await decide(sequence, ends());
      ends().throwIfAborted();
      return result;
    };
    try {
      return await this.#parts.recall.retried(() =>
        this.#writes.pass(ends(), () => this.#written(decideOn, changes), who),
      );
    } catch (e) {
      throw saying(changes.length, e);
    }
  }

  /**
   * The same without writing, which holds up nobody who writes: what was decided, on the world of which revision.
   * @throws what `decide` throws, BUSY; the signal's reason
   */
  rehearse<T>(
    gone: AbortSignal,
    decide: Decide<T>,
    who?: string,
  ): Promise<{ readonly result: T; readonly revision: bigint }> {
    const work = async () => {
      const { ctx } = this.#parts;
      const { revision } = ctx.world;
      return { result: await decide(new Sequence(ctx), gone), revision };
    };
    return this.#rehearsals.pass(gone, work, who);
  }

  /** Until all is written: at first without holding up anybody, then in the turns of what is to be written. */
  async #written<T>(decide: (sequence: Sequence) => Promise<T>, changes: WorldChange[]): Promise<SequenceWritten<T>> {
    let keys: readonly string[] = [];
    for (let i = 0; i < TRIES; i++) {
      const attempt = () => this.#attempt(decide, changes, i > 0);
      const { sequence, result, revision } = await this.#parts.turns.take(turnsOf(keys), attempt);
      if (revision !== undefined) return { result, changes, revision };
      keys = sequence.keys;
    }
    throw new HeddleError('BUSY', { tries: TRIES });
  }

  /** Once; without a revision, if somebody else wrote what it was decided on. `isAgain`: that has happened before. */
  async #attempt<T>(decide: (sequence: Sequence) => Promise<T>, changes: WorldChange[], isAgain: boolean) {
    const { ctx, underWay } = this.#parts;
    const sequence = new Sequence(ctx);
    const attempt = async () => {
      const result = await decide(sequence);
      const revision = await underWay.during(sequence.claimed, () => this.#commit(sequence, changes));
      return { sequence, result, revision };
    };
    return isAgain ? underWay.apart(sequence.claimed, attempt) : attempt();
  }

  /** The revision of the last transaction; undefined if somebody else wrote what one of them was decided on. */
  async #commit(sequence: Sequence, changes: WorldChange[]): Promise<bigint | undefined> {
    const { store, ctx } = this.#parts;
    const { world } = ctx;
    const committed: Committed[] = [];
    const seen = new Map<bigint, readonly WorldChange[]>();
    const listen = (made: readonly WorldChange[], revision: bigint) => seen.set(revision, made);
    world.listeners.add(listen);
    try {
      for (const transaction of sequence.transactions()) {
        const compare = transaction.compare(committed);
        const result = compare && (await store.txn({ compare, ops: transaction.ops }));
        if (result) await world.reached(result.revision);
        if (!result?.committed) return undefined;
        committed.push({ transaction, revision: result.revision });
        changes.push(...(seen.get(result.revision) ?? []));
      }
      return committed.at(-1)?.revision ?? world.revision;
    } finally {
      world.listeners.delete(listen);
    }
  }
}

/** What ended a sequence also says what was written of it before: others wrote in between then. */
function saying(written: number, e: unknown): unknown {
  const tells =
    hasCode(e, 'DOCUMENTS_REFUSED') || hasCode(e, 'ROLLBACK_REFUSED') || hasCode(e, 'COMPACTED') || hasCode(e, 'BUSY');
  return tells && written > 0 ? new HeddleError<Code>(e.code, { ...e.details, written }, e) : e;
}
