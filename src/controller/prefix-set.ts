import { contains, type Interval, overlap, type Prefix } from '../model/address.ts';

interface Holder {
  readonly prefix: Prefix;
}

/** Prefixes in their order, for questions about which of them has some addresses. No two of them overlap. */
export class PrefixSet<H extends Holder> {
  readonly #sorted: readonly H[];

  constructor(holders: Iterable<H>) {
    this.#sorted = [...holders].sort(({ prefix: a }, { prefix: b }) => order(a, b));
  }

  /** If some do overlap after all: two of them. */
  get clash(): readonly [H, H] | undefined {
    for (const [i, next] of this.#sorted.entries()) {
      const before = this.#sorted[i - 1];
      if (before && overlap(before.prefix, next.prefix)) return [before, next];
    }
    return undefined;
  }

  /** The one that all of these addresses lie in. */
  around(wanted: Interval): H | undefined {
    const found = this.#last({ ...wanted, last: wanted.first });
    return found && contains(found.prefix, wanted) ? found : undefined;
  }

  /** One that has any of these addresses. */
  touching(wanted: Interval): H | undefined {
    const found = this.#last(wanted);
    return found && overlap(found.prefix, wanted) ? found : undefined;
  }

  /** The last that does not begin behind some addresses: as they are apart, no other can have the last of these. */
  #last({ family, last }: Interval): H | undefined {
    let [low, high] = [0, this.#sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const { prefix } = this.#sorted[middle]!;
      if (prefix.family < family || (prefix.family === family && prefix.first <= last)) low = middle + 1;
      else high = middle;
    }
    return this.#sorted[low - 1];
  }
}

const order = (a: Prefix, b: Prefix): number => a.family - b.family || (a.first < b.first ? -1 : 1);
