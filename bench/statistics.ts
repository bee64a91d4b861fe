/** The few numbers that a benchmark reports about its samples. */

/** Middle, least and greatest of some samples, in their unit. */
export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/**
 * The value that a share of the samples does not exceed, interpolated between neighbours.
 * @param share 0 to 1; 0.5 is the median
 * @throws RangeError for no samples
 */
export function quantile(samples: readonly number[], share: number): number {
  if (samples.length === 0) throw new RangeError('no samples');
  const sorted = samples.toSorted((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const below = sorted[Math.floor(at)]!;
  const above = sorted[Math.ceil(at)]!;
  return below + (above - below) * (at - Math.floor(at));
}

/** @throws RangeError for no samples */
export function summarize(samples: readonly number[]): Summary {
  return { median: quantile(samples, 0.5), min: quantile(samples, 0), max: quantile(samples, 1) };
}

/** Rounded to four significant digits: more is noise. */
export const significant = (value: number): number => Number(value.toPrecision(4));
