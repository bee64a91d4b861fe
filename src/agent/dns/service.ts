/** The DNS of all networks of this host: a zone for each network, a server at each gateway. */
import type { Logger } from 'pino';
import type { HostItem, HostState, ItemKey } from '../../model/host-state.ts';
import type { NetworkId, Vni } from '../../model/ids.ts';
import { GatewayServers, type ServerPlace } from '../gateway-servers.ts';
import type { Forwarder } from './forward.ts';
import { clientLimits, InFlight } from './limits.ts';
import { Names } from './names.ts';
import { NetworkDns } from './network-dns.ts';
import { openDnsServer } from './server.ts';
import { type Named, type NamedId, Zone } from './zone.ts';

/** What the service works with. */
export interface DnsServiceParts {
  readonly forwarder: Forwarder;
  readonly log: Logger;
  /** Milliseconds. */
  readonly now?: () => number;
}

/** Follows the host's state and its gateways. Disposing closes all sockets. */
export class DnsService implements Disposable {
  readonly #parts: DnsServiceParts;
  readonly #items: HostState;
  readonly #zones = new Map<NetworkId, Zone>();
  /** By router: the zones of its networks. */
  readonly #joined = new Map<Vni, Set<Zone>>();
  readonly #names = new Map<NetworkId, Names>();
  /** As many as zones; their counters and clients' rates outlast a change of the gateway. */
  readonly #dns = new Map<NetworkId, NetworkDns>();
  readonly #networkOf = new Map<NamedId, NetworkId>();
  readonly #servers: GatewayServers;
  readonly #hostInFlight = new InFlight(clientLimits.forwardedByNetwork, clientLimits.forwardedByHost);

  /** `items` is the host's state as it is at every moment; `changed` tells what became different in it. */
  constructor(parts: DnsServiceParts, items: HostState) {
    this.#parts = parts;
    this.#items = items;
    this.#servers = new GatewayServers({
      what: 'DNS',
      nameOf: (network) => this.#zones.get(network)?.network.name,
      open: ({ network, addresses }, netns) => {
        const dns = this.#dns.get(network);
        return dns && openDnsServer({ netns, addresses, dns, log: parts.log });
      },
      log: parts.log,
    });
    for (const [key, item] of items) if (item.kind === 'network') this.changed(key, item);
  }

  [Symbol.dispose](): void {
    this.#servers[Symbol.dispose]();
  }

  /** An item of the host's state came, changed, or went (undefined). */
  changed(key: ItemKey, item: HostItem | undefined): void {
    const [kind, id] = key.split('/') as [HostItem['kind'], string];
    if (kind === 'network') this.#networkChanged(id as NetworkId, item);
    if (kind === 'port' || kind === 'address') this.#nameChanged(id as NamedId, item && namedOf(item));
  }

  #networkChanged(id: NetworkId, item: HostItem | undefined): void {
    const zone = this.#zones.get(id);
    if (zone) this.#join(zone, false);
    if (item?.kind !== 'network') {
      this.#zones.delete(id);
      this.#names.delete(id);
      this.#dns.delete(id);
      this.#servers.renew(id);
    } else if (zone) {
      zone.network = item;
      this.#join(zone, true);
    } else {
      this.#add(new Zone(item));
      // Ports may have come before their network.
      for (const one of this.#items.values()) {
        const named = namedOf(one);
        if (named?.network === id) this.#nameChanged(named.id, named);
      }
      this.#servers.renew(id);
    }
  }

  #add(zone: Zone): void {
    const { forwarder, log, now = () => performance.now() } = this.#parts;
    const names = new Names(zone, () => {
      const { domain } = zone.network;
      return (domain !== undefined && this.#joined.get(domain)) || [];
    });
    this.#zones.set(zone.network.id, zone);
    this.#join(zone, true);
    this.#names.set(zone.network.id, names);
    this.#dns.set(zone.network.id, new NetworkDns({ names, forwarder, hostInFlight: this.#hostInFlight, log, now }));
  }

  /** A zone comes to those of its router, or leaves them. */
  #join(zone: Zone, comes: boolean): void {
    const { domain } = zone.network;
    if (domain === undefined) return;
    const zones = this.#joined.get(domain) ?? new Set();
    if (comes) this.#joined.set(domain, zones.add(zone));
    else if (zones.delete(zone) && zones.size === 0) this.#joined.delete(domain);
  }

  #nameChanged(id: NamedId, named: Named | undefined): void {
    const before = this.#networkOf.get(id);
    if (before !== undefined && before !== named?.network) {
      this.#zones.get(before)?.remove(id);
      this.#networkOf.delete(id);
    }
    if (!named) return;
    this.#networkOf.set(id, named.network);
    this.#zones.get(named.network)?.put(named);
  }

  /** A gateway came, changed, or is about to go (undefined): its sockets are closed when this returns. */
  gateway(network: NetworkId, place: ServerPlace | undefined): void {
    this.#servers.gateway(network, place);
  }

  /** What is known in a network of this host, by its tenant's name and its own name or id. */
  names(tenant: string, network: string): Names | undefined {
    return [...this.#names.values()].find(
      ({ network: n }) => n.tenant === tenant && (n.name === network || n.id === network),
    );
  }

  /** How the DNS of this host is, for status. */
  get status() {
    const total = { queries: 0, forwarded: 0, dropped: 0, refused: 0 };
    for (const { counters } of this.#dns.values())
      for (const key of Object.keys(total) as (keyof typeof total)[]) total[key] += counters[key];
    return { ...this.#servers.status, ...this.#parts.forwarder.summary, ...total };
  }
}

/** An address that ports share has the one name, whoever of them has it. */
function namedOf(item: HostItem): Named | undefined {
  if (item.kind === 'port') return item;
  return item.kind === 'address' ? { ...item, dnsNames: [], addresses: [item.address] } : undefined;
}
