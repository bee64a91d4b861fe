/** A message that a host was sent: the revision that it has brought, and when. */
interface Sent {
  readonly revision: bigint;
  readonly atMs: number;
}

/** Since when a host owes changes that it was told of. Two messages are remembered, so it may be said to be less than it is. */
export class Lag {
  #first: Sent | undefined;
  #last: Sent | undefined;

  /** `nowMs` is of a clock that only goes forward. */
  sent(revision: bigint, nowMs: number): void {
    this.#last = { revision, atMs: nowMs };
    this.#first ??= this.#last;
  }
  /** All up to the revision is applied. */
  applied(revision: bigint): void {
    if (this.#first && revision >= this.#first.revision)
      this.#first = revision >= this.#last!.revision ? undefined : this.#last;
  }
  /** Milliseconds; 0 if nothing is owed. */
  ms(nowMs: number): number {
    return this.#first ? nowMs - this.#first.atMs : 0;
  }
}
