/** What the controller is told of ports that were made or removed here, with a twin of it in memory. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { pino } from 'pino';
import { parseIp, parseMac } from '../model/address.ts';
import { HeddleError } from '../model/errors.ts';
import { type NetworkId, newId, type PortId } from '../model/ids.ts';
import type { Attachment, LocalPort } from '../model/local-api.ts';
import { Uploads } from './uploads.ts';

const network = newId<NetworkId>() as NetworkId;
const local = (n: number, more: Partial<LocalPort> = {}): LocalPort => ({
  network,
  mac: parseMac(`02:00:00:00:00:0${n}`),
  addresses: [parseIp(`10.0.0.${n}`)],
  leased: [],
  dnsNames: [],
  labels: {},
  publish: [],
  createdAt: '2026-01-01T00:00:00Z',
  changed: [],
  ...more,
});
const attachment = (name: string, more: object): Attachment => ({
  port: newId<PortId>() as PortId,
  tenant: 'old',
  network: 'n',
  name,
  kind: 'netns',
  target: { path: '/run/netns/x', identity: '1' },
  ifname: 'eth0',
  owned: true,
  state: 'attached',
  ...more,
});

function rig(attachments: Attachment[], { revision = '50', synced = true } = {}) {
  const all = new Map(attachments.map((a) => [a.port, a]));
  const asked: string[] = [];
  const state = { networks: new Map([[network, { tenant: 'acme' }]]), told: new Map<string, object>() };
  const held = new Map<string, Promise<void>>();
  const world = { removal: undefined as Error | undefined, all, asked, state, held };
  const answer = (id: string) => ({
    ...all.get(id as PortId)!.local,
    name: all.get(id as PortId)!.name,
    revision: '60',
  });
  const uploads = new Uploads({
    attachments: {
      all: () => [...all.values()],
      get: (id: PortId) => all.get(id),
      put: (a: Attachment) => all.set(a.port, a),
      remove: (id: PortId) => all.delete(id),
    },
    client: {
      async create(_: string, input: { id: string; name: string }, { tenant }: { tenant: string }) {
        asked.push(`create ${tenant}/${input.name}`);
        await held.get(input.name);
        return answer(input.id);
      },
      get: async () => ({ host: 'h', revision: '50' }),
      async remove(_: string, id: PortId, { tenant }: { tenant: string }) {
        asked.push(`remove ${tenant}/${all.get(id)!.name}`);
        await held.get(`remove ${all.get(id)!.name}`);
        if (world.removal) throw world.removal;
      },
    },
    reconciler: { touchPort: () => {}, abandon: () => {}, host: { id: 'h' }, state, synced, revision },
    log: pino({ level: 'silent' }),
    thisHost: { name: 'h1', ref: 'h1' },
    connected: () => synced,
  } as never);
  return { ...world, world, uploads, [Symbol.dispose]: () => uploads[Symbol.dispose]() };
}

test('a controller whose store is older than what it confirmed is told anew', async () => {
  const [lost, kept] = [
    attachment('lost', { local: local(1, { confirmed: '51' }) }),
    attachment('kept', { local: local(2, { confirmed: '50' }) }),
  ];
  using r = rig([lost, kept]);
  r.uploads.retell();
  await r.uploads.tell();
  assert.deepEqual(r.asked, ['create acme/lost']);
  assert.equal(r.all.get(lost.port)?.local?.confirmed, '60');
});

test('the address of a port that could not be released is not claimed for the next one until it is', async () => {
  const a = attachment('a', { state: 'detaching', local: local(1, { confirmed: '5' }) });
  using r = rig([a, attachment('b', { local: local(1) }), attachment('c', { local: local(2) })]);
  r.world.removal = new HeddleError('INTERNAL', { problem: 'x' });
  await r.uploads.tell();
  assert.deepEqual(r.asked.splice(0), ['remove acme/a', 'create acme/c']);
  r.world.removal = undefined;
  await r.uploads.tell();
  assert.deepEqual(r.asked, ['remove acme/a', 'create acme/b']);
});

test('a port is released from its tenant by the name that that has now, and is not given up for an old name', async () => {
  const a = attachment('a', { state: 'detaching' });
  using before = rig([a], { synced: false });
  before.world.removal = new HeddleError('NOT_FOUND', { kind: 'tenant', name: 'old' });
  await before.uploads.tell();
  assert.deepEqual(before.asked, ['remove old/a']);
  assert.ok(before.all.has(a.port));
  using after = rig([a]);
  after.state.told.set(`port/${a.port}`, { kind: 'port', network });
  await after.uploads.tell();
  assert.deepEqual(after.asked, ['remove acme/a']);
  assert.ok(!after.all.has(a.port));
});

test('who waits for its own port waits for no other one', async () => {
  const [a, b] = [attachment('a', { local: local(1) }), attachment('b', { local: local(2) })];
  using r = rig([a, b]);
  const other = Promise.withResolvers<void>();
  r.held.set('b', other.promise);
  await r.uploads.tellSoon(a.port);
  assert.equal(r.all.get(a.port)?.local?.confirmed, '60');
  assert.equal(r.all.get(b.port)?.local?.confirmed, undefined);
  other.resolve();
  await r.uploads.tellSoon(b.port);
  assert.equal(r.all.get(b.port)?.local?.confirmed, '60');
});

test('who waits for a port to be released is not answered by the create that was under way', async () => {
  const a = attachment('a', { local: local(1) });
  using r = rig([a]);
  const [create, remove] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  r.held.set('a', create.promise).set('remove a', remove.promise);
  const asked = async (what: string) => {
    while (!r.asked.includes(what)) await turn();
  };
  const made = r.uploads.tellSoon(a.port);
  await asked('create acme/a');
  r.all.set(a.port, { ...a, state: 'detaching' } as Attachment);
  let isAnswered = false;
  const released = r.uploads.tellSoon(a.port).then(() => {
    isAnswered = true;
  });
  create.resolve();
  await asked('remove acme/a');
  await made;
  assert.equal(isAnswered, false);
  remove.resolve();
  await released;
  assert.ok(!r.all.has(a.port));
});

test('one that has let somebody wait in vain is not waited for again until it has taken something', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const [a, b] = [attachment('a', { local: local(1) }), attachment('b', { local: local(2) })];
  using r = rig([a, b]);
  const slow = Promise.withResolvers<void>();
  r.held.set('a', slow.promise);
  const first = r.uploads.tellSoon(a.port);
  t.mock.timers.tick(2_000);
  await first;
  await r.uploads.tellSoon(b.port);
  assert.deepEqual(
    [...r.all.values()].map((p) => p.local?.confirmed),
    [undefined, undefined],
  );
  slow.resolve();
  await r.uploads.tell();
  const c = attachment('c', { local: local(3) });
  r.all.set(c.port, c);
  await r.uploads.tellSoon(c.port);
  assert.equal(r.all.get(c.port)?.local?.confirmed, '60');
});
