import { setImmediate as turn } from 'node:timers/promises';
import { errors, HeddleError } from '../model/errors.ts';

/** Something to do, which may be refused until something else is done. */
export interface Task {
  /** @throws what refuses it; then nothing of it has happened */
  run(): void;
  /** Gives up what the object has and is not to have, which another may need first. False if there is nothing of that. */
  letGo?(): boolean;
}

/** A task, and why it is refused. */
export interface Refusal<T> {
  readonly task: T;
  readonly error: HeddleError;
}

/** Decided so many at a time: others have their turn in between. */
const DECIDED_AT_ONCE = 50;
/**
 * How often tasks are tried again, all together, at 0.1 ms. Where each waits for the one behind it, a round settles one alone:
 * this is a chain of 200 in the worst order, or four rounds of the largest set.
 */
const TRIED_AGAIN = 20_000;

/** How often tasks may yet be tried again, in all that is settled for one decision. */
interface Patience {
  left: number;
}
/** As a decision begins with it. */
export const patience = (): Patience => ({ left: TRIED_AGAIN });

/**
 * Runs all; those that are refused are tried again after the others, as long as something comes of it.
 * @param tries becomes less by what is tried again
 * @returns what is refused in the end; CHAIN_LIMIT alone, if the end is too far
 * @throws the reason of `gone`, if that aborts
 */
export async function settle<T extends Task>(
  all: readonly T[],
  gone: AbortSignal,
  tries = patience(),
): Promise<Refusal<T>[]> {
  let left = all;
  for (;;) {
    const refusals = await run(left, gone);
    // Two may wait for each other, as routers that exchange their networks.
    const isOn = refusals.length < left.length || refusals.map(({ task }) => task.letGo?.()).includes(true);
    if (refusals.length === 0 || !isOn) return refusals;
    tries.left -= refusals.length;
    if (tries.left < 0) return [tooFar(refusals)];
    left = refusals.map(({ task }) => task);
  }
}

/** Each once. */
async function run<T extends Task>(tasks: readonly T[], gone: AbortSignal): Promise<Refusal<T>[]> {
  const refusals: Refusal<T>[] = [];
  for (const [i, task] of tasks.entries()) {
    if (i % DECIDED_AT_ONCE === DECIDED_AT_ONCE - 1) {
      await turn();
      gone.throwIfAborted();
    }
    try {
      task.run();
    } catch (e) {
      if (!(e instanceof HeddleError)) throw e;
      const error: HeddleError = e;
      if (errors[error.code].family !== 'refused') throw e;
      refusals.push({ task, error });
    }
  }
  return refusals;
}

function tooFar<T>(refusals: readonly Refusal<T>[]): Refusal<T> {
  const { task, error } = refusals[0]!;
  return { task, error: new HeddleError('CHAIN_LIMIT', { left: refusals.length, problem: error.message }, error) };
}
