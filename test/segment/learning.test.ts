/** Machines that nobody has told of: heard, made ports, kept while they answer, and never at the cost of others. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { workloadNetns } from '../../src/lab/plan.ts';
import { until } from '../../src/lab/processes.ts';
import { ipBatch } from '../../src/lab/run.ts';
import type { Port } from '../../src/model/kinds.ts';
import type { Attached } from '../../src/model/local-api.ts';
import { Rig } from '../agent/rig.ts';
import type { Workload } from '../agent/workload.ts';
import { Lan, macOf, nic } from './lan.ts';

const vlan = 120;
let rig: Rig;
let lan: Lan;
let near: Workload;
let far: Workload;
let there: Attached;
/** Ports that are no machines. */
let others: string[];

before(async () => {
  rig = await Rig.open();
  lan = await Lan.open(rig.lab, () => rig.workload());
  [near, far] = [await rig.workload(), await rig.workload()];
  const here = await rig.attach('h1', { target: near.path });
  others = [here.port.id];
  there = await rig.attach('h2', { target: far.path });
  others.push(there.port.id);
  await rig.attach('h1', { kind: 'device', ifname: nic, vlan, port: 'plant', learn: 3 });
});
after(() => rig?.[Symbol.asyncDispose]());

const learned = () => rig.client.list('port', { tenant: rig.tenant, behind: 'plant' });
const addressesOf = (mac: string, all: readonly Port[]) => all.find((p) => p.mac === mac)?.addresses.toSorted();
/** Resolves when a machine has a port with exactly these addresses. */
const isLearned = (mac: string, addresses: readonly string[]) =>
  until(`${mac} has ${addresses}`, 20_000, async () =>
    JSON.stringify(addressesOf(mac, await learned())) === JSON.stringify([...addresses].sort()) ? true : undefined,
  );
interface SegmentStatus {
  readonly port: string;
  readonly learned: number;
  readonly ignored: Readonly<Record<string, number>>;
}
const status = async (): Promise<SegmentStatus> =>
  ((await rig.status('h1')) as unknown as { segments: SegmentStatus[] }).segments[0]!;
const isIgnored = (why: string, before: number) =>
  until(`something is ignored as ${why}`, 10_000, async () =>
    ((await status()).ignored[why] ?? 0) > before ? true : undefined,
  );
const change = (machine: Workload, ...commands: string[]) =>
  ipBatch(commands, workloadNetns(rig.lab.name, machine.name));
/** A machine that is not known yet is reached at the second or third question for it. */
const reached = (from: Workload, ip: string) =>
  until(`${from.name} reaches ${ip}`, 20_000, async () => ((await from.reaches(ip, 2)) ? true : undefined));
let first: Workload;

test('a machine that speaks becomes a port, with each address that it is heard to have', async () => {
  first = await lan.machine({ vlan, addresses: ['10.0.0.101/24'] });
  await reached(first, there.port.addresses[0]!);
  await isLearned(macOf(first), ['10.0.0.101']);
  const [port] = await learned();
  assert.deepEqual([port?.name, port?.ephemeral], [`plant-${macOf(first).replaceAll(':', '')}`, true]);
  await change(first, 'address add fd00:1::101/64 dev eth0 nodad');
  await reached(first, there.port.addresses[1]!);
  await isLearned(macOf(first), ['10.0.0.101', 'fd00:1::101']);
  for (const ip of ['10.0.0.101', 'fd00:1::101']) assert.ok(await far.reaches(ip, 5), ip);
});

test('a machine that never spoke is found by who looks for it', async () => {
  const silent = await lan.machine({ vlan, addresses: ['10.0.0.102/24', 'fd00:1::102/64'] });
  for (const ip of ['10.0.0.102', 'fd00:1::102']) await reached(far, ip);
  await isLearned(macOf(silent), ['10.0.0.102', 'fd00:1::102']);
});

test('who claims an address of another port, or one that is none of the network’s, does not get it', async () => {
  const thief = await lan.machine({ vlan, addresses: [`${there.port.addresses[0]}/24`] });
  const { taken = 0 } = (await status()).ignored;
  await thief.exec(['ping', '-n', '-c', '1', '-w', '1', '10.0.0.1']);
  await isIgnored('taken', taken);
  const { outside = 0 } = (await status()).ignored;
  await change(thief, `address delete ${there.port.addresses[0]}/24 dev eth0`, 'address add 10.99.0.1/24 dev eth0');
  await thief.exec(['ping', '-n', '-c', '1', '-w', '1', '10.99.0.2']);
  await isIgnored('outside', outside);
  assert.equal(addressesOf(macOf(thief), await learned()), undefined);
  // On the wire itself machines believe whom they hear; beyond it nobody does.
  first.forgetNeighbours();
  for (const from of [first, near]) assert.ok(await from.reaches(there.port.addresses[0]!, 5), from.name);
});

test('there are no more than the segment may learn, until it may learn more', async () => {
  const [third, fourth] = [103, 104].map((n) => lan.machine({ vlan, addresses: [`10.0.0.${n}/24`] }));
  const speak = async (machine: Workload) => machine.reaches(there.port.addresses[0]!, 1);
  await reached(await third!, there.port.addresses[0]!);
  const { limit = 0 } = (await status()).ignored;
  assert.equal(await speak(await fourth!), false);
  await isIgnored('limit', limit);
  await rig.client.update('port', 'plant', { segment: { learn: 10 } }, { tenant: rig.tenant, waitMs: 20_000 });
  await reached(await fourth!, there.port.addresses[0]!);
});

test('an agent that comes back knows whom it has learned', async () => {
  const before = (await learned()).map((p) => p.id).sort();
  await rig.lab.kill('h1');
  assert.ok(await first.reaches(there.port.addresses[0]!, 5), 'without an agent');
  await rig.lab.start('h1');
  await rig.lab.ready('h1');
  assert.equal((await status()).learned, before.length);
  assert.ok(await first.reaches(there.port.addresses[0]!, 5));
  assert.deepEqual((await learned()).map((p) => p.id).sort(), before);
});

test('an address goes to another machine only when the one that has it no longer answers', async () => {
  const heir = await lan.machine({ vlan, addresses: [] });
  const mac = macOf(first);
  await change(heir, 'address add 10.0.0.101/24 dev eth0');
  const claim = () => heir.exec(['ping', '-n', '-c', '1', '-w', '1', '10.0.0.1']);
  const { taken = 0 } = (await status()).ignored;
  await claim();
  await isIgnored('taken', taken);
  // It answers the probes: the address stays its own. When it is gone, so is the address.
  assert.deepEqual(addressesOf(mac, await learned()), ['10.0.0.101', 'fd00:1::101']);
  await change(first, 'address delete 10.0.0.101/24 dev eth0');
  await until('the heir has the address', 30_000, async () => {
    await claim();
    return addressesOf(macOf(heir), await learned())?.includes('10.0.0.101') ? true : undefined;
  });
  await isLearned(mac, ['fd00:1::101']);
  far.forgetNeighbours();
  await reached(far, '10.0.0.101');
});

test('a host that takes the segment over knows those that were learned, and learns on', async () => {
  await rig.attach('h2', { kind: 'device', ifname: nic, vlan, port: 'plant' });
  const before = (await learned()).map((p) => p.id).sort();
  await rig.client.update('port', 'plant', { host: 'h2' }, { tenant: rig.tenant, waitMs: 20_000 });
  for (const from of [near, far]) from.forgetNeighbours();
  await reached(near, 'fd00:1::101');
  await reached(far, '10.0.0.102');
  assert.deepEqual((await learned()).map((p) => p.id).sort(), before);
  const more = await lan.machine({ vlan, addresses: ['10.0.0.105/24'] });
  await reached(more, there.port.addresses[0]!);
  await isLearned(macOf(more), ['10.0.0.105']);
});

test('with the segment go those that were learned', async () => {
  const { id } = await rig.port('plant');
  for (const host of ['h1', 'h2']) await rig.detach(host, id);
  await until('no machine is left', 10_000, async () => {
    const ports = await rig.client.list('port', { tenant: rig.tenant });
    return ports.every((p) => others.includes(p.id)) ? true : undefined;
  });
});
