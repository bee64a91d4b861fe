/**
 * How endpoints, networks, pools and addresses end: when Docker says so, when what it says implies it, and when it has
 * forgotten them. Every ending may be repeated, and does nothing to what is not there.
 */
import { type Context, names } from './context.ts';
import {
  type AddressState,
  type EndpointState,
  type NetworkState,
  owners,
  type PoolState,
  type RemovalState,
} from './state.ts';

export class Endings {
  readonly #with: Context;

  constructor(context: Context) {
    this.#with = context;
  }

  /** Removes a container's place on a network: link, port and record. Its address stays Docker's until that is released. */
  async endpoint(id: string): Promise<void> {
    const { state, locks } = this.#with;
    const record = state.endpoints.get(id);
    if (!record) return;
    await locks.shared(names.network(record.network), () =>
      locks.alone(names.endpoint(id), () => this.removeEndpoint(id)),
    );
  }

  /** Its work; the caller has the endpoint, or the whole network, for itself. */
  async removeEndpoint(id: string): Promise<void> {
    const { state, workloads, touches } = this.#with;
    touches.forget(names.endpoint(id));
    const record = state.endpoints.get(id);
    if (!record) return;
    state.endpoints.put({ ...record, state: 'removing' } satisfies EndpointState);
    await workloads.removePort(owners.endpoint(id));
    for (const address of state.addresses.all())
      if (address.endpoint === id) {
        const { endpoint: _, ...rest } = address;
        state.addresses.put({ ...rest, spent: true });
      }
    state.endpoints.remove(id);
  }

  /** Ends a Docker network with all that is on it; a network that was made for it goes at the controller, now or later. */
  async network(id: string): Promise<void> {
    const { state, locks } = this.#with;
    if (state.networks.get(id)) await locks.alone(names.network(id), () => this.removeNetwork(id));
  }

  /** Its work; the caller has the network for itself. */
  async removeNetwork(id: string): Promise<void> {
    const { state, workloads, made, touches } = this.#with;
    touches.forget(names.network(id));
    const record = state.networks.get(id);
    if (!record) return;
    state.networks.put({ ...record, state: 'removing' });
    for (const endpoint of state.endpoints.all()) if (endpoint.network === id) await this.removeEndpoint(endpoint.id);
    for (const pool of state.pools.all()) if (pool.claimedBy === id) await this.#removePool(pool.id);
    for (const ip of record.aux) await workloads.giveBackAddress(owners.aux(id, ip));
    await workloads.unuse(owners.network(id));
    // First the record: as long as there is one, the removal takes the network for used.
    if (record.made) state.removals.put(removalOf(record));
    state.networks.remove(id);
    made.removeAll();
  }

  /** Ends a pool. One that a Docker network of ours has is released only when that goes, so it goes with its last. */
  async pool(id: string): Promise<void> {
    const { state, locks } = this.#with;
    const record = state.pools.get(id);
    if (!record) return;
    await locks.alone(names.pool(id), () => this.#removePool(id));
    const network = record.claimedBy === undefined ? undefined : state.networks.get(record.claimedBy);
    if (network && !network.pools.some((pool) => state.pools.get(pool))) await this.network(network.id);
  }

  async #removePool(id: string): Promise<void> {
    const { state, workloads, made, touches } = this.#with;
    touches.forget(names.pool(id));
    const record = state.pools.get(id);
    if (!record) return;
    for (const address of state.addresses.all()) if (address.pool === id) await this.#removeAddress(address);
    for (const ip of record.reserved) await workloads.giveBackAddress(owners.aux(id, ip));
    await workloads.unuse(owners.pool(id));
    if (record.made && record.claimedBy === undefined) state.removals.put(removalOf(record));
    state.pools.remove(id);
    made.removeAll();
  }

  /** Docker has no use for an address any more. Nor for its endpoint: an engine that boots does not always end that first. */
  async address(pool: string, ip: string): Promise<void> {
    const { state, locks } = this.#with;
    await locks.shared(names.pool(pool), () =>
      locks.alone(names.address(pool, ip), async () => {
        const record = state.addressIn(pool, ip);
        if (!record) return;
        if (record.endpoint !== undefined) await this.endpoint(record.endpoint);
        await this.#removeAddress(record);
      }),
    );
  }

  async #removeAddress(record: AddressState): Promise<void> {
    const { state, workloads } = this.#with;
    await workloads.giveBackAddress(owners.address(record.id));
    state.addresses.remove(record.id);
  }
}

const removalOf = ({ id, tenant, network }: NetworkState | PoolState): RemovalState => ({
  ...{ id, tenant },
  ...(network === undefined ? {} : { network }),
});
