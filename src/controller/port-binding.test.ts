import assert from 'node:assert/strict';
import { it } from 'node:test';
import { compileHost } from '../compile/compile-host.ts';
import { HeddleError } from '../model/errors.ts';
import type { PortItem, Report } from '../model/host-state.ts';
import { type HostId, newId } from '../model/ids.ts';
import type { Port } from '../model/kinds.ts';
import { Departures } from './departures.ts';
import { objectKey } from './keys.ts';
import type { Connected } from './presence.ts';
import { concernedHosts } from './publisher.ts';
import { openFurnishedApi, type TestApi } from './test-api.ts';
import { assertNoLeak } from './test-claims.ts';

const t = '/v1/tenants/acme';
const idOf = (api: TestApi, host: string): string => api.world.find('host', '-', host)!.record.id;
const numberOf = (api: TestApi, host: string): number => api.world.find('host', '-', host)!.record.number;

/** Hosts h1 to h3, and port p on h1 with h2 as its standby. */
async function openWithStandby(): Promise<TestApi> {
  const api = await openFurnishedApi();
  await api.ok('POST', '/v1/hosts', { name: 'h3', vtep: '198.18.0.3' });
  await api.ok('POST', `${t}/ports`, { name: 'p', network: 'web', host: 'h1', standby: 'h2' });
  return api;
}
/** The names of a port's host and standby. */
function wired(api: TestApi, port: Port): (string | undefined)[] {
  return [port.host, port.standby].map((id) => id && api.world.host.get(id)!.record.name);
}

/** From host h1 and standby h2: what is asked, and what then is. */
const moves: readonly [what: string, patch: object, host: string | undefined, standby: string | undefined][] = [
  ['the standby as host swaps the two', { host: 'h2' }, 'h2', 'h1'],
  ['the standby as host, and no standby, moves it', { host: 'h2', standby: null }, 'h2', undefined],
  ['the standby as host, and another standby', { host: 'h2', standby: 'h3' }, 'h2', 'h3'],
  ['said in full the swap is the same', { host: 'h2', standby: 'h1' }, 'h2', 'h1'],
  ['the host again changes nothing', { host: 'h1' }, 'h1', 'h2'],
  ['another standby takes the place of the first', { standby: 'h3' }, 'h1', 'h3'],
  ['no standby any more', { standby: null }, 'h1', undefined],
  ['a host that leaves leaves it to the standby', { host: null }, 'h2', undefined],
  ['neither is left', { host: null, standby: null }, undefined, undefined],
];
for (const [what, patch, host, standby] of moves)
  it(`a port with a standby: ${what}`, async () => {
    await using api = await openWithStandby();
    const port = await api.ok('PATCH', `${t}/ports/p`, patch);
    assert.deepEqual(wired(api, port), [host, standby]);
    await assertNoLeak(api.store);
    await api.ok('DELETE', `${t}/ports/p`);
    for (const name of ['h1', 'h2', 'h3']) await api.ok('DELETE', `/v1/hosts/${name}`);
    await assertNoLeak(api.store);
  });

it('a port is not moved to a host where it is not wired, and has no standby without a host or twice the same', async () => {
  await using api = await openWithStandby();
  assert.deepEqual(await api.refused('PORT_BOUND', 'PATCH', `${t}/ports/p`, { host: 'h3' }), {
    port: 'p',
    host: 'h1',
  });
  await api.refused('PORT_BOUND', 'PATCH', `${t}/ports/p`, { host: 'h3', standby: 'h1' });
  for (const patch of [{ standby: 'h1' }, { host: null, standby: 'h3' }])
    assert.equal((await api.refused('INVALID', 'PATCH', `${t}/ports/p`, patch)).field, 'standby');
  for (const body of [{ standby: 'h1' }, { host: 'h1', standby: 'h1' }])
    assert.equal((await api.refused('INVALID', 'POST', `${t}/ports`, { network: 'web', ...body })).field, 'standby');
  await api.refused('NOT_FOUND', 'PATCH', `${t}/ports/p`, { standby: 'h9' });
  await api.refused('IN_USE', 'DELETE', '/v1/hosts/h2');
});

it('a port is made once with its two hosts, and is another’s if they are others', async () => {
  await using api = await openWithStandby();
  const id = '01a1fbe3-73c1-7595-93b3-860e40bdeaf6';
  const body = { id, network: 'web', host: 'h1', standby: 'h2' };
  const first = await api.ok('POST', `${t}/ports`, body);
  assert.deepEqual(await api.ok('POST', `${t}/ports`, body), first);
  for (const other of [{ standby: 'h3' }, { standby: null }, { host: 'h2', standby: 'h1' }, { segment: {} }])
    await api.refused('ID_TAKEN', 'POST', `${t}/ports`, { ...body, ...other });
});

it('a host that is gone leaves its ports to the other one, also what was made for an attachment', async () => {
  await using api = await openWithStandby();
  await api.ok('POST', `${t}/ports`, { name: 'e', network: 'web', host: 'h2', standby: 'h1', ephemeral: true });
  await api.ok('POST', `${t}/ports`, { name: 'alone', network: 'web', host: 'h1', ephemeral: true });
  await api.ok('DELETE', '/v1/hosts/h1?gone=true');
  for (const name of ['p', 'e'])
    assert.deepEqual(wired(api, await api.ok('GET', `${t}/ports/${name}`)), ['h2', undefined]);
  await api.refused('NOT_FOUND', 'GET', `${t}/ports/alone`);
  await assertNoLeak(api.store);
  await api.ok('DELETE', '/v1/hosts/h2?gone=true');
  await api.refused('NOT_FOUND', 'GET', `${t}/ports/e`);
  assert.deepEqual(wired(api, await api.ok('GET', `${t}/ports/p`)), [undefined, undefined]);
  await assertNoLeak(api.store);
});

it('every host that knows a port is told both its hosts, and both are members of its network', async () => {
  await using api = await openWithStandby();
  await api.ok('POST', `${t}/ports`, { name: 'viewer', network: 'web', host: 'h3' });
  const publish = [{ protocol: 'tcp', port: 80, hostPort: 8080 }];
  await api.ok('PATCH', `${t}/ports/p`, { publish, userData: '#!/bin/sh' });
  const seen = (host: string) => {
    const items = [...compileHost(api.world, idOf(api, host)).values()];
    const port = items.find((i): i is PortItem => i.kind === 'port' && i.name === 'p')!;
    const network = items.find((i) => i.kind === 'network');
    return { on: [port.host, port.standby], told: [port.publish.length, port.userData], member: network?.member };
  };
  const [h1, h2] = [numberOf(api, 'h1'), numberOf(api, 'h2')];
  assert.deepEqual(seen('h1'), { on: [h1, h2], told: [1, '#!/bin/sh'], member: true });
  assert.deepEqual(seen('h2'), { on: [h1, h2], told: [0, undefined], member: true });
  assert.deepEqual(seen('h3'), { on: [h1, h2], told: [0, undefined], member: true });
  await api.ok('PATCH', `${t}/ports/p`, { host: 'h2' });
  // What was published there keeps its connections.
  assert.deepEqual(seen('h1'), { on: [h2, h1], told: [1, undefined], member: true });
  assert.deepEqual(seen('h2'), { on: [h2, h1], told: [1, '#!/bin/sh'], member: true });
});

it('a write of a port concerns both its hosts, also those that it leaves', async () => {
  await using api = await openWithStandby();
  const port = [...api.world.port.values()][0]!;
  const [h1, h2] = [idOf(api, 'h1'), idOf(api, 'h2')];
  const change = { kind: 'port', before: port, after: port } as const;
  assert.deepEqual([...concernedHosts(api.world, change)].sort(), [h1, h2].sort());
  await api.ok('PATCH', `${t}/ports/p`, { host: null, standby: null });
  const after = api.world.port.get(port.record.id);
  assert.deepEqual([...concernedHosts(api.world, { kind: 'port', before: port, after })].sort(), [h1, h2].sort());
});

it('shows what each of the two hosts says of a port, and forgets what one said when it leaves', async () => {
  await using api = await openWithStandby();
  const { id } = await api.ok('GET', `${t}/ports/p`);
  const hosts = ['h1', 'h2'].map((name) => {
    const connected = { hello: {}, applied: -1n, ports: new Map() } as unknown as Connected;
    api.presence.arrive(idOf(api, name), connected);
    const says = (condition: Report['ports'][number]['condition']) =>
      api.presence.report(idOf(api, name), connected, { type: 'report', revision: '1', ports: [{ id, condition }] });
    return { connected, says };
  });
  const status = async () => {
    const { condition, standby } = (await api.ok('GET', `${t}/ports/p`)).status;
    return [condition, standby];
  };
  assert.deepEqual(await status(), ['pending', 'pending']);
  hosts[0]!.says('up');
  assert.deepEqual(await status(), ['up', 'pending']);
  hosts[1]!.says('error');
  assert.deepEqual(await status(), ['up', 'error']);
  await api.ok('PATCH', `${t}/ports/p`, { host: 'h2' });
  assert.deepEqual(await status(), ['error', 'up']);
  await api.ok('PATCH', `${t}/ports/p`, { standby: null });
  assert.deepEqual(await status(), ['error', undefined]);
  assert.equal(hosts[0]!.connected.ports.size, 0);
});

/** The name of the host that the port has come from. */
const cameFrom = (api: TestApi, { origin }: Port) => origin && api.world.host.get(origin)!.record.name;

it('a port that has moved has come from its host before, which stays a member, until it goes back or that is ended', async () => {
  await using api = await openWithStandby();
  const patch = (body: object): Promise<Port> => api.ok('PATCH', `${t}/ports/p`, body);
  const isMember = (host: string) => api.world.views.hostsOfNetwork.has(network, idOf(api, host));
  const port = await patch({ labels: {} });
  const { network } = port;
  assert.deepEqual([port.origin, port.movedAt], [undefined, undefined]);
  const moved = await patch({ host: 'h2' });
  assert.equal(cameFrom(api, moved), 'h1');
  assert.ok(Date.parse(moved.movedAt!) <= Date.now());
  assert.equal((await patch({ host: 'h1' })).origin, undefined, 'it is back');
  assert.equal(cameFrom(api, await patch({ host: null })), 'h1');
  assert.deepEqual(['h1', 'h2', 'h3'].map(isMember), [true, true, false]);
  const [h1, h2] = [numberOf(api, 'h1'), numberOf(api, 'h2')];
  for (const host of ['h1', 'h2']) {
    const told = compileHost(api.world, idOf(api, host)).get(`port/${port.id}`) as PortItem;
    assert.deepEqual([told.host, told.standby, told.origin], [h2, undefined, h1]);
  }
  assert.equal(cameFrom(api, await patch({ standby: 'h3' })), 'h1', 'another target takes nothing from it');
  assert.equal(cameFrom(api, await patch({ host: 'h3', standby: null })), 'h2', 'the last one counts');
  assert.deepEqual(['h1', 'h2', 'h3'].map(isMember), [false, true, true]);
  assert.equal((await api.refused('INVALID', 'PATCH', `${t}/ports/p`, { origin: 'h1' })).field, 'origin');
  assert.equal((await patch({ origin: null })).movedAt, undefined);
  assert.equal(isMember('h2'), false);
  await assertNoLeak(api.store);
});

it('a host that ports have left may be deleted, and passes nothing on then', async () => {
  await using api = await openWithStandby();
  await api.ok('PATCH', `${t}/ports/p`, { host: 'h2', standby: null });
  await api.ok('DELETE', '/v1/hosts/h1');
  assert.equal((await api.ok('GET', `${t}/ports/p`)).origin, undefined);
  await api.ok('PATCH', `${t}/ports/p`, { standby: 'h3' });
  await api.ok('PATCH', `${t}/ports/p`, { host: 'h3' });
  await api.ok('DELETE', '/v1/hosts/h2?gone=true');
  const { origin, standby } = await api.ok('GET', `${t}/ports/p`);
  assert.deepEqual([origin, standby], [undefined, undefined]);
  await assertNoLeak(api.store);
});

const departuresOf = ({ world, writer }: TestApi): Departures =>
  new Departures({ world, writer, log: { debug: () => assert.fail(), warn: () => assert.fail() } });

it('a host that is gone without the port’s knowledge is its origin until somebody looks', async () => {
  await using api = await openWithStandby();
  const { id } = await api.ok('PATCH', `${t}/ports/p`, { host: 'h2', standby: null });
  // As of a controller that did not know of the move yet.
  const { record } = api.world.port.get(id)!;
  const gone = { ...record, origin: newId<HostId>() };
  await api.store.txn({ ops: [{ put: { key: objectKey('port', record), value: JSON.stringify(gone) } }] });
  await api.world.reached((await api.store.range('/')).revision);
  using departures = departuresOf(api);
  await departures.look(new Date());
  assert.equal((await api.ok('GET', `${t}/ports/p`)).origin, undefined);
});

it('two looks at once are one, and what somebody else has just changed is looked at the next time', async () => {
  await using api = await openWithStandby();
  await api.ok('PATCH', `${t}/ports/p`, { host: 'h2', standby: null });
  let writes = 0;
  const refused = async () => {
    writes++;
    throw new HeddleError('REVISION_CONFLICT', { have: '2', want: '1' } as never);
  };
  const said: string[] = [];
  const log = { debug: () => void said.push('debug'), warn: () => void said.push('warn') };
  using departures = new Departures({ world: api.world, writer: { update: refused as never }, log });
  const later = new Date(Date.now() + 3_600_000);
  await Promise.all([departures.look(later), departures.look(later)]);
  assert.deepEqual([writes, said], [1, ['debug']]);
  await departures.look(later);
  assert.equal(writes, 2);
});

it('an hour after a move the host before passes nothing on any more', async () => {
  await using api = await openWithStandby();
  await api.ok('PATCH', `${t}/ports/p`, { host: 'h2', standby: null });
  using departures = departuresOf(api);
  await departures.look(new Date(Date.now() + 3_590_000));
  assert.ok((await api.ok('GET', `${t}/ports/p`)).origin);
  await departures.look(new Date(Date.now() + 3_600_000));
  const { host, origin, movedAt } = await api.ok('GET', `${t}/ports/p`);
  assert.deepEqual([host, origin, movedAt], [idOf(api, 'h2'), undefined, undefined]);
});

it('a segment that changes hosts has come from nowhere: its machines stay where they are', async () => {
  await using api = await openWithStandby();
  await api.ok('POST', `${t}/ports`, { name: 'lan', network: 'web', host: 'h1', standby: 'h2', segment: {} });
  assert.equal((await api.ok('PATCH', `${t}/ports/lan`, { host: 'h2' })).origin, undefined);
});

it('a write waits for the host that a port leaves; once that has only been left, not while it is away', async () => {
  await using api = await openWithStandby();
  const late = async (patch: object): Promise<string[]> => {
    const { body } = await api.request('PATCH', `${t}/ports/p?waitMs=0`, patch);
    assert.equal(body.code, 'WAIT_TIMEOUT');
    return body.details.hosts.toSorted();
  };
  assert.deepEqual(await late({ host: 'h2', standby: null }), ['h1', 'h2']);
  assert.deepEqual(await late({ standby: 'h3' }), ['h2', 'h3']);
  const here = { hello: {}, applied: -1n, ports: new Map() } as unknown as Connected;
  api.presence.arrive(idOf(api, 'h1'), here);
  assert.deepEqual(await late({ standby: null }), ['h1', 'h2', 'h3']);
  api.presence.leave(idOf(api, 'h1'), here);
  assert.deepEqual(await late({ labels: { a: 'b' } }), ['h2']);
  await api.ok('POST', `${t}/ports`, { name: 'q', network: 'web', host: 'h1' });
  assert.deepEqual(await late({ labels: {} }), ['h1', 'h2']);
});
