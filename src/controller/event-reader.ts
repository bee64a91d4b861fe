import type { Event } from '../model/events.ts';
import type { EventRow } from './event-row.ts';

interface Reading {
  /** What is read; undefined while nothing is there. */
  readonly row: () => EventRow | undefined;
  /** The reader's own events, of which it hears how many went: all that is read, or some of it. */
  readonly own: () => readonly EventRow[];
  /** Id of the last event that it knows. */
  readonly at: number;
  /** How many of its own there were up to that one. */
  readonly passed: number;
}

/** Somebody who reads events as they come, and hears how many have gone before they could be read. */
export class EventReader {
  readonly #reading: Reading;
  #at: number;
  /** How many of its own were read, or have gone unread. */
  #passed: number;

  constructor(reading: Reading) {
    this.#reading = reading;
    this.#at = reading.at;
    this.#passed = reading.passed;
  }

  /** The next ones, at most so many, and how many have gone unread since the last call. */
  take(most: number): { lost: number; events: Event[] } {
    const lost = Math.max(0, this.#passedNow() - this.#passed);
    const entries = [...(this.#reading.row()?.after(this.#at).take(most) ?? [])];
    this.#at = entries.at(-1)?.at ?? this.#at;
    this.#passed = this.#passedNow();
    return { lost, events: entries.map(({ event }) => event) };
  }

  /** All of its own but those that are still to be read. */
  #passedNow(): number {
    return this.#reading.own().reduce((n, row) => n + row.noted - row.keptAfter(this.#at), 0);
  }
}
