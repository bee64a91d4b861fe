/** Machines that say nothing: asked for, ports before their address is given away, reached by routers, and gone with age. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { workloadNetns } from '../../src/lab/plan.ts';
import { until } from '../../src/lab/processes.ts';
import { ipBatch, must } from '../../src/lab/run.ts';
import type { Port } from '../../src/model/kinds.ts';
import type { Attached } from '../../src/model/local-api.ts';
import { Rig } from '../agent/rig.ts';
import type { Workload } from '../agent/workload.ts';
import { Lan, macOf, nic } from './lan.ts';

const vlan = 7;
const ageSeconds = 10;
/** Of the lowest addresses of the pool: the other host holds it when the segment comes. */
const given = ['10.0.0.9', 'fd00:1::9'];
let rig: Rig;
let lan: Lan;
let near: Attached;
let silent: Workload;
let thief: Workload;

before(async () => {
  rig = await Rig.open();
  lan = await Lan.open(rig.lab, () => rig.workload());
  near = await rig.attach('h2', { target: (await rig.workload()).path });
  silent = await lan.machine({ vlan, addresses: [`${given[0]}/24`, `${given[1]}/64`], via: ['10.0.0.1', 'fd00:1::1'] });
  thief = await lan.machine({ vlan, addresses: [`${near.port.addresses[0]}/24`] });
});
after(() => rig?.[Symbol.asyncDispose]());

const learned = () => rig.client.list('port', { tenant: rig.tenant, behind: 'plant' });
const addressesOf = (machine: Workload, all: readonly Port[]) =>
  all.find(({ mac }) => mac === macOf(machine))?.addresses.toSorted();
const held = async (): Promise<string[]> =>
  (await rig.client.list('lease', { tenant: rig.tenant })).flatMap(({ addresses }) => addresses);

test('when a segment is attached, machines that never spoke have their addresses, which no host holds any more', async () => {
  for (const ip of given) assert.ok((await held()).includes(ip), `a host held ${ip}`);
  await rig.attach('h1', { kind: 'device', ifname: nic, vlan, port: 'plant', ageSeconds });
  assert.deepEqual(addressesOf(silent, await learned()), given);
  for (const ip of given) assert.ok(!(await held()).includes(ip), `no host holds ${ip}`);
});

test('a machine with the address of a port does not become one, and port and segment say so', async () => {
  const contested = await until(
    'the port says so',
    10_000,
    async () => (await rig.port(near.port.name)).status.contested,
  );
  const segment = await rig.port('plant');
  assert.deepEqual(contested, [{ address: near.port.addresses[0], mac: macOf(thief), segment: segment.id }]);
  assert.equal(segment.status.condition, 'up');
  assert.match(
    segment.status.message!,
    new RegExp(`${near.port.addresses[0]} of ${near.port.name} \\(${macOf(thief)}\\)`),
  );
  assert.equal(addressesOf(thief, await learned()), undefined);
});

test('a port that comes with an address that a machine has is told of it', async () => {
  // It may learn no more: so nobody keeps the machine's address for it.
  await rig.client.update('port', 'plant', { segment: { learn: 1 } }, { tenant: rig.tenant, waitMs: 20_000 });
  const unknown = await lan.machine({ vlan, addresses: ['10.0.0.60/24', 'fd00:1::60/64'] });
  const { port } = await rig.attach('h2', {
    target: (await rig.workload()).path,
    addresses: ['10.0.0.60', 'fd00:1::60'],
  });
  await until('both addresses are contested', 10_000, async () => {
    const { contested = [] } = (await rig.port(port.name)).status;
    return contested.length === 2 && contested.every(({ mac }) => mac === macOf(unknown)) ? true : undefined;
  });
  await rig.detach('h2', port.id);
  await rig.client.update('port', 'plant', { segment: { learn: 10 } }, { tenant: rig.tenant, waitMs: 20_000 });
});

test('the machines of a subnet that is added are asked for then', async () => {
  const later = await lan.machine({ vlan, addresses: ['10.9.7.200/16'] });
  const subnet = {
    name: 'wide',
    network: 'web',
    cidr: '10.9.0.0/16',
    pools: [{ first: '10.9.7.0', last: '10.9.8.0' }],
  };
  await rig.client.create('subnet', subnet, { tenant: rig.tenant });
  await until('it is learned', 20_000, async () => addressesOf(later, await learned()));
});

test('a router reaches a machine that nobody in its network has spoken with', async () => {
  const { client, tenant } = rig;
  const far = await rig.workload();
  await rig.attach('h2', { target: far.path, network: 'four' });
  await client.create('router', { name: 'r', subnets: ['web4', 'four4'] }, { tenant, waitMs: 20_000 });
  assert.ok(await far.reaches(given[0]!, 5));
});

test('a machine that is there no more is gone when its age is over, and another stays', async () => {
  const down = ['link set eth0 down'];
  assert.ok(addressesOf(silent, await learned()));
  const other = (await learned()).filter(({ mac }) => mac !== macOf(silent)).map(({ id }) => id);
  await ipBatch(down, workloadNetns(rig.lab.name, silent.name));
  await until('it is gone', (ageSeconds + 20) * 1_000, async () =>
    addressesOf(silent, await learned()) ? undefined : true,
  );
  const left = new Set((await learned()).map(({ id }) => id));
  for (const id of other) assert.ok(left.has(id));
});

test('where the LAN has a router at the gateway’s address, who sends to it goes on doing so, however many are asked for', async () => {
  const gateway = '10.0.0.1';
  const router = await lan.machine({ vlan, addresses: [`${gateway}/24`] });
  const namespace = workloadNetns(rig.lab.name, thief.name);
  const mac = macOf(router);
  await until(
    'it is found',
    60_000,
    async () => (await rig.port('plant')).status.message?.includes(`(${mac})`) || undefined,
  );
  await ipBatch([`neigh replace ${gateway} lladdr ${mac} dev eth0 nud reachable`], namespace);
  const last = await lan.machine({ vlan, addresses: ['10.0.0.250/24'] });
  const subnet = { name: 'later', network: 'web', cidr: '10.10.0.0/24', gateway: '10.10.0.1' };
  await rig.client.create('subnet', subnet, { tenant: rig.tenant });
  await until('all are asked for', 30_000, async () => addressesOf(last, await learned()));
  const neighbour = await must(['ip', '-n', namespace, 'neigh', 'show', gateway]);
  assert.match(neighbour, new RegExp(mac));
});
