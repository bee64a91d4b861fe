/** In which order the controller is told, and that nothing is told falsely, twice with effect, or not at all. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { pino } from 'pino';
import type { Client } from '../client/client.ts';
import { parseIp, parseMac } from '../model/address.ts';
import { HeddleError } from '../model/errors.ts';
import { type NetworkId, newId, type PortId } from '../model/ids.ts';
import type { Port } from '../model/kinds.ts';
import type { Attachment, LocalPort, PairAttachment } from '../model/local-api.ts';
import { newLocalPort } from './local-port.ts';
import { notNow } from './test-refusals.ts';
import { type UploadParts, Uploads } from './uploads.ts';

const network = newId<NetworkId>() as NetworkId;
const made = (n: number, local: Partial<LocalPort> = {}, state: Attachment['state'] = 'attached'): PairAttachment => ({
  ...{ port: newId<PortId>() as PortId, tenant: 't', network: 'n', name: `p${n}`, kind: 'pair', owner: `o${n}` },
  owned: true,
  state,
  local: {
    ...newLocalPort(network, [{ ip: parseIp(`10.0.0.${n}`), mac: parseMac(`02:00:00:00:00:0${n}`) }]),
    ...local,
  },
});

/** Uploads against a controller in memory; `said` is what it was asked, `refuse` answers instead of it. */
function world(...records: Attachment[]) {
  const attachments = new Map<PortId, Attachment>(records.map((a) => [a.port, a]));
  const ports = new Map<string, Port>();
  const said: string[] = [];
  const net = { connected: true, revision: 10, refuse: (_: string): Error | undefined => undefined };
  const asked = (line: string): void => {
    said.push(line);
    const error = net.refuse(line);
    if (error) throw error;
  };
  const client = {
    async create(_: 'port', body: { id: string; name: string }) {
      asked(`create ${body.name}`);
      const port = { ...body, host: 'me', revision: String(++net.revision) } as unknown as Port;
      ports.set(body.id, port);
      return port;
    },
    async update(_: 'port', id: string, patch: object) {
      asked(`update ${Object.keys(patch).join()} of ${ports.get(id)?.name}`);
      const port = { ...ports.get(id)!, ...patch, revision: String(++net.revision) };
      ports.set(id, port);
      return port;
    },
    async remove(_: 'port', id: string, { ifRevision }: { ifRevision?: string }) {
      asked(`remove ${attachments.get(id as PortId)?.name}`);
      if (ifRevision !== ports.get(id)?.revision)
        throw new HeddleError('REVISION_CONFLICT', { want: ifRevision ?? '', have: ports.get(id)?.revision ?? '' });
      ports.delete(id);
    },
    async get(_: 'port', id: string) {
      const port = ports.get(id);
      if (!port) throw new HeddleError('NOT_FOUND', { kind: 'port', name: id });
      return port;
    },
  };
  const parts = {
    client: client as unknown as Client,
    attachments: {
      get: (id: PortId) => attachments.get(id),
      all: () => [...attachments.values()],
      put: (a: Attachment) => attachments.set(a.port, a),
      remove: (id: PortId) => attachments.delete(id),
    },
    reconciler: {
      touchPort() {},
      abandon(..._: unknown[]) {},
      host: { id: 'me' } as { id: string; number?: number } | undefined,
      state: { networks: new Map(), told: new Map<string, object>(), all: new Map() },
      synced: true,
      revision: '0',
    },
    log: pino({ level: 'silent' }),
    thisHost: { name: 'h1', ref: 'h1' },
    connected: () => net.connected,
  };
  const uploads = new Uploads(parts as unknown as UploadParts);
  const local = (a: Attachment) => attachments.get(a.port)?.local;
  const bound = (a: Attachment, where: object) =>
    ports.set(a.port, { id: a.port, name: a.name, revision: '7', ...where } as unknown as Port);
  return { uploads, attachments, ports, said, net, local, bound, reconciler: parts.reconciler };
}

test('removals are told first, then new ports, then changes; each by age', async () => {
  const [a, b, c, d] = [made(1), made(2, {}, 'detaching'), made(3, { confirmed: '5', changed: ['labels'] }), made(4)];
  const w = world(a, b, c, d);
  using uploads = w.uploads;
  w.bound(b, { host: 'me' });
  w.ports.set(c.port, { ...c.local, name: c.name } as unknown as Port);
  assert.equal(uploads.pending, 4);
  await uploads.tell();
  assert.deepEqual(w.said, ['remove p2', 'create p1', 'create p4', 'update labels of p3']);
  assert.equal(uploads.pending, 0);
  assert.equal(w.attachments.has(b.port), false);
  assert.equal(w.local(a)?.confirmed, '11');
  await uploads.tell();
  assert.equal(w.said.length, 4, 'once');
});

test('what changes while it is told is told afterwards', async () => {
  const a = made(1);
  const w = world(a);
  using uploads = w.uploads;
  w.net.refuse = () => {
    const now = w.attachments.get(a.port) as PairAttachment;
    if (now.local.changed.length === 0)
      w.attachments.set(a.port, { ...now, local: { ...now.local, dnsNames: ['x'], changed: ['dnsNames'] } });
    return undefined;
  };
  await uploads.tell();
  assert.deepEqual(w.said, ['create p1', 'update dnsNames of p1']);
  assert.deepEqual([w.ports.get(a.port)?.dnsNames, uploads.pending], [['x'], 0]);
});

test('a controller that is away is asked nothing more in that round; nothing is lost', async () => {
  const w = world(made(1), made(2));
  using uploads = w.uploads;
  w.net.refuse = () => new HeddleError('CONTROLLER_UNREACHABLE', { address: 'x', problem: 'y' });
  await uploads.tell();
  assert.deepEqual([w.said, uploads.pending], [['create p1'], 2]);
  w.net.refuse = () => undefined;
  await uploads.tell();
  assert.deepEqual([w.said.slice(1), uploads.pending], [['create p1', 'create p2'], 0]);
});

test('before the stream is there only removals are told: the controller may not know the host yet', async () => {
  const w = world(made(1), made(2, {}, 'detaching'));
  using uploads = w.uploads;
  for (const a of w.attachments.values()) w.bound(a, { host: 'me' });
  w.net.connected = false;
  await uploads.tell();
  assert.deepEqual([w.said, uploads.pending], [['remove p2'], 1]);
});

test('a refusal is for good, is that port’s alone, and ends with its removal', async () => {
  const [a, b] = [made(1), made(2)];
  const w = world(a, b);
  using uploads = w.uploads;
  w.net.refuse = (line) =>
    line === 'create p1' ? new HeddleError('ADDRESS_TAKEN', { address: '10.0.0.1', port: 'q' }) : undefined;
  await uploads.tell();
  await uploads.tell();
  assert.deepEqual(w.said, ['create p1', 'create p2']);
  assert.deepEqual([w.local(a)?.refused?.code, w.local(b)?.refused, uploads.pending], ['ADDRESS_TAKEN', undefined, 0]);
  w.attachments.set(a.port, { ...w.attachments.get(a.port)!, state: 'detaching' });
  await uploads.tell();
  assert.equal(w.attachments.has(a.port), false);
});

test('a port behind which somebody has put others stays for them, bound nowhere', async () => {
  const a = made(1, {}, 'detaching');
  const w = world(a);
  using uploads = w.uploads;
  w.bound(a, { host: 'me' });
  w.net.refuse = (line) =>
    line === 'remove p1' ? new HeddleError('IN_USE', { kind: 'port', name: 'p1', by: 'port', count: 1 }) : undefined;
  await uploads.tell();
  assert.deepEqual(w.said, ['remove p1', 'update host of p1']);
  assert.deepEqual([w.ports.get(a.port)?.host, w.attachments.has(a.port)], [null, false]);
});

test('a port that was made here, and that another host has meanwhile, is left to that one', async () => {
  for (const [where, said] of [
    [{ host: 'other', standby: 'me' }, ['update standby of p1', 'update standby of p1']],
    [{ host: 'other', standby: 'me', origin: 'me' }, ['update standby of p1']],
    [{ host: 'me', standby: 'other' }, ['update host of p1']],
    [{ host: 'other' }, []],
  ] as const) {
    const a = made(1, { confirmed: '5' }, 'detaching');
    const w = world(a);
    using uploads = w.uploads;
    w.bound(a, where);
    await uploads.tell();
    assert.deepEqual([w.said, w.ports.has(a.port), w.attachments.has(a.port)], [said, true, false]);
  }
});

test('a host that does not know yet which one it is gives no port up', async () => {
  const a = made(1, {}, 'detaching');
  const w = world(a);
  using uploads = w.uploads;
  w.bound(a, { host: 'me' });
  w.reconciler.host = undefined;
  await uploads.tell();
  assert.deepEqual([w.said, w.attachments.has(a.port), uploads.pending], [[], true, 1]);
  w.reconciler.host = { id: 'me' };
  await uploads.tell();
  assert.deepEqual([w.said, w.attachments.has(a.port)], [['remove p1'], false]);
});

test('a taken name is replaced by the first one like it that is free', async () => {
  const a = made(1);
  const w = world(a);
  using uploads = w.uploads;
  w.net.refuse = (line) =>
    ['create p1', 'create p1-h1'].includes(line)
      ? new HeddleError('NAME_TAKEN', { kind: 'port', name: 'p1' })
      : undefined;
  await uploads.tell();
  const name = `p1-${a.port.slice(-6)}`;
  assert.deepEqual(w.said, ['create p1', 'create p1-h1', `create ${name}`]);
  assert.equal(w.attachments.get(a.port)?.name, name);
});

test('a port whose first answer was lost, and that has changed since, is taken for ours', async () => {
  const a = made(1, { labels: { a: 'b' } });
  const w = world(a);
  using uploads = w.uploads;
  const { network: on, mac, addresses } = a.local;
  w.ports.set(a.port, { id: a.port, name: 'p1', network: on, mac, addresses, host: 'me' } as unknown as Port);
  w.net.refuse = (line) =>
    line.startsWith('create') ? new HeddleError('ID_TAKEN', { kind: 'port', id: a.port }) : undefined;
  await uploads.tell();
  assert.deepEqual(w.said, ['create p1', 'update name,dnsNames,publish,labels of p1']);
  assert.deepEqual([w.local(a)?.confirmed, w.local(a)?.refused], ['11', undefined]);
});

/** It hangs on something. */
const running = (n: number, local: Partial<LocalPort> = {}): PairAttachment => ({
  ...made(n, local),
  plug: { state: 'made', mtuBytes: 1450 },
});

test('a port that works is not cut off because the controller does not let this host in, or not into its tenant', async () => {
  for (const refusal of notNow) {
    const [a, b] = [running(1), running(2)];
    const w = world(a, b);
    using uploads = w.uploads;
    uploads.retell();
    const abandoned: unknown[] = [];
    w.reconciler.abandon = (...what: unknown[]) => void abandoned.push(what);
    w.net.refuse = (line) => (line === 'create p1' ? refusal : undefined);
    await uploads.tell();
    assert.deepEqual([w.local(a)?.refused, abandoned], [undefined, []], refusal.code);
    assert.equal(uploads.refusal, refusal);
    w.net.refuse = () => undefined;
    uploads.retell();
    await uploads.tell();
    assert.deepEqual([w.ports.has(a.port), w.ports.has(b.port), uploads.pending], [true, true, 0]);
    assert.equal(uploads.refusal, undefined);
  }
});

const notGiven = new HeddleError('NOT_FOUND', { kind: 'tenant', name: 't' });
const of = <A extends Attachment>(tenant: string, attachment: A): A => ({ ...attachment, tenant });

test('one port asks for all that began in a tenant that the host was not given, last in a round, and once a minute', async (t) => {
  let nowMs = 0;
  t.mock.method(performance, 'now', () => nowMs);
  const w = world(...[1, 2, 3].map((n) => running(n)), of('u', running(4)), of('u', running(5)));
  using uploads = w.uploads;
  uploads.retell();
  w.net.refuse = (line) => (/p[123]$/.test(line) ? notGiven : undefined);
  const said = async () => {
    await uploads.tell();
    return w.said.splice(0);
  };
  assert.deepEqual(await said(), ['create p1', 'create p4', 'create p5']);
  nowMs = 59_999;
  assert.deepEqual(await said(), []);
  assert.equal(uploads.refusal, notGiven, 'it is said all the time');
  nowMs = 60_000;
  const last = of('u', running(6));
  w.attachments.set(last.port, last);
  assert.deepEqual(await said(), ['create p6', 'create p1']);
  assert.deepEqual([uploads.pending, await said()], [3, []]);
  w.reconciler.revision = '100';
  uploads.retell();
  assert.deepEqual(await said(), ['create p1'], 'the stream is another one');
  nowMs = 120_000;
  w.net.refuse = () => undefined;
  assert.deepEqual(await said(), ['create p1', 'create p2', 'create p3'], 'it was given the tenant');
  assert.deepEqual([uploads.pending, uploads.refusal], [0, undefined]);
});

test('what the controller does not take of one port keeps no other one of its tenant waiting', async () => {
  const w = world(running(1), running(2));
  using uploads = w.uploads;
  uploads.retell();
  w.net.refuse = (line) =>
    line === 'create p1' ? new HeddleError('FORBIDDEN', { who: 'h', verb: 'w', what: 'x' }) : undefined;
  for (let i = 0; i < 2; i++) await uploads.tell();
  assert.deepEqual(w.said, ['create p1', 'create p2']);
});

test('a detach waits for nothing else that was put off, be it of its port or of its tenant', async () => {
  const forbidden = new HeddleError('FORBIDDEN', { who: 'h', verb: 'w', what: 'x' });
  for (const [refused, refusal] of [
    ['update labels of p1', forbidden],
    ['create p2', notGiven],
  ] as const) {
    const [a, b] = [running(1, { confirmed: '5', changed: ['labels'] }), running(2)];
    const w = world(a, b);
    using uploads = w.uploads;
    w.bound(a, { host: 'me' });
    w.reconciler.host = { id: 'me', number: 7 };
    w.reconciler.state.told.set(`port/${a.port}`, { kind: 'port', host: 7 });
    w.reconciler.revision = '10';
    uploads.retell();
    w.net.refuse = (line) => (line === refused ? refusal : undefined);
    await uploads.tell();
    assert.ok(w.said.splice(0).includes(refused));
    w.attachments.set(a.port, { ...w.attachments.get(a.port)!, state: 'detaching' });
    await uploads.tell();
    assert.deepEqual([w.said[0], w.attachments.has(a.port)], ['remove p1', false], refused);
  }
});

test('nothing begins in a tenant that was taken from the host, though it is told late; what is given again begins at once', async () => {
  const before = running(1);
  const w = world(before);
  using uploads = w.uploads;
  uploads.retell();
  w.net.refuse = () => notGiven;
  // The controller had let somebody wait in vain: these work before they are told.
  const [works, waits] = [running(2), made(3)];
  for (const a of [works, waits]) w.attachments.set(a.port, a);
  await uploads.tell();
  const refused = [before, works, waits].map((a) => w.local(a)?.refused?.code);
  assert.deepEqual(refused, [undefined, 'NOT_FOUND', 'NOT_FOUND']);
  w.net.refuse = () => undefined;
  const next = made(4);
  w.attachments.set(next.port, next);
  await uploads.tell();
  assert.deepEqual(w.said.slice(-2), ['create p4', 'create p1'], 'nobody waits a minute');
  assert.equal(uploads.pending, 0);
});

test('a new port waits for the address of one that is to go, also if that is told last', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let nowMs = 0;
  t.mock.method(performance, 'now', () => nowMs);
  const a = made(1, { confirmed: '5' }, 'detaching');
  const w = world(a);
  using uploads = w.uploads;
  w.bound(a, { host: 'me' });
  w.net.refuse = () => new HeddleError('FORBIDDEN', { who: 'h', verb: 'w', what: 'x' });
  await uploads.tell();
  const b = { ...made(2), local: { ...made(2).local, addresses: a.local.addresses } };
  w.attachments.set(b.port, b);
  await uploads.tell();
  assert.deepEqual(w.said, ['remove p1']);
  w.net.refuse = () => undefined;
  nowMs = 60_000;
  await uploads.tell();
  await turn();
  t.mock.timers.tick(15_000);
  for (let i = 0; i < 10; i++) await turn();
  assert.deepEqual([w.said.slice(1), uploads.pending], [['remove p1', 'create p2'], 0]);
});

test('what changed of a port, and that it is gone, is told until the controller lets this host in', async () => {
  for (const refusal of notNow.filter(({ code }) => code !== 'NOT_FOUND')) {
    const [a, b] = [running(1, { confirmed: '5', changed: ['labels'] }), made(2, {}, 'detaching')];
    const w = world(a, b);
    using uploads = w.uploads;
    w.ports.set(a.port, { ...a.local, id: a.port, name: a.name } as unknown as Port);
    w.bound(b, { host: 'me' });
    w.reconciler.host = { id: 'me', number: 7 };
    w.reconciler.state.told.set(`port/${a.port}`, { kind: 'port', host: 7 });
    w.reconciler.revision = '10';
    w.net.refuse = () => refusal;
    await uploads.tell();
    assert.deepEqual([w.local(a)?.changed, w.attachments.has(b.port)], [['labels'], true], refusal.code);
    w.net.refuse = () => undefined;
    uploads.retell();
    await uploads.tell();
    assert.deepEqual([w.local(a)?.changed, w.attachments.has(b.port), uploads.pending], [[], false, 0], refusal.code);
  }
});

test('what changed of a port that another host has by now is not told for ever', async () => {
  const a = running(1, { confirmed: '5', changed: ['labels'] });
  const w = world(a);
  using uploads = w.uploads;
  w.reconciler.host = { id: 'me', number: 7 };
  w.reconciler.state.told.set(`port/${a.port}`, { kind: 'port', host: 8 });
  w.net.refuse = () => new HeddleError('FORBIDDEN', { who: 'host h1', verb: 'write', what: 'ports' });
  await uploads.tell();
  assert.deepEqual([w.local(a)?.changed, uploads.pending, uploads.refusal], [[], 0, undefined]);
});
