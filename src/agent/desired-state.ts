import type { Facts } from '../compile/facts.ts';
import type { Gateways } from '../gateway/gateways.ts';
import {
  type Changes,
  type HostItem,
  type ItemKey,
  itemKey,
  type PortItem,
  portKey,
  portOfKey,
  type RouterItem,
  type Welcome,
} from '../model/host-state.ts';
import type { PortId } from '../model/ids.ts';
import type { Attachments } from './attachments.ts';
import { placedBehind, placedPort } from './guest-place.ts';
import { HostItems } from './host-items.ts';
import { effectivePort } from './local-port.ts';
import { PortsBehind } from './ports-behind.ts';
import type { CachedState } from './state-cache.ts';
import type { WorkloadDevices } from './workload-devices.ts';

/** Ports without a device of their own here, machines of a segment among them, that one pass looks at: 0.1 s, on a slow core. */
const ELSEWHERE_MAX = 1_000;

/** What this host's own word on its ports is made of, and what is here already. */
interface Parts {
  readonly devices: Pick<WorkloadDevices, 'all'>;
  readonly gateways: Pick<Gateways, 'present'>;
  readonly attachments: Pick<Attachments, 'all' | 'get'>;
}

/** Items for one pass to look at, and whether some are left for the next one. */
interface Portion {
  readonly keys: readonly ItemKey[];
  readonly rest: boolean;
}

/**
 * What the kernel is to have: what the controller told, what was decided here since, and where guests are seen to be. It
 * marks what of that has changed; a pass takes what is marked. When one runs is not decided here.
 */
export class DesiredState {
  readonly items: HostItems;
  readonly #parts: Parts;
  readonly #marked = new Set<ItemKey>();
  readonly #portsBehind = new PortsBehind();
  /** Keys that the snapshot under way has not named yet. */
  #unnamed: Set<ItemKey> | undefined;
  #host: Welcome['host'] | undefined;
  #revision = '0';
  #synced = false;

  constructor(parts: Parts, cached: CachedState | undefined) {
    this.#parts = parts;
    this.items = new HostItems((id, told) => this.#host && this.#effectivePort(id, told));
    if (!cached) return;
    this.#host = cached.host;
    this.#revision = cached.revision;
    for (const [key, item] of cached.items) this.#set(key, item);
    this.#refreshLocal();
  }

  /** Who the controller says this host is. */
  get host(): Welcome['host'] | undefined {
    return this.#host;
  }
  /** Of the controller's last whole word. */
  get revision(): string {
    return this.#revision;
  }
  /** The state is whole: it came from a controller in this process's life. */
  get synced(): boolean {
    return this.#synced;
  }
  /** A stream has begun to say what is, and has not said all. */
  get isComing(): boolean {
    return this.#unnamed !== undefined;
  }

  /** A stream begins: what it will not name is gone at its "synced". */
  welcome({ host }: Welcome): void {
    if (this.#host?.number !== host.number) this.markAll();
    this.#host = host;
    this.#refreshLocal();
    this.#unnamed = new Set(this.items.told.keys());
  }

  /** Takes the controller's next word. Returns the ports that the controller has just learned of, or bound otherwise. */
  changes({ upserts, deletes, revision, synced }: Changes): PortId[] {
    const rebound: PortId[] = [];
    for (const item of upserts) {
      const key = itemKey(item);
      this.#unnamed?.delete(key);
      if (item.kind === 'port' && !isBoundAlike(item, this.items.told.get(key))) {
        rebound.push(item.id);
        // Its condition is to be told, even if nothing else has changed.
        this.#marked.add(key);
      }
      this.#set(key, item);
    }
    for (const key of deletes) this.#delete(key);
    if (synced) {
      for (const key of this.#unnamed ?? []) this.#delete(key);
      this.#unnamed = undefined;
      if (!this.#synced) this.#markLocal();
      this.#synced = true;
      this.#revision = revision;
      this.#refreshLocal();
    }
    return rebound;
  }

  /** To be looked at by the next pass. */
  mark(key: ItemKey): void {
    this.#marked.add(key);
  }
  /** The attachment of a port changed, or its device did. */
  markPort(port: PortId): void {
    this.#refresh(port);
    this.#marked.add(portKey(port));
  }
  /** The way to some VTEPs changed. */
  markPeers(): void {
    for (const [key, item] of this.items.all) if (item.kind === 'peer') this.#marked.add(key);
  }
  /** All items, and what has, or should have, a device here. */
  markAll(): void {
    for (const key of this.items.all.keys()) this.#marked.add(key);
    this.#markLocal();
  }
  /** This host's devices were read again: its word on every port counts anew, and all is marked. */
  refreshAll(): void {
    for (const { port } of this.#parts.attachments.all()) this.#refresh(port);
    this.markAll();
  }

  /** Takes what is marked: all that is of this host, and as many ports of others as take no long time. */
  take(): Portion {
    const { attachments, devices } = this.#parts;
    const isElsewhere = (key: ItemKey): boolean => {
      const id = portOfKey(key);
      return id !== undefined && !devices.all.has(id) && !attachments.get(id);
    };
    let elsewhere = 0;
    const keys = [...this.#marked].filter((key) => !isElsewhere(key) || elsewhere++ < ELSEWHERE_MAX);
    for (const key of keys) this.#marked.delete(key);
    return { keys, rest: this.#marked.size > 0 };
  }

  /** What is behind these, and what of several ports' addresses they have; what is too much for one pass is marked for the next. */
  following(taken: readonly ItemKey[], { devices }: Facts): Portion {
    const behind = this.#portsBehind.follow(taken, {
      behind: (id) => this.items.behind(id),
      device: (id) => devices.get(id),
      item: (id) => this.items.all.get(portKey(id)) as PortItem | undefined,
    });
    const held = taken.flatMap((key) => {
      const id = portOfKey(key);
      return id ? [...this.items.held(id)] : [];
    });
    const keys = [...behind, ...held.map((id) => itemKey({ kind: 'address', id }))];
    const later = keys.splice(ELSEWHERE_MAX);
    for (const key of later) this.#marked.add(key);
    return { keys, rest: later.length > 0 };
  }

  #set(key: ItemKey, item: HostItem): void {
    // A snapshot repeats what the agent knows from its cache.
    if (!this.items.put(item)) return;
    this.#marked.add(key);
    this.#markFront(item);
    if (item.kind === 'port') this.#refreshBehind(item.id);
    if (item.kind === 'router') this.#markRouted(item);
    if (item.kind !== 'network') return;
    for (const [other, port] of this.items.all)
      if ((port.kind === 'port' || port.kind === 'address') && port.network === item.id) this.#marked.add(other);
  }

  #delete(key: ItemKey): void {
    const item = this.items.all.get(key);
    if (!this.items.remove(key)) return;
    if (item?.kind === 'router') this.#markRouted(item);
    this.#markFront(item);
    this.#marked.add(key);
  }

  /** A router's addresses are answered for by the gateways of all networks that it joins; one that it joins no longer has changed too. */
  #markRouted({ domain }: RouterItem): void {
    for (const network of this.items.networks.values())
      if (network.member && network.domain === domain) this.#marked.add(itemKey(network));
  }

  /** A device is a trunk while anything is behind its port. */
  #markFront(item: HostItem | undefined): void {
    if (item?.kind === 'port' && item.behind) this.#marked.add(portKey(item.behind));
  }

  /** This host's own word on a port may have changed, and with it where those behind it are. */
  #refresh(port: PortId): void {
    if (!this.items.refresh(port)) return;
    this.#marked.add(portKey(port));
    this.#refreshBehind(port);
  }
  /** Where the guest of a tap is, those behind its port are. */
  #refreshBehind(front: PortId): void {
    if (this.#parts.attachments.get(front)?.kind !== 'tap') return;
    for (const id of this.items.behind(front)) if (this.items.refresh(id)) this.#marked.add(portKey(id));
  }
  /** This host's own word counts until the controller's must have come. */
  #refreshLocal(): void {
    for (const { port, local, kind } of this.#parts.attachments.all()) if (local || kind === 'tap') this.#refresh(port);
  }

  /** What is decided here counts, and where a guest is seen to be. */
  #effectivePort(id: PortId, told: PortItem | undefined): PortItem | undefined {
    const { attachments, devices } = this.#parts;
    if (told?.behind)
      return attachments.get(told.behind)?.kind === 'tap'
        ? placedBehind(told, this.items.all.get(portKey(told.behind)) as PortItem | undefined)
        : told;
    const attachment = attachments.get(id);
    const port = effectivePort(attachment, told, this.#told());
    return port && placedPort(port, attachment, devices.all.get(id)?.open, this.#told());
  }

  #told() {
    return { self: this.#host!.number, revision: this.#revision, synced: this.#synced };
  }

  /** What has, or should have, a device here. */
  #markLocal(): void {
    const { devices, attachments, gateways } = this.#parts;
    for (const id of gateways.present) this.#marked.add(itemKey({ kind: 'network', id }));
    for (const id of [...devices.all.keys(), ...attachments.all().map((a) => a.port)]) this.#marked.add(portKey(id));
  }
}

const isBoundAlike = (port: PortItem, before: HostItem | undefined): boolean =>
  before?.kind === 'port' && before.host === port.host && before.standby === port.standby;
