/** Physical segments with machines that are known: reached and reaching, and a NIC that is left as it was. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { must } from '../../src/lab/run.ts';
import { hasCode } from '../../src/model/errors.ts';
import type { Attached } from '../../src/model/local-api.ts';
import { Rig } from '../agent/rig.ts';
import type { Workload } from '../agent/workload.ts';
import { project } from '../cli/heddle.ts';
import { transfer } from '../traffic/bulk.ts';
import type { Stage, Station } from '../traffic/stage.ts';
import { untilEqual } from '../until-equal.ts';
import { Lan, macOf, nic } from './lan.ts';

const [vlan, other] = [120, 130];
let rig: Rig;
let lan: Lan;
let near: Workload;
let far: Workload;
let workloads: { near: Attached; far: Attached };
let machine: Workload;
let nicBefore: object;
const machineIps = ['10.0.0.201', 'fd00:1::201'];

before(async () => {
  rig = await Rig.open();
  lan = await Lan.open(rig.lab, () => rig.workload());
  nicBefore = await lan.nicOf('h1');
  [near, far] = [await rig.workload(), await rig.workload()];
  workloads = {
    near: await rig.attach('h1', { target: near.path }),
    far: await rig.attach('h2', { target: far.path }),
  };
  machine = await lan.machine({ vlan, addresses: ['10.0.0.201/24', 'fd00:1::201/64'], via: ['10.0.0.1'] });
  await rig.attach('h1', { kind: 'device', ifname: nic, vlan, port: 'plant', learn: 0 });
  const body = { name: 'plc', network: 'web', behind: 'plant', mac: macOf(machine), addresses: machineIps };
  await rig.client.create('port', body, { tenant: rig.tenant, waitMs: 20_000 });
});
after(() => rig?.[Symbol.asyncDispose]());

test('the segment and the machine behind it are up, where the NIC is', async () => {
  const [plant, plc] = [await rig.portIs('plant', 'up'), await rig.portIs('plc', 'up')];
  assert.equal(plc.host, plant.host);
  assert.deepEqual([plant.addresses, plant.status.device, plant.segment], [[], nic, { learn: 0 }]);
  assert.match(JSON.stringify(await lan.nicOf('h1')), /heddle:from_segment/);
});

test('a machine reaches workloads of both hosts, and they reach it', async () => {
  for (const { port } of [workloads.near, workloads.far])
    for (const ip of port.addresses) assert.ok(await machine.reaches(ip, 10), `the machine to ${ip}`);
  for (const from of [near, far])
    for (const ip of machineIps) assert.ok(await from.reaches(ip, 10), `${from.name} to ${ip}`);
});

test('a machine has what every workload has of its host: its address by DHCP, and its metadata', async () => {
  const asked = await machine.exec(['busybox', 'udhcpc', '-i', 'eth0', '-f', '-n', '-q', '-t', '5', '-s', '/bin/true']);
  assert.match(asked.stdout + asked.stderr, /lease of 10\.0\.0\.201 obtained/);
  const name = await machine.exec([
    'curl',
    '-sS',
    '-m',
    '10',
    'http://169.254.169.254/latest/meta-data/local-hostname',
  ]);
  assert.equal(name.stdout, 'plc', name.stderr);
});

test('bulk TCP goes both ways, though the machine sends larger packets than the overlay takes', async () => {
  const at = ({ name, path }: Workload) => ({ workload: name, netns: path }) as Station;
  const lab = { lab: rig.lab } as Stage;
  for (const [i, ip] of machineIps.entries()) {
    await transfer(lab, at(far), at(machine), ip, 4 << 20);
    await transfer(lab, at(machine), at(far), workloads.far.port.addresses[i]!, 4 << 20);
  }
  const { code, stdout, stderr } = await machine.exec([
    'ping',
    '-n',
    '-c',
    '3',
    '-i',
    '0.2',
    '-M',
    'do',
    '-s',
    '1472',
    workloads.far.port.addresses[0]!,
  ]);
  assert.notEqual(code, 0);
  assert.match(stdout + stderr, /mtu ?= ?1450/i);
});

test('the host itself, on the network, reaches the machine and is reached', async () => {
  const { port, ifname } = await rig.attach('h2', { kind: 'host' });
  try {
    for (const ip of machineIps)
      assert.equal((await rig.lab.host('h2').exec(['ping', '-n', '-c', '1', '-w', '5', '-I', ifname, ip])).code, 0, ip);
    for (const ip of port.addresses) assert.ok(await machine.reaches(ip, 5), ip);
  } finally {
    await rig.detach('h2', port.id);
  }
});

test('the other VLANs of the NIC and what the host does there itself stay as they are', async () => {
  const onHost = (...argv: string[]) => rig.lab.host('h1').exec(argv);
  await onHost('ip', 'address', 'add', '192.168.9.1/24', 'dev', nic);
  const untagged = await lan.machine({ vlan: 0, addresses: ['192.168.9.2/24'] });
  const tagged = await lan.machine({ vlan: other, addresses: ['10.0.0.202/24'] });
  assert.ok(await untagged.reaches('192.168.9.1'));
  assert.equal(await tagged.reaches(workloads.near.port.addresses[0]!, 1), false, 'of another VLAN');
  const refused = (body: object, text: RegExp) =>
    assert.rejects(
      rig.attach('h1', { kind: 'device', ifname: nic, port: 'more', ...body }),
      (e) => hasCode(e, 'INVALID') && text.test(e.message),
    );
  await refused({}, /192\.168\.9\.1/);
  await refused({ ifname: 'eth0' }, /address/);
  await refused({ vlan: 140, port: 'plc' }, /no segment/);
  await refused({ vlan: 140, addresses: ['10.0.0.77'] }, /has none/);
  await assert.rejects(rig.attach('h1', { kind: 'device', ifname: nic, vlan, port: 'more' }), (e) =>
    hasCode(e, 'ATTACHMENT_CONFLICT'),
  );
  await assert.rejects(rig.attach('h1', { kind: 'device', ifname: 'eth7', port: 'more' }), (e) =>
    hasCode(e, 'NOT_FOUND'),
  );
  await onHost('ip', 'address', 'del', '192.168.9.1/24', 'dev', nic);
});

test('a VLAN of the underlay’s own NIC can be a segment, and the underlay stays what it is', async () => {
  const filters = () => must(rig.lab.host('h1').argv(['tc', 'filter', 'show', 'dev', 'eth0', 'ingress']));
  const alone = await filters();
  const { port } = await rig.attach('h1', { kind: 'device', ifname: 'eth0', vlan, network: 'four', port: 'beside' });
  assert.match(await filters(), /heddle:from_segment.*heddle:from_underlay/s);
  assert.ok(await near.reaches(workloads.far.port.addresses[0]!, 5), 'over the underlay');
  await rig.detach('h1', port.id);
  assert.equal(await filters(), alone);
  assert.ok(await near.reaches(workloads.far.port.addresses[0]!, 5));
});

test('heddle status names a segment whose NIC has no carrier', async () => {
  /** Whether it is named: on the host itself by its agent, on another one by the controller, which has asked. */
  const isTold = async (host: string) => {
    const { stdout } = await rig.lab.host(host).exec([`${project}/heddle`, 'status']);
    return /^error +host h1: segment: plant: the NIC has no carrier$/m.test(stdout);
  };
  for (const cable of ['down', 'up'] as const) {
    await lan.cable('h1', cable);
    for (const host of ['h1', 'h2']) await untilEqual(cable === 'down', 10_000, () => isTold(host));
  }
  for (const ip of machineIps) assert.ok(await far.reaches(ip, 5));
});

test('an agent that is killed and comes back finds its segment, whose traffic went on', async () => {
  await rig.lab.kill('h1');
  for (const ip of machineIps) assert.ok(await far.reaches(ip, 5), 'without an agent');
  await rig.lab.start('h1');
  await rig.lab.ready('h1');
  for (const ip of machineIps) assert.ok(await far.reaches(ip, 5), 'with a new one');
});

test('of two VLANs on a NIC one is detached, and the other stays; with the last the NIC is what it was', async () => {
  const second = await rig.attach('h1', { kind: 'device', ifname: nic, vlan: other, network: 'four', port: 'hall' });
  await rig.detach('h1', second.port.id);
  assert.ok(await far.reaches(machineIps[0]!, 5));
  const plant = await rig.port('plant');
  await rig.detach('h1', plant.id);
  assert.deepEqual(await lan.nicOf('h1'), nicBefore);
  assert.equal(await far.reaches(machineIps[0]!, 1), false);
  // The machine behind it is somebody's: the segment's port stays for it.
  await rig.portIs('plc', 'unbound');
});
