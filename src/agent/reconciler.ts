import type { Logger } from 'pino';
import { type Facts, networkMtu } from '../compile/facts.ts';
import { planConfig, planItem } from '../compile/plan-rows.ts';
import type { Gateways } from '../gateway/gateways.ts';
import { toProblem } from '../model/errors.ts';
import {
  type Changes,
  type HostItem,
  type ItemKey,
  itemKey,
  type PortItem,
  portKey,
  portOfKey,
  type Welcome,
} from '../model/host-state.ts';
import type { NetworkId, PortId } from '../model/ids.ts';
import type { Attachments } from './attachments.ts';
import { Conditions, errorReport, notAttached, type PortReport, type Settled } from './conditions.ts';
import type { DatapathMaps } from './datapath-maps.ts';
import { DesiredState } from './desired-state.ts';
import { FloodLists } from './flood-lists.ts';
import { isServedAt, isWiredAt } from './guest-place.ts';
import type { HostItems } from './host-items.ts';
import { type PortDeed, portDeed } from './port-deed.ts';
import type { CachedState } from './state-cache.ts';
import type { Underlay } from './underlay.ts';
import { Waiters } from './waiters.ts';
import type { WorkloadDevices } from './workload-devices.ts';

/** What the reconciler works on. */
export interface Parts {
  readonly maps: DatapathMaps;
  readonly devices: WorkloadDevices;
  readonly underlay: Underlay;
  readonly gateways: Gateways;
  readonly attachments: Attachments;
  readonly log: Logger;
}

/**
 * Makes the kernel have the desired state. One pass is synchronous from beginning to end: all kernel calls are system calls
 * of microseconds, so nothing can come in between, and a crash leaves what a next pass finds and mends. Only the taking away
 * of devices, whose rows are gone by then, goes on beside: the kernel takes 15 to 30 ms for each.
 *
 * Of many ports elsewhere a pass takes some, and the next ones the rest: who waits for the event loop waits for some
 * hundredths of a second.
 *
 * Order within a pass: new devices → rows → old devices away; a device without rows drops everything. Before the first
 * full sync nothing that this process did not make is removed.
 */
export class Reconciler implements Disposable {
  /** Called after a pass with the revision that is now applied and the port conditions that changed. */
  onPass: (applied: { revision: string; ports: PortReport[] }) => void = () => undefined;
  /** Called after each pass with the time that it took, milliseconds, and whether it went to its end. */
  onTimed: (ms: number, whole: boolean) => void = () => undefined;
  /** Called when the controller's word has changed, and is whole. */
  onTold: () => void = () => undefined;
  readonly #itemListeners = new Set<(key: ItemKey, item: HostItem | undefined) => void>();
  readonly #parts: Parts;
  readonly #desired: DesiredState;
  readonly #conditions = new Conditions();
  readonly #waiters = new Waiters();
  readonly #floods = new FloodLists();
  /** The underlay MTU that local ports were planned with, bytes. */
  #mtuBytes = 0;
  /** The last revision of which every row is in the kernel, or is named in a port's condition, and nothing is left of what went. */
  #applied = '0';
  /** Other items whose rows the kernel refuses: while there are any, no newer revision counts as applied. */
  #refused = new Set<string>();
  /** The controller has just come (back): the next report names every port. */
  #tellAll = false;
  #reported = '';
  #scheduled = false;
  #ended = false;

  constructor(parts: Parts, cached: CachedState | undefined) {
    this.#parts = parts;
    this.#desired = new DesiredState(parts, cached);
  }

  /** The state is whole: it came from a controller in this process's life. */
  get synced(): boolean {
    return this.#desired.synced;
  }
  /** Items that the kernel refuses, for status. */
  get refused(): string[] {
    return [...this.#refused];
  }
  get revision(): string {
    return this.#desired.revision;
  }
  /** The last revision of which all is in the kernel, or named in a port's condition. */
  get applied(): string {
    return this.#applied;
  }
  get host(): Welcome['host'] | undefined {
    return this.#desired.host;
  }
  /** What is to be done: what the controller told, and what was decided here since. */
  get items(): ReadonlyMap<ItemKey, HostItem> {
    return this.state.all;
  }
  /** The same, by whose word it is, and by network. */
  get state(): HostItems {
    return this.#desired.items;
  }
  /** Conditions of all local ports, for a first report. */
  get conditions(): PortReport[] {
    return this.#conditions.all;
  }

  /** A stream begins: what it will not name is gone at its "synced". */
  welcome(welcome: Welcome): void {
    this.#desired.welcome(welcome);
    this.#tellAll = true;
  }

  changes(changes: Changes): void {
    this.schedule();
    // What the controller has just learned of, or bound otherwise: it has not heard of its condition here.
    for (const port of this.#desired.changes(changes)) this.#conditions.forget(port);
    if (changes.synced) {
      // A controller with an older store: what was applied of the newer one counts no more.
      if (BigInt(this.revision) < BigInt(this.#applied)) this.#applied = '0';
      this.onTold();
      this.#waiters.changed();
    }
  }

  /** What `look` finds as soon as it finds something in the controller's whole word. @throws the signal's reason */
  until<T>(look: () => T | undefined, signal: AbortSignal): Promise<T> {
    return this.#waiters.until(look, signal);
  }

  /** Calls `listener` in a pass for every item that may have changed, with what it is now, until disposed. */
  watchItems(listener: (key: ItemKey, item: HostItem | undefined) => void): Disposable {
    this.#itemListeners.add(listener);
    return { [Symbol.dispose]: () => void this.#itemListeners.delete(listener) };
  }

  /** The attachment of a port changed, or its device did. */
  touchPort(port: PortId): void {
    this.#desired.markPort(port);
    this.schedule();
  }

  /** The way to some VTEPs changed. */
  touchPeers(): void {
    this.#desired.markPeers();
    this.schedule();
  }

  /** Reads the kernel again and mends what differs. Returns the number of rows and devices that did. */
  verify(): number {
    const { maps, devices, gateways } = this.#parts;
    const drift = maps.adopt() + devices.scan(maps.slots()) + gateways.suspect();
    this.#desired.refreshAll();
    this.pass();
    return drift;
  }

  /** Runs a pass soon; several calls make one. */
  schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      try {
        this.pass();
      } catch (err) {
        this.#parts.log.error({ err }, 'a reconcile pass failed; the next one tries again');
      }
    });
  }

  /** The port's device when it is up. @throws what keeps it from being up, or the signal's reason */
  settled(port: PortId, signal: AbortSignal): Promise<Settled> {
    this.touchPort(port);
    return this.#conditions.settled(port, signal);
  }

  /** Ends what waits for the port. */
  abandon(port: PortId, cause: Error): void {
    this.#conditions.abandon(port, cause);
  }

  /** What the plan must know, or undefined until a controller has said which host this is. */
  facts(): Facts | undefined {
    const { underlay, devices, gateways } = this.#parts;
    return (
      this.host && {
        self: this.host.number,
        devices: devices.all,
        gateways: gateways.devices,
        ...underlay.facts,
      }
    );
  }

  /** From now on a pass does nothing. */
  [Symbol.dispose](): void {
    this.#ended = true;
  }

  /** Makes the kernel have what is desired. */
  pass(): void {
    if (this.#ended) return;
    const began = performance.now();
    let whole = false;
    try {
      this.#pass();
      whole = true;
    } finally {
      this.onTimed(performance.now() - began, whole);
    }
  }

  #pass(): void {
    const { maps, devices, underlay, gateways } = this.#parts;
    this.#heedMtu(underlay.facts.underlayMtuBytes);
    if (!this.host) return;
    const { keys: dirty, rest } = this.#desired.take();
    if (dirty.some((key) => key.startsWith('peer/')))
      underlay.resolve([...this.items.values()].filter((i) => i.kind === 'peer').map((i) => i.vtep));
    const facts = this.facts()!;
    const reports = new Map<PortId, PortReport>();
    const gone: PortId[] = [];
    const goneGateways = dirty.filter((key) => key.startsWith('network/') && this.#withoutGateway(key, facts));
    for (const key of dirty) this.#prepare(key, facts, reports, gone);
    maps.state('self', [planConfig(facts)]);
    // One that is wired elsewhere too, or moved there, is another host's port from now on.
    const left = gone.length === 0 ? facts : { ...facts, devices: without(facts.devices, gone) };
    const following = this.#desired.following(dirty, left);
    const isLast = !rest && !following.rest;
    for (const key of new Set([...dirty, ...following.keys])) {
      const item = this.items.get(key);
      maps.state(key, item ? planItem(item, this.items, left) : []);
      for (const listener of this.#itemListeners) listener(key, item);
      this.#floods.heed(key, item, facts.self);
    }
    for (const [network, rows] of this.#floods.take(this.state.networks, left)) maps.state(`flood/${network}`, rows);
    this.#heedFailures(maps.apply({ whole: this.synced && isLast }), reports);
    for (const id of gone) devices.remove(id);
    devices.leaveServers();
    for (const key of goneGateways) gateways.remove(networkOf(key));
    if (isLast) {
      if (this.synced) gateways.outside.whole();
      this.#heedRevision();
    } else this.schedule();
    this.#publish(reports);
  }

  /** Every local port's MTU follows the underlay's. */
  #heedMtu(mtuBytes: number): void {
    if (this.#mtuBytes === mtuBytes) return;
    this.#mtuBytes = mtuBytes;
    this.#desired.markAll();
  }

  /** Before rows: makes a network's gateway. True if it is to go after them. */
  #withoutGateway(key: ItemKey, facts: Facts): boolean {
    const item = this.items.get(key);
    if (item?.kind !== 'network') return this.synced;
    // Of a network that a router joins to one of this host's, it knows the ports, and no more.
    if (!item.member) return this.synced && this.#parts.gateways.mayHave(item.id);
    if (!this.#parts.gateways.ensure(item, networkMtu(item, facts), this.state.routerOf(item))) this.#desired.mark(key);
    return false;
  }

  /** Before rows: makes the device of a local port that has an attachment; notes the one that is to go. */
  #prepare(key: ItemKey, facts: Facts, reports: Map<PortId, PortReport>, gone: PortId[]): void {
    const id = portOfKey(key);
    if (!id) return;
    const { attachments, devices, gateways } = this.#parts;
    const item = this.items.get(key) as PortItem | undefined;
    const attachment = attachments.get(id);
    const network = item && this.state.networks.get(item.network);
    const here = item !== undefined && isWiredAt(item, facts.self);
    // It is where the port in front is, and is told of with that.
    if (!here) this.#conditions.forget(id);
    if (item?.behind) return this.#prepareBehind(item, facts, reports);
    const deed = portDeed({ item, network, attachment, self: facts.self, synced: this.synced });
    if (deed.kind !== 'ensure') {
      gateways.outside.withdraw(id, goneFrom(item, facts));
      if (deed.kind === 'refuse') return void reports.set(id, errorReport(id, deed.why));
      if (deed.kind !== 'wait' && devices.all.has(id)) gone.push(id);
      if (deed.kind === 'forget') attachments.remove(id);
      if (here) reports.set(id, notAttached(id));
      return;
    }
    this.#ensure(deed, facts, reports);
  }

  /** Makes the device, unless its last one is still going; then it is tried again. */
  #ensure(
    { item, network, attachment }: Extract<PortDeed, { kind: 'ensure' }>,
    facts: Facts,
    reports: Map<PortId, PortReport>,
  ): void {
    const { devices, gateways } = this.#parts;
    const { id } = item;
    const left = devices.left(id);
    if (left) return void left.then(() => this.touchPort(id));
    this.#attempt(id, reports, () => {
      const mtuBytes = networkMtu(network, facts);
      const { name, note, problem, listens, contests } = devices.ensure({ port: item, network, attachment, mtuBytes });
      this.#heedMove(item, facts);
      if (item.host !== facts.self) gateways.outside.withdraw(id, goneFrom(item, facts));
      devices.trunk(id, this.state.behind(id).size > 0);
      const unpublished = item.host === facts.self ? gateways.outside.publish(item) : undefined;
      if (unpublished) this.#desired.mark(itemKey(item));
      // Who attached it waits until it forwards.
      if (listens) return void reports.set(id, { id, condition: 'pending', message: 'listens, and asks who is there' });
      reports.set(id, {
        id,
        condition: 'up',
        device: name,
        ...(note !== undefined && { message: note }),
        ...(contests && { contests }),
        ...unpublished,
        ...(problem !== undefined && { condition: 'error', code: 'SEGMENT_HELD', message: problem }),
      });
    });
  }

  /** Whether its guest is here, or yet to come. */
  #heedMove({ id, host, origin, standby }: PortItem, { self, devices }: Facts): void {
    const slot = devices.get(id)?.slot;
    if (slot === undefined) return;
    if (standby === self) this.#parts.maps.awaitPort(slot);
    else if (host === self && origin !== undefined) this.#parts.maps.portCame(slot);
  }

  /** What a port behind another publishes; and that what was wrong with it alone is not any more, unless this pass finds it so. */
  #prepareBehind(item: PortItem, facts: Facts, reports: Map<PortId, PortReport>): void {
    const { id, behind, publish } = item;
    const { devices, gateways } = this.#parts;
    const { outside } = gateways;
    const publishes = isServedAt(item, facts.self) && publish.length > 0;
    if (!publishes) outside.withdraw(id, goneFrom(item, facts));
    const unpublished = publishes ? outside.publish(item) : undefined;
    if (unpublished) this.#desired.mark(itemKey(item));
    if (!unpublished && this.#conditions.get(id)?.code === undefined) return;
    const device = devices.all.get(behind!)?.name;
    // Without a device it is for the port in front to say why.
    reports.set(id, { id, condition: 'up', ...(device !== undefined && { device, ...unpublished }) });
  }

  #attempt(id: PortId, reports: Map<PortId, PortReport>, work: () => void): void {
    try {
      work();
    } catch (cause) {
      this.#failed(id, cause, reports);
    }
  }

  #failed(id: PortId, cause: unknown, reports: Map<PortId, PortReport>): void {
    const report = errorReport(id, toProblem(cause));
    if (this.#conditions.get(id)?.message !== report.message)
      this.#parts.log.warn({ err: cause, port: id }, 'port not applied; it is tried again');
    reports.set(id, report);
    this.abandon(id, cause as Error);
    this.#desired.mark(portKey(id));
  }

  /** A local port's failure is its condition; another item's holds back the revision that counts as applied. */
  #heedFailures(failures: ReadonlyMap<string, unknown>, reports: Map<PortId, PortReport>): void {
    const refused = new Set<string>();
    for (const [owner, cause] of failures) {
      const item = this.items.get(owner as ItemKey);
      if (item?.kind === 'port' && isWiredAt(item, this.host?.number)) this.#failed(item.id, cause, reports);
      else refused.add(owner);
      if (refused.has(owner) && !this.#refused.has(owner))
        this.#parts.log.error({ err: cause, item: owner }, 'rows not applied; they are tried again');
    }
    this.#refused = refused;
  }

  /** The revision is applied when the kernel has taken every row, and the devices that went before it or with it are away. */
  #heedRevision(): void {
    if (this.#refused.size > 0) return;
    const revision = this.revision;
    const left = this.#parts.devices.leaving;
    if (!left) this.#applied = revision;
    else
      void left.then(() => {
        // Not if a controller with an older store has come meanwhile.
        if (BigInt(revision) <= BigInt(this.revision)) this.#applied = revision;
        this.schedule();
      });
  }

  /** Tells what changed; ports that are no longer here are forgotten. */
  #publish(reports: Map<PortId, PortReport>): void {
    const ports = this.#conditions.take(
      reports.values(),
      (id) => this.#parts.devices.all.get(id),
      (id) => this.items.has(portKey(id)) || this.#parts.attachments.get(id)?.local?.refused !== undefined,
    );
    if (this.#desired.isComing || (ports.length === 0 && this.#reported === this.#applied && !this.#tellAll)) return;
    this.#reported = this.#applied;
    this.onPass({ revision: this.#applied, ports: this.#tellAll ? this.conditions : ports });
    this.#tellAll = false;
  }
}

/** The port, if it has gone from this host to another. */
const goneFrom = (item: PortItem | undefined, { self }: Facts): PortItem | undefined =>
  item?.origin === self ? item : undefined;

const without = <K, V>(all: ReadonlyMap<K, V>, gone: readonly K[]): ReadonlyMap<K, V> => {
  const left = new Map(all);
  for (const key of gone) left.delete(key);
  return left;
};

const networkOf = (key: ItemKey): NetworkId => key.slice(key.indexOf('/') + 1) as NetworkId;
