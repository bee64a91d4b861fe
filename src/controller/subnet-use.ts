import { type Ip, ipOfNumber, type Prefix } from '../model/address.ts';

/** An interval of addresses as numbers, both ends included. */
interface Interval {
  readonly first: bigint;
  readonly last: bigint;
}

/** Who has an address: one port, a lease, or several ports together. */
type Owner = 'port' | 'lease' | 'address';

/** The addresses of one subnet that ports have, leases hold or ports share, and the search for the lowest free one. */
export class SubnetUse {
  readonly prefix: Prefix;
  /** Apart, because an address that goes from one to the other is for a moment with both. */
  readonly #owners: Readonly<Record<Owner, Map<bigint, string>>>;
  /** No address below it is free, as long as the pools stay; a freed one moves it down. */
  #hint = 0n;
  #hintFor = '';

  constructor(prefix: Prefix, { port, lease, address }: Partial<Record<Owner, Map<bigint, string>>> = {}) {
    this.prefix = prefix;
    this.#owners = { port: new Map(port), lease: new Map(lease), address: new Map(address) };
  }
  /** The same, apart. */
  copy(): SubnetUse {
    return new SubnetUse(this.prefix, this.#owners);
  }
  get size(): number {
    return this.#owners.port.size + this.#owners.lease.size + this.#owners.address.size;
  }
  /** How many ports have an address here. */
  ports(): number {
    return new Set(this.#owners.port.values()).size;
  }
  /** How many addresses ports have, leases hold, or are shared. */
  count(owner: Owner): number {
    return this.#owners[owner].size;
  }
  /** How many addresses of the pools ports have or share. Cost: what they have here. */
  takenOf(pools: readonly Interval[]): number {
    const inPools = (n: bigint) => pools.some(({ first, last }) => first <= n && n <= last);
    const { port, address } = this.#owners;
    return [port, address].reduce((sum, owners) => sum + [...owners.keys()].filter(inPools).length, 0);
  }
  /** The leases that hold addresses here, each with how many. */
  leases(): Map<string, number> {
    const out = new Map<string, number>();
    for (const id of this.#owners.lease.values()) out.set(id, (out.get(id) ?? 0) + 1);
    return out;
  }
  ownerOf(owner: Owner, address: bigint): string | undefined {
    return this.#owners[owner].get(address);
  }
  /** An owner takes an address, or gives it up. */
  set(owner: Owner, address: bigint, id: string, takes: boolean): void {
    if (takes) this.#owners[owner].set(address, id);
    else {
      this.#owners[owner].delete(address);
      if (address < this.#hint) this.#hint = address;
    }
  }

  #has(n: bigint): boolean {
    const { port, lease, address } = this.#owners;
    return port.has(n) || lease.has(n) || address.has(n);
  }

  /**
   * The addresses of the pools that nobody has and that are neither refused nor pending (about to be taken by a write
   * under way), lowest first. Cost of the first: constant over many calls.
   */
  *free(
    pools: readonly Interval[],
    refused: { has(address: bigint): boolean },
    pending: (ip: Ip) => boolean,
  ): Generator<Ip> {
    const signature = pools.map((p) => `${p.first}-${p.last}`).join();
    if (signature !== this.#hintFor) this.#hint = 0n;
    this.#hintFor = signature;
    const hint = this.#hint;
    let lowest: bigint | undefined;
    for (const { first, last } of pools.toSorted((a, b) => (a.first < b.first ? -1 : 1)))
      for (let n = first; n <= last; n++) {
        if (n < hint) n = hint;
        if (n > last) break;
        if (this.#has(n) || refused.has(n)) continue;
        lowest ??= n;
        this.#hint = lowest;
        const ip = ipOfNumber(n, this.prefix.family);
        if (!pending(ip)) yield ip;
      }
  }
}
