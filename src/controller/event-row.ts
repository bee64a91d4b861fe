import type { Event } from '../model/events.ts';

/** An event in its place. */
export interface EventEntry {
  readonly event: Event;
  /** Its id, as a number. */
  readonly at: number;
  kept: boolean;
}

/** Entries in their order, of which some may have gone. Cost of each call, but `keptAfter`: constant over many. */
export class EventRow {
  #entries: EventEntry[] = [];
  /** Nothing before it is kept. */
  #head = 0;
  /** Id of the latest that has gone. */
  #lastGone = 0;
  /** How many were ever added. */
  noted = 0;
  /** How many of them are kept. */
  count = 0;

  add(entry: EventEntry): void {
    this.#entries.push(entry);
    this.noted++;
    this.count++;
  }
  /** To be called for each of its entries that is not kept any more. */
  dropped({ at }: EventEntry): void {
    this.count--;
    this.#lastGone = Math.max(this.#lastGone, at);
    if (this.#entries.length <= 2 * this.count + 16) return;
    this.#entries = this.#entries.filter(({ kept }) => kept);
    this.#head = 0;
  }
  oldest(): EventEntry | undefined {
    while (this.#entries[this.#head]?.kept === false) this.#head++;
    return this.#entries[this.#head];
  }
  /** Those whose id is greater, the oldest first. */
  *after(at: number): Generator<EventEntry> {
    for (let i = this.#firstAfter(at); i < this.#entries.length; i++) {
      const entry = this.#entries[i]!;
      if (entry.kept) yield entry;
    }
  }
  /** How many these are. Cost: so many. */
  keptAfter(at: number): number {
    let count = 0;
    for (let i = this.#firstAfter(at); i < this.#entries.length; i++) if (this.#entries[i]!.kept) count++;
    return count;
  }
  /** How many are not kept any more. */
  get gone(): number {
    return this.noted - this.count;
  }
  /** How many were added up to an id: of what has gone, all or, where some of it may be later, none. */
  notedUpTo(at: number): number {
    return this.count - this.keptAfter(at) + (at < this.#lastGone ? 0 : this.gone);
  }
  #firstAfter(at: number): number {
    let [low, high] = [0, this.#entries.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#entries[middle]!.at > at) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
