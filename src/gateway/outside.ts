import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import { hasErrno } from '../kernel/libc.ts';
import { openNetns } from '../kernel/netns.ts';
import { sysctlRead } from '../kernel/sysctl.ts';
import { type Ip, ipFamily } from '../model/address.ts';
import { HeddleError, hasCode, toProblem } from '../model/errors.ts';
import type { NetworkItem, PortItem } from '../model/host-state.ts';
import type { NetworkId, PortId } from '../model/ids.ts';
import { gatewayRules } from './gateway-rules.ts';
import { HostPorts } from './host-ports.ts';
import type { Way } from './host-rules.ts';
import { HostSide, type HostSideParts } from './host-side.ts';
import { linkAddresses, linksMax } from './link-addresses.ts';
import { hostEnd } from './names.ts';
import { nftLoad } from './nft.ts';
import { ensureOutsidePair, freeIndex, openOutsidePair, outsidePairs, removeOutsidePair } from './outside-pair.ts';
import { type Entry, planEntries } from './published.ts';

/** So long after a failure it is tried again. */
const retryMs = 5_000;
/** What other hosts are and publish changes often where there are many: it is gathered for so long, or so many times what it last took. */
const gather = { ms: 500, times: 10 } as const;

/** What the ways outside are made of. */
export interface OutsideParts extends HostSideParts {
  readonly log: Logger;
}

/** A gateway as its way outside must know it. */
interface Inside {
  readonly item: NetworkItem;
  /** Its namespace. */
  readonly path: string;
  readonly addresses: readonly Ip[];
  readonly mtuBytes: number;
}

/** What one network is to have. */
interface Plan {
  readonly entries: readonly Entry[];
  /** Those of ports that have gone. */
  readonly left: readonly Entry[];
  /** A way outside at all. */
  readonly open: boolean;
}

/**
 * What connects gateways with the outside: source NAT, published ports, and what keeps everything else apart. Told what is
 * desired by calls that return at once; the kernel follows within some tens of milliseconds, one change after another. The
 * host's part is one nftables table; each namespace has one of its own.
 */
export class Outside implements Disposable {
  readonly #parts: OutsideParts;
  readonly #host: HostSide;
  readonly hostPorts = new HostPorts();
  readonly #insides = new Map<NetworkId, Inside>();
  readonly #ports = new Map<PortId, PortItem>();
  /** Ports that have gone to other hosts, and published something here: what is open stays. */
  readonly #left = new Map<PortId, PortItem>();
  /** Index of each way's link. */
  readonly #indexes = new Map<NetworkId, number>();
  /** Rulesets that hold in the namespaces. What a restarted agent finds is not trusted, but written once more. */
  readonly #loaded = new Map<NetworkId, string>();
  #whole = false;
  #suspicious = false;
  #dirty = false;
  #disposed = false;
  #running: Promise<void> | undefined;
  #problem = '';
  #retry: NodeJS.Timeout | undefined;
  #soon: NodeJS.Timeout | undefined;
  /** How long the last change took, or the last comparison. */
  #tookMs = 0;
  /** Called when {@link problem} has changed, with the ports that publish something. */
  onProblem: (ports: PortId[]) => void = () => undefined;

  constructor(parts: OutsideParts) {
    this.#parts = parts;
    this.#host = new HostSide(parts);
    parts.guard.onChange = () => {
      if (this.#indexes.size > 0)
        this.#soon ??= setTimeout(() => this.touch(), Math.max(gather.ms, gather.times * this.#tookMs)).unref();
    };
  }

  /** Why what is desired does not hold, in words; '' if it does. */
  get problem(): string {
    return this.#problem;
  }

  /** Published ports of this host: how many. */
  get published(): number {
    return [...this.#ports.values()].reduce((n, p) => n + p.publish.length, 0);
  }

  /** A gateway is there, or is another than before. `fresh`: its namespace is new. */
  inside(inside: Inside, fresh: boolean): void {
    if (fresh) this.#loaded.delete(inside.item.id);
    else if (isDeepStrictEqual(this.#insides.get(inside.item.id), inside)) return;
    this.#insides.set(inside.item.id, inside);
    this.touch();
  }

  /** A gateway is going, and its devices with it. */
  gone(network: NetworkId): void {
    this.#loaded.delete(network);
    this.#indexes.delete(network);
    if (this.#insides.delete(network)) this.touch();
  }

  /** Publishes what a port of this host asks for. Returns why not, if a port of the host is taken. */
  publish(port: PortItem): { code: string; message: string } | undefined {
    const before = this.#ports.get(port.id);
    try {
      this.hostPorts.reserve(port.id, port.publish);
    } catch (e) {
      this.withdraw(port.id);
      const { code, detail } = toProblem(e);
      return { code, message: detail };
    }
    this.#left.delete(port.id);
    if (port.publish.length > 0) this.#ports.set(port.id, port);
    else this.#ports.delete(port.id);
    if (asked(before) !== asked(port)) this.touch();
    return port.publish.length > 0 && this.#problem !== ''
      ? { code: 'NAT_UNAVAILABLE', message: this.#problem }
      : undefined;
  }

  /** Nothing of the port is published any more. `left`: it has gone to another host, and the connections that it has here go on. */
  withdraw(port: PortId, left?: PortItem): void {
    this.hostPorts.reserve(port, []);
    const stays = left && left.publish.length > 0 ? left : undefined;
    const same = asked(this.#left.get(port)) === asked(stays);
    if (stays) this.#left.set(port, stays);
    else this.#left.delete(port);
    if (this.#ports.delete(port) || !same) this.touch();
  }

  /** The state is whole: what no network has any more may go. */
  whole(): void {
    if (this.#whole) return;
    this.#whole = true;
    this.touch();
  }

  /** Something may have been changed by others: compares, and mends. */
  suspect(): void {
    if (this.#loaded.size === 0) return;
    this.#suspicious = true;
    this.touch();
  }

  /** Has the kernel follow soon. */
  touch(): void {
    this.#dirty = true;
    if (!this.#disposed) this.#running ??= this.#run();
  }

  /** Resolves when what was desired at the call holds, or could not be made to. */
  async settled(): Promise<void> {
    await this.#running;
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    clearTimeout(this.#retry);
    clearTimeout(this.#soon);
    this.hostPorts[Symbol.dispose]();
  }

  async #run(): Promise<void> {
    try {
      await null; // what is told in this turn makes one change
      while (this.#dirty && !this.#disposed) {
        this.#dirty = false;
        await this.#attempt();
      }
    } finally {
      this.#running = undefined;
    }
  }

  async #attempt(): Promise<void> {
    clearTimeout(this.#retry);
    clearTimeout(this.#soon);
    this.#soon = undefined;
    const before = this.#problem;
    const began = performance.now();
    try {
      await this.#follow();
      this.#problem = '';
    } catch (err) {
      this.#problem = hasCode(err, 'NAT_UNAVAILABLE') ? err.details.problem : (err as Error).message;
      if (this.#problem !== before) this.#parts.log.warn({ err }, 'no way outside, or not all; tried again');
      this.#suspicious = true; // what could not be compared is still to be
      this.#retry = setTimeout(() => this.touch(), retryMs).unref();
    }
    this.#tookMs = performance.now() - began;
    if (this.#problem !== before) this.onProblem([...this.#ports.keys()]);
  }

  async #follow(): Promise<void> {
    const plans = new Map([...this.#insides].map(([id, inside]) => [id, this.#plan(id, inside)]));
    this.#chooseIndexes(plans);
    const suspicious = this.#suspicious;
    this.#suspicious = false;
    let failed: unknown;
    for (const [id, inside] of [...this.#insides])
      try {
        await this.#furnish(inside, plans.get(id)!, connectionsMax(this.#networksOf(inside.item.tenant)));
      } catch (e) {
        if (this.#insides.get(id) === inside) failed ??= e; // else it is gone, or another by now
      }
    await this.#furnishHost(plans, suspicious);
    for (const [id, index] of this.#indexes) if (this.#loaded.has(id)) openOutsidePair(this.#parts.nl, id, index);
    if (failed) throw failed;
  }

  #plan(id: NetworkId, { item }: Inside): Plan {
    const entries = planEntries([...this.#ports.values()].filter((p) => p.network === id));
    const left = planEntries([...this.#left.values()].filter((p) => p.network === id));
    return { entries, left, open: item.sourceNat || entries.length > 0 || left.length > 0 };
  }

  /** Pairs that are there keep their addresses; those that nobody wants go, once it is sure that nobody does. */
  #chooseIndexes(plans: ReadonlyMap<NetworkId, Plan>): void {
    const { nl } = this.#parts;
    for (const { network, index } of outsidePairs(nl)) {
      const plan = plans.get(network);
      if (plan?.open && index !== undefined && !this.#indexes.has(network)) this.#indexes.set(network, index);
      if (!plan?.open && (plan || this.#whole)) removeOutsidePair(nl, network);
    }
    for (const [id, { open }] of plans) {
      if (!open) this.#indexes.delete(id);
      else if (!this.#indexes.has(id)) {
        const index = freeIndex(
          new Set([...this.#indexes.values(), ...outsidePairs(nl).flatMap((p) => p.index ?? [])]),
        );
        if (index !== undefined) this.#indexes.set(id, index);
      }
    }
  }

  /** One gateway's pair and rules. */
  async #furnish(
    { item, path, addresses, mtuBytes }: Inside,
    { entries, left, open }: Plan,
    connectionsMax: number,
  ): Promise<void> {
    const index = open ? this.#indexes.get(item.id) : undefined;
    using netns = openNetns(path);
    if (index !== undefined) ensureOutsidePair(this.#parts.nl, netns, item.id, index, mtuBytes);
    const link = index === undefined ? undefined : linkAddresses(index);
    const rules = gatewayRules({
      ...(link && { link }),
      addresses,
      sourceNat: item.sourceNat,
      published: entries,
      left,
      vxlanPort: this.#parts.vxlanPort,
      connectionsMax,
    });
    if (this.#loaded.get(item.id) !== rules) {
      await nftLoad(netns, rules);
      if (this.#insides.has(item.id)) this.#loaded.set(item.id, rules);
    }
    if (open && !link)
      throw new HeddleError('NAT_UNAVAILABLE', { problem: `all ${linksMax} links to gateways are in use` });
  }

  /** How many networks of a tenant have a gateway here. */
  #networksOf(tenant: string): number {
    return [...this.#insides.values()].filter(({ item }) => item.tenant === tenant).length;
  }

  async #furnishHost(plans: ReadonlyMap<NetworkId, Plan>, suspicious: boolean): Promise<void> {
    const ways = [...plans].flatMap(([id, plan]) => this.#way(id, plan));
    const ipv6 = [...this.#insides.values()].some((i) => i.addresses.some((a) => ipFamily(a) === 6));
    if (ways.length > 0) await this.#host.open(ways, { ipv6, suspicious });
    else if (this.#whole) await this.#host.close();
  }

  #way(id: NetworkId, { entries, open }: Plan): Way[] {
    const index = this.#indexes.get(id);
    const inside = this.#insides.get(id);
    if (!open || index === undefined || !inside) return [];
    const { sourceNat, publishFrom, subnets } = inside.item;
    return [
      {
        device: hostEnd('outside', id),
        link: linkAddresses(index),
        sourceNat,
        published: entries,
        publishFrom,
        subnets: subnets.map((s) => s.cidr),
      },
    ];
  }
}

/** What a port publishes, and where. */
const asked = (port: PortItem | undefined): string =>
  port && port.publish.length > 0 ? JSON.stringify([port.network, port.addresses, port.publish]) : '';

/**
 * For one of a tenant's so many networks: all together have a quarter of what the host can track; where that is not known yet,
 * of what it would be on a small machine.
 */
function connectionsMax(networks: number): number {
  return Math.ceil(connectionsOfTenant() / networks);
}
function connectionsOfTenant(): number {
  try {
    return Math.floor(Number(sysctlRead(undefined, ['netfilter', 'nf_conntrack_max'])) / 4);
  } catch (e) {
    if (hasErrno(e, 'ENOENT')) return 16_384;
    throw e;
  }
}
