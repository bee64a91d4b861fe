import { join } from 'node:path';
import type { NetworkItem } from '../model/host-state.ts';
import type { NetworkId } from '../model/ids.ts';
import type { HostItems } from './host-items.ts';
import { Records } from './records.ts';
import type { NetworkRef } from './workloads.ts';

/** Somebody on this host who wants a network at hand. */
export interface NetworkUser extends NetworkRef {
  readonly user: string;
  readonly id: NetworkId;
}

/** True if people mean this network by that: by names, or by its id. */
const isMeant = ({ tenant, network }: NetworkRef, item: NetworkItem): boolean =>
  item.tenant === tenant && (item.name === network || item.id === network);

/** Who on this host holds which network, on disk and in memory; and who is about to, in memory only. */
export class NetworkUsers {
  readonly #records: Records<NetworkUser>;
  readonly #soon = new Map<symbol, NetworkRef>();

  constructor(stateDirectory: string) {
    this.#records = new Records(join(stateDirectory, 'networks'), (u) => u.user);
  }

  all = (): readonly NetworkUser[] => [...this.#records.values()];
  get = (user: string): NetworkUser | undefined => this.#records.get(user);
  put(user: NetworkUser): void {
    this.#records.put(user, { sync: true });
  }
  remove(user: string): void {
    this.#records.remove(user);
  }

  /** Holds a network until disposed. */
  hold(ref: NetworkRef): Disposable {
    const key = Symbol();
    this.#soon.set(key, ref);
    return { [Symbol.dispose]: () => void this.#soon.delete(key) };
  }

  /** Somebody holds it, or is about to. */
  has(item: NetworkItem): boolean {
    return this.all().some(({ id }) => id === item.id) || [...this.#soon.values()].some((ref) => isMeant(ref, item));
  }
}

/** The network that is meant, if this host's state has it. */
export const findNetwork = (items: HostItems, ref: NetworkRef): NetworkItem | undefined =>
  [...items.networks.values()].find((item) => isMeant(ref, item));
