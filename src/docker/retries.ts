import { setTimeout as delay } from 'node:timers/promises';

/** How something is tried until it is done. */
export interface Retries {
  /** Waits between tries: doubled from the first to the last. */
  readonly backoffMs: { readonly first: number; readonly last: number };
  /** Ends them. */
  readonly signal: AbortSignal;
  /** Told of a problem; of one that stays the same only once. */
  readonly tell: (problem: string) => void;
}

/**
 * Tries until `work` says true, or the signal aborts; what it throws is told, and tried again. `work` may call `well` to say
 * that what was wrong before is over: waits and problems begin anew.
 */
export async function keepTrying(
  work: (well: () => void) => Promise<boolean>,
  { backoffMs: { first, last }, signal, tell }: Retries,
): Promise<void> {
  let waitMs = first;
  let said = '';
  const well = () => {
    waitMs = first;
    said = '';
  };
  while (!signal.aborted) {
    try {
      if (await work(well)) return;
    } catch (cause) {
      const problem = (cause as Error).message;
      if (!signal.aborted && problem !== said) tell(problem);
      said = problem;
    }
    await pause(waitMs, signal);
    waitMs = Math.min(waitMs * 2, last);
  }
}

/** Also over when the signal aborts. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal });
  } catch (e) {
    if (!signal.aborted) throw e;
  }
}
