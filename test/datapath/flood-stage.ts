/** A host in a namespace of its own, with taps for its ports, a segment and its NIC, and the datapath attached to them. */
import {
  bucketRow,
  floodCopiesKey,
  floodFlags,
  floodKey,
  gateRow,
  indexKey,
  trafficRow,
} from '../../src/datapath/layouts.ts';
import type { ReasonName } from '../../src/datapath/reasons.ts';
import type { BpfObject } from '../../src/kernel/bpf.ts';
import { m } from './case.ts';
import { hex, mac } from './frames.ts';
import { openTapHost, type TapHost } from './tap-host.ts';
import type { Wire } from './wires.ts';
import { A, B, C, linkLocal, macs, type World } from './world.ts';

/** Tag of the segment. */
export const VLAN = 120;
export type Name = 'one' | 'two' | 'cutter' | 'other' | 'alone' | 'seg' | 'door' | 'nic';
/** Slots of the ports; the machine on the segment has the segment's, the gateway behind `door` has the host's. */
export const slots = { one: 1, two: 2, cutter: 3, other: 4, alone: 5, seg: 6, door: 0 };
/** The machine's MAC. */
export const machine = mac('02:00:00:00:00:0a');
const cutter = mac('02:00:00:00:00:0c');

/** A row that is not of the list itself. */
interface OtherRow {
  readonly index: number;
  readonly row: Uint8Array;
}

export interface FloodStage extends Disposable {
  readonly wires: Readonly<Record<Name, Wire>>;
  tallied(slot: number, reason: ReasonName): number;
  traffic(slot: number): { tx: number; rx: number };
  /** Full buckets, no counts, nothing on the wires. */
  reset(): void;
  /** When the port's bucket of frames is full, and that of copies that A makes of what comes from a host; ns. */
  setFrames(slot: number, full: bigint): void;
  setCopies(host: number, full: bigint): void;
  framesFull(slot: number): bigint;
  copiesFull(host: number): bigint;
  /** Until when a segment's frames pass; ns, 0 for ever. */
  setGate(slot: number, until: bigint): void;
  /** The list of a network; a copy of one that was listed may be listed again. */
  list(vni: number): Uint8Array[];
  setList(vni: number, rows: readonly Uint8Array[], others?: readonly OtherRow[]): void;
}

/** Attaches all; disposing leaves nothing. */
export function openFloodStage(): FloodStage {
  const port = { program: 'from_port' } as const;
  const host = openTapHost<Name>(
    {
      ...{ one: port, other: port, alone: port, door: port },
      // As on a NIC that is the underlay's, too.
      two: { ...port, egress: 'to_underlay' },
      cutter: { ...port, cuts: true },
      seg: { program: 'from_segment' },
      nic: { program: 'from_underlay', cuts: true },
    },
    worldOf,
  );
  return { wires: host.wires, ...observed(host), [Symbol.dispose]: () => host[Symbol.dispose]() };
}

/**
 * Networks: A has a segment, on a VLAN, with a machine that is known; one, two and a third port here, that takes nothing
 * uncut; three on host 2 and four on host 3. B has a port here and one on host 2, and a list of them. C has no list.
 */
function worldOf(ifindexOf: (dev: Name | 'vx') => number): World {
  const port = (name: keyof typeof slots, vni: number, address: Uint8Array, n: number) => ({
    ...{ ifindex: ifindexOf(name), slot: slots[name], vni, mac: hex(address).replace(/..(?=.)/g, '$&:'), mtu: 1450 },
    ...{ ip4: `10.0.0.${n}`, ip6: `fd00::${n}`, ips: [`10.0.0.${n}`, `fd00::${n}`, linkLocal(n)], host: 1 },
  });
  const ports = [port('one', A, m.one, 1), port('two', A, m.two, 2), port('cutter', A, cutter, 12)];
  const strangers = [port('other', B, m.one, 1), port('alone', C, m.one, 1)];
  const known = { ...port('seg', A, machine, 10), vlan: VLAN, behind: true, other: 2 };
  const { ip4, ip6, ...segment } = port('seg', A, m.gateway, 0);
  const door = { ...port('door', A, m.gateway, 254), router: true, tap: true };
  const far = (vni: number, n: number, at: string, host: number) => ({
    ...{ vni, mac: at, host },
    ips: [`10.0.0.${n}`, `fd00::${n}`, linkLocal(n)],
  });
  const device = (n: keyof typeof slots) => ({ ifindex: ifindexOf(n), slot: slots[n] });
  const listed = { ...device('seg'), vlan: VLAN, flags: floodFlags.SEGMENT };
  return {
    ...{ self: 1, vtep: '192.0.2.1', udpPort: 4789, vxlanIfindex: ifindexOf('vx'), routes: [] },
    ports: [...ports, ...strangers, door, known, { ...segment, vlan: VLAN, segment: true }],
    stations: [
      ...[...ports, ...strangers, door, { ...known, segment: true }],
      ...[A, B].flatMap((vni) => [far(vni, 3, macs.three, 2), far(vni, 4, macs.four, 3)]),
    ],
    vteps: [2, 3].map((n) => ({ host: n, remote: `192.0.2.${n}`, fast: false, mtu: n === 3 ? 1400 : 1450 })),
    lists: [
      { vni: A, devices: [listed, device('one'), device('two'), device('cutter')], hosts: [2, 3] },
      { vni: B, devices: [device('other')], hosts: [2] },
    ],
  };
}

function setList(bpf: BpfObject, vni: number, rows: readonly Uint8Array[], others: readonly OtherRow[] = []): void {
  for (const key of bpf.map('flood').keys()) if (floodKey.decode(key).vni === vni) bpf.map('flood').delete(key);
  for (const [index, row] of rows.entries()) bpf.map('flood').update(floodKey.encode({ vni, index }), row);
  for (const { index, row } of others) bpf.map('flood').update(floodKey.encode({ vni, index }), row);
}

function observed({ bpf, ...host }: TapHost<Name>): Omit<FloodStage, 'wires' | typeof Symbol.dispose> {
  const slot = (index: number) => indexKey.encode({ index });
  const copies = (host: number) => floodCopiesKey.encode({ vni: A, host });
  return {
    tallied: (of, reason) => host.tally()[`${of} ${reason}`] ?? 0,
    traffic(of) {
      const rows = bpf.map('traffic').lookupPerCpu(slot(of)).map(trafficRow.decode);
      const sum = (field: 'tx_packets' | 'rx_packets') => rows.reduce((n, r) => n + Number(r[field]), 0);
      return { tx: sum('tx_packets'), rx: sum('rx_packets') };
    },
    reset() {
      for (const key of bpf.map('flood_copies').keys()) bpf.map('flood_copies').delete(key);
      for (const of of Object.values(slots)) {
        bpf.map('flood_rate').update(slot(of), bucketRow.encode({ full: 0n }));
        bpf.map('traffic').zeroPerCpu(slot(of));
      }
      host.reset();
    },
    setFrames: (of, full) => bpf.map('flood_rate').update(slot(of), bucketRow.encode({ full })),
    setCopies: (host, full) => bpf.map('flood_copies').update(copies(host), bucketRow.encode({ full })),
    framesFull: (of) => bucketRow.decode(bpf.map('flood_rate').lookup(slot(of))!).full,
    copiesFull: (host) => bucketRow.decode(bpf.map('flood_copies').lookup(copies(host))!).full,
    setGate: (of, until) => bpf.map('gates').update(slot(of), gateRow.encode({ until })),
    list(vni) {
      const rows = [...bpf.map('flood').entries()].map(([key, row]) => ({ ...floodKey.decode(key), row }));
      return rows
        .filter((r) => r.vni === vni)
        .sort((a, b) => a.index - b.index)
        .map((r) => r.row);
    },
    setList: (vni, rows, others) => setList(bpf, vni, rows, others),
  };
}
