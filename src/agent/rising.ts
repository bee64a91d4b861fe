/**
 * A counter that only rises, made of a sum that falls when a part of it goes, with what that part had counted. What the others
 * count between the last look and the fall is lost.
 */
export class Rising {
  #last = 0;
  #total = 0;

  /** @param sum as it is now */
  of(sum: number): number {
    this.#total += Math.max(0, sum - this.#last);
    this.#last = sum;
    return this.#total;
  }
}
