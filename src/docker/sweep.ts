/** What the plug-in still has and its engine has forgotten: an engine that is killed does not say goodbye to anything. */
import ipaddr from 'ipaddr.js';
import type { Logger } from 'pino';
import type { Engine, EngineNetwork } from './engine-api.ts';
import type { PluginRecords, PoolRecord } from './records.ts';

/** One thing to forget: its kind and ids, and the record's `touched` when it was found unknown. */
export interface Orphan {
  readonly kind: 'endpoint' | 'network' | 'pool' | 'address';
  readonly id: string;
  /** Of an address: its pool. */
  readonly pool?: string;
  readonly touched: number;
}

/** All networks of an engine with their endpoints: what it knows. */
export async function lookAtNetworks(engine: Engine): Promise<EngineNetwork[]> {
  const found: EngineNetwork[] = [];
  for (const { Id } of await engine.networks()) {
    const network = await engine.network(Id);
    if (network) found.push(network);
  }
  return found;
}

/** What of the records an engine does not know. Pure. */
export function orphans(records: PluginRecords, known: readonly EngineNetwork[]): Orphan[] {
  const networks = new Set(known.map((n) => n.Id));
  const endpoints = new Set(known.flatMap((n) => Object.values(n.Containers ?? {}).map((c) => c.EndpointID)));
  return [
    ...records
      .endpoints()
      .flatMap(({ id, touched }): Orphan[] => (endpoints.has(id) ? [] : [{ kind: 'endpoint', id, touched }])),
    ...records
      .networks()
      .flatMap(({ id, touched }): Orphan[] => (networks.has(id) ? [] : [{ kind: 'network', id, touched }])),
    ...records.pools().flatMap((pool) => poolOrphans(pool, known)),
  ];
}

/** Docker does not say which pool a network has: all that may have it are taken for its users. */
function poolOrphans(pool: PoolRecord, known: readonly EngineNetwork[]): Orphan[] {
  const users = known.filter(
    (n) => !n.ConfigOnly && (n.IPAM.Config ?? []).some((c) => samePrefix(c.Subnet, pool.cidr)) && sameOptions(n, pool),
  );
  if (users.length === 0) return [{ kind: 'pool', id: pool.id, touched: pool.touched }];
  const used = new Set(users.flatMap(addressesOf));
  return pool.addresses
    .filter(({ address }) => !used.has(bare(address)))
    .map(({ address, touched }) => ({ kind: 'address', id: address, pool: pool.id, touched }));
}

/** An engine shows a prefix as its user wrote it: 10.0.0.7/24, FD00::/64. */
function samePrefix(shown: string | undefined, cidr: string): boolean {
  if (shown === undefined || !ipaddr.isValidCIDR(shown)) return false;
  const { address: a, length } = parseCidr(shown);
  const { address: b, length: other } = parseCidr(cidr);
  return length === other && a.kind() === b.kind() && a.match(b, length);
}
function parseCidr(text: string) {
  const [address, length] = ipaddr.parseCIDR(text);
  return { address, length };
}

const sameOptions = (n: EngineNetwork, pool: PoolRecord): boolean =>
  Object.entries(n.IPAM.Options ?? {}).every(([key, value]) => pool.options[key] === value);

/** Gateways, auxiliary addresses and containers' addresses of a network, without prefix lengths. */
function addressesOf(n: EngineNetwork): string[] {
  const config = (n.IPAM.Config ?? []).flatMap((c) => [c.Gateway ?? '', ...Object.values(c.AuxiliaryAddresses ?? {})]);
  const containers = Object.values(n.Containers ?? {}).flatMap((c) => [c.IPv4Address, c.IPv6Address]);
  return [...config, ...containers].map(bare);
}

/** An address in canonical text, without its prefix length. */
const bare = (text: string): string => {
  const address = text.replace(/\/.*$/, '');
  return ipaddr.isValid(address) ? ipaddr.parse(address).toString() : address;
};

const keyOf = (o: Orphan): string => `${o.kind} ${o.pool ?? ''} ${o.id} ${o.touched}`;
/** Endpoints go before their networks, addresses before their pools. */
const order = ['endpoint', 'address', 'network', 'pool'] as const;

/** Forgets what was unknown in two looks, and that no call touched in between. */
export class Sweep {
  readonly #records: PluginRecords;
  readonly #log: Logger;
  #before = new Set<string>();

  constructor(records: PluginRecords, log: Logger) {
    this.#records = records;
    this.#log = log;
  }

  /** The engine was away: what was seen before counts no more. */
  startAnew(): void {
    this.#before.clear();
  }

  /** One look at what the engine knows. The caller lets time pass between two. */
  async look(known: readonly EngineNetwork[]): Promise<void> {
    const found = orphans(this.#records, known);
    const sure = found.filter((o) => this.#before.has(keyOf(o)));
    this.#before = new Set(found.map(keyOf));
    for (const orphan of sure.toSorted((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind))) {
      try {
        await this.#forget(orphan);
        this.#log.info({ orphan }, 'the engine does not know it any more: removed');
      } catch (err) {
        this.#log.warn(
          { err, orphan },
          'the engine does not know it any more, and it could not be removed; tried again',
        );
      }
    }
  }

  #forget({ kind, id, pool = '' }: Orphan): Promise<void> {
    const records = this.#records;
    if (kind === 'endpoint') return records.forgetEndpoint(id);
    if (kind === 'network') return records.forgetNetwork(id);
    return kind === 'pool' ? records.forgetPool(id) : records.forgetAddress(pool, id);
  }
}
