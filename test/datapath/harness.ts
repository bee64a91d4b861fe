/** The object, loaded for a test: devices in a namespace of its own, pins in a bpffs of its own, all gone at the end. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import {
  bucketRow,
  configFlags,
  configRow,
  indexKey,
  maps,
  OLDER_FLOWS,
  olderKey,
  tallyKey,
  tallyRow,
  trafficRow,
} from '../../src/datapath/layouts.ts';
import { type ReasonName, reasonNumber, reasons } from '../../src/datapath/reasons.ts';
import { type BpfObject, ensureBpffs, openBpf, type SkbContext, type TestResult } from '../../src/kernel/bpf.ts';
import { inNetns, openNetns } from '../../src/kernel/netns.ts';
import { ip, join } from './frames.ts';
import { withPlaces } from './places.ts';
import { rowsOf, standardWorld, type World } from './world.ts';

export type ProgramName = 'from_port' | 'from_segment' | 'to_host' | 'from_underlay' | 'from_vxlan' | 'to_underlay';
export const object = fileURLToPath(new URL('../../build/heddle.bpf.o', import.meta.url));

const [major = 0, minor = 0] = release().split('.').map(Number);
const features = major > 6 || (major === 6 && minor >= 3) ? configFlags.DECAP_L3 : 0;

export interface Datapath extends Disposable {
  readonly bpf: BpfObject;
  readonly world: World;
  /** A device without a port. */
  readonly strayIfindex: number;
  /** Runs `fn` where the devices are; many `run`s inside one call are cheaper. */
  inside<T>(fn: () => T): T;
  /** As a host where no connection has begun yet, and to which all have just come that have come from another. */
  run(program: ProgramName, frame: Uint8Array, ctx?: SkbContext): TestResult;
  /** Adds the rows; of a map that is full, fails. */
  fill(world: World): void;
  /** Counts by "slot reason". */
  tally(): Map<string, number>;
  tallied(slot: number, reason: ReasonName): number;
  traffic(slot: number): { txPackets: number; txBytes: number; rxPackets: number; rxBytes: number };
  /** Sets when a port's buckets of requests and of what is for everybody are full, nanoseconds; those of copies are full. */
  setBuckets(slot: number, full: bigint): void;
  /** Empties tally and traffic. */
  resetCounts(): void;
}

/** Verdicts of tc. */
export const verdicts = new Map([
  [0xffff_ffff, 'pass'],
  [2, 'drop'],
  [7, 'redirect'],
] as const);

function makeDevices(netns: string): number[] {
  const script = [
    'link add t1 type veth peer name t2',
    'link add t3 type veth peer name t4',
    'link add t5 type veth peer name t6',
    'link add t7 type veth peer name t8',
    'link add t9 type veth peer name t10',
    'link add t11 type veth peer name t12',
    'link add t13 type veth peer name t14',
    'link add t15 type veth peer name t16',
  ];
  execFileSync('ip', ['netns', 'add', netns]);
  execFileSync('ip', ['-n', netns, '-batch', '-'], { input: `${script.join('\n')}\n` });
  const links = JSON.parse(execFileSync('ip', ['-n', netns, '-j', 'link', 'show'], { encoding: 'utf8' })) as {
    ifindex: number;
    ifname: string;
  }[];
  return Array.from({ length: 16 }, (_, i) => links.find((l) => l.ifname === `t${i + 1}`)!.ifindex);
}

/** Loads `objectFile` and fills it with the standard world. */
export function openDatapath(objectFile: string = object): Datapath {
  const name = `hd-dp-${randomBytes(4).toString('hex')}`;
  const dir = `${tmpdir()}/${name}`;
  const undo: (() => void)[] = [];
  const clean = () => {
    for (const step of undo.splice(0).reverse()) step();
  };
  try {
    undo.push(() => execFileSync('ip', ['netns', 'del', name]));
    const devices = makeDevices(name);
    const ns = openNetns(`/run/netns/${name}`);
    undo.push(() => ns[Symbol.dispose]());
    mkdirSync(dir);
    undo.push(() => rmSync(dir, { recursive: true }));
    ensureBpffs(dir);
    undo.push(() => execFileSync('umount', [dir]));
    const bpf = openBpf({ object: objectFile, pinDir: `${dir}/pins` });
    undo.push(() => bpf[Symbol.dispose]());
    const world = withPlaces(standardWorld(devices), devices.slice(9));
    const datapath = ofObject(bpf, world, devices[4]!, (fn) => inNetns(ns, fn), clean);
    datapath.fill(datapath.world);
    return datapath;
  } catch (e) {
    clean();
    throw e;
  }
}

function ofObject(
  bpf: BpfObject,
  world: World,
  strayIfindex: number,
  inside: <T>(fn: () => T) => T,
  clean: () => void,
): Datapath {
  const tallied = (slot: number, reason: ReasonName): number => {
    const row = bpf.map('tally').lookup(tallyKey.encode({ slot, reason: reasonNumber.get(reason)! }));
    return row ? Number(tallyRow.decode(row).packets) : 0;
  };
  // To look through the map would take longer than most tests.
  const moved = world.ports.filter(({ origin }) => origin !== undefined);
  const places = Array.from({ length: OLDER_FLOWS + 1 }, (_, place) => place);
  const older = moved.flatMap(({ slot }) => places.map((place) => olderKey.encode({ slot, place })));
  return {
    bpf,
    world,
    strayIfindex,
    inside,
    run(program, frame, ctx) {
      for (const key of bpf.map('begun').keys()) bpf.map('begun').delete(key);
      for (const key of older) bpf.map('older').delete(key);
      return bpf.program(program).testRun({ data: frame, ...(ctx ? { ctx } : {}) });
    },
    fill(w) {
      const vtep = join(ip(w.vtep), new Uint8Array(12));
      bpf
        .map('config')
        .update(
          indexKey.encode({ index: 0 }),
          configRow.encode({ self: w.self, vxlan_ifindex: w.vxlanIfindex, vtep, udp_port: w.udpPort, features }),
        );
      for (const [map, key, value] of rowsOf(w)) bpf.map(map).update(key, value);
    },
    tallied,
    tally: () =>
      new Map(
        bpf
          .map('tally')
          .entries()
          .map(([k, v]) => {
            const { slot, reason } = tallyKey.decode(k);
            return [`${slot} ${reasons[reason]!.name}`, Number(tallyRow.decode(v).packets)];
          }),
      ),
    traffic(slot) {
      const rows = bpf
        .map('traffic')
        .lookupPerCpu(indexKey.encode({ index: slot }))
        .map((r) => trafficRow.decode(r));
      const sum = (f: 'tx_packets' | 'tx_bytes' | 'rx_packets' | 'rx_bytes') =>
        rows.reduce((n, r) => n + Number(r[f]), 0);
      return {
        txPackets: sum('tx_packets'),
        txBytes: sum('tx_bytes'),
        rxPackets: sum('rx_packets'),
        rxBytes: sum('rx_bytes'),
      };
    },
    setBuckets(slot, full) {
      for (const map of ['service_rate', 'flood_rate'] as const)
        bpf.map(map).update(indexKey.encode({ index: slot }), bucketRow.encode({ full }));
      for (const key of bpf.map('flood_copies').keys()) bpf.map('flood_copies').delete(key);
    },
    resetCounts() {
      for (const key of bpf.map('tally').keys()) bpf.map('tally').delete(key);
      for (const { slot } of world.ports) bpf.map('traffic').zeroPerCpu(indexKey.encode({ index: slot }));
      bpf.map('traffic').zeroPerCpu(indexKey.encode({ index: 0 }));
    },
    [Symbol.dispose]: clean,
  };
}
export const mapNames = Object.keys(maps);
