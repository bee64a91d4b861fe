/** What a host may say on its stream, without sockets. */
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { type AgentMessage, type ControllerMessage, type Hello, PROTOCOL, type Report } from '../model/host-state.ts';
import { hostTrustKey } from './keys.ts';
import type { Principal } from './principal.ts';
import { BURST_MS, RateLimit } from './rate-limit.ts';
import { helloRates, serveStream } from './stream.ts';
import { openFurnishedApi, type TestApi } from './test-api.ts';
import { hostOf } from './test-principals.ts';

/** The controller's end of an agent's WebSocket. */
class FakeSocket extends EventEmitter {
  readonly OPEN = 1;
  readyState = 1;
  readonly bufferedAmount = 0;
  readonly sent: ControllerMessage[] = [];
  send(text: string, sent?: () => void): void {
    this.sent.push(JSON.parse(text) as ControllerMessage);
    this.emit('sent');
    sent?.();
  }
  ping(): void {}
  close(): void {
    this.readyState = 3;
    this.emit('close');
  }
  says(message: AgentMessage | object): this {
    this.emit('message', JSON.stringify(message));
    return this;
  }
  async next<T extends ControllerMessage['type']>(type: T): Promise<Extract<ControllerMessage, { type: T }>> {
    for (;;) {
      const found = this.sent.find((m) => m.type === type);
      if (found) return found as never;
      await once(this, 'sent');
    }
  }
}

/** A furnished controller, whose hosts h1 and h2 have VTEPs 198.18.0.1 and .2, and what its streams log. */
async function openStreams() {
  const api = await openFurnishedApi();
  const logged: string[] = [];
  const log = {
    info: (_: object, text: string) => logged.push(text),
    warn: (_: object, text: string) => logged.push(text),
  };
  // Its clock stands still.
  const hellos = new RateLimit(helloRates, () => 0);
  const connect = (hello: Partial<Hello> = {}, principal?: Principal): FakeSocket => {
    const socket = new FakeSocket();
    serveStream({ ...api, hellos, log: log as never }, socket as never, { principal, from: '198.18.0.1' });
    const about = { name: 'h1', vtep: '198.18.0.1', mtuBytes: 1500, version: '0', kernel: '6' };
    return socket.says({ type: 'hello', protocol: PROTOCOL, ...about, ...hello });
  };
  return { api, logged, connect, [Symbol.asyncDispose]: () => api[Symbol.asyncDispose]() };
}
const makePort = (api: TestApi, host: string) => api.ok('POST', '/v1/tenants/acme/ports', { network: 'web', host });
const up = (id: string): Report['ports'][number] => ({ id, condition: 'up' });

it('A31: leaves out of a host’s word where others are, with what it says to hold there, and says so once', async () => {
  await using rig = await openStreams();
  const { world } = rig.api;
  const socket = rig.connect();
  await socket.next('welcome');
  const told = () => {
    const { addresses, held } = world.find('host', '-', 'h1')!.record;
    return { addresses, held };
  };
  const words = [
    ['tcp 22', 'tcp 22 198.18.0.2'],
    ['tcp 23', 'tcp 22 198.18.0.2'],
  ];
  for (const held of words) {
    const at = world.revision;
    socket.says({ type: 'host', addresses: ['203.0.113.7', '198.18.0.2'], held });
    while (world.revision === at) await turn();
    assert.deepEqual(told(), { addresses: ['203.0.113.7'], held: [held[0]] });
  }
  await turn();
  assert.equal(rig.logged.filter((text) => text.includes('VTEPs of others')).length, 1);
  // Nor is a host where another one is besides its VTEP, by its hello or otherwise.
  await rig.api.refused('VTEP_TAKEN', 'POST', '/v1/hosts', { name: 'h3', vtep: '203.0.113.7' });
  await rig.api.refused('VTEP_TAKEN', 'PATCH', '/v1/hosts/h2', { vtep: '203.0.113.7' });
  const second = rig.connect({ name: 'h2', vtep: '203.0.113.7' });
  assert.equal((await second.next('refusal')).problem.code, 'VTEP_TAKEN');
  // What one that is shut out once said keeps nobody away.
  await rig.api.ok('POST', '/v1/hosts/h1/revoke');
  await rig.api.ok('PATCH', '/v1/hosts/h2', { vtep: '203.0.113.7' });
});

it('A31: a host that calls itself another is itself: nothing is said of that one, and it is told its name', async () => {
  await using rig = await openStreams();
  const refused: string[] = [];
  const nothing = () => undefined;
  rig.api.presence.listeners.add({
    ...{ arrived: nothing, left: nothing, reported: nothing },
    refused: (name, { code }) => refused.push(`${name} ${code}`),
  });
  const h1 = hostOf(rig.api, 'h1');
  const asked = { name: 'h2', vtep: '198.18.0.2' };
  assert.equal((await rig.connect(asked, h1).next('refusal')).problem.code, 'VTEP_TAKEN');
  assert.deepEqual(refused, ['h1 VTEP_TAKEN']);
  const [record] = (await rig.api.ok('GET', '/v1/audit?refused=true')).items;
  assert.deepEqual([record.who, record.kind, record.name], [{ kind: 'host', name: 'h1' }, 'host', 'h1']);
  const other = rig.connect({ name: 'h2', vtep: '198.18.0.2' });
  await other.next('welcome');
  const { host } = await rig.connect({ name: 'h2' }, h1).next('welcome');
  const { id, number } = rig.api.world.find('host', '-', 'h1')!.record;
  assert.deepEqual(host, { id, number, name: 'h1' });
  assert.equal(rig.api.presence.get(id)?.hello.name, 'h1');
  assert.equal(other.readyState, other.OPEN);
});

it('a host that was renamed while it was off is the same by its certificate, and is told its new name', async () => {
  await using rig = await openStreams();
  const h1 = hostOf(rig.api, 'h1');
  await rig.api.ok('PATCH', '/v1/hosts/h1', { name: 'h9' });
  await rig.api.ok('POST', '/v1/hosts', { name: 'h1', vtep: '198.18.0.7' });
  const { host } = await rig.connect({}, h1).next('welcome');
  assert.deepEqual([host.id, host.name], [(h1 as { host: string }).host, 'h9']);
  assert.equal((await rig.api.ok('GET', '/v1/hosts/h1')).status.condition, 'offline');
});

it('a stream that was opened before another machine joined as its host says its hello in vain', async () => {
  await using rig = await openStreams();
  const { world, writer, store, presence } = rig.api;
  const old = hostOf(rig.api, 'h1');
  const { id } = world.find('host', '-', 'h1')!.record;
  const rejoin = async () => {
    const { record } = world.trust.host(id);
    const value = JSON.stringify({ ...record, generation: record.generation + 1 });
    const { revision } = await store.txn({ compare: [], ops: [{ put: { key: hostTrustKey(id), value } }] });
    await world.reached(revision);
  };
  await rejoin();
  assert.equal((await rig.connect({ vtep: '198.18.0.9' }, old).next('refusal')).problem.code, 'CERTIFICATE_REVOKED');
  // Also if that happens while its hello is being written.
  const late = hostOf(rig.api, 'h1');
  const { update } = writer;
  const slow = async (...args: Parameters<typeof update>) => {
    await rejoin();
    return update.apply(writer, args);
  };
  writer.update = slow as never;
  assert.equal((await rig.connect({ vtep: '198.18.0.9' }, late).next('refusal')).problem.code, 'CERTIFICATE_REVOKED');
  writer.update = update;
  assert.deepEqual([world.find('host', '-', id)?.record.vtep, presence.get(id)], ['198.18.0.1', undefined]);
  await rig.connect({ vtep: '198.18.0.9' }, hostOf(rig.api, 'h1')).next('welcome');
});

it('a host that is deleted before its hello is none, and does not make itself one', async () => {
  await using rig = await openStreams();
  const h1 = hostOf(rig.api, 'h1');
  await rig.api.ok('DELETE', '/v1/hosts/h1');
  assert.equal((await rig.connect({}, h1).next('refusal')).problem.code, 'HOST_GONE');
  assert.equal(rig.api.world.find('host', '-', 'h1'), undefined);
});

it('A31: a host begins anew so often and no more, and root as often as it likes', async () => {
  await using rig = await openStreams();
  const h1 = hostOf(rig.api, 'h1');
  const events: string[] = [];
  const nothing = () => undefined;
  const refused = (name: string) => void events.push(name);
  rig.api.presence.listeners.add({ arrived: nothing, left: nothing, reported: nothing, refused });
  const most = (BURST_MS / 1000) * helloRates.write;
  for (let i = 0; i < most; i++) await rig.connect({}, h1).next('welcome');
  assert.equal((await rig.connect({}, h1).next('refusal')).problem.code, 'RATE_LIMITED');
  assert.deepEqual(events, [], 'it is no event each time');
  await rig.connect({}, { ...h1, kind: 'local' } as Principal).next('welcome');
  await rig.connect({ name: 'h2', vtep: '198.18.0.2' }, hostOf(rig.api, 'h2')).next('welcome');
});

it('a host may go to what was a further address of it', async () => {
  await using rig = await openStreams();
  await rig.api.ok('PATCH', '/v1/hosts/h1', { addresses: ['203.0.113.7'] });
  const { vtep, addresses } = await rig.api.ok('PATCH', '/v1/hosts/h1', { vtep: '203.0.113.7' });
  assert.deepEqual([vtep, addresses], ['203.0.113.7', []]);
});

it('refuses a second host of a connected host’s name, and leaves the first alone', async () => {
  await using rig = await openStreams();
  const first = rig.connect();
  await first.next('welcome');
  const second = rig.connect({ vtep: '198.18.0.9' });
  const { problem } = await second.next('refusal');
  assert.equal(problem.code, 'HOST_MISMATCH');
  assert.equal(problem.details.connectedFrom, '198.18.0.1');
  assert.match(problem.detail, /h1 is connected from 198\.18\.0\.1, this one is at 198\.18\.0\.9/);
  assert.equal(first.readyState, first.OPEN);
  assert.equal((await rig.api.ok('GET', '/v1/hosts/h1')).vtep, '198.18.0.1');
});

it('lets a host move once its old stream is gone', async () => {
  await using rig = await openStreams();
  const old = rig.connect();
  await old.next('welcome');
  old.close();
  await rig.connect({ vtep: '198.18.0.9' }).next('welcome');
  assert.equal((await rig.api.ok('GET', '/v1/hosts/h1')).vtep, '198.18.0.9');
});

it('does not call a host disconnected whose connection is replaced', async () => {
  await using rig = await openStreams();
  const old = rig.connect();
  await old.next('welcome');
  const renewed = rig.connect();
  await renewed.next('welcome');
  assert.equal(old.readyState, 3);
  assert.deepEqual(rig.logged, ['host connected', 'host connected']);
  assert.equal((await rig.api.ok('GET', '/v1/hosts/h1')).status.condition, 'online');
  renewed.close();
  assert.deepEqual(rig.logged.slice(2), ['host disconnected']);
});

it('ends the stream of a host that is deleted all the same, so that its agent makes it anew', async () => {
  await using rig = await openStreams();
  const socket = rig.connect();
  const { host } = await socket.next('welcome');
  await rig.api.writer.remove('host', '-', host.id, undefined, { gone: true }); // as another controller would
  assert.equal(socket.readyState, 3);
  assert.equal(rig.api.presence.get(host.id), undefined);
  const again = (await rig.connect().next('welcome')).host;
  assert.notEqual(again.id, host.id);
});

it('A31: keeps of a report only what it says of the host’s own ports', async () => {
  await using rig = await openStreams();
  const [own, other] = [await makePort(rig.api, 'h1'), await makePort(rig.api, 'h2')];
  const make = (body: object) => rig.api.ok('POST', '/v1/tenants/acme/ports', { network: 'web', ...body });
  const standby = await make({ host: 'h2', standby: 'h1' });
  const behind = await make({ behind: standby.id });
  const elsewhere = await make({ behind: other.id });
  const socket = rig.connect();
  const { host } = await socket.next('welcome');
  const made = Array.from({ length: 100 }, (_, i) => up(`made-up-${i}`));
  socket.says({
    type: 'report',
    revision: '1',
    ports: [own, other, standby, behind, elsewhere].map(({ id }) => up(id)).concat(made),
  });
  assert.deepEqual([...rig.api.presence.get(host.id)!.ports.keys()], [own.id, standby.id, behind.id]);
});

it('takes of contested addresses those that a port of the network has, and what is a MAC', async () => {
  await using rig = await openStreams();
  const make = (body: object) => rig.api.ok('POST', '/v1/tenants/acme/ports', { network: 'web', ...body });
  const lan = await make({ host: 'h1', segment: {} });
  const port = await make({ host: 'h2' });
  const [address] = port.addresses;
  const mac = '52:54:00:00:00:01';
  const socket = rig.connect();
  await socket.next('welcome');
  const contests = [
    { port: port.id, address, mac },
    { port: port.id, address, mac: '<b>visit evil' },
    { port: port.id, address: '10.0.0.200', mac },
    { port: lan.id, address, mac },
  ];
  socket.says({ type: 'report', revision: '1', ports: [{ ...up(lan.id), contests }] });
  const { status } = await rig.api.ok('GET', `/v1/tenants/acme/ports/${port.id}`);
  assert.deepEqual(status.contested, [{ address, mac, segment: lan.id }]);
});

it('keeps what an agent says of its host, of several words the last, and refuses one that is none', async () => {
  await using rig = await openStreams();
  const socket = rig.connect();
  const { host } = await socket.next('welcome');
  const told = () => {
    const { addresses, held } = rig.api.world.host.get(host.id)!.record;
    return [...addresses, ...held].join();
  };
  for (const n of [1, 2, 3]) socket.says({ type: 'host', addresses: [`192.0.2.${n}`], held: [`tcp ${n}`] });
  for (let i = 0; i < 1_000 && told() !== '192.0.2.3,tcp 3'; i++) await turn();
  assert.equal(told(), '192.0.2.3,tcp 3');
  assert.equal('held' in (await rig.api.ok('GET', '/v1/hosts/h1')), false);
  // What a workload publishes on the host's own loopback reaches nobody elsewhere, and cuts nobody off.
  socket.says({ type: 'host', addresses: ['192.0.2.3', '240.0.0.1'], held: ['tcp 3', 'tcp 4 127.0.0.1', 'udp 5 ::1'] });
  for (let i = 0; i < 1_000 && !told().includes('240'); i++) await turn();
  assert.equal(told(), '192.0.2.3,240.0.0.1,tcp 3');
  socket.says({ type: 'host', addresses: ['192.0.2.3'], held: ['tcp 3'] });
  for (let i = 0; i < 1_000 && told().includes('240'); i++) await turn();
  socket.close();
  await rig.connect().next('welcome');
  assert.equal(told(), '192.0.2.3,tcp 3', 'it holds while the host is away, and says nothing yet');
  const lost = rig.connect();
  await lost.next('welcome');
  lost.says({ type: 'host', addresses: ['nowhere'], held: [] });
  assert.equal((await lost.next('refusal')).problem.code, 'ADDRESS_INVALID');
  assert.equal(told(), '192.0.2.3,tcp 3');
});

it('refuses a report of a revision that is not yet, or is no number of a revision', async () => {
  await using rig = await openStreams();
  const { revision } = rig.api.world;
  for (const wrong of [String(revision + 1n), '9'.repeat(19), '-1']) {
    const socket = rig.connect();
    const { host } = await socket.next('welcome');
    socket.says({ type: 'report', revision: wrong, ports: [] });
    assert.equal((await socket.next('refusal')).problem.code, 'INVALID', wrong);
    assert.equal(rig.api.presence.get(host.id), undefined);
  }
  const honest = rig.connect();
  const { host } = await honest.next('welcome');
  honest.says({ type: 'report', revision: String(revision), ports: [] });
  assert.equal(rig.api.presence.get(host.id)?.applied, revision);
});

it('passes over a report that comes before the welcome', async () => {
  await using rig = await openStreams();
  const socket = rig.connect({ name: 'h3', vtep: '198.18.0.3' }).says({ type: 'report', revision: '1', ports: [] });
  const { host } = await socket.next('welcome');
  assert.equal(rig.api.presence.get(host.id)?.applied, -1n);
});

it('shows counters as the agent gives them, and refuses what are none', async () => {
  await using rig = await openStreams();
  const port = await makePort(rig.api, 'h1');
  const path = `/v1/tenants/acme/ports/${port.id}?counters=true`;
  const socket = rig.connect();
  await socket.next('welcome');
  let answer: object = {};
  socket.on('sent', () => {
    const last = socket.sent.at(-1);
    if (last?.type === 'ask') socket.says({ type: 'answer', id: last.id, ...answer });
  });
  const counters = { txPackets: '1', txBytes: '2', rxPackets: '3', rxBytes: '4', reasons: { NOT_IP: '5' } };
  answer = { result: { [port.id]: counters } };
  assert.deepEqual((await rig.api.ok('GET', path)).counters, counters);
  const behind = await rig.api.ok('POST', '/v1/tenants/acme/ports', { network: 'web', behind: port.id });
  const { counters: shared } = await rig.api.ok('GET', `/v1/tenants/acme/ports/${behind.id}?counters=true`);
  assert.deepEqual(shared, counters, 'with the port that it is behind');
  answer = { result: {} };
  assert.equal((await rig.api.ok('GET', path)).counters, null);
  const wrong = [null, 'many', { [port.id]: { ...counters, txBytes: 2 } }, { [port.id]: { txPackets: '1' } }];
  for (const result of [undefined, ...wrong]) {
    answer = { result };
    const details = await rig.api.refused('INTERNAL', 'GET', path);
    assert.equal(details.problem, 'the agent answered with something that is no counters', JSON.stringify(result));
  }
  answer = { problem: { detail: 'the maps are gone' } };
  assert.equal((await rig.api.refused('INTERNAL', 'GET', path)).problem, 'host h1: the maps are gone');
});

it('leaves a connected host, its name, VTEP and MTU to its agent', async () => {
  await using rig = await openStreams();
  const socket = rig.connect();
  await socket.next('welcome');
  for (const patch of [{ name: 'h7' }, { vtep: '198.18.0.9' }, { mtuBytes: 9000 }]) {
    const details = await rig.api.refused('HOST_ONLINE', 'PATCH', '/v1/hosts/h1', patch);
    assert.deepEqual(details, { host: 'h1', change: `its ${Object.keys(patch)[0]}` });
  }
  await rig.api.refused('HOST_ONLINE', 'DELETE', '/v1/hosts/h1');
  await rig.api.ok('PATCH', '/v1/hosts/h1', { vtep: '198.18.0.1', labels: { rack: '7' } });
  socket.close();
  await rig.api.ok('PATCH', '/v1/hosts/h1', { name: 'h7', vtep: '198.18.0.9', mtuBytes: 9000 });
  await rig.api.ok('DELETE', '/v1/hosts/h7');
});

it('A27: ends a connection on which nobody says hello, and none of an agent', async (t) => {
  await using api = await openFurnishedApi();
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const context = { ...api, log: { info() {}, warn() {} } as never };
  const [silent, agent] = [new FakeSocket(), new FakeSocket()];
  for (const socket of [silent, agent]) serveStream(context, socket as never);
  agent.says({
    type: 'hello',
    protocol: PROTOCOL,
    name: 'h1',
    vtep: '198.18.0.1',
    mtuBytes: 1500,
    version: '0',
    kernel: '6',
  });
  await agent.next('welcome');
  t.mock.timers.tick(10_000);
  assert.equal((await silent.next('refusal')).problem.code, 'INVALID');
  assert.equal(agent.readyState, agent.OPEN);
  for (const socket of [silent, agent]) socket.close();
});

it('asks a host how it is, and takes no answer that says something else', async () => {
  await using rig = await openStreams();
  const socket = rig.connect();
  const { host } = await socket.next('welcome');
  const health = { nowMs: 5, maps: [{ name: 'fdb', entries: 1, max: 9 }], troubles: [] };
  const connected = rig.api.presence.get(host.id)!;
  for (const [result, expected] of [
    [health, health],
    [{ ...health, maps: [{ name: 'fdb', entries: -1, max: 9 }] }, 'INTERNAL'],
    [undefined, 'INTERNAL'],
  ] as const) {
    const asked = connected.health(5_000).catch((e: { code: string }) => e.code);
    const ask = socket.sent.findLast((m) => m.type === 'ask')!;
    assert.deepEqual(ask.question, { name: 'health' });
    socket.says({ type: 'answer', id: ask.id, ...(result ? { result } : { problem: { detail: 'what?' } }) });
    assert.deepEqual(await asked, expected);
  }
});

it('says how long a host owes what it was told of', async () => {
  await using rig = await openStreams();
  const socket = rig.connect();
  const { host } = await socket.next('welcome');
  const { revision } = await socket.next('changes');
  const connected = rig.api.presence.get(host.id)!;
  assert.ok(connected.lagMs() > 0);
  socket.says({ type: 'report', revision, ports: [] });
  await turn();
  assert.equal(connected.lagMs(), 0);
});
