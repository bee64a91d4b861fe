import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import type { Device } from '../compile/facts.ts';
import { SLOTS_MAX } from '../datapath/layouts.ts';
import type { BpfProgram } from '../kernel/bpf.ts';
import { hasDevice, hasErrno } from '../kernel/libc.ts';
import { ensureNoLink, ensureNoLinkBeside, type Link, linkChange, linkList, linkSet } from '../kernel/link.ts';
import type { Netlink } from '../kernel/netlink.ts';
import { disableIpv6 } from '../kernel/sysctl.ts';
import { ensureClsact, ensureFilter, firstFilters } from '../kernel/tc.ts';
import { HeddleError } from '../model/errors.ts';
import type { PortId } from '../model/ids.ts';
import type { Attachment, DeviceAttachment, NicBefore, TapBefore } from '../model/local-api.ts';
import type { PortReport } from './conditions.ts';
import { placeKey } from './datapath-maps.ts';
import { isTaken, madeAlias, portOfAlias } from './device-alias.ts';
import { endOf } from './ends.ts';
import { isTakenNic, keepNic, leaveNic } from './segment/nic.ts';
import type { ServerNamespaces } from './server-namespaces.ts';
import { leaveTap } from './tap-end.ts';
import { type DeviceWant, deviceName, type Making } from './workload-end.ts';

export interface WorkloadDevice extends Device {
  readonly name: string;
  readonly up: boolean;
  /** MTU of the workload's end; undefined: made by an earlier agent. */
  mtuBytes: number | undefined;
  /** It was here before us, and stays when its port goes. */
  readonly taken?: boolean;
  /** How it was then. */
  readonly before?: TapBefore | undefined;
  /** Of a tap: a program has it open. */
  readonly open?: boolean;
  /** A NIC, and how it was before. */
  readonly nic?: NicBefore;
  /** What people should know of it; a problem: it does not do what it is for. */
  readonly note?: string | undefined;
  readonly problem?: string | undefined;
  /** A new segment's: nothing passes yet, or who is there is asked for. */
  readonly listens?: boolean | undefined;
  /** A segment's: addresses of others that machines have. */
  readonly contests?: PortReport['contests'];
}

/** What {@link WorkloadDevices.ensure} gives. */
interface Ensured {
  readonly name: string;
  /** What is not as people may expect it. */
  readonly note?: string;
  /** Why it does not do what it is for. */
  readonly problem?: string;
  /** It is about to do it. */
  readonly listens?: true;
  readonly contests?: NonNullable<PortReport['contests']>;
}

/** `from_port`, `to_host`, `from_segment`. */
interface Programs {
  readonly from: BpfProgram;
  readonly toHost: BpfProgram;
  readonly fromSegment: BpfProgram;
}

/** The host-side devices of local ports, recognised by their alias; NICs, which keep theirs, by the program on them. */
export class WorkloadDevices {
  readonly #nl: Netlink;
  readonly #programs: Programs;
  readonly #resetCounters: (slot: number) => void;
  readonly #recorded: () => readonly Attachment[];
  readonly #underlay: Making['underlay'];
  readonly #servers: ServerNamespaces;
  readonly #log: Logger;
  readonly #devices = new Map<PortId, WorkloadDevice>();
  /** A free slot whose counters are zero already, for the next device: that takes some 400 calls of the kernel, 0.3 ms. */
  #spare: number | undefined;
  /**
   * Those whose programs are on them, by ifindex: seen since the kernel was last read, which it is when one is taken off. What root
   * puts in the place of one is found when all is looked at, every half a minute.
   */
  readonly #equipped = new Set<number>();
  /** Nothing was read yet. */
  #first = true;
  /** Devices that the kernel is taking away. */
  readonly #leaving = new Map<PortId, { ifindex: number; left: Promise<void> }>();
  /** The last of them: one after another, as the kernel takes them anyway. */
  #removals = Promise.resolve();

  /** `recorded`: the attachments on record. */
  constructor(parts: {
    nl: Netlink;
    programs: Programs;
    resetCounters: (slot: number) => void;
    recorded: () => readonly Attachment[];
    underlay: Making['underlay'];
    servers: ServerNamespaces;
    log: Logger;
  }) {
    this.#nl = parts.nl;
    this.#programs = parts.programs;
    this.#resetCounters = parts.resetCounters;
    this.#recorded = parts.recorded;
    this.#underlay = parts.underlay;
    this.#servers = parts.servers;
    this.#log = parts.log;
  }

  get all(): ReadonlyMap<PortId, WorkloadDevice> {
    return this.#devices;
  }

  /** Reads the kernel's links. `slots`: by {@link placeKey}, as the maps have them. Returns how many devices came or went unknown to this process. */
  scan(slots: ReadonlyMap<string, number>): number {
    this.#equipped.clear();
    const recorded = this.#recorded();
    const whole = new Map(recorded.map((a) => [deviceName(a.port), a.kind === 'tap' ? a.ifname : deviceName(a.port)]));
    const before = new Map(recorded.map((a) => [a.port, a.kind === 'tap' ? a.before : undefined]));
    const segments = Map.groupBy(
      recorded.filter((a) => a.kind === 'device'),
      ({ ifname }) => ifname,
    );
    const kinds = new Map(recorded.map(({ port, kind }) => [port, kind]));
    const leaving = new Set([...this.#leaving.values()].map(({ ifindex }) => ifindex));
    const found = new Map<PortId, WorkloadDevice>();
    let drift = 0;
    for (const link of linkList(this.#nl)) {
      if (leaving.has(link.ifindex)) continue;
      const port = portOfAlias(link.alias);
      if (isHalfMade(link, whole)) {
        ensureNoLink(this.#nl, link.ifindex);
        continue;
      }
      const slotOf = (vlan?: number): number =>
        slots.get(placeKey(link.ifindex, vlan)) ??
        this.#freeSlot([...found.values(), ...this.#devices.values()].map((d) => d.slot).concat([...slots.values()]));
      for (const segment of segments.get(link.name) ?? []) {
        const have = this.#devices.get(segment.port);
        const known = have?.ifindex === link.ifindex;
        // An agent that was killed in the middle may have left anything of it.
        const halfDone = this.#first && segment.state !== 'attached';
        if (!known && !halfDone && !isTakenNic(this.#nl, link.ifindex)) continue;
        if (!known) drift++;
        found.set(segment.port, segmentDevice(link, segment, known ? have : undefined, slotOf));
      }
      if (!port && this.#first && !segments.has(link.name) && isTakenNic(this.#nl, link.ifindex))
        leaveNic(this.#nl, link.ifindex, undefined);
      if (!port) continue;
      const have = this.#devices.get(port);
      if (have?.ifindex === link.ifindex) found.set(port, { ...have, up: link.up, ...openness(link) });
      else {
        drift++;
        const slot = slotOf();
        found.set(port, {
          ifindex: link.ifindex,
          slot,
          redirectPeer: kinds.get(port) === 'pair' || (kinds.get(port) !== 'host' && link.peerNetnsId !== undefined),
          name: link.name,
          up: link.up,
          mtuBytes: undefined,
          taken: isTaken(link.alias),
          before: before.get(port),
          ...openness(link),
        });
      }
    }
    for (const [port, device] of this.#devices) if (found.get(port)?.ifindex !== device.ifindex) drift++;
    this.#devices.clear();
    for (const [port, device] of found) this.#devices.set(port, device);
    this.#first = false;
    this.#spare = undefined;
    return drift;
  }

  /**
   * Makes the device and sets up the workload's end behind it. Until its rows are there, all that comes is dropped.
   * Repeatable. The mark of a whole device comes last.
   * @throws SLOTS_EXHAUSTED, KERNEL, and as the kind of attachment says; nothing is left of a device that could not be made
   */
  ensure(want: DeviceWant): Ensured {
    const kept = this.#keep(want);
    if (kept) return kept;
    const { id } = want.port;
    // A segment's gate is to be shut now, whoever had its slot.
    const slot = want.attachment.kind === 'device' ? this.#cleared() : (this.#spare ?? this.#cleared());
    this.#spare = undefined;
    using made = endOf(want.attachment).make(this.#nl, want, {
      ...{ alias: madeAlias(id), underlay: this.#underlay, servers: this.#servers },
    });
    const { ifindex, name } = made.link;
    const device = {
      ...{ ifindex, slot, redirectPeer: made.redirectPeer, name, up: true, mtuBytes: want.mtuBytes },
      ...openness(made.link),
      ...(want.attachment.kind === 'tap' && { taken: want.attachment.taken, before: want.attachment.before }),
      ...(want.attachment.kind === 'device' && { ...segmentOf(want.attachment), listens: true }),
    };
    this.#devices.set(id, device);
    try {
      this.#equip(ifindex, want);
      made.complete();
      this.#equipped.add(ifindex);
    } catch (cause) {
      this.#devices.delete(id);
      if (!this.isNic(ifindex)) made.undo();
      throw cause;
    }
    return shown(device);
  }

  /** Mends the device that is there; undefined if there is none, or none any more: it may have gone without our being told yet. */
  #keep(want: DeviceWant): Ensured | undefined {
    const have = this.#devices.get(want.port.id);
    if (!have) return undefined;
    const { ifindex } = have;
    try {
      // To ask for its programs is to wait for whoever changes devices: an engine that moves one into a container takes 20 ms.
      const isWhole = this.#equipped.has(ifindex) && hasDevice(ifindex);
      if (!isWhole) this.#attachPrograms(ifindex, want);
      this.#equipped.add(ifindex);
      if (!have.up && !have.nic) linkSet(this.#nl, ifindex, { up: true });
    } catch (e) {
      if (!hasErrno(e, 'ENODEV')) throw e;
      this.#devices.delete(want.port.id);
      this.#equipped.delete(ifindex);
      return undefined;
    }
    if (this.#devices.size < SLOTS_MAX - 1) this.#spare ??= this.#cleared();
    if (have.mtuBytes === want.mtuBytes) return shown(have);
    const problem = endOf(want.attachment).setMtu(this.#nl, want);
    if (problem !== undefined) return { name: have.name, note: `its MTU cannot be set: ${problem}` };
    have.mtuBytes = want.mtuBytes;
    return shown(have);
  }

  /** Other ports are behind the one that has the device, or none is any more. */
  trunk(port: PortId, trunk: boolean): void {
    const device = this.#devices.get(port);
    if (device && (device.trunk ?? false) !== trunk) this.#devices.set(port, { ...device, trunk });
  }

  /** What people should know of a port's device. Returns whether that is new. */
  note(port: PortId, said: Pick<WorkloadDevice, 'note' | 'problem' | 'listens' | 'contests'>): boolean {
    const { note, problem, listens = false, contests } = said;
    const device = this.#devices.get(port);
    const next = { note, problem, listens, contests };
    if (!device || isDeepStrictEqual(next, saidOf(device))) return false;
    this.#devices.set(port, { ...device, ...next });
    return true;
  }

  /** The kernel's word on a NIC; the ports of segments on it, if that is now another thing for people. */
  heedNic(link: Link): PortId[] {
    const changed = [...this.#devices].filter(([, d]) => d.nic && d.ifindex === link.ifindex && d.up !== link.up);
    for (const [port, device] of changed) this.#devices.set(port, { ...device, up: link.up });
    return changed.map(([port]) => port);
  }
  /** Segments are on the device. */
  isNic = (ifindex: number): boolean => this.#ofNic(ifindex).length > 0;

  /** The kernel's word on a device; returns the port if that is now another thing for people. */
  heed(link: Link): PortId | undefined {
    for (const [port, device] of this.#devices) {
      if (device.ifindex !== link.ifindex || device.open === undefined || device.open === link.carrier) continue;
      this.#devices.set(port, { ...device, open: link.carrier });
      return port;
    }
    return undefined;
  }

  /** Brings a device up that somebody set down, unless it is a NIC; one that is gone is for {@link scan}. */
  lift(ifindex: number): void {
    if (this.isNic(ifindex)) return;
    try {
      linkSet(this.#nl, ifindex, { up: true });
    } catch (e) {
      if (!hasErrno(e, 'ENODEV')) throw e;
    }
  }

  /**
   * Removes the device, or leaves it if it was taken; its rows must have gone before. Returns before the kernel has removed
   * it, which keeps nobody waiting meanwhile. The kernel removes a pair itself with the workload's namespace.
   */
  remove(port: PortId): void {
    const device = this.#devices.get(port);
    if (!device) return;
    const { ifindex } = device;
    this.#devices.delete(port);
    this.#equipped.delete(ifindex);
    if (device.taken) return leaveTap(this.#nl, ifindex, device.before);
    if (device.nic) {
      if (!this.isNic(ifindex)) leaveNic(this.#nl, ifindex, device.nic);
      return;
    }
    const left = this.#removals
      .then(() => ensureNoLinkBeside(ifindex))
      .catch((err: unknown) => this.#log.error({ err, port }, 'a device could not be removed; tried again when found'))
      .finally(() => this.#leaving.delete(port));
    this.#removals = left;
    this.#leaving.set(port, { ifindex, left });
  }
  /** Namespaces that were made for ports go with the last one there. */
  leaveServers(): void {
    this.#servers.keep(() => this.#recorded().filter((a) => a.state !== 'detaching'));
  }
  /** This host leaves: namespaces that were made for ports go, whatever records say. */
  leaveAllServers(): void {
    this.#servers.keep(() => []);
  }
  /** Resolves when nothing is left of a device that was removed; undefined if none is being removed. */
  left = (port: PortId): Promise<void> | undefined => this.#leaving.get(port)?.left;
  /** Resolves when nothing is left of those of these ifindexes that are being removed. `which` is asked only if any is. */
  async leftOf(which: () => ReadonlySet<number>): Promise<void> {
    if (this.#leaving.size === 0) return;
    const ours = which();
    await Promise.all([...this.#leaving.values()].flatMap(({ ifindex, left }) => (ours.has(ifindex) ? [left] : [])));
  }
  /** Resolves when nothing is left of all that were removed before the call; undefined if none is being removed. */
  get leaving(): Promise<void> | undefined {
    return this.#leaving.size > 0 ? this.#removals : undefined;
  }

  /** The segments on a NIC. */
  #ofNic = (ifindex: number): WorkloadDevice[] =>
    [...this.#devices.values()].filter((d) => d.nic && d.ifindex === ifindex);

  /** Puts the programs on a device that was just made, or taken. Only with them on it the end of a pair is brought up. */
  #equip(ifindex: number, want: DeviceWant): void {
    const { kind } = want.attachment;
    if (kind === 'device') return this.#attachPrograms(ifindex, want);
    const silent = { addrGenMode: 'none' } as const;
    if (kind === 'tap') {
      linkSet(this.#nl, ifindex, silent);
      return this.#attachPrograms(ifindex, want);
    }
    try {
      this.#nl.batch([linkChange(ifindex, silent), ...firstFilters(ifindex, this.#sides(want))]);
    } catch (e) {
      if (!hasErrno(e, 'EEXIST')) throw e;
      // Another agent of this host has put something on it as soon as it was there.
      this.#attachPrograms(ifindex, want);
    }
    // A host that forwards would report its groups (MLD) to the workload.
    this.#nl.within(() => disableIpv6(undefined, deviceName(want.port.id)));
    // Not sent with the rest: the kernel runs what is behind a refused request, too.
    linkSet(this.#nl, ifindex, { up: true });
  }

  #attachPrograms(ifindex: number, want: DeviceWant): void {
    if (want.attachment.kind === 'device') return keepNic(this.#nl, ifindex, this.#programs.fromSegment);
    ensureClsact(this.#nl, ifindex);
    for (const { direction, program } of this.#sides(want)) ensureFilter(this.#nl, ifindex, direction, program);
  }

  /** The programs of a device other than a NIC. */
  #sides({ attachment }: DeviceWant) {
    const { from, toHost } = this.#programs;
    const ingress = { direction: 'ingress', program: from } as const;
    return endOf(attachment).guarded ? [{ direction: 'egress', program: toHost } as const, ingress] : [ingress];
  }

  /** A free slot, with its counters at zero. @throws SLOTS_EXHAUSTED */
  #cleared(): number {
    const slot = this.#freeSlot([...this.#devices.values()].map((d) => d.slot));
    this.#resetCounters(slot);
    return slot;
  }

  #freeSlot(taken: readonly number[]): number {
    const used = new Set(taken);
    for (let slot = 1; slot < SLOTS_MAX; slot++) if (!used.has(slot)) return slot;
    throw new HeddleError('SLOTS_EXHAUSTED', { limit: SLOTS_MAX - 1 });
  }
}

/**
 * Made by an agent that was killed before the last steps: a record has its first name, and it has no alias or not its last
 * name yet. `whole`: last names by first names.
 */
const isHalfMade = ({ name, alias }: Link, whole: ReadonlyMap<string, string>): boolean =>
  whole.has(name) && (!alias || (portOfAlias(alias) !== undefined && whole.get(name) !== name));

const openness = ({ tap, carrier }: Link): Pick<WorkloadDevice, 'tap' | 'open'> =>
  tap ? { tap: true, open: carrier } : {};

/** What a segment's device has besides the NIC. */
const segmentOf = ({ vlan, before }: DeviceAttachment) => ({
  ...(vlan !== undefined && { vlan }),
  ...{ tap: true, nic: before },
});

const segmentDevice = (
  { ifindex, name, up }: Link,
  attachment: DeviceAttachment,
  have: WorkloadDevice | undefined,
  slotOf: (vlan: number | undefined) => number,
): WorkloadDevice =>
  have
    ? { ...have, name, up }
    : {
        ...{ ifindex, slot: slotOf(attachment.vlan ?? 0), redirectPeer: false, name, up, mtuBytes: undefined },
        ...segmentOf(attachment),
      };

const saidOf = ({ note, problem, listens = false, contests }: WorkloadDevice) => ({ note, problem, listens, contests });

function shown({ name, open, note, problem, listens, nic, up, contests }: WorkloadDevice): Ensured {
  if (nic && !up) return { name, problem: `${name} is down` };
  if (problem !== undefined) return { name, problem };
  if (listens) return { name, listens };
  if (open === false) return { name, note: 'no program has the tap open' };
  return { name, ...(note !== undefined && { note }), ...(contests && { contests }) };
}
