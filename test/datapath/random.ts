/** Seeded random choices, so that a failing run can be repeated: HEDDLE_SEED=… */
export interface Random {
  readonly seed: number;
  /** An integer from 0 to n − 1. */
  below(n: number): number;
  pick<T>(of: readonly T[]): T;
  bytes(n: number): Uint8Array<ArrayBuffer>;
}

/** Mulberry32: 32 bits of state, good enough to choose packets. */
export function openRandom(seed: number = Number(process.env.HEDDLE_SEED ?? Date.now() % 2 ** 31)): Random {
  let state = seed | 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  };
  return {
    seed,
    below: (n) => next() % n,
    pick: (of) => of[next() % of.length]!,
    bytes: (n) => Uint8Array.from({ length: n }, () => next() & 255),
  };
}
