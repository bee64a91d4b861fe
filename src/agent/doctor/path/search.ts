/** Sizes that are asked for in one round of a search. */
const perRound = 16;

/** So many sizes, evenly spread between two of which the lower one fits and the upper one does not; ascending, none twice. */
export function sizesBetween(fits: number, tooLarge: number): number[] {
  const count = Math.min(perRound, tooLarge - fits - 1);
  return Array.from({ length: count }, (_, i) => fits + Math.floor(((i + 1) * (tooLarge - fits)) / (count + 1)));
}

/**
 * The largest size that arrives, if `whole` does not; 0: not even the least does. `ask` tells which of some sizes have
 * arrived: each that fits at first try or at all, for one that is lost makes the answer smaller. Of 9,000 sizes it takes four
 * rounds.
 */
export async function largestThatFits(
  least: number,
  whole: number,
  ask: (sizes: readonly number[]) => Promise<ReadonlySet<number>>,
): Promise<number> {
  const first = await ask([least, whole]);
  if (first.has(whole)) return whole;
  if (!first.has(least)) return 0;
  let [fits, tooLarge] = [least, whole];
  while (tooLarge - fits > 1) {
    const sizes = sizesBetween(fits, tooLarge);
    const arrived = await ask(sizes);
    fits = Math.max(fits, ...arrived);
    tooLarge = sizes.find((size) => size > fits) ?? tooLarge;
  }
  return fits;
}
