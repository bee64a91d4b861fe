import { existsSync } from 'node:fs';
import type { Logger } from 'pino';
import type { BpfProgram } from '../kernel/bpf.ts';
import { ensureNoLink, linkByName, linkList } from '../kernel/link.ts';
import type { Netlink } from '../kernel/netlink.ts';
import { openNetns } from '../kernel/netns.ts';
import type { Ip } from '../model/address.ts';
import type { NetworkItem, RouterItem } from '../model/host-state.ts';
import type { NetworkId } from '../model/ids.ts';
import type { Guard } from './guard.ts';
import type { HostPorts } from './host-ports.ts';
import { hostEnd, networkOfAlias } from './names.ts';
import { Outside } from './outside.ts';
import { Place } from './place.ts';
import { ensureTenantRoutes, ensureTenantSide, prepareNetns, type TenantSide, WantedSide } from './tenant-side.ts';
import type { ControlPlane } from './uplinks.ts';

/** One network's gateway on this host. */
export interface Gateway {
  readonly network: NetworkId;
  /** Path of its network namespace. */
  readonly path: string;
  /** Usable at once. Of each family the first one is where a workload's packets to port 53 arrive. */
  readonly addresses: readonly Ip[];
  /** Its device as the datapath must know it. A gateway has no counters of its own: they are the host's (slot 0). */
  readonly device: { readonly ifindex: number; readonly slot: 0; readonly redirectPeer: true };
}

/** Told of a gateway that came or changed, and, with undefined, before one goes: sockets in its namespace must be closed then. */
type Listener = (network: NetworkId, gateway: Gateway | undefined) => void;

interface Known {
  readonly gateway: Gateway;
  /** What it was made as; empty: to be looked at again. */
  readonly made: string;
}

/** What gateways are made of. */
export interface GatewayParts {
  readonly nl: Netlink;
  /** `from_port`. */
  readonly program: BpfProgram;
  /** Folder of the namespaces. */
  readonly dir: string;
  /** UDP port of the underlay's VXLAN. */
  readonly vxlanPort: number;
  /** This host's address in the underlay. */
  readonly vtep: Ip;
  readonly controlPlane: ControlPlane | undefined;
  /** What workloads are kept from outside. */
  readonly guard: Guard;
  readonly log: Logger;
}

/**
 * The gateways of this host: a network namespace of its own for each network that has a gateway address, with that address.
 * They outlive the agent, and are recognised by their place and their devices' alias.
 */
export class Gateways implements Disposable {
  readonly #parts: GatewayParts;
  readonly #place: Place;
  readonly #known = new Map<NetworkId, Known>();
  /** What they must be. */
  readonly #wanted = new Map<NetworkId, WantedSide>();
  readonly #problems = new Map<NetworkId, string>();
  readonly #listeners = new Set<Listener>();

  /** What leads from the gateways to the host and further. */
  readonly outside: Outside;

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    this.outside = new Outside({ ...parts, file: `${parts.dir}/opened.json` });
    this.#place = new Place(parts.dir);
    this.devices = this.#devices;
  }

  get all(): ReadonlyMap<NetworkId, Gateway> {
    return new Map([...this.#known].map(([id, { gateway }]) => [id, gateway]));
  }

  /** The gateways' devices, for the plan; it follows what is done here. */
  readonly devices: ReadonlyMap<NetworkId, Gateway['device']>;
  readonly #devices = new Map<NetworkId, Gateway['device']>();

  /** How many there are, what they publish, and what is not well, in words: by network, and for all of the ways outside. */
  get status() {
    const { published, problem } = this.outside;
    const problems = [...this.#problems].map(([network, text]) => ({ network, problem: text }));
    return { networks: this.#known.size, published, problems, ...(problem !== '' && { outside: problem }) };
  }

  /** Networks of which anything is here: made by this agent, or left by one before. */
  get present(): ReadonlySet<NetworkId> {
    const links = linkList(this.#parts.nl).flatMap((l) => networkOfAlias('tenant', l.alias) ?? []);
    return new Set([...this.#place.list(), ...links, ...this.#known.keys()]);
  }

  /** Something of a network's gateway may be here. Cheap. */
  mayHave(network: NetworkId): boolean {
    return this.#known.has(network) || this.#problems.has(network) || existsSync(this.#place.path(network));
  }

  /** The host's ports that workloads publish. */
  get published(): HostPorts {
    return this.outside.hostPorts;
  }

  /** Ends this process's part; the kernel goes on. */
  [Symbol.dispose](): void {
    this.outside[Symbol.dispose]();
  }

  /** Calls `listener` for every gateway there is, and from then on until disposed. */
  watch(listener: Listener): Disposable {
    this.#listeners.add(listener);
    for (const [network, { gateway }] of this.#known) this.#tell(listener, network, gateway);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Forgets what was verified, so that the next {@link ensure} looks at the kernel again. Returns how many have lost their device. */
  suspect(): number {
    let lost = 0;
    for (const [network, known] of this.#known) {
      if (linkByName(this.#parts.nl, hostEnd('tenant', network))?.ifindex !== known.gateway.device.ifindex) lost++;
      this.#known.set(network, { ...known, made: '' });
    }
    this.outside.suspect();
    return lost;
  }

  /**
   * Makes sure of a network's gateway; one without a gateway address has none. `router`: the one that joins
   * it. False: it could not, which is logged and kept in {@link status}; the network's ports do without, or without some of the
   * router's routes. Costs some microseconds if nothing changed, which is seen by the items' identity.
   */
  ensure(network: NetworkItem, mtuBytes: number, router?: RouterItem): boolean {
    try {
      this.#ensure(network, mtuBytes, router);
      this.#problems.delete(network.id);
      return true;
    } catch (err) {
      const { message } = err as Error;
      if (this.#problems.get(network.id) !== message)
        this.#parts.log.warn({ err, network: network.id }, 'a network has no gateway here; it is tried again');
      this.#problems.set(network.id, message);
      return false;
    }
  }

  #ensure(network: NetworkItem, mtuBytes: number, router: RouterItem | undefined): void {
    const { side, text } = this.#want(network, mtuBytes, router);
    if (side.addresses.length === 0) return this.remove(network.id);
    const have = this.#known.get(network.id);
    const asMade = have?.made === text;
    const { gateway, fresh } = asMade ? { gateway: have.gateway, fresh: false } : this.#make(side);
    this.#known.set(network.id, { gateway, made: asMade ? text : '' });
    this.#devices.set(network.id, gateway.device);
    this.outside.inside({ item: network, path: gateway.path, addresses: gateway.addresses, mtuBytes }, fresh);
    const same = have && !fresh && JSON.stringify(have.gateway) === JSON.stringify(gateway);
    if (!same) for (const listener of this.#listeners) this.#tell(listener, network.id, gateway);
    if (asMade) return;
    using netns = openNetns(gateway.path);
    ensureTenantRoutes(netns, side);
    this.#known.set(network.id, { gateway, made: text });
  }

  #want(network: NetworkItem, mtuBytes: number, router: RouterItem | undefined): WantedSide {
    const have = this.#wanted.get(network.id);
    if (have?.isOf(network, mtuBytes, router)) return have;
    const wanted = new WantedSide(network, mtuBytes, router);
    this.#wanted.set(network.id, wanted);
    return wanted;
  }

  #make(side: TenantSide): { gateway: Gateway; fresh: boolean } {
    const { nl, program } = this.#parts;
    const { network, addresses } = side;
    const place = this.#place.open(network);
    using netns = place.netns;
    if (place.made || !this.#known.has(network)) prepareNetns(netns);
    const { ifindex } = ensureTenantSide(nl, netns, side, program);
    const device = { ifindex, slot: 0, redirectPeer: true } as const;
    return { gateway: { network, path: netns.path, addresses: addresses.map((a) => a.ip), device }, fresh: place.made };
  }

  /** Removes a network's gateway, devices first: a namespace's own end takes its time. Idempotent. */
  remove(network: NetworkId): void {
    this.#problems.delete(network);
    this.#devices.delete(network);
    this.#wanted.delete(network);
    if (this.#known.delete(network)) for (const listener of this.#listeners) this.#tell(listener, network, undefined);
    this.outside.gone(network);
    for (const side of ['outside', 'tenant'] as const) {
      const link = linkByName(this.#parts.nl, hostEnd(side, network));
      if (link) ensureNoLink(this.#parts.nl, link.ifindex);
    }
    this.#place.remove(network);
  }

  /** Removes all of this host's, and what leads outside, known by their marks. What could not be removed, in words. */
  async removeAll(): Promise<string[]> {
    for (const network of this.present) this.remove(network);
    this.outside.whole();
    this.outside.touch();
    await this.outside.settled();
    return this.outside.problem === '' ? [] : [`rules of the ways outside: ${this.outside.problem}`];
  }

  #tell(listener: Listener, network: NetworkId, gateway: Gateway | undefined): void {
    try {
      listener(network, gateway);
    } catch (err) {
      this.#parts.log.error({ err, network }, 'something did not follow a gateway’s change');
    }
  }
}
