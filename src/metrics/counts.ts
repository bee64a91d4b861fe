import type { Exposition } from './exposition.ts';
import { type Labels, metrics, type OfType } from './table.ts';

/** A counter that the process keeps itself, by its labels. */
export class Counts<N extends OfType<'counter'>> {
  readonly #name: N;
  readonly #counts = new Map<string, { readonly labels: Labels<N>; value: number }>();

  constructor(name: N) {
    this.#name = name;
  }

  add(labels: Labels<N>, by = 1): void {
    const key = keyOf(labels);
    const count = this.#counts.get(key);
    if (count) count.value += by;
    else this.#counts.set(key, { labels, value: by });
  }

  expose(into: Exposition): void {
    for (const { labels, value } of this.#counts.values()) into.set(this.#name, value, ...([labels] as never));
  }
}

/** A histogram of durations, by its labels. */
export class Durations<N extends OfType<'histogram'>> {
  readonly #name: N;
  readonly #series = new Map<string, { readonly labels: Labels<N>; readonly counts: number[]; sum: number }>();

  constructor(name: N) {
    this.#name = name;
  }

  observe(labels: Labels<N>, seconds: number): void {
    const key = keyOf(labels);
    const bounds: readonly number[] = metrics[this.#name].bounds;
    const series = this.#series.get(key) ?? { labels, counts: Array(bounds.length + 1).fill(0), sum: 0 };
    this.#series.set(key, series);
    const at = bounds.findIndex((bound) => seconds <= bound);
    series.counts[at < 0 ? bounds.length : at]!++;
    series.sum += seconds;
  }

  expose(into: Exposition): void {
    for (const { labels, ...observations } of this.#series.values()) into.histogram(this.#name, observations, labels);
  }
}

const keyOf = (labels: object): string => Object.values(labels).join('\n');
