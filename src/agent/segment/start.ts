/** The segments of this host: one for each that has a device. */
import type { Logger } from 'pino';
import type { Client } from '../../client/client.ts';
import { hasErrno } from '../../kernel/libc.ts';
import { linkGet } from '../../kernel/link.ts';
import type { Netlink } from '../../kernel/netlink.ts';
import { toProblem } from '../../model/errors.ts';
import { type HostItem, type ItemKey, type PortItem, portOfKey } from '../../model/host-state.ts';
import type { PortId } from '../../model/ids.ts';
import type { DatapathMaps } from '../datapath-maps.ts';
import type { LeaseBook } from '../lease-book.ts';
import type { Reconciler } from '../reconciler.ts';
import type { ThisHost } from '../this-host.ts';
import type { WorkloadDevices } from '../workload-devices.ts';
import { beat } from './election.ts';
import { Machines } from './machines.ts';
import { type Place, Segment, SHUT } from './segment.ts';

/** What segments follow. */
export interface SegmentsParts {
  readonly nl: Netlink;
  readonly reconciler: Reconciler;
  readonly devices: WorkloadDevices;
  readonly maps: Pick<DatapathMaps, 'gate' | 'gateUntil'>;
  readonly client: Client;
  readonly book: LeaseBook;
  readonly thisHost: ThisHost;
  readonly connected: () => boolean;
  readonly log: Logger;
}

/** They run; disposing ends them. */
export class Segments implements Disposable {
  /** What is to be said on one that begins to forward. */
  sayFirst: (port: PortItem) => Iterable<Uint8Array> = () => [];
  readonly #parts: SegmentsParts;
  readonly #machines = new Machines();
  readonly #segments = new Map<
    PortId,
    { readonly place: Place; readonly segment?: Segment; readonly problem?: string }
  >();
  readonly #open = new DisposableStack();

  constructor(parts: SegmentsParts) {
    this.#parts = parts;
    for (const [key, item] of parts.reconciler.items) this.#machines.changed(key, item);
    this.#open.use(parts.reconciler.watchItems((key, item) => this.#changed(key, item)));
    const timer = setInterval(() => this.beat(), beat.hello);
    this.#open.defer(() => clearInterval(timer));
    this.#open.defer(() => {
      for (const { segment } of this.#segments.values()) segment?.[Symbol.dispose]();
    });
    this.beat();
  }

  [Symbol.dispose](): void {
    this.#open.dispose();
  }

  get status() {
    return [...this.#segments].map(
      ([id, { segment, problem }]) => segment?.status ?? { port: this.#machines.segment(id)?.name, problem },
    );
  }

  /** Says a frame on a segment, if that forwards: otherwise the switches would look here for who it is from. */
  say(port: PortId, frame: Uint8Array): void {
    this.#segments.get(port)?.segment?.say(frame);
  }

  /** What the controller has not heard of machines is told at once: it listens to this host again. */
  tell(): void {
    for (const { segment } of this.#segments.values()) segment?.tell();
  }

  #changed(key: ItemKey, item: HostItem | undefined): void {
    this.#machines.changed(key, item);
    const port = portOfKey(key);
    if (!port) return;
    if (item?.kind === 'port')
      for (const { segment } of this.#segments.values())
        if (segment?.isOf(item.network)) this.#guarded(() => segment.came(item));
    const { segment } = this.#segments.get(port) ?? {};
    // In a pass nothing may be asked for: a turn later the rows are there, too.
    if (segment) setImmediate(() => this.#guarded(() => this.#segments.get(port)?.segment?.told()));
    else if (item?.kind === 'port' && item.segment) setImmediate(() => this.#guarded(() => this.#follow()));
  }

  /** Every `beat.hello` milliseconds, and beside what keeps the event loop long. */
  beat(): void {
    this.#guarded(() => this.#follow());
    for (const { segment } of this.#segments.values()) this.#guarded(() => segment?.beat());
  }

  /** Opens and closes what came and went with a device. */
  #follow(): void {
    const { devices } = this.#parts;
    for (const [id, { place, segment }] of this.#segments) {
      const device = devices.all.get(id);
      if (device?.nic && device.ifindex === place.ifindex && device.slot === place.slot && this.#machines.segment(id))
        continue;
      segment?.[Symbol.dispose]();
      this.#segments.delete(id);
    }
    for (const [id, { nic, ifindex, slot, vlan = 0 }] of devices.all)
      if (nic && !this.#segments.get(id)?.segment) this.#begin(id, { ifindex, slot, vlan });
  }

  #begin(id: PortId, place: Place): void {
    const { reconciler, devices, maps, log } = this.#parts;
    const port = this.#machines.segment(id);
    if (!port) return;
    const before = this.#segments.get(id)?.problem;
    try {
      const segment = new Segment({
        ...this.#parts,
        ...{ place, port, machines: this.#machines },
        self: () => reconciler.host?.number,
        sayFirst: (first) => this.sayFirst(first),
        carrier: () => this.#carrier(place.ifindex),
        gate: (until) => maps.gate(place.slot, until),
        gateUntil: () => maps.gateUntil(place.slot),
        onNote: () => setImmediate(() => this.#note(id)),
      });
      this.#segments.set(id, { place, segment });
      this.#note(id);
    } catch (cause) {
      const problem = toProblem(cause).detail;
      if (problem !== before) log.warn({ err: cause, port: port.name }, 'a segment cannot be listened to; tried again');
      this.#segments.set(id, { place, problem });
      // The other host would not be heard.
      if (port.standby !== undefined) maps.gate(place.slot, SHUT);
      if (devices.note(id, { problem: `it cannot be listened to: ${problem}` })) reconciler.touchPort(id);
    }
  }

  #note(id: PortId): void {
    const { devices, reconciler } = this.#parts;
    if (devices.note(id, this.#segments.get(id)?.segment?.said ?? {})) reconciler.touchPort(id);
  }

  #carrier(ifindex: number): boolean {
    try {
      const { up, carrier } = linkGet(this.#parts.nl, ifindex);
      return up && carrier;
    } catch (e) {
      if (hasErrno(e, 'ENODEV')) return false;
      throw e;
    }
  }

  /** One segment's trouble is not the others'. */
  #guarded(work: () => void): void {
    try {
      work();
    } catch (err) {
      this.#parts.log.error({ err }, 'a segment: it is tried again');
    }
  }
}
