/** Networks at the controller that are made because a Docker network wants one, and go with the last of them. */
import type { Logger } from 'pino';
import type { ThisHost } from '../agent/this-host.ts';
import type { Client } from '../client/client.ts';
import { hasCode } from '../model/errors.ts';
import type { NetworkId } from '../model/ids.ts';
import { forLabel, isMade, madeLabel } from '../model/made-network.ts';
import { keepTrying } from './retries.ts';
import type { DockerState, RemovalState } from './state.ts';

/** Between two tries to remove; doubled from the first to the last. */
const backoffMs = { first: 50, last: 30_000 } as const;
/** So often it is tried while this host itself keeps it from going: some 25 minutes. */
const patience = 60;

/** What to make. */
export interface NetworkWish {
  readonly tenant: string;
  /** Docker's id of the network or pool. */
  readonly for: string;
  readonly mtuBytes?: number;
  readonly sourceNat: boolean;
  readonly subnets: readonly {
    readonly cidr: string;
    readonly gateway: string;
    readonly range?: { first: string; last: string };
  }[];
}

export class MadeNetworks implements AsyncDisposable {
  readonly #client: Client;
  readonly #state: DockerState;
  readonly #thisHost: ThisHost;
  readonly #log: Logger;
  readonly #ended = new AbortController();
  readonly #removing = new Map<string, Promise<void>>();

  constructor(parts: { client: Client; state: DockerState; thisHost: ThisHost; log: Logger }) {
    this.#client = parts.client;
    this.#state = parts.state;
    this.#thisHost = parts.thisHost;
    this.#log = parts.log;
  }

  /** Makes it, or what of it is missing. @throws what the controller refuses; a part may be there then */
  async make(wish: NetworkWish): Promise<NetworkId> {
    const { tenant } = wish;
    const name = `docker-${wish.for.slice(0, 12)}`;
    const network = (await this.#find({ tenant, id: wish.for })) ?? (await this.#create(wish, name));
    const there = await this.#client.list('subnet', { tenant, network });
    for (const [i, { cidr, gateway, range }] of wish.subnets.entries()) {
      if (there.some((s) => s.cidr === cidr)) continue;
      const pools = range ? { pools: [range] } : {};
      await this.#client.create('subnet', { name: `${name}-${i + 1}`, network, cidr, gateway, ...pools }, { tenant });
    }
    return network;
  }

  /** Deletes at the controller what there are removals of, each as soon as nobody uses it. Resolves at once. */
  removeAll(): void {
    for (const removal of this.#state.removals.all()) this.#start(removal);
  }

  #start(removal: RemovalState): void {
    if (this.#removing.has(removal.id)) return;
    const work = this.#work(removal).finally(() => this.#removing.delete(removal.id));
    this.#removing.set(removal.id, work);
  }

  #work(removal: RemovalState): Promise<void> {
    const { id } = removal;
    let tries = 0;
    const work = async (): Promise<boolean> => {
      if (!(await this.#try(removal))) {
        if (++tries < patience) return false;
        this.#log.warn(
          { network: id },
          'a network that was made for Docker stays: this host still has something of it',
        );
      }
      this.#state.removals.remove(id);
      return true;
    };
    const tell = (problem: string) =>
      this.#log.warn({ problem, network: id }, 'a network that Docker needs no more stays until it can be deleted');
    return keepTrying(work, { backoffMs, signal: this.#ended.signal, tell });
  }

  /** True if it is gone, or not ours to delete; false if what this host has of it must go first. */
  async #try(removal: RemovalState): Promise<boolean> {
    const { tenant } = removal;
    const { signal } = this.#ended;
    try {
      const id = removal.network ?? (await this.#find(removal));
      if (id === undefined) return true;
      const users = [...this.#state.networks.all(), ...this.#state.pools.all()];
      if (users.some((n) => n.network === id || n.id === removal.id)) return true;
      if (!isMade(await this.#client.get('network', id, { tenant, signal }))) return true;
      const host = await this.#client.get('host', this.#thisHost.ref, { signal });
      const held = [
        ...(await this.#client.list('lease', { tenant, network: id, signal })),
        ...(await this.#client.list('port', { tenant, network: id, signal })),
      ];
      // Another host's plug-in removes it when its last Docker network goes; what is no Docker's keeps it.
      if (held.some((u) => u.host !== host.id)) return true;
      if (held.length > 0) return false;
      for (const subnet of await this.#client.list('subnet', { tenant, network: id, signal }))
        await this.#client.remove('subnet', subnet.id, { tenant, signal });
      await this.#client.remove('network', id, { tenant, signal });
      return true;
    } catch (e) {
      // This host itself is not found by one that has joined anew, until it is connected.
      if (hasCode(e, 'NOT_FOUND') && e.details.kind !== 'host') return true;
      if (hasCode(e, 'IN_USE')) return false;
      throw e;
    }
  }

  async #create({ tenant, mtuBytes, sourceNat, for: id }: NetworkWish, name: string): Promise<NetworkId> {
    const labels = { [madeLabel.key]: madeLabel.value, [forLabel]: id };
    const fields = { name, sourceNat, labels, ...(mtuBytes === undefined ? {} : { mtuBytes }) };
    return (await this.#client.create('network', fields, { tenant })).id as NetworkId;
  }

  /** The network that was made for a Docker network or pool. */
  async #find({ tenant, id }: Pick<RemovalState, 'tenant' | 'id'>): Promise<NetworkId | undefined> {
    const [found] = await this.#client.list('network', { tenant, label: `${forLabel}=${id}` });
    return found?.id as NetworkId | undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    await Promise.all(this.#removing.values());
  }
}
