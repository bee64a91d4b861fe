/** The names of one network, from this host's state. Pure: state in, answers out. */
import { type Ip, type Prefix, parsePrefix, prefixHas } from '../../model/address.ts';
import type { NetworkItem, PortItem } from '../../model/host-state.ts';
import type { AddressId, PortId } from '../../model/ids.ts';
import { recordTypes } from './query.ts';
import { addressType, type DnsRecord, isWritable, type Reply } from './response.ts';
import { addressOfReverse, type ReverseName, reverseZone } from './reverse.ts';

/** Below this all names are Heddle's, of every installation; ".internal" is set aside for private use (ICANN, 2024). */
const ROOT = 'heddle.internal';
/** What a validating resolver in a workload must learn of the top-level domains. Nobody looks a workload up by these. */
const infrastructure: ReadonlySet<number> = new Set([
  recordTypes.NS,
  recordTypes.SOA,
  recordTypes.DS,
  recordTypes.DNSKEY,
]);

/** The name below which a network's ports are, everywhere. */
export const networkDomain = ({ name, tenant }: Pick<NetworkItem, 'name' | 'tenant'>): string =>
  `${name}.${tenant}.${ROOT}`.toLowerCase();
/** The whole name under which a port is known, if it can be written. */
const wholeName = (network: Pick<NetworkItem, 'name' | 'tenant'>, port: string): string =>
  `${port.toLowerCase()}.${networkDomain(network)}`;

/** A port's own names, lower case. */
const namesOf = (port: Pick<PortItem, 'name' | 'dnsNames'>): Set<string> =>
  new Set([port.name, ...port.dnsNames].map((name) => name.toLowerCase()));

/** What has names: a port, or an address that ports share. */
export interface Named extends Pick<PortItem, 'name' | 'dnsNames' | 'network' | 'addresses'> {
  readonly id: NamedId;
}
export type NamedId = PortId | AddressId;

/** Which of a network's addresses are told: all, or those that a router joins to the asker's network. */
type Told = 'all' | 'routed';

/** The names of one network. Its ports, and the addresses that they share, are put and removed as the host's state changes. */
export class Zone {
  #network: NetworkItem;
  #domain: string;
  #prefixes: Readonly<Record<Told, readonly Prefix[]>>;
  readonly #ports = new Map<NamedId, Named>();
  readonly #byName = new Map<string, Set<NamedId>>();
  readonly #byAddress = new Map<Ip, NamedId>();

  constructor(network: NetworkItem) {
    this.#network = network;
    this.#domain = networkDomain(network);
    this.#prefixes = prefixesOf(network);
  }

  get network(): NetworkItem {
    return this.#network;
  }
  set network(network: NetworkItem) {
    this.#network = network;
    this.#domain = networkDomain(network);
    this.#prefixes = prefixesOf(network);
  }

  /** It is the name of a port as it stands: such a one may look as if it were below a network's name. */
  has(name: string): boolean {
    return this.#byName.has(name);
  }

  /** How much of a name is this network's own domain, its short name, or a prefix of its; 0: nothing. */
  covers(name: string, told: Told): number {
    const reverse = addressOfReverse(name);
    if (reverse) return this.#prefixOf(reverse, told)?.length ?? 0;
    const short = this.#network.name.toLowerCase();
    return [this.#domain, short].find((zone) => below(name, zone))?.length ?? 0;
  }

  put(port: Named): void {
    if (this.#ports.get(port.id) === port) return;
    this.remove(port.id);
    this.#ports.set(port.id, port);
    for (const name of namesOf(port)) {
      const ids = this.#byName.get(name) ?? new Set();
      this.#byName.set(name, ids.add(port.id));
    }
    for (const ip of port.addresses) this.#byAddress.set(ip, port.id);
  }

  remove(id: NamedId): void {
    const port = this.#ports.get(id);
    if (!port) return;
    this.#ports.delete(id);
    for (const name of namesOf(port)) {
      const ids = this.#byName.get(name);
      ids?.delete(id);
      if (ids?.size === 0) this.#byName.delete(name);
    }
    for (const ip of port.addresses) if (this.#byAddress.get(ip) === id) this.#byAddress.delete(ip);
  }

  /**
   * What the network knows of a name in lower case without a dot at its end; undefined if the name is not ours, and is
   * to be asked elsewhere. Ours are: names without a dot, names below the network's own and below heddle.internal, and
   * the reverse names of its prefixes.
   */
  answer(name: string, type: number, told: Told = 'all'): Reply | undefined {
    const reverse = addressOfReverse(name);
    if (reverse) return this.#reverse(name, reverse, type, told);
    const network = this.#network.name.toLowerCase();
    if (below(name, ROOT)) return this.#inRoot(name, type, told);
    // From another network, names count only below this one's.
    const exact = told === 'all' ? this.#byName.get(name) : undefined;
    if (exact) return this.#found(exact, type, below(name, network) ? network : zoneOf(name), told);
    if (below(name, network)) return this.#within(name, network, type, told);
    if (name === '' || name.includes('.') || infrastructure.has(type)) return undefined;
    return { rcode: 'NXDOMAIN', zone: '' };
  }

  #inRoot(name: string, type: number, told: Told): Reply {
    const own = this.#domain;
    if (below(name, own)) return this.#within(name, own, type, told);
    // What lies between is there, but has no records.
    return { rcode: below(own, name) ? 'NOERROR' : 'NXDOMAIN', zone: ROOT };
  }

  /** A name that can only be one of this network's ports, below its short or its whole name. */
  #within(name: string, zone: string, type: number, told: Told): Reply {
    if (name === zone)
      return { rcode: 'NOERROR', zone, ...(type === recordTypes.SOA && { records: [{ type: 'SOA', data: zone }] }) };
    const ports = this.#byName.get(name.slice(0, -zone.length - 1));
    return ports ? this.#found(ports, type, zone, told) : { rcode: 'NXDOMAIN', zone };
  }

  #found(ports: ReadonlySet<NamedId>, type: number, zone: string, told: Told): Reply {
    const all = [...ports].flatMap((id) => this.#ports.get(id)?.addresses ?? []);
    const addresses = told === 'all' ? all : all.filter((ip) => this.#prefixes.routed.some((p) => prefixHas(p, ip)));
    const records = addresses
      .map((data): DnsRecord => ({ type: addressType(data), data }))
      .filter((record) => recordTypes[record.type] === type);
    return { rcode: 'NOERROR', records, zone };
  }

  #prefixOf({ address, bits }: ReverseName, told: Told): Prefix | undefined {
    return this.#prefixes[told].find((p) => prefixHas(p, address) && bits >= p.length);
  }

  #reverse(name: string, reverse: ReverseName, type: number, told: Told): Reply | undefined {
    const { address, bits } = reverse;
    const prefix = this.#prefixOf(reverse, told);
    if (!prefix) return undefined;
    const zone = reverseZone(name, prefix);
    if (bits < (prefix.family === 4 ? 32 : 128)) return { rcode: 'NOERROR', zone };
    const id = this.#byAddress.get(address);
    const port = id && this.#ports.get(id);
    if (!port) return { rcode: 'NXDOMAIN', zone };
    const data = [port.name, ...port.dnsNames].map((n) => wholeName(this.#network, n)).find(isWritable);
    return { rcode: 'NOERROR', zone, records: type === recordTypes.PTR && data ? [{ type: 'PTR', data }] : [] };
  }
}

const prefixesOf = ({ subnets }: NetworkItem): Record<Told, Prefix[]> => ({
  all: subnets.map(({ cidr }) => parsePrefix(cidr)),
  routed: subnets.flatMap(({ cidr, routed }) => (routed ? parsePrefix(cidr) : [])),
});
/** True if the name is the zone's or below it. */
const below = (name: string, zone: string): boolean => name === zone || name.endsWith(`.${zone}`);
/** The zone that answers for a port's name as it stands: with dots, all behind the first one. */
const zoneOf = (name: string): string => name.split('.').slice(1).join('.');
