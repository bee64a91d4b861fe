/** A new pair comes up with its programs on it and IPv6 off, and not before; while they are, the kernel is not asked again. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { ServerNamespaces } from '../../src/agent/server-namespaces.ts';
import { WorkloadDevices } from '../../src/agent/workload-devices.ts';
import { type DeviceWant, deviceName } from '../../src/agent/workload-end.ts';
import { type BpfProgram, ensureBpffs, openBpf } from '../../src/kernel/bpf.ts';
import { linkByName, linkDelete } from '../../src/kernel/link.ts';
import type { Netlink } from '../../src/kernel/netlink.ts';
import { inNetns, lastingIdentity } from '../../src/kernel/netns.ts';
import { sysctlRead } from '../../src/kernel/sysctl.ts';
import { listFilters } from '../../src/kernel/tc.ts';
import { newId, type PortId } from '../../src/model/ids.ts';
import { scratchNetns } from '../kernel/fixture.ts';

const object = fileURLToPath(new URL('../../build/heddle.bpf.o', import.meta.url));

/** A host and a workload. `meddling`: what another agent has `tc` do when the device has just been made. */
function world(meddling: (device: string, pins: string) => string[] = () => []) {
  using undo = new DisposableStack();
  const host = undo.use(scratchNetns());
  const workload = undo.use(scratchNetns());
  const dir = mkdtempSync(join(tmpdir(), 'hdk-'));
  undo.defer(() => rmSync(dir, { recursive: true }));
  ensureBpffs(dir);
  undo.defer(() => execFileSync('umount', ['--lazy', dir]));
  const bpf = undo.use(openBpf({ object, pinDir: join(dir, 'pins') }));
  const id = newId<PortId>() as PortId;
  const name = deviceName(id);
  /** After each call of the kernel in which there was the device: whether it was up, whether the program was on it, and IPv6 off. */
  const seen: { up: boolean; guarded: boolean; silent: boolean }[] = [];
  const tc = (line: string) =>
    execFileSync('nsenter', [`--net=${host.path}`, 'tc', ...line.split(' ')], { stdio: 'pipe' });
  const look = (): void => {
    const link = linkByName(host.nl, name);
    if (!link) return;
    const filters = listFilters(host.nl, link.ifindex, 'ingress');
    const silent = sysctlRead(host.ns, ['ipv6', 'conf', name, 'disable_ipv6']) === '1';
    seen.push({ up: link.up, guarded: filters.some((f) => f.name === 'heddle:from_port'), silent });
    if (seen.length > 1) return;
    for (const line of meddling(name, join(dir, 'pins'))) tc(line);
  };
  let asked = 0;
  const nl: Netlink = {
    ...host.nl,
    request(...question) {
      asked++;
      return host.nl.request(...question);
    },
    batch(requests) {
      asked++;
      try {
        return host.nl.batch(requests);
      } finally {
        look();
      }
    },
  };
  const open = (from: BpfProgram = bpf.program('from_port')) =>
    new WorkloadDevices({
      nl,
      programs: { from, toHost: bpf.program('to_host'), fromSegment: bpf.program('from_segment') },
      resetCounters() {},
      recorded: () => [],
      underlay: () => [],
      servers: new ServerNamespaces(),
      log: pino({ enabled: false }),
    });
  const target = { path: workload.path, identity: lastingIdentity(workload.ns) };
  const want = {
    port: { id, mac: '02:00:00:00:00:01', addresses: [] },
    network: { subnets: [] },
    attachment: { kind: 'netns', port: id, target, ifname: 'eth0' },
    mtuBytes: 1_450,
  } as unknown as DeviceWant;
  const all = undo.move();
  return {
    bpf,
    seen,
    open,
    want,
    /** How often rtnetlink is asked by what is done on the host. */
    asks(work: () => unknown): number {
      const before = asked;
      inNetns(host.ns, work);
      return asked - before;
    },
    ensure: (from?: BpfProgram) => void open(from).ensure(want),
    tc,
    host,
    device: () => linkByName(host.nl, name),
    [Symbol.dispose]: () => all.dispose(),
  };
}

test('a pair comes up when its program is on it, and never if that is refused', () => {
  using w = world();
  const { name, id } = w.bpf.program('from_port');
  assert.throws(() => w.ensure({ name, id, fd: 9_999 } as BpfProgram), { code: 'KERNEL' });
  assert.ok(w.seen.length > 1);
  assert.ok(w.seen.every(({ up }) => !up));
  assert.equal(w.device(), undefined);
  w.seen.length = 0;
  w.ensure();
  assert.ok(w.seen.every(({ up, guarded, silent }) => (guarded && silent) || !up));
  assert.ok(w.device()?.up);
});

test('another agent that is faster on a new device is no obstacle', () => {
  using w = world((device) => [`qdisc add dev ${device} clsact`]);
  w.ensure();
  assert.ok(w.device()?.up);
  assert.ok(w.seen.at(-1)!.guarded);
  assert.ok(w.seen.every(({ up, guarded, silent }) => (guarded && silent) || !up));
});

test('nor is its filter replaced: where it has our place the device is refused', () => {
  using w = world((device, pins) => [
    `qdisc add dev ${device} clsact`,
    `filter add dev ${device} ingress prio 1 handle 1 bpf da pinned ${join(pins, 'to_host')}`,
  ]);
  assert.throws(() => w.ensure(), /taken by filter/);
  assert.ok(w.seen.every(({ up, guarded }) => !up && !guarded));
  assert.equal(w.device(), undefined);
});

test('one that is whole is asked about no more, until the kernel is read again or it is gone', () => {
  using w = world();
  const devices = w.open();
  const ensure = () => devices.ensure(w.want);
  assert.ok(w.asks(ensure) > 0);
  assert.equal(w.asks(ensure), 0);
  const filters = () => listFilters(w.host.nl, w.device()!.ifindex, 'ingress').map(({ name }) => name);
  w.tc(`qdisc del dev ${w.device()!.name} clsact`);
  assert.deepEqual(filters(), []);
  // As upkeep has it done when the kernel tells of that.
  w.asks(() => devices.scan(new Map()));
  assert.ok(w.asks(ensure) > 0);
  assert.deepEqual(filters(), ['heddle:from_port']);
  assert.equal(w.asks(ensure), 0);
  const { ifindex } = w.device()!;
  linkDelete(w.host.nl, ifindex);
  w.asks(ensure);
  assert.notEqual(w.device()?.ifindex, ifindex);
  assert.deepEqual(filters(), ['heddle:from_port']);
});
