import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { isTakenNic } from '../../src/agent/segment/nic.ts';
import { ServerNamespaces } from '../../src/agent/server-namespaces.ts';
import { WorkloadDevices } from '../../src/agent/workload-devices.ts';
import type { DeviceWant } from '../../src/agent/workload-end.ts';
import { ensureBpffs, openBpf } from '../../src/kernel/bpf.ts';
import { linkGet } from '../../src/kernel/link.ts';
import { newId, type PortId } from '../../src/model/ids.ts';
import { scratchNetns } from '../kernel/fixture.ts';

const object = fileURLToPath(new URL('../../build/heddle.bpf.o', import.meta.url));

test('a second segment that cannot be made on a NIC leaves it to the first', () => {
  using here = scratchNetns();
  here.ip('link', 'add', 'name', 'nic', 'up', 'type', 'veth', 'peer', 'name', 'far');
  const dir = mkdtempSync(join(tmpdir(), 'hdk-'));
  using undo = new DisposableStack();
  undo.defer(() => rmSync(dir, { recursive: true }));
  ensureBpffs(dir);
  undo.defer(() => execFileSync('umount', ['--lazy', dir]));
  const bpf = undo.use(openBpf({ object, pinDir: join(dir, 'pins') }));
  let fails = false;
  const devices = new WorkloadDevices({
    nl: here.nl,
    programs: {
      from: bpf.program('from_port'),
      toHost: bpf.program('to_host'),
      fromSegment: bpf.program('from_segment'),
    },
    resetCounters: () => {
      if (fails) throw new Error('as if a map were gone');
    },
    recorded: () => [],
    underlay: () => [],
    servers: new ServerNamespaces(),
    log: pino({ enabled: false }),
  });
  const segment = (vlan: number) => {
    const id = newId<PortId>();
    const before = { up: true, promiscuous: false };
    const attachment = { kind: 'device', port: id, ifname: 'nic', vlan, before };
    return { port: { id }, network: {}, attachment, mtuBytes: 1_450 } as unknown as DeviceWant;
  };
  const { ifindex } = linkGet(here.nl, 'nic');
  const isServed = () => [linkGet(here.nl, 'nic').promiscuous, isTakenNic(here.nl, ifindex)];
  const [first, second] = [segment(10), segment(20)];
  fails = true;
  assert.throws(() => devices.ensure(first), /as if/);
  assert.deepEqual(isServed(), [false, false], 'nothing is left of the only one');
  fails = false;
  devices.ensure(first);
  assert.deepEqual(isServed(), [true, true]);
  fails = true;
  assert.throws(() => devices.ensure(second), /as if/);
  assert.deepEqual(isServed(), [true, true]);
  devices.remove(first.port.id as PortId);
  assert.deepEqual(isServed(), [false, false]);
});
