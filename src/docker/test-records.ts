/** Records of a plug-in of which tests say what is in them. */
import type { NetworkId } from '../model/ids.ts';
import type { EndpointRecord, NetworkRecord, PluginRecords, PoolRecord } from './records.ts';

export class TestRecords implements PluginRecords {
  /** What was forgotten: "endpoint e1", "address <pool> <address>". */
  readonly forgotten: string[] = [];
  /** The id that cannot be forgotten. */
  refuse: string | undefined;
  readonly #endpoints = new Map<string, EndpointRecord>();
  readonly #networks = new Map<string, NetworkRecord>();
  readonly #pools = new Map<string, PoolRecord>();

  /** Its owner is "docker:<id>". */
  addEndpoint(id: string, network: string): void {
    this.#endpoints.set(id, { id, network, owner: `docker:${id}`, touched: 0 });
  }
  addNetwork(id: string, network = `heddle-${id}`): void {
    this.#networks.set(id, { id, network: network as NetworkId, tenant: 'acme', made: true, touched: 0 });
  }
  addPool(id: string, cidr: string, addresses: readonly string[], options: Record<string, string> = {}): void {
    const taken = addresses.map((address) => ({ address, touched: 0 }));
    this.#pools.set(id, { id, cidr, options, touched: 0, addresses: taken });
  }
  /** A call on an endpoint came by. */
  touch(id: string): void {
    const endpoint = this.#endpoints.get(id)!;
    this.#endpoints.set(id, { ...endpoint, touched: endpoint.touched + 1 });
  }

  endpoints(): readonly EndpointRecord[] {
    return [...this.#endpoints.values()];
  }
  networks(): readonly NetworkRecord[] {
    return [...this.#networks.values()];
  }
  pools(): readonly PoolRecord[] {
    return [...this.#pools.values()];
  }
  async forgetEndpoint(id: string): Promise<void> {
    this.#forget('endpoint', id, this.#endpoints);
  }
  async forgetNetwork(id: string): Promise<void> {
    this.#forget('network', id, this.#networks);
  }
  async forgetPool(id: string): Promise<void> {
    this.#forget('pool', id, this.#pools);
  }
  async forgetAddress(pool: string, address: string): Promise<void> {
    this.forgotten.push(`address ${pool} ${address}`);
    const record = this.#pools.get(pool)!;
    this.#pools.set(pool, { ...record, addresses: record.addresses.filter((a) => a.address !== address) });
  }

  #forget(kind: string, id: string, records: Map<string, unknown>): void {
    if (id === this.refuse) throw new Error(`${id} cannot be forgotten`);
    this.forgotten.push(`${kind} ${id}`);
    records.delete(id);
  }
}
