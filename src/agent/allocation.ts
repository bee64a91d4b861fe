import { type Ip, ipFamily, parsePrefix, prefixHas } from '../model/address.ts';
import { HeddleError } from '../model/errors.ts';
import type { NetworkItem } from '../model/host-state.ts';
import type { NetworkId } from '../model/ids.ts';
import type { LeaseBook, Leased } from './lease-book.ts';
import type { Leases } from './leases.ts';

/** So often an address is looked for anew after another workload took what had come. */
const TRIES = 20;

/**
 * Takes addresses from the lease; what it does not have is asked of the controller. `take` is called with what was found
 * and must put it on record at once: nothing comes in between.
 */
export class Allocation {
  readonly #book: LeaseBook;
  readonly #leases: Leases;

  constructor(book: LeaseBook, leases: Leases) {
    this.#book = book;
    this.#leases = leases;
  }

  /** One address of each family. @throws ADDRESS_POOL_EXHAUSTED, CONTROLLER_UNREACHABLE, NOT_FOUND */
  async any<T>(network: NetworkItem, families: Iterable<4 | 6>, take: (found: Leased[]) => T): Promise<T> {
    const want = [...families];
    for (let tries = 0; tries < TRIES; tries++) {
      const free = this.#book.free(network.id);
      const found = want.map((family) => free.find(({ ip }) => ipFamily(ip) === family));
      const missing = want.find((_, i) => !found[i]);
      if (missing === undefined) return take(found as Leased[]);
      await this.#lease(network);
      if (!this.#book.free(network.id).some(({ ip }) => ipFamily(ip) === missing))
        await this.#leases.more(network.id, missing);
    }
    throw new HeddleError('BUSY', { tries: TRIES });
  }

  /**
   * Exactly these. `mayUse`: whether an address that is in use here is in use by whoever asks.
   * @throws ADDRESS_TAKEN, ADDRESS_OUTSIDE, ADDRESS_RESERVED, CONTROLLER_UNREACHABLE, NOT_FOUND
   */
  async these<T>(
    network: NetworkItem,
    wanted: readonly Ip[],
    mayUse: (user: string, ip: Ip) => boolean,
    take: (found: Leased[]) => T,
  ): Promise<T> {
    for (let tries = 0; tries < TRIES; tries++) {
      const used = this.#book.used(network.id);
      for (const ip of wanted) {
        const user = used.get(ip);
        if (user !== undefined && !mayUse(user, ip))
          throw new HeddleError('ADDRESS_TAKEN', { address: ip, port: user });
      }
      const found = wanted.map((ip) => this.#book.find(network.id, ip));
      const missing = wanted.find((_, i) => !found[i]);
      if (missing === undefined) return take(found as Leased[]);
      await this.#lease(network);
      await this.#leases.claim(network.id, missing);
    }
    throw new HeddleError('BUSY', { tries: TRIES });
  }

  /** There may be none yet, or none any more. */
  async #lease({ id, tenant }: NetworkItem): Promise<void> {
    if (!this.#book.has(id)) await this.#leases.ready({ tenant, network: id });
  }
}

/** Of the address's subnet; of the whole address if that is gone. */
export function prefixLengthOf(ip: Ip, { subnets }: Pick<NetworkItem, 'subnets'>): number {
  const subnet = subnets.map(({ cidr }) => parsePrefix(cidr)).find((prefix) => prefixHas(prefix, ip));
  return subnet ? subnet.length : ipFamily(ip) === 4 ? 32 : 128;
}

/** @throws NOT_FOUND if this host's state has no such network */
export function mustKnow(networks: ReadonlyMap<NetworkId, NetworkItem>, id: NetworkId): NetworkItem {
  const network = networks.get(id);
  if (!network) throw new HeddleError('NOT_FOUND', { kind: 'network', name: id });
  return network;
}
