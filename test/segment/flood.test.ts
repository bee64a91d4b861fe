/** A network with a physical segment: a silent machine is found, and what is said to everybody is heard by everybody in it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '../../src/lab/processes.ts';
import type { PortCounters } from '../../src/model/host-state.ts';
import type { Attached } from '../../src/model/local-api.ts';
import { Rig } from '../agent/rig.ts';
import type { Workload } from '../agent/workload.ts';
import { eth, ip4, mac, udp } from '../datapath/frames.ts';
import { contains, openPackets, type Packets } from '../traffic/packets.ts';
import { Lan, macOf, nic } from './lan.ts';

const vlan = 120;
const everybody = 'ff:ff:ff:ff:ff:ff';
/** Whoever takes part, with its first address, and what it hears. */
interface Member {
  readonly name: string;
  readonly mac: string;
  readonly ip: string;
  readonly packets: Packets;
}
let rig: Rig;
let lan: Lan;
let workloads: { near: Workload; far: Workload };
let machine: Workload;
let members: Member[];
const machineIps = ['10.0.0.201', 'fd00:1::201'];

before(async () => {
  rig = await Rig.open();
  lan = await Lan.open(rig.lab, () => rig.workload());
  const attach = async (host: string, network: string): Promise<[Workload, Attached]> => {
    const workload = await rig.workload();
    return [workload, await rig.attach(host, { target: workload.path, network })];
  };
  const [near, far] = [await attach('h1', 'web'), await attach('h2', 'web')];
  const strangers = [await attach('h1', 'four'), await attach('h2', 'four')];
  workloads = { near: near[0], far: far[0] };
  await rig.attach('h1', { kind: 'device', ifname: nic, vlan, port: 'plant' });
  machine = await lan.machine({ vlan, addresses: ['10.0.0.201/24', 'fd00:1::201/64'] });
  const member = (name: string, { path }: Workload, address: string, ip: string): Member => ({
    ...{ name, mac: address, ip },
    packets: openPackets(path, 'eth0'),
  });
  members = [
    ...[near, far].map(([w, { port }], i) => member(['near', 'far'][i]!, w, port.mac, port.addresses[0]!)),
    ...strangers.map(([w, { port }], i) => member(`stranger ${i}`, w, port.mac, port.addresses[0]!)),
    member('machine', machine, macOf(machine), machineIps[0]!),
  ];
});
after(async () => {
  for (const { packets } of members ?? []) packets[Symbol.dispose]();
  await rig?.[Symbol.asyncDispose]();
});

const floods = async (port: string): Promise<number> => {
  const { counters } = (await rig.client.get('port', port, { tenant: rig.tenant, counters: true })) as unknown as {
    counters: PortCounters;
  };
  return Number(counters.reasons.flooded ?? 0);
};

test('the first question for a silent machine reaches it, from another host too, and its answer makes it known', async () => {
  for (const ip of machineIps) {
    assert.ok(await workloads.far.reaches(ip, 20), `far to ${ip}`);
    assert.ok(await workloads.near.reaches(ip, 20), `near to ${ip}`);
  }
  const known = await until('it is a port', 20_000, async () => {
    const ports = await rig.client.list('port', { tenant: rig.tenant });
    const port = ports.find((p) => p.mac === macOf(machine));
    return machineIps.every((ip) => port?.addresses.includes(ip)) ? port : undefined;
  });
  assert.equal(known.behind, (await rig.port('plant')).id);
});

test('who is known is asked for no more: the answer is the host’s', async () => {
  const far = (await rig.client.list('port', { tenant: rig.tenant })).find((p) => p.mac === members[1]!.mac)!;
  const before = await floods(far.name);
  workloads.far.forgetNeighbours();
  assert.ok(await workloads.far.reaches(machineIps[0]!, 5));
  assert.equal(await floods(far.name), before);
});

const said = (from: Member, group: string, dst: string, words: string): Uint8Array =>
  eth(mac(group), mac(from.mac), 0x800, ip4({ src: from.ip, dst }, udp(4242, 4243, Buffer.from(words))));
let round = 0;

/** These hear one frame, each once, and nobody else: all has come when they have it, and a later frame is everywhere where it can be. */
async function heardBy(from: Member, group: string, dst: string, names: readonly string[]): Promise<void> {
  const [words, last] = [`heddle-words-${++round}`, `heddle-last-${round}`];
  const heard = new Map(members.map((m) => [m.name, [] as Uint8Array[]]));
  from.packets.send(said(from, group, dst, words));
  const others = members.filter(
    (m) => m !== from && m.name.startsWith('stranger') === from.name.startsWith('stranger'),
  );
  for (const to of others) from.packets.send(said(from, to.mac, to.ip, last));
  await until(`${last} is everywhere`, 20_000, async () => {
    for (const { name, packets } of members) heard.get(name)!.push(...packets.received());
    const has = (name: string, text: string) => heard.get(name)!.some((f) => contains(f, text));
    return others.every(({ name }) => has(name, last)) && names.every((name) => has(name, words)) ? true : undefined;
  });
  const got = members.flatMap(({ name }) =>
    heard
      .get(name)!
      .filter((f) => contains(f, words))
      .map(() => name),
  );
  assert.deepEqual(got, names);
}

for (const [kind, group, dst] of [
  ['a broadcast', everybody, '255.255.255.255'],
  ['a multicast', '01:00:5e:00:00:fb', '224.0.0.251'],
] as const)
  test(`${kind} of each is heard once by each other in the network, and by nobody else`, async () => {
    const [near, far, , , its] = members;
    await heardBy(near!, group, dst, ['far', 'machine']);
    await heardBy(far!, group, dst, ['near', 'machine']);
    await heardBy(its!, group, dst, ['near', 'far']);
  });

test('in a network without a segment nobody hears what is said to everybody', async () => {
  const [, , first, second] = members;
  await heardBy(first!, everybody, '255.255.255.255', []);
  await heardBy(second!, everybody, '255.255.255.255', []);
});

test('an agent that is killed and comes back keeps the list', async () => {
  await rig.lab.kill('h1');
  await heardBy(members[1]!, everybody, '255.255.255.255', ['near', 'machine']);
  await rig.lab.start('h1');
  await rig.lab.ready('h1');
  await rig.inSync('h1');
  await heardBy(members[1]!, everybody, '255.255.255.255', ['near', 'machine']);
});

test('without its segment the network has no list any more', async () => {
  await rig.detach('h1', (await rig.port('plant')).id);
  const rows = () =>
    ['h1', 'h2'].reduce((n, host) => {
      using map = rig.map(host, 'flood');
      return n + [...map.keys()].length;
    }, 0);
  await until('no host has a list', 20_000, async () => (rows() === 0 ? true : undefined));
});
