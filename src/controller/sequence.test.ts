/** Writes of a sequence that others come between, or that end in the middle. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { it } from 'node:test';
import type { Store } from '../store/contract.ts';
import { openSqlite } from '../store/sqlite.ts';
import { ClientGone } from './gone.ts';
import type { Connected } from './presence.ts';
import { openTestApi, type TestApi } from './test-api.ts';
import { assertNoLeak } from './test-claims.ts';
import { user } from './test-principals.ts';
import { keyOf } from './transaction.ts';
import type { WorldChange } from './world.ts';

/** A controller in whose store something happens once: right before the first transaction that writes, or deletes, such a key, if it is due. */
async function openInterrupted(prefix: string, happens: (api: TestApi) => Promise<unknown>, isDue = true) {
  const store = await openSqlite(':memory:');
  const open = { isDue };
  const txn: Store['txn'] = async (t) => {
    if (open.isDue && t.ops.some((op) => keyOf(op).startsWith(prefix))) {
      open.isDue = false;
      await happens(api);
    }
    return store.txn(t);
  };
  const interrupted = new Proxy(store, {
    get(target, name) {
      if (name === 'txn') return txn;
      const value = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const api = await openTestApi({ store: interrupted });
  const dispose = () => api[Symbol.asyncDispose]().then(() => store[Symbol.asyncDispose]());
  return Object.assign(open, { api, [Symbol.asyncDispose]: dispose });
}
/** One with the network, in which the next sequence that writes a port stops before it does, until it is let go on. */
async function openHeld() {
  const [arrived, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const hold = () => {
    arrived.resolve();
    return goOn.promise;
  };
  const open = await openInterrupted('/port/', hold, false);
  await open.api.ok('POST', '/v1/apply', { documents: net });
  open.isDue = true;
  const held = open.api.ok('POST', '/v1/apply', { documents: [port('held')] });
  await arrived.promise;
  return Object.assign(open, { goOn: () => Promise.all([held, goOn.resolve()]) });
}

const net = [
  { kind: 'tenant', name: 'acme' },
  { kind: 'network', tenant: 'acme', name: 'web' },
  { kind: 'subnet', tenant: 'acme', name: 'v4', network: 'web', cidr: '10.0.0.0/24' },
];
const port = (name: string, addresses?: string[]) => ({
  ...{ kind: 'port', tenant: 'acme', name, network: 'web' },
  ...(addresses && { addresses }),
});
const takeSecond = (api: TestApi) =>
  api.ok('POST', '/v1/tenants/acme/ports', { name: 'other', network: 'web', addresses: ['10.0.0.2'] });

it('is decided anew when somebody else takes what it was about to take, and tells all of it as done', async () => {
  await using open = await openInterrupted('/port/', takeSecond);
  const { api } = open;
  const { changes, revision } = await api.ok('POST', '/v1/apply', { documents: [...net, port('p1')] });
  assert.deepEqual(
    changes.map(({ action, name }: { action: string; name: string }) => `${action} ${name}`),
    [...['create acme', 'create web', 'create v4', 'create p1']],
  );
  assert.deepEqual(changes.at(-1).fields.find(({ field }: { field: string }) => field === 'addresses').after, [
    '10.0.0.3',
  ]);
  assert.equal(revision, String(api.world.revision));
  assert.deepEqual((await api.ok('GET', '/v1/tenants/acme/ports/p1')).addresses, ['10.0.0.3']);
  await assertNoLeak(api.store);
});

it('says how much was written, if what others wrote meanwhile leaves no way on', async () => {
  await using open = await openInterrupted('/port/', takeSecond);
  const { api } = open;
  const documents = [...net, port('p1', ['10.0.0.2'])];
  const { status, body } = await api.request('POST', '/v1/apply', { documents });
  assert.deepEqual([status, body.code, body.details.written], [409, 'DOCUMENTS_REFUSED', 3]);
  assert.match(body.detail, /others wrote meanwhile; 3 changes were written before/);
  assert.match(body.details.problems[0].problem, /10\.0\.0\.2 is taken by port other/);
  await api.ok('DELETE', '/v1/tenants/acme/ports/other');
  await api.ok('POST', '/v1/apply', { documents });
  assert.deepEqual((await api.ok('GET', '/v1/tenants/acme/ports/p1')).addresses, ['10.0.0.2']);
  await assertNoLeak(api.store);
});

it('says of what was to be pruned, and another set has taken meanwhile, not that it is gone', async () => {
  const taken = { ...port('p1'), labels: { its: 'now' } };
  const take = async ({ store }: TestApi) => {
    await using other = await openTestApi({ store });
    await other.ok('POST', '/v1/apply', { documents: [taken], set: 'other', take: true });
  };
  await using open = await openInterrupted('/port/', take, false);
  const { api } = open;
  await api.ok('POST', '/v1/apply', { documents: [...net, port('p1'), port('p2')], set: 's' });
  open.isDue = true;
  const { changes } = await api.ok('POST', '/v1/apply', { documents: net, set: 's', prune: true });
  assert.deepEqual(
    changes.map(({ action, name }: { action: string; name: string }) => `${action} ${name}`),
    ['unchanged acme', 'unchanged web', 'unchanged v4', 'delete p2'],
  );
  assert.deepEqual((await api.ok('GET', '/v1/tenants/acme/ports/p1')).labels, { its: 'now' });
  await assertNoLeak(api.store);
});

it('leaves a legal state where it ends in the middle, and the same set makes the rest', async () => {
  for (const prefix of ['/network/', '/subnet/', '/port/', '/router/']) {
    await using open = await openInterrupted(prefix, () => Promise.reject(new Error('the disk is gone')));
    const { api } = open;
    const router = { kind: 'router', tenant: 'acme', name: 'r1', subnets: ['v4'] };
    const documents = [...net, port('p1'), router];
    assert.equal((await api.request('POST', '/v1/apply', { documents })).status, 500);
    await assertNoLeak(api.store);
    await api.ok('POST', '/v1/apply', { documents });
    await assertNoLeak(api.store);
    const { changes } = await api.ok('POST', '/v1/apply', { documents });
    assert.deepEqual(new Set(changes.map(({ action }: { action: string }) => action)), new Set(['unchanged']));
  }
});

const t = '/v1/tenants/acme';

it('A27: comes after the one before, also if nothing is to be written; of nine who wait one is told to come again', async () => {
  await using open = await openHeld();
  const { api } = open;
  const to = String(api.world.revision);
  const waiting = [
    api.request('POST', '/v1/rollback', { to }),
    ...Array.from({ length: 8 }, (_, i) => api.request('POST', '/v1/apply', { documents: [port(`p${i % 2}`)] })),
  ];
  const busy = await Promise.race(waiting);
  assert.deepEqual([busy.status, busy.body.code, busy.body.details], [503, 'BUSY', { waiting: 8 }]);
  assert.match(busy.body.detail, /^8 others wait for the same: repeat/);
  await open.goOn();
  const statuses = (await Promise.all(waiting)).map(({ status }) => status);
  assert.deepEqual(statuses.sort(), [...Array(8).fill(200), 503]);
  await assertNoLeak(api.store);
});

it('holds up none of those who only ask what would be', async () => {
  await using open = await openHeld();
  const { api } = open;
  const documents = [port('p1')];
  for (const how of [{ dryRun: true }, { plan: true }]) await api.ok('POST', '/v1/apply', { documents, ...how });
  await api.ok('POST', '/v1/rollback', { to: String(api.world.revision), dryRun: true });
  await open.goOn();
});

it('A27: waits once for each principal', async () => {
  await using open = await openHeld();
  const { api } = open;
  for (const name of ['ada', 'bob'])
    await api.ok('POST', `${t}/grants`, { name, subject: `user:${name}`, role: 'tenant-editor' });
  const [ada, bob] = [api.as(user('ada')), api.as(user('bob'))];
  const to = String(api.world.revision);
  const answers = [
    ada.request('POST', '/v1/apply', { documents: [port('p1')] }),
    ada.request('POST', '/v1/rollback', { to, tenant: 'acme' }),
  ];
  const busy = await Promise.race(answers);
  assert.deepEqual([busy.status, busy.body.details], [503, { who: 'user:ada' }]);
  assert.match(busy.body.detail, /^another request of user:ada waits already: repeat/);
  answers.push(bob.request('POST', '/v1/apply', { documents: [port('p2')] }));
  await open.goOn();
  assert.deepEqual((await Promise.all(answers)).map(({ status }) => status).sort(), [200, 200, 503]);
});

it('is not begun if its client goes while it waits, and that is nobody’s problem', async () => {
  await using open = await openHeld();
  const { api } = open;
  const { sequences } = api.writer;
  const came = Promise.withResolvers<{ ended: Promise<unknown> }>();
  const write = sequences.write.bind(sequences);
  sequences.write = (gone, decide) => {
    const ended = write(gone, decide);
    came.resolve({ ended });
    return ended;
  };
  await api.app.listen({ host: '127.0.0.1', port: 0 });
  const connected = once(api.app.server, 'connection');
  const client = new AbortController();
  const { port: tcp } = api.app.server.address() as AddressInfo;
  const answer = fetch(`http://127.0.0.1:${tcp}/v1/apply`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ documents: [port('p1')] }),
    signal: client.signal,
  });
  const [socket] = await connected;
  const { ended } = await came.promise;
  const refused = assert.rejects(ended, ClientGone);
  client.abort();
  await Promise.all([assert.rejects(answer), once(socket, 'close')]);
  await open.goOn();
  await refused;
  const { body: metrics } = await api.request('GET', '/metrics');
  assert.match(metrics, /^heddle_http_requests_total\{route="\/v1\/apply",method="POST",code="499"\} 1$/m);
  assert.doesNotMatch(metrics, /^heddle_http_problems_total\{/m);
  assert.equal((await api.request('GET', `${t}/ports/p1`)).status, 404);
});

const stays = new AbortController().signal;
for (const [what, body] of [
  ['apply', { documents: [port('late')] }],
  ['apply', { documents: [port('late')], plan: true }],
  ['rollback', { to: '3', tenant: 'acme' }],
  ['rollback', { to: '3', tenant: 'acme', dryRun: true }],
] as const)
  it(`A24: ${what} (${Object.keys(body)}) is refused to whose rights ended while it waited`, async () => {
    await using api = await openTestApi();
    await api.ok('POST', '/v1/apply', { documents: [...net, { kind: 'tenant', name: 'other' }, port('p1')] });
    const way = 'plan' in body || 'dryRun' in body ? 'rehearse' : 'write';
    const { sequences } = api.writer;
    const enter = sequences[way].bind(sequences) as (...of: unknown[]) => never;
    const grants = ['acme', 'other'].map((tenant) => `/v1/tenants/${tenant}/grants`);
    for (const [left, code] of [
      [[], 'FORBIDDEN'],
      [['other'], 'NOT_FOUND'],
    ] as const) {
      for (const path of grants)
        await api.ok('POST', path, { name: 'eve', subject: 'user:eve', role: 'tenant-editor' });
      const [came, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      const before = enter(stays, () => goOn.promise) as Promise<unknown>;
      sequences[way] = (...of: unknown[]) => {
        came.resolve();
        return enter(...of);
      };
      const answer = api.as(user('eve')).request('POST', `/v1/${what}`, body);
      await came.promise;
      for (const path of grants)
        if (!left.some((tenant) => path.includes(tenant))) await api.ok('DELETE', `${path}/eve`);
      const { revision } = await api.store.extent();
      goOn.resolve();
      await before;
      assert.equal((await answer).body.code, code);
      assert.equal((await api.store.extent()).revision, revision, 'nothing was written');
      for (const tenant of left) await api.ok('DELETE', `/v1/tenants/${tenant}/grants/eve`);
    }
  });

for (const [written, documents, answer] of [
  ['nothing', [], { status: 403, code: 'FORBIDDEN' }],
  ['something', [{ kind: 'network', tenant: 'acme', name: 'mine' }], { status: 200, code: undefined }],
] as const)
  it(`A24: of whose rights end when ${written} is written is decided anew ${written === 'nothing' ? 'for nobody' : 'to its end'}`, async () => {
    const interrupt = async (api: TestApi) => {
      await api.ok('DELETE', `${t}/grants/eve`);
      await takeSecond(api);
    };
    await using open = await openInterrupted('/port/', interrupt, false);
    const { api } = open;
    await api.ok('POST', '/v1/apply', { documents: net });
    await api.ok('POST', `${t}/grants`, { name: 'eve', subject: 'user:eve', role: 'tenant-editor' });
    open.isDue = true;
    const { status, body } = await api.as(user('eve')).request('POST', '/v1/apply', {
      documents: [...documents, port('p1')],
    });
    assert.deepEqual({ status, code: body.code }, answer);
    await assertNoLeak(api.store);
  });

/** All sequences are for a client that goes when it is told to. */
function ofOneClient({ writer: { sequences } }: TestApi) {
  const client = new AbortController();
  const write = sequences.write.bind(sequences);
  const when = { decided: () => {} };
  sequences.write = (_, decide) =>
    write(client.signal, async (sequence, gone) => {
      const result = await decide(sequence, gone);
      when.decided();
      return result;
    });
  return { goes: () => client.abort(new ClientGone()), when };
}

it('ends if its client goes while it is decided', async () => {
  await using api = await openTestApi();
  const client = ofOneClient(api);
  client.when.decided = client.goes;
  assert.equal((await api.request('POST', '/v1/apply', { documents: net })).status, 499);
  assert.equal((await api.store.extent()).revision, 0n, 'nothing was written');
});

it('is brought to its end if its client goes when something is written, also if it must be decided anew', async () => {
  let goes = () => {};
  await using open = await openInterrupted('/port/', async (api) => {
    goes();
    await takeSecond(api);
  });
  const { api } = open;
  ({ goes } = ofOneClient(api));
  await api.ok('POST', '/v1/apply', { documents: [...net, port('p1')] });
  assert.deepEqual((await api.ok('GET', `${t}/ports/p1`)).addresses, ['10.0.0.3']);
});

it('holds up nobody who writes what it does not', async () => {
  await using open = await openHeld();
  const { api } = open;
  await api.ok('POST', `${t}/networks`, { name: 'other' });
  await api.ok('POST', `${t}/ports`, { network: 'other' });
  await open.goOn();
});

const large = [
  { kind: 'network', tenant: 'acme', name: 'large' },
  { kind: 'subnet', tenant: 'acme', name: 'large4', network: 'large', cidr: '10.8.0.0/16' },
];
/** What a host's lease has. */
const held = Array.from({ length: 200 }, (_, n) => `10.0.0.${n + 2}`);
for (const [what, limits, documents, other] of [
  [
    'a tenant with a quota',
    { ports: 1000 },
    (n: number) => port(`p${n}`, []),
    (n: number) => ['ports', { name: `o${n}`, network: 'web', addresses: [] }],
  ],
  ['a network', {}, (n: number) => ({ ...port(`p${n}`), network: 'large' }), () => ['ports', { network: 'large' }]],
  [
    'the pool of VNIs',
    {},
    (n: number) => ({ kind: 'network', tenant: 'acme', name: `n${n}` }),
    (n: number) => ['networks', { name: `o${n}` }],
  ],
  [
    "a host's lease",
    {},
    (n: number) => ({ ...port(`p${n}`, [held[n]!]), host: 'h1' }),
    (n: number) => ['leases', { network: 'web', host: 'h1', size: n % 2 }],
  ],
] as const)
  it(`A27: is decided twice at most, however many others write to ${what} all the time`, async () => {
    await using api = await openTestApi();
    await api.ok('POST', '/v1/apply', { documents: [...net, ...large] });
    await api.ok('PATCH', `${t}/quota`, { limits });
    await api.ok('POST', '/v1/hosts', { name: 'h1', vtep: '198.18.0.1' });
    await api.ok('POST', `${t}/leases`, { network: 'web', host: 'h1', size: 0, addresses: held });
    let attempts = 0;
    const { sequences } = api.writer;
    const write = sequences.write.bind(sequences);
    sequences.write = (gone, decide) =>
      write(gone, (sequence, ends) => {
        attempts++;
        return decide(sequence, ends);
      });
    let isDone = false;
    const others = Array.from({ length: 4 }, async (_, i) => {
      for (let n = i; !isDone; n += 4) await api.ok('POST', `${t}/${other(n)[0]}`, other(n)[1]);
    });
    const apply = api.request('POST', '/v1/apply', { documents: Array.from({ length: 200 }, (_, n) => documents(n)) });
    const { status, body } = await apply.finally(() => {
      isDone = true;
    });
    await Promise.all(others);
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal(attempts, 2, 'the others were in the way, and then not any more');
    await assertNoLeak(api.store);
  });

it('of a rollback says what was written, if what it goes back to is forgotten meanwhile', async () => {
  const forget = async (api: TestApi) => {
    await takeSecond(api);
    await api.store.compact(api.world.revision);
  };
  await using open = await openInterrupted('/port/', forget, false);
  const { api } = open;
  await api.ok('POST', '/v1/apply', { documents: [...net, port('p1', ['10.0.0.2'])] });
  const to = String(api.world.revision);
  for (const path of ['ports/p1', 'subnets/v4', 'networks/web']) await api.ok('DELETE', `${t}/${path}`);
  open.isDue = true;
  const { status, body } = await api.request('POST', '/v1/rollback', { to });
  assert.deepEqual([status, body.code, body.details.written], [410, 'COMPACTED', 2]);
  assert.match(body.detail, /; 2 changes were written before\. /);
});

it('tells all that it did, also if a host had to give something back in the middle', async () => {
  const holdSecond = (api: TestApi) =>
    api.ok('POST', `${t}/leases`, { network: 'web', host: 'h1', size: 1, addresses: ['10.0.0.2'] });
  await using open = await openInterrupted('/port/', holdSecond, false);
  const { api } = open;
  await api.ok('POST', '/v1/hosts', { name: 'h1', vtep: '198.18.0.1' });
  const connected = { hello: {}, applied: 0n, ports: new Map() } as unknown as Connected;
  api.presence.arrive(api.world.find('host', '-', 'h1')!.record.id, connected);
  // Its agent: what is asked back it gives.
  api.world.listeners.add((changes) => {
    for (const { kind, after } of changes as WorldChange<'lease'>[])
      if (kind === 'lease' && after?.record.size === 0 && after.record.addresses.length > 0)
        api.ok('DELETE', `${t}/leases/${after.record.id}`);
  });
  await api.ok('POST', '/v1/apply', { documents: [...net, port('p1', ['10.0.0.2'])] });
  const to = String(api.world.revision);
  for (const path of ['ports/p1', 'subnets/v4', 'networks/web']) await api.ok('DELETE', `${t}/${path}`);
  open.isDue = true;
  const { changes, revision } = await api.ok('POST', '/v1/rollback', { to });
  assert.equal(revision, String(api.world.revision));
  assert.deepEqual(
    changes.map(({ action, name }: { action: string; name: string }) => `${action} ${name}`),
    ['create web', 'create v4', 'create p1'],
  );
  await assertNoLeak(api.store);
});
