/** From a key to many members, each with a count; a member whose count falls to zero is gone. */
export class MultiMap {
  readonly #map = new Map<string, Map<string, number>>();

  /** The same, apart. */
  copy(): MultiMap {
    const copy = new MultiMap();
    for (const [key, members] of this.#map) copy.#map.set(key, new Map(members));
    return copy;
  }

  of(key: string): Iterable<string> {
    return this.#map.get(key)?.keys() ?? [];
  }
  has(key: string, member: string): boolean {
    return this.#map.get(key)?.has(member) ?? false;
  }
  /** How many members a key has. */
  size(key: string): number {
    return this.#map.get(key)?.size ?? 0;
  }
  countOf(key: string, member: string): number {
    return this.#map.get(key)?.get(member) ?? 0;
  }
  count(key: string, member: string, by: 1 | -1): void {
    let members = this.#map.get(key);
    if (!members) {
      members = new Map();
      this.#map.set(key, members);
    }
    const n = (members.get(member) ?? 0) + by;
    if (n > 0) members.set(member, n);
    else members.delete(member);
    if (members.size === 0) this.#map.delete(key);
  }
}
