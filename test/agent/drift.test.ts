/** What somebody else changes in the kernel is put right within 5 s of the kernel's own notification. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { neigh4Key } from '../../src/datapath/layouts.ts';
import { listTcx } from '../../src/kernel/tcx.ts';
import { until } from '../../src/lab/processes.ts';
import { ipBytes, parseIp } from '../../src/model/address.ts';
import { Rig } from './rig.ts';

const rig = await Rig.open();
after(() => rig[Symbol.asyncDispose]());
const [a, b] = [await rig.workload(), await rig.workload()] as const;
const onA = await rig.attach('h1', { target: a.path });
const onB = await rig.attach('h2', { target: b.path });
const ipB = onB.port.addresses[0]!;
await rig.portIs(onB.port.id, 'up');
assert.ok(await a.reaches(ipB, 5));
const withinMs = 5_000;

/** Runs a program on h1 that must succeed. */
async function onHost(...argv: string[]): Promise<string> {
  const { code, stdout, stderr } = await rig.lab.host('h1').exec(argv);
  assert.equal(code, 0, `${argv.join(' ')}: ${stderr}`);
  return stdout;
}
const filters = async (device: string) =>
  (await onHost('tc', 'filter', 'show', 'dev', device, 'ingress')) +
  (await onHost('tc', 'filter', 'show', 'dev', device, 'egress'));
async function again(what: string, probe: () => Promise<boolean> | boolean): Promise<void> {
  await until(what, withinMs, async () => ((await probe()) ? true : undefined));
  assert.ok(await a.reaches(ipB, 5), 'traffic goes on');
}

for (const [where, device, programs] of [
  ['a workload’s device', onA.device, [/heddle:from_port/]],
  ['the underlay device', 'eth0', [/heddle:from_underlay/, /heddle:to_underlay/]],
  ['the VXLAN device', 'hdvx0', [/heddle:from_vxlan/]],
] as const) {
  test(`filters deleted from ${where} come back`, async () => {
    await onHost('tc', 'filter', 'delete', 'dev', device, 'ingress');
    await again('the filter is back', async () => programs[0].test(await filters(device)));
  });
  test(`a clsact qdisc deleted from ${where} comes back with its filters`, async () => {
    await onHost('tc', 'qdisc', 'delete', 'dev', device, 'clsact');
    await again('the filters are back', async () => {
      const text = await filters(device);
      return programs.every((p) => p.test(text));
    });
  });
}

test('what leaves by the underlay device passes by the filters only as long as they are Heddle’s own', async (t) => {
  using nl = rig.netlink('h1');
  const nic = rig.links('h1').find((l) => l.name === 'eth0')!.ifindex;
  const shortCut = () => listTcx(nl, nic, 'egress').map((p) => p.name);
  if (listTcx(nl, nic, 'ingress').length === 0) t.diagnostic('this kernel has no tcx: no short cut');
  const wanted = listTcx(nl, nic, 'ingress').map(() => 'pass_marked');
  assert.deepEqual(shortCut(), wanted);
  await onHost(
    'tc',
    'filter',
    'add',
    'dev',
    'eth0',
    'egress',
    'protocol',
    'all',
    'prio',
    '7',
    'u32',
    'match',
    'u32',
    '0',
    '0',
  );
  await again('the short cut is gone', () => shortCut().length === 0);
  await onHost('tc', 'filter', 'delete', 'dev', 'eth0', 'egress', 'prio', '7');
  await again('the short cut is back', () => isDeepStrictEqual(shortCut(), wanted));
});

test('a deleted VXLAN device comes back, up and marked', async () => {
  await onHost('ip', 'link', 'delete', 'hdvx0');
  await again('the device is back', () =>
    rig.links('h1').some((l) => l.name === 'hdvx0' && l.up && l.alias === 'heddle:vxlan'),
  );
});

test('a VXLAN device that was set down goes up', async () => {
  await onHost('ip', 'link', 'set', 'hdvx0', 'down');
  await again('the device is up', () => rig.links('h1').some((l) => l.name === 'hdvx0' && l.up));
});

test('a workload’s deleted device is made anew, with the same MAC and addresses', async () => {
  const before = a.inside();
  await onHost('ip', 'link', 'delete', onA.device);
  await again('the device is back', () => rig.links('h1').some((l) => l.name === onA.device && l.up));
  assert.equal(a.inside().link('eth0')?.mac, onA.port.mac);
  assert.deepEqual(a.inside().addresses('eth0').sort(), before.addresses('eth0').sort());
  assert.equal((await rig.portIs(onA.port.id, 'up')).status.device, onA.device);
});

test('a workload’s device that was set down goes up', async () => {
  await onHost('ip', 'link', 'set', onA.device, 'down');
  await again('the device is up', () => rig.links('h1').some((l) => l.name === onA.device && l.up));
});

test('deleted and foreign rows are put right by the next look at everything', async () => {
  using neigh4 = rig.map('h1', 'neigh4');
  const { vni } = await rig.client.get('network', 'web', { tenant: rig.tenant });
  const key = neigh4Key.encode({ vni, ip: ipBytes(parseIp(ipB)) });
  const foreign = neigh4Key.encode({ vni: 0xff_ffff, ip: ipBytes(parseIp('192.0.2.9')) });
  const row = neigh4.lookup(key);
  assert.ok(row);
  neigh4.update(foreign, row);
  assert.ok(neigh4.delete(key));
  // Rows have no notification; a deleted filter has one, and makes the agent look at everything.
  await onHost('tc', 'filter', 'delete', 'dev', 'hdvx0', 'ingress');
  await again('the rows are right', () => neigh4.lookup(foreign) === undefined && neigh4.lookup(key) !== undefined);
  assert.deepEqual(neigh4.lookup(key), row);
});
