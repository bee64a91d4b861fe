import assert from 'node:assert/strict';
import { it } from 'node:test';
import { compileHost } from '../compile/compile-host.ts';
import { limits } from '../model/fields.ts';
import type { PortItem, Report } from '../model/host-state.ts';
import type { Port } from '../model/kinds.ts';
import { openSqlite } from '../store/sqlite.ts';
import type { Connected } from './presence.ts';
import { concernedHosts } from './publisher.ts';
import { openFurnishedApi, openTestApi, type TestApi } from './test-api.ts';
import { assertNoLeak } from './test-claims.ts';

const t = '/v1/tenants/acme';
const mac = '02:00:00:00:00:07';

/** Trunk "vm" and segment "lan", both on h1 in network web; network db beside it; the API in a few words. */
async function openWithTrunk() {
  const api = await openFurnishedApi();
  await api.ok('POST', `${t}/networks`, { name: 'db' });
  await api.ok('POST', `${t}/subnets`, { name: 'db4', network: 'db', cidr: '10.2.0.0/24' });
  const make = (name: string, body: object): Promise<Port> =>
    api.ok('POST', `${t}/ports`, { name, network: 'web', ...body });
  await make('vm', { host: 'h1' });
  await make('lan', { host: 'h1', standby: 'h2', segment: {} });
  return { api, make, [Symbol.asyncDispose]: () => api[Symbol.asyncDispose]() };
}
const idOf = (api: TestApi, host: string): string => api.world.find('host', '-', host)!.record.id;
const names = async (api: TestApi, query: string): Promise<string[]> =>
  (await api.ok('GET', `${t}/ports?${query}`)).items.map((p: Port) => p.name);

it('a port behind another is as that one is, unless its host says that something is wrong with it alone', async () => {
  await using rig = await openWithTrunk();
  const { api, make } = rig;
  const front: Port = await api.ok('GET', `${t}/ports/vm`);
  const sub = await make('sub', { behind: 'vm', vlan: 7 });
  const connected = { hello: {}, applied: -1n, ports: new Map() } as unknown as Connected;
  api.presence.arrive(idOf(api, 'h1'), connected);
  const says = async (id: string, about: Omit<Report['ports'][number], 'id'>) => {
    api.presence.report(idOf(api, 'h1'), connected, { type: 'report', revision: '1', ports: [{ id, ...about }] });
    return ['vm', 'sub'].map(async (name) => (await api.ok('GET', `${t}/ports/${name}`)).status.condition);
  };
  const both = async (...said: Parameters<typeof says>) => Promise.all(await says(...said));
  assert.deepEqual(await both(front.id, { condition: 'up' }), ['up', 'up']);
  assert.deepEqual(await both(sub.id, { condition: 'error', code: 'KERNEL_MAP_FULL' }), ['up', 'error']);
  assert.deepEqual(await both(sub.id, { condition: 'up' }), ['up', 'up']);
  assert.deepEqual(await both(front.id, { condition: 'pending', code: 'NOT_ATTACHED' }), ['pending', 'pending']);
  // Behind one that is wired elsewhere, what was said here is no more.
  await both(sub.id, { condition: 'error', code: 'KERNEL_MAP_FULL' });
  await api.ok('PATCH', `${t}/ports/vm`, { host: null });
  assert.equal(connected.ports.size, 0);
});

it('a segment has a MAC, no address, and learns so many machines as it is told', async () => {
  await using rig = await openWithTrunk();
  const { api, make } = rig;
  const lan: Port = await api.ok('GET', `${t}/ports/lan`);
  assert.deepEqual([lan.addresses, lan.segment], [[], { learn: limits.learned }]);
  assert.match(lan.mac, /^02:/);
  assert.deepEqual((await make('other', { segment: { learn: 0 } })).segment, { learn: 0 });
  const learn = async (segment: object) => (await api.ok('PATCH', `${t}/ports/lan`, { segment })).segment.learn;
  assert.equal(await learn({ learn: 10_000 }), 10_000);
  assert.equal(await learn({ learn: null }), limits.learned);
  for (const port of ['lan', 'vm']) {
    const patch = { segment: port === 'lan' ? null : { learn: 1 } };
    assert.equal((await api.refused('INVALID', 'PATCH', `${t}/ports/${port}`, patch)).field, 'segment');
  }
  await api.refused('INVALID', 'PATCH', `${t}/ports/lan`, { segment: { learn: 10_001 } });
  const body = { network: 'web', segment: {}, addresses: ['10.0.0.9'] };
  assert.equal((await api.refused('INVALID', 'POST', `${t}/ports`, body)).field, 'addresses');
});

it('a machine that was learned on a segment and is told then keeps its port, and is as it is told', async () => {
  await using rig = await openWithTrunk();
  const { api, make } = rig;
  const learned = await make('lan-1', { behind: 'lan', mac, addresses: ['10.0.0.77', 'fd00::77'], ephemeral: true });
  const told = await make('press', { behind: 'lan', mac, addresses: ['10.0.0.78', 'fd00::77'], labels: { hall: '2' } });
  const { id, addresses, ephemeral, labels } = told;
  assert.deepEqual(
    { id, addresses, ephemeral, labels },
    { id: learned.id, addresses: ['10.0.0.78', 'fd00::77'], ephemeral: false, labels: { hall: '2' } },
  );
  await api.refused('NOT_FOUND', 'GET', `${t}/ports/lan-1`);
  const again = { name: 'other', network: 'web', behind: 'lan', mac };
  await api.refused('MAC_TAKEN', 'POST', `${t}/ports`, again);
  await make('lan-2', { behind: 'lan', mac: '02:00:00:00:00:77', addresses: ['10.0.0.77'], ephemeral: true });
  await api.refused('MAC_TAKEN', 'POST', `${t}/ports`, { ...again, behind: 'vm', mac: '02:00:00:00:00:77' });
  await api.refused('ADDRESS_TAKEN', 'POST', `${t}/ports`, {
    ...again,
    mac: '02:00:00:00:00:77',
    addresses: ['10.0.0.78'],
  });
  assert.deepEqual((await make('kept', { behind: 'lan', mac: '02:00:00:00:00:77' })).addresses, ['10.0.0.77']);
  await assertNoLeak(api.store);
});

it('a port behind another is where that one is, on whichever host, and is found there', async () => {
  await using rig = await openWithTrunk();
  const { api, make } = rig;
  await make('sub', { network: 'db', behind: 'vm', vlan: 7 });
  await make('pair', { behind: 'vm' });
  const machine = await make('machine', { behind: 'lan', mac });
  assert.deepEqual([machine.host, machine.standby], [idOf(api, 'h1'), idOf(api, 'h2')]);
  assert.deepEqual(machine.status, { condition: 'unknown', standby: 'unknown' });
  assert.deepEqual(await names(api, 'host=h1'), ['vm', 'lan', 'sub', 'pair', 'machine']);
  assert.deepEqual(await names(api, 'behind=vm'), ['sub', 'pair']);
  await api.ok('PATCH', `${t}/ports/vm`, { host: null });
  const sub: Port = await api.ok('GET', `${t}/ports/sub`);
  assert.deepEqual([sub.host, sub.vlan, sub.status], [undefined, 7, { condition: 'unbound' }]);
  await api.ok('PATCH', `${t}/ports/vm`, { host: 'h2' });
  assert.deepEqual(await names(api, 'host=h2'), ['vm', 'sub', 'pair']);
  await assertNoLeak(api.store);
});

const refusals: readonly [
  what: string,
  code: 'INVALID' | 'PORT_BEHIND' | 'NOT_FOUND',
  body: object,
  says: RegExp | string,
][] = [
  ['a tag without a port in front', 'INVALID', { vlan: 7 }, 'vlan'],
  ['a tag that no frame has', 'INVALID', { behind: 'vm', vlan: 4095 }, 'vlan'],
  ['a host of its own', 'INVALID', { behind: 'vm', host: 'h1' }, 'host'],
  ['a standby of its own', 'INVALID', { behind: 'vm', standby: 'h1' }, 'standby'],
  ['a segment behind another port', 'INVALID', { behind: 'vm', segment: {} }, 'segment'],
  ['nobody to be behind', 'NOT_FOUND', { behind: 'none' }, ''],
  ['a third in the line', 'PORT_BEHIND', { behind: 'sub' }, /itself behind another/],
  ['another network without a tag', 'PORT_BEHIND', { network: 'db', behind: 'vm' }, /needs a VLAN/],
  ['a tag behind a segment', 'PORT_BEHIND', { behind: 'lan', vlan: 7 }, /that of its attachment/],
  ['another network than the segment’s', 'PORT_BEHIND', { network: 'db', behind: 'lan' }, /segment’s network/],
  ['a MAC that the tag has already', 'PORT_BEHIND', { behind: 'vm', vlan: 7, mac }, /port sub has MAC/],
];
for (const [what, code, body, says] of refusals)
  it(`a port behind another is refused ${what}`, async () => {
    await using rig = await openWithTrunk();
    const { api, make } = rig;
    await make('sub', { network: 'db', behind: 'vm', vlan: 7, mac });
    const details = await api.refused(code, 'POST', `${t}/ports`, { name: 'x', network: 'web', ...body });
    if (code === 'INVALID') assert.equal(details.field, says);
    if (says instanceof RegExp) assert.match(String(details.problem), says);
  });

it('a port behind another cannot be bound, moved behind a third or made another tag', async () => {
  await using rig = await openWithTrunk();
  const { api, make } = rig;
  await make('sub', { behind: 'vm', vlan: 7 });
  for (const field of ['host', 'standby'])
    assert.equal((await api.refused('INVALID', 'PATCH', `${t}/ports/sub`, { [field]: 'h2' })).field, field);
  for (const patch of [{ behind: 'lan' }, { vlan: 8 }])
    await api.refused('IMMUTABLE', 'PATCH', `${t}/ports/sub`, patch);
  await api.ok('PATCH', `${t}/ports/sub`, { host: null, standby: null, name: 'renamed' });
});

it('the same MAC may be on two tags of one trunk, and in two networks on two trunks', async () => {
  await using rig = await openWithTrunk();
  const { api, make } = rig;
  await make('vm2', { host: 'h1' });
  await make('a', { network: 'db', behind: 'vm', vlan: 7, mac });
  await make('b', { behind: 'vm', vlan: 8, mac });
  await make('c', { network: 'web', behind: 'vm2' });
  await assertNoLeak(api.store);
});

it('is the same port if it is asked for twice, and another’s if it is behind another', async () => {
  await using rig = await openWithTrunk();
  const { api } = rig;
  const body = { id: '01a1fbe3-73c1-7595-93b3-860e40bdeaf6', network: 'web', behind: 'vm', vlan: 7, mac };
  const first = await api.ok('POST', `${t}/ports`, body);
  assert.deepEqual(await api.ok('POST', `${t}/ports`, body), first);
  for (const other of [{ behind: 'lan' }, { vlan: 8 }])
    await api.refused('ID_TAKEN', 'POST', `${t}/ports`, { ...body, ...other });
});

it('a port goes with what is behind it only for its attachment, and not before the rest is gone', async () => {
  await using rig = await openWithTrunk();
  const { api, make } = rig;
  await make('learned', { behind: 'lan', ephemeral: true });
  await make('server', { behind: 'lan' });
  assert.deepEqual(await api.refused('IN_USE', 'DELETE', `${t}/ports/lan`), {
    kind: 'port',
    name: 'lan',
    by: 'port',
    count: 1,
  });
  await api.ok('DELETE', `${t}/ports/server`);
  await api.ok('DELETE', `${t}/ports/lan`);
  await api.refused('NOT_FOUND', 'GET', `${t}/ports/learned`);
  await assertNoLeak(api.store);
});

it('what is there only for an attachment goes when no host has the port in front any more', async () => {
  await using rig = await openWithTrunk();
  const { api, make } = rig;
  await make('learned', { behind: 'lan', ephemeral: true });
  await make('server', { behind: 'lan' });
  await api.ok('PATCH', `${t}/ports/lan`, { host: 'h2' });
  await api.ok('PATCH', `${t}/ports/lan`, { host: null });
  assert.deepEqual(await names(api, 'behind=lan'), ['learned', 'server'], 'h1 has it still');
  await api.ok('DELETE', '/v1/hosts/h1?gone=true');
  assert.deepEqual(await names(api, 'behind=lan'), ['server']);
  await assertNoLeak(api.store);
  await api.ok('PATCH', `${t}/ports/lan`, { host: 'h2' });
  await make('learned', { behind: 'lan', ephemeral: true });
  await api.ok('PATCH', `${t}/ports/lan`, { host: null });
  assert.deepEqual(await names(api, 'behind=lan'), ['server']);
});

it('with a host that is gone goes what was attached there, unless somebody put a port behind it', async () => {
  await using rig = await openWithTrunk();
  const { api, make } = rig;
  for (const front of ['goes', 'stays']) await make(front, { host: 'h1', ephemeral: true });
  for (const front of ['goes', 'stays']) await make(`${front}-sub`, { behind: front, vlan: 7, ephemeral: true });
  await make('kept', { behind: 'stays', vlan: 8 });
  await api.ok('DELETE', '/v1/hosts/h1?gone=true');
  assert.deepEqual(await names(api, ''), ['vm', 'lan', 'stays', 'kept']);
  assert.equal((await api.ok('GET', `${t}/ports/stays`)).host, undefined);
  await assertNoLeak(api.store);
});

it('only the hosts where it is wired are told what it is behind; all know that the network has a segment', async () => {
  await using rig = await openWithTrunk();
  const { api, make } = rig;
  await api.ok('POST', '/v1/hosts', { name: 'h3', vtep: '198.18.0.3' });
  await make('viewer', { host: 'h3' });
  const learned = await make('learned', { behind: 'lan', ephemeral: true, mac });
  await make('server', { behind: 'lan' });
  await make('sub', { behind: 'vm', vlan: 7, ephemeral: true });
  const seen = (host: string, name: string) => {
    const items = [...compileHost(api.world, idOf(api, host)).values()];
    const { behind, vlan, learned, segment } = items.find((i): i is PortItem => i.kind === 'port' && i.name === name)!;
    return { behind: behind && api.world.port.get(behind)!.record.name, vlan, learned, segment };
  };
  const none = { behind: undefined, vlan: undefined, learned: undefined, segment: undefined };
  for (const host of ['h1', 'h2']) {
    assert.deepEqual(seen(host, 'learned'), { ...none, behind: 'lan', learned: true });
    assert.deepEqual(seen(host, 'server'), { ...none, behind: 'lan' });
  }
  assert.deepEqual(seen('h1', 'sub'), { ...none, behind: 'vm', vlan: 7 });
  for (const name of ['learned', 'server', 'sub']) assert.deepEqual(seen('h3', name), none);
  for (const host of ['h1', 'h2', 'h3'])
    assert.deepEqual(seen(host, 'lan'), { ...none, segment: { learn: limits.learned } });
  const before = api.world.port.get(learned.id)!;
  const all = ['h1', 'h2', 'h3'].map((name) => idOf(api, name)).sort();
  assert.deepEqual([...concernedHosts(api.world, { kind: 'port', before, after: before })].sort(), all);
});

it('a write of the port in front concerns who views the networks of those behind it', async () => {
  await using rig = await openWithTrunk();
  const { api, make } = rig;
  await make('viewer', { network: 'db', host: 'h2' });
  await make('alone', { host: 'h1' });
  const concerned = (name: string) => {
    const port = api.world.find('port', api.world.find('tenant', '-', 'acme')!.record.id, name)!;
    return concernedHosts(api.world, { kind: 'port', before: port, after: port }).has(idOf(api, 'h2'));
  };
  await api.ok('PATCH', `${t}/ports/lan`, { standby: null });
  assert.equal(concerned('vm'), false);
  await make('sub', { network: 'db', behind: 'vm', vlan: 7 });
  assert.equal(concerned('vm'), true);
});

it('a write waits for the hosts that know what goes with it', async () => {
  await using rig = await openWithTrunk();
  const { api, make } = rig;
  await api.ok('POST', '/v1/hosts', { name: 'h3', vtep: '198.18.0.3' });
  await make('viewer', { network: 'db', host: 'h3' });
  await make('sub', { network: 'db', behind: 'vm', vlan: 7, ephemeral: true });
  const late = await api.request('PATCH', `${t}/ports/vm?waitMs=0`, { host: null });
  assert.deepEqual([late.body.code, late.body.details.hosts.toSorted()], ['WAIT_TIMEOUT', ['h1', 'h2', 'h3']]);
  await api.refused('NOT_FOUND', 'GET', `${t}/ports/sub`);
});

it('a machine behind a segment says which addresses it has, also one that its host holds; no other port does', async () => {
  await using rig = await openWithTrunk();
  const { api, make } = rig;
  const { addresses: held } = await api.ok('POST', `${t}/leases`, { network: 'web', host: 'h1', size: 2 });
  await make('machine', { behind: 'lan', mac, addresses: [held[0], '10.0.0.99'] });
  const set = async (addresses: string[]) => (await api.ok('PATCH', `${t}/ports/machine`, { addresses })).addresses;
  const wanted = ['10.0.0.99', held[1], 'fd00::99'];
  assert.deepEqual(await set(wanted), wanted);
  assert.deepEqual((await api.ok('GET', `${t}/leases/web-h1`)).addresses, held.slice(2));
  await assertNoLeak(api.store);
  await make('next', { addresses: [held[0]] });
  for (const [code, ip] of [
    ['ADDRESS_TAKEN', held[0]],
    ['ADDRESS_RESERVED', '10.0.0.1'],
    ['ADDRESS_OUTSIDE', '10.9.0.1'],
    ['INVALID', '10.0.0.99'],
  ] as const)
    await api.refused(code, 'PATCH', `${t}/ports/machine`, { addresses: ['10.0.0.99', ip] });
  assert.deepEqual(await set([]), []);
  await make('sub', { behind: 'vm', vlan: 7 });
  for (const port of ['vm', 'lan', 'sub', 'next'])
    await api.refused('IMMUTABLE', 'PATCH', `${t}/ports/${port}`, { addresses: ['10.0.0.98'] });
  await assertNoLeak(api.store);
});

it('nothing is left behind a port that is deleted while another comes behind it', async () => {
  await using store = await openSqlite(':memory:');
  await using here = await openFurnishedApi({ store });
  await using there = await openTestApi({ store });
  const tenant = here.world.find('tenant', '-', 'acme')!.record.id;
  const outcomes = new Set<string>();
  for (let i = 0; i < 24; i++) {
    const front = await here.ok('POST', `${t}/ports`, { name: `f${i}`, network: 'web', host: 'h1', segment: {} });
    await there.world.reached(here.world.revision);
    const input = { network: 'web', behind: front.id, ephemeral: i % 3 > 0 };
    const results = await Promise.allSettled(
      i % 2
        ? [there.writer.create('port', tenant, input), here.writer.remove('port', tenant, front.id, undefined)]
        : [here.writer.remove('port', tenant, front.id, undefined), there.writer.create('port', tenant, input)],
    );
    outcomes.add(results.map((r) => (r.status === 'fulfilled' ? 'done' : r.reason.code)).join(', '));
    await assertNoLeak(store);
    await here.world.reached(there.world.revision);
    await there.world.reached(here.world.revision);
  }
  assert.deepEqual([...outcomes].sort(), ['done, IN_USE', 'done, NOT_FOUND', 'done, done']);
});

it('two controllers do not give one MAC twice on one tag', async () => {
  await using store = await openSqlite(':memory:');
  await using here = await openFurnishedApi({ store });
  await using there = await openTestApi({ store });
  await here.ok('POST', `${t}/networks`, { name: 'db' });
  await here.ok('POST', `${t}/ports`, { name: 'vm', network: 'web', host: 'h1' });
  await there.world.reached(here.world.revision);
  const made = await Promise.all(
    [here, there].map((api, i) =>
      api.request('POST', `${t}/ports`, { network: ['web', 'db'][i], behind: 'vm', vlan: 7, mac }),
    ),
  );
  assert.deepEqual(made.map((a) => a.body.code ?? a.status).sort(), [201, 'PORT_BEHIND']);
  await assertNoLeak(store);
});
