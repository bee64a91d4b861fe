/** The ports of the networks that have a segment here, by what a frame tells: kept from the host's state. */
import { type Ip, type Mac, parsePrefix, prefixHas } from '../../model/address.ts';
import type { HostItem, ItemKey, NetworkItem, PortItem } from '../../model/host-state.ts';
import type { NetworkId, PortId } from '../../model/ids.ts';
import { PortIndex } from '../port-index.ts';
import type { Known } from './learning.ts';
import type { SurveyParts } from './survey.ts';

/** Follows the host's state. */
export class Machines {
  readonly #byMac = new PortIndex<Mac>(({ mac }) => [mac]);
  readonly #byIp = new PortIndex<Ip>(({ addresses }) => addresses);
  readonly #learned = new Map<PortId, Map<PortId, PortItem>>();
  readonly #ports = new Map<PortId, PortItem>();
  readonly #networks = new Map<NetworkId, NetworkItem>();

  changed(key: ItemKey, item: HostItem | undefined): void {
    const [kind, id] = key.split('/') as [HostItem['kind'], string];
    if (kind === 'network')
      if (item?.kind === 'network') this.#networks.set(item.id, item);
      else this.#networks.delete(id as NetworkId);
    if (kind === 'port') this.#portChanged(id as PortId, item?.kind === 'port' ? item : undefined);
  }

  #portChanged(id: PortId, port: PortItem | undefined): void {
    this.#byMac.set(id, port);
    this.#byIp.set(id, port);
    const before = this.#ports.get(id);
    if (before?.behind) this.#learned.get(before.behind)?.delete(id);
    if (port) this.#ports.set(id, port);
    else this.#ports.delete(id);
    if (port?.behind && port.learned)
      this.#learned.getOrInsertComputed(port.behind, () => new Map<PortId, PortItem>()).set(id, port);
  }

  /** Those that are no machines of this segment: the switches are to know that they are reached by way of this host. */
  *beyond(segment: PortItem): Generator<Mac> {
    for (const { mac, behind, id } of this.#byMac.of(segment.network))
      if (behind !== segment.id && id !== segment.id) yield mac;
  }

  learned = (segment: PortId): ReadonlyMap<PortId, PortItem> => this.#learned.get(segment) ?? none;

  /** What learning on a segment must know. What it may is asked for each time. */
  known(segment: PortItem, may: () => Pick<Known, 'limit' | 'ageMs'>): Known {
    const { network, id } = segment;
    const self = this;
    return {
      byMac: (mac) => this.#byMac.find(network, mac),
      byIp: (ip) => this.#byIp.find(network, ip),
      get learned() {
        return self.learned(id);
      },
      get limit() {
        return may().limit;
      },
      get ageMs() {
        return may().ageMs;
      },
      isInside: (ip) =>
        this.#networks.get(network)?.subnets.some(({ cidr }) => prefixHas(parsePrefix(cidr), ip)) ?? false,
    };
  }

  /** What asking on a segment must know. */
  surveyed({ network, id }: PortItem): SurveyParts['network'] {
    const self = this;
    const subnets = (): NetworkItem['subnets'] => self.#networks.get(network)?.subnets ?? [];
    return {
      get subnets() {
        return subnets();
      },
      has: (ip) => self.#byIp.find(network, ip) !== undefined,
      holderOf(ip) {
        if (subnets().some(({ gateway }) => gateway === ip)) return 'gateway';
        const port = self.#byIp.find(network, ip);
        return port && self.learned(id).has(port.id) ? undefined : port;
      },
      *others() {
        for (const { behind, addresses } of self.#byIp.of(network)) if (behind !== id) yield* addresses;
      },
    };
  }

  /** A segment's port, as the state has it now. */
  segment(id: PortId): PortItem | undefined {
    const port = this.#ports.get(id);
    return port?.segment ? port : undefined;
  }
  tenantOf = ({ network }: PortItem): string | undefined => this.#networks.get(network)?.tenant;
}

const none: ReadonlyMap<PortId, PortItem> = new Map();
