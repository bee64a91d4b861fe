/** The stream and the client over real sockets, against the controller as it runs in production. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { pino } from 'pino';
import { type Client, openClient } from '../../src/client/client.ts';
import { startController } from '../../src/controller/main.ts';
import { TestAgent } from '../../src/controller/test-agent.ts';
import { type Code, hasCode } from '../../src/model/errors.ts';

interface Rig extends AsyncDisposable {
  readonly unix: string;
  readonly client: Client;
  agent(): TestAgent;
}
const tenant = 'acme';
/** As many as an agent can have. */
const LOCAL_PORTS = 4096;

/** A controller on a unix socket, with tenant acme and network web. */
async function openRig(): Promise<Rig> {
  await using stack = new AsyncDisposableStack();
  const dir = mkdtempSync(join(tmpdir(), 'heddle-stream-'));
  stack.defer(() => rmSync(dir, { recursive: true }));
  const listen = [{ unix: join(dir, 'c.sock') }];
  const log = pino({ level: 'silent' });
  const { addresses } = stack.use(await startController({ db: join(dir, 'db'), listen, log }));
  const [unix = ''] = addresses;
  const client = openClient(unix);
  await client.create('tenant', { name: tenant });
  await client.create('network', { name: 'web' }, { tenant });
  const all = stack.move();
  const agent = () => all.use(new TestAgent(unix));
  return { unix, client, agent, [Symbol.asyncDispose]: () => all.disposeAsync() };
}
const refusedWith = (code: Code) => (e: unknown) => hasCode(e, code);

it('makes a host of a new agent, and tells it what concerns it, in the order of revisions', async () => {
  await using rig = await openRig();
  const agent = await rig.agent().hello();
  const { host } = await agent.next('welcome');
  assert.equal(host.number, 1);
  assert.equal((await agent.synced()).upserts.length, 0);
  assert.equal((await rig.client.get('host', 'h1')).status.condition, 'online');
  const port = await rig.client.create('port', { network: 'web', host: 'h1' }, { tenant });
  const { upserts } = await agent.next('changes', (m) => m.revision === port.revision);
  assert.deepEqual(upserts.map((i) => i.kind).sort(), ['network', 'port']);
  await rig.client.remove('port', port.id, { tenant });
  const gone = await agent.next('changes', (m) => m.deletes.length > 0);
  assert.deepEqual(gone.deletes.sort(), [`network/${port.network}`, `port/${port.id}`].sort());
});

it('brings a known host up to date, and replaces its older connection', async () => {
  await using rig = await openRig();
  const old = await rig.agent().hello();
  const first = await old.next('welcome');
  const renewed = await rig.agent().hello({ mtuBytes: 9000 });
  assert.deepEqual(await renewed.next('welcome'), first);
  await old.closed();
  await renewed.synced();
  const host = await rig.client.get('host', 'h1');
  assert.deepEqual([host.vtep, host.mtuBytes, host.status.condition], ['198.18.0.1', 9000, 'online']);
});

it('takes the longest report of a full host, and closes a stream that sends more', async () => {
  await using rig = await openRig();
  const agent = await rig.agent().hello();
  const { revision } = await agent.synced();
  const message = 'x'.repeat(500);
  const port = { id: crypto.randomUUID(), condition: 'error' as const, code: 'C'.repeat(60), message };
  agent.send({ type: 'report', revision, ports: Array.from({ length: LOCAL_PORTS }, () => port) });
  while ((await rig.client.get('host', 'h1')).status.appliedRevision !== revision);
  const closed = once(agent.socket, 'close');
  agent.send({ type: 'answer', id: 1, result: 'x'.repeat(5 << 20) });
  assert.equal((await closed)[0], 1009);
});

it('says why it refuses an agent, and closes the stream', async () => {
  await using rig = await openRig();
  await (await rig.agent().hello()).synced();
  const refusals: [Parameters<TestAgent['hello']>[0], Code][] = [
    [{ protocol: 99 }, 'PROTOCOL_MISMATCH'],
    [{ name: 'h2' }, 'VTEP_TAKEN'],
    [{ name: 'a b', vtep: '198.18.0.7' }, 'NAME_INVALID'],
    [{ name: 'h2', vtep: 'ten' }, 'ADDRESS_INVALID'],
    [{ mtuBytes: 1 }, 'INVALID'],
    [{ mtuBytes: 1000 }, 'INVALID'],
  ];
  for (const [hello, code] of refusals) {
    const agent = await rig.agent().hello(hello);
    assert.equal((await agent.next('refusal')).problem.code, code);
    await agent.closed();
  }
  const silent = rig.agent();
  await once(silent.socket, 'open');
  silent.send({ type: 'report', revision: '1', ports: [] });
  assert.equal((await silent.next('refusal')).problem.code, 'INVALID');
  assert.equal((await rig.client.list('host')).length, 1);
});

it('waits for the hosts that a write concerns, and names those that have not applied it', async () => {
  await using rig = await openRig();
  const prompt = await rig.agent().hello();
  prompt.onMessage = (m) => m.type === 'changes' && prompt.send({ type: 'report', revision: m.revision, ports: [] });
  const lazy = await rig.agent().hello({ name: 'h2', vtep: '198.18.0.2' });
  await Promise.all([prompt.synced(), lazy.synced()]);
  await rig.client.create('port', { network: 'web', host: 'h1' }, { tenant, waitMs: 5000 });
  await assert.rejects(
    rig.client.create('port', { name: 'late', network: 'web', host: 'h2' }, { tenant, waitMs: 50 }),
    (e) => hasCode(e, 'WAIT_TIMEOUT') && e.details.hosts.join() === 'h2',
  );
  const late = await rig.client.get('port', 'late', { tenant });
  assert.equal(late.status.condition, 'pending', 'the write stays');
  const waiting = rig.client.update('network', 'web', { mtuBytes: 1400 }, { tenant, waitMs: 5000 });
  const { revision } = await lazy.next('changes', (m) =>
    m.upserts.some((i) => i.kind === 'network' && i.mtuBytes === 1400),
  );
  lazy.send({ type: 'report', revision, ports: [] });
  assert.equal((await waiting).mtuBytes, 1400);
});

it('shows what agents report of ports, as long as they are connected', async () => {
  await using rig = await openRig();
  const agent = await rig.agent().hello();
  await agent.synced();
  const port = await rig.client.create('port', { network: 'web', host: 'h1' }, { tenant });
  const status = async () => (await rig.client.get('port', port.id, { tenant })).status;
  assert.deepEqual(await status(), { condition: 'pending' });
  const { revision } = port;
  agent.send({ type: 'report', revision, ports: [{ id: port.id, condition: 'up', device: 'hd1' }] });
  await rig.client.update('port', port.id, { labels: { a: 'b' } }, { tenant, waitMs: 1 }).catch(() => {});
  assert.deepEqual(await status(), { condition: 'up', device: 'hd1', revision });
  agent.socket.terminate();
  while ((await rig.client.get('host', 'h1')).status.condition === 'online');
  assert.deepEqual(await status(), { condition: 'unknown' });
});

it('asks the port’s host for counters', async () => {
  await using rig = await openRig();
  const agent = await rig.agent().hello();
  const counters = { txPackets: '1', txBytes: '2', rxPackets: '3', rxBytes: '4', reasons: {} };
  agent.onMessage = (m) => {
    if (m.type === 'ask' && m.question.name === 'counters')
      agent.send({ type: 'answer', id: m.id, result: { [m.question.ports[0]!]: counters } });
  };
  await agent.synced();
  const port = await rig.client.create('port', { network: 'web', host: 'h1' }, { tenant });
  const shown = await rig.client.get('port', port.id, { tenant, counters: true });
  assert.deepEqual((shown as typeof shown & { counters: unknown }).counters, counters);
  agent.onMessage = (m) => m.type === 'ask' && agent.socket.terminate();
  await assert.rejects(rig.client.get('port', port.id, { tenant, counters: true }), refusedWith('HOST_OFFLINE'));
});

it('streams a watch as it happens, filtered, and refuses a compacted revision', async () => {
  await using rig = await openRig();
  const stop = new AbortController();
  const { revision } = await rig.client.page('port', { tenant });
  const watch = rig.client.watch('port', { tenant, label: 'a=1', from: BigInt(revision) + 1n, signal: stop.signal });
  const events = watch[Symbol.asyncIterator]();
  const port = await rig.client.create('port', { name: 'p', network: 'web', labels: { a: '1' } }, { tenant });
  assert.deepEqual((await events.next()).value, { revision: port.revision, type: 'put', object: port });
  await rig.client.create('port', { network: 'web' }, { tenant });
  const changed = await rig.client.update('port', 'p', { labels: { a: '2' } }, { tenant });
  const gone = (await events.next()).value;
  assert.deepEqual([gone.type, gone.revision, gone.object.id], ['delete', changed.revision, port.id]);
  stop.abort();
  assert.equal((await events.next()).done, true);
});

it('says that the controller is not reachable, and which address it tried', async () => {
  const client = openClient('unix:/run/heddle/none.sock');
  await assert.rejects(
    client.list('host'),
    (e) => hasCode(e, 'CONTROLLER_UNREACHABLE') && e.details.address === 'unix:/run/heddle/none.sock',
  );
});

it('makes its unix socket for root alone, and refuses what is no address of this machine and a second controller', async () => {
  await using rig = await openRig();
  assert.equal(statSync(rig.unix.slice('unix:'.length)).mode & 0o777, 0o600);
  const log = pino({ level: 'silent' });
  for (const where of [{ tcp: '192.0.2.1:0' }, { tcp: 'localhost:0' }, { unix: rig.unix.slice(5) }])
    await assert.rejects(
      startController({ db: ':memory:', listen: [where], log }),
      refusedWith('USAGE'),
      JSON.stringify(where),
    );
});
