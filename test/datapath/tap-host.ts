/** A host in a namespace of its own, with taps whose other ends the test holds, and the datapath attached to them. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { configRow, indexKey, tallyKey, tallyRow } from '../../src/datapath/layouts.ts';
import { reasons } from '../../src/datapath/reasons.ts';
import { type BpfObject, ensureBpffs, openBpf } from '../../src/kernel/bpf.ts';
import { inNetns, openNetns } from '../../src/kernel/netns.ts';
import { ip, join } from './frames.ts';
import { object, type ProgramName } from './harness.ts';
import { openWire, type Wire } from './wires.ts';
import { rowsOf, type World } from './world.ts';

/** A tap, by what sees what comes from it, and what goes there. `cuts`: that is to be cut and summed before. */
export interface TapUse {
  readonly program?: ProgramName;
  readonly egress?: ProgramName;
  readonly cuts?: boolean;
}
export interface TapHost<N extends string> extends Disposable {
  readonly bpf: BpfObject;
  readonly wires: Readonly<Record<N, Wire>>;
  /** Counts by "slot reason". */
  tally(): Record<string, number>;
  /** No counts, nothing on the wires. */
  reset(): void;
}

/**
 * `nic` must be among the taps: 192.0.2.1, with the neighbours 192.0.2.2 and 192.0.2.3. The VXLAN device is `vx`. Disposing
 * leaves nothing.
 */
export function openTapHost<N extends string>(
  uses: Readonly<Record<N, TapUse>>,
  worldOf: (ifindexOf: (dev: N | 'vx') => number) => World,
): TapHost<N> {
  using undo = new DisposableStack();
  const name = `hd-th-${randomBytes(4).toString('hex')}`;
  execFileSync('ip', ['netns', 'add', name]);
  undo.defer(() => void execFileSync('ip', ['netns', 'del', name]));
  const ns = undo.use(openNetns(`/run/netns/${name}`));
  const taps = Object.keys(uses) as N[];
  const wires = inNetns(ns, () => {
    const made = taps.map((n) => [n, undo.use(openWire(n, { cuts: uses[n].cuts ?? false }))]);
    return Object.fromEntries(made) as Record<N, Wire>;
  });
  setUp(
    name,
    taps,
    taps.filter((n) => !uses[n].program),
  );
  const dir = `${tmpdir()}/${name}`;
  mkdirSync(dir);
  undo.defer(() => rmSync(dir, { recursive: true }));
  ensureBpffs(dir);
  undo.defer(() => void execFileSync('umount', [dir]));
  const bpf = undo.use(openBpf({ object, pinDir: `${dir}/pins` }));
  const links = JSON.parse(execFileSync('ip', ['-n', name, '-j', 'link'], { encoding: 'utf8' })) as {
    ifindex: number;
    ifname: string;
  }[];
  fill(
    bpf,
    worldOf((dev) => links.find((l) => l.ifname === dev)!.ifindex),
  );
  const programs = taps.flatMap((n) => [
    [n, 'ingress', uses[n].program] as const,
    [n, 'egress', uses[n].egress] as const,
  ]);
  for (const [dev, side, program] of [...programs, ['vx', 'ingress', 'from_vxlan'] as const])
    if (program) attach(name, dev, side, `${dir}/pins/${program}`);
  const all = undo.move();
  return { bpf, wires, ...counts(bpf, Object.values(wires)), [Symbol.dispose]: () => all.dispose() };
}

const inside = (netns: string, command: string, ...args: string[]): void =>
  void execFileSync('nsenter', [`--net=/run/netns/${netns}`, command, ...args]);

/** `bare`: have the NIC's MAC, so that what is for that comes to the host by them, too. */
function setUp(netns: string, taps: readonly string[], bare: readonly string[]): void {
  // Nothing is to be heard but what the datapath sends.
  for (const n of ['default', ...taps]) inside(netns, 'sysctl', '-qw', `net.ipv6.conf.${n}.disable_ipv6=1`);
  for (const n of ['all', ...taps]) inside(netns, 'sysctl', '-qw', `net.ipv4.conf.${n}.rp_filter=0`);
  const script = [
    'link add vx mtu 65485 type vxlan external dstport 4789 nolearning',
    ...['nic', ...bare].map((n) => `link set ${n} address 02:00:00:00:01:01`),
    'addr add 192.0.2.1/24 dev nic',
    ...[...taps, 'vx'].map((n) => `link set ${n} up`),
    ...[2, 3].map((n) => `neigh add 192.0.2.${n} lladdr 02:00:00:00:01:0${n} dev nic`),
  ];
  execFileSync('ip', ['-n', netns, '-batch', '-'], { input: `${script.join('\n')}\n` });
}

function attach(netns: string, dev: string, side: string, pin: string): void {
  inside(netns, 'tc', 'qdisc', 'replace', 'dev', dev, 'clsact');
  inside(netns, 'tc', 'filter', 'add', 'dev', dev, side, 'bpf', 'da', 'object-pinned', pin);
}

function fill(bpf: BpfObject, world: World): void {
  const vtep = join(ip(world.vtep), new Uint8Array(12));
  const config = { self: world.self, vxlan_ifindex: world.vxlanIfindex, vtep, udp_port: world.udpPort, features: 0 };
  bpf.map('config').update(indexKey.encode({ index: 0 }), configRow.encode(config));
  for (const [map, key, value] of rowsOf(world)) bpf.map(map).update(key, value);
}

const counts = (bpf: BpfObject, wires: readonly Wire[]): Pick<TapHost<never>, 'tally' | 'reset'> => ({
  tally() {
    const rows = [...bpf.map('tally').entries()].map(([key, value]): [string, number] => {
      const { slot, reason } = tallyKey.decode(key);
      return [`${slot} ${reasons[reason]!.name}`, Number(tallyRow.decode(value).packets)];
    });
    return Object.fromEntries(rows);
  },
  reset() {
    for (const key of bpf.map('tally').keys()) bpf.map('tally').delete(key);
    for (const wire of wires) wire.sent();
  },
});
