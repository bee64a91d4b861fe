import assert from 'node:assert/strict';
import { it } from 'node:test';
import { openSqlite } from '../store/sqlite.ts';
import { type Answer, openFurnishedApi, openTestApi, type TestApi } from './test-api.ts';
import { assertNoLeak } from './test-claims.ts';
import { both } from './test-race.ts';

const t = '/v1/tenants/acme';
const CLIENTS = 20;
const EACH = 10;

/** Clients that each make objects one after the other, spread over the controllers. */
async function race(apis: readonly TestApi[], path: string, body: (client: number, n: number) => object) {
  const client = async (c: number): Promise<Answer[]> => {
    const answers = [];
    for (let n = 0; n < EACH; n++) answers.push(await apis[c % apis.length]!.request('POST', path, body(c, n)));
    return answers;
  };
  const answers = (await Promise.all(Array.from({ length: CLIENTS }, (_, c) => client(c)))).flat();
  for (const a of answers) assert.equal(a.status, 201, JSON.stringify(a.body));
  return answers.map((a) => a.body);
}
function distinct(values: readonly unknown[], what: string): void {
  assert.equal(new Set(values).size, CLIENTS * EACH, what);
}

for (const controllers of [1, 2])
  it(`${controllers} controller(s) give ${CLIENTS} concurrent clients no address, MAC, VNI or number twice`, async () => {
    await using store = await openSqlite(':memory:');
    await using first = await openFurnishedApi({ store });
    await using second = await openTestApi({ store });
    const apis = [first, second].slice(0, controllers);
    const networks = await race(apis, `${t}/networks`, (c, n) => ({ name: `n-${c}-${n}` }));
    distinct(
      networks.map((o) => o.vni),
      'VNIs',
    );
    const ports = await race(apis, `${t}/ports`, () => ({ network: 'web' }));
    distinct(
      ports.map((o) => o.addresses[0]),
      'IPv4 addresses',
    );
    distinct(
      ports.map((o) => o.addresses[1]),
      'IPv6 addresses',
    );
    distinct(
      ports.map((o) => o.mac),
      'MACs',
    );
    distinct(
      ports.map((o) => o.id),
      'ids',
    );
    const hosts = await race(apis, '/v1/hosts', (c, n) => ({ name: `x-${c}-${n}`, vtep: `10.9.${c}.${n}` }));
    distinct(
      hosts.map((o) => o.number),
      'host numbers',
    );
  });

it('gives one of many who want the same name, address, MAC, VNI or VTEP, and refuses the others by its code', async () => {
  await using api = await openFurnishedApi();
  const wants: [string, object, string][] = [
    [`${t}/networks`, { name: 'same' }, 'NAME_TAKEN'],
    [`${t}/ports`, { network: 'web', addresses: ['10.0.0.77'] }, 'ADDRESS_TAKEN'],
    [`${t}/ports`, { network: 'web', mac: '02:00:00:00:00:77' }, 'MAC_TAKEN'],
    [`${t}/subnets`, { name: 'NAME', network: 'web', cidr: '10.7.0.0/24' }, 'PREFIX_OVERLAPS'],
    [`${t}/networks`, { name: 'NAME', vni: 777 }, 'VNI_TAKEN'],
    ['/v1/hosts', { name: 'NAME', vtep: '198.18.0.77' }, 'VTEP_TAKEN'],
  ];
  for (const [path, body, code] of wants) {
    const named = (i: number) => ({ ...body, ...('name' in body && body.name === 'NAME' ? { name: `x${i}` } : {}) });
    const answers = await Promise.all(Array.from({ length: CLIENTS }, (_, i) => api.request('POST', path, named(i))));
    const codes = answers.map((a) => (a.status === 201 ? 'made' : a.body.code));
    assert.equal(codes.filter((c) => c === 'made').length, 1, code);
    assert.equal(codes.filter((c) => c === code).length, CLIENTS - 1, `${codes}`);
  }
});

it('never leaves a dependent behind when its parent is deleted at the same time', async () => {
  await using store = await openSqlite(':memory:');
  await using here = await openFurnishedApi({ store });
  await using there = await openTestApi({ store });
  const outcomes = new Set<string>();
  for (let i = 0; i < 60; i++) {
    const n = `n${i}`;
    await here.ok('POST', '/v1/tenants', { name: n });
    await here.ok('POST', `/v1/tenants/${n}/networks`, { name: n });
    await here.ok('POST', `/v1/tenants/${n}/subnets`, { name: n, network: n, cidr: '10.0.0.0/24' });
    await here.ok('POST', '/v1/hosts', { name: n, vtep: `10.1.0.${i + 1}` });
    await there.world.reached(here.world.revision);
    const [parent, child] = (
      [
        [`/v1/tenants/${n}/subnets/${n}`, [`/v1/tenants/${n}/ports`, { network: n }]],
        [`/v1/hosts/${n}`, [`/v1/tenants/${n}/ports`, { network: n, host: n }]],
      ] as const
    )[i % 2]!;
    const create = () => (i % 3 ? here : there).request('POST', child[0], child[1]);
    const remove = () => here.request('DELETE', parent);
    const both = i % 4 < 2 ? [create(), remove()] : [remove(), create()].reverse();
    const [made, gone] = await Promise.all(both as [Promise<Answer>, Promise<Answer>]);
    outcomes.add(`${made.status} ${gone.status}`);
    if (gone.status === 204 && made.status === 201) {
      // The deletion came first: the port must have nothing of what is gone.
      assert.deepEqual(made.body.addresses.length, parent.includes('subnets') ? 0 : 1);
      assert.equal(made.body.host, undefined);
    } else
      assert.equal(gone.status === 204 ? made.body.code : gone.body.code, gone.status === 204 ? 'NOT_FOUND' : 'IN_USE');
  }
  assert.ok(outcomes.size > 1, `only ${[...outcomes]} was seen`);
});

it('never leaves a network in a tenant, or a subnet or port in a network, that is deleted at the same time', async () => {
  await using store = await openSqlite(':memory:');
  await using here = await openTestApi({ store });
  await using there = await openTestApi({ store });
  for (let i = 0; i < 60; i++) {
    const n = `/v1/tenants/n${i}`;
    await here.ok('POST', '/v1/tenants', { name: `n${i}` });
    if (i % 3 > 0) await here.ok('POST', `${n}/networks`, { name: 'a' });
    await there.world.reached(here.world.revision);
    const [parent, path, body] = (
      [
        [n, `${n}/networks`, { name: 'a' }],
        [`${n}/networks/a`, `${n}/subnets`, { name: 's', network: 'a', cidr: '10.0.0.0/24' }],
        [`${n}/networks/a`, `${n}/ports`, { network: 'a' }],
      ] as const
    )[i % 3]!;
    const create = there.request('POST', path, body);
    const remove = here.request('DELETE', parent);
    const [made, gone] = await Promise.all([create, remove]);
    assert.notEqual(made.status === 201, gone.status === 204, `${made.status} ${gone.status}`);
    assert.equal(made.status === 201 ? gone.body.code : made.body.code, made.status === 201 ? 'IN_USE' : 'NOT_FOUND');
  }
});

it('loses nothing and leaves nothing behind when leases and ports come while what they need is deleted', async () => {
  await using store = await openSqlite(':memory:');
  await using here = await openFurnishedApi({ store });
  await using there = await openTestApi({ store });
  const tenant = here.world.find('tenant', '-', 'acme')!.record.id;
  const outcomes = new Set<string>();
  for (let i = 0; i < 60; i++) {
    const n = `n${i}`;
    await here.ok('POST', `${t}/networks`, { name: n });
    await here.ok('POST', `${t}/subnets`, { name: n, network: n, cidr: '10.1.0.0/24' });
    await here.ok('POST', '/v1/hosts', { name: n, vtep: `10.1.0.${i + 1}` });
    if (i % 2) await here.ok('POST', `${t}/leases`, { network: n, host: 'h2', size: 2 });
    await there.world.reached(here.world.revision);
    const lease = { network: n, host: n, size: 3 };
    const leases = () => there.writer.create('lease', tenant, lease);
    const port = (host: string) => () => there.writer.create('port', tenant, { network: n, host, ephemeral: true });
    const remove = (kind: 'subnet' | 'host', gone: boolean) => () =>
      here.writer.remove(kind, kind === 'host' ? '-' : tenant, n, undefined, { gone });
    const [child, parent] = (
      [
        [leases, remove('subnet', false)],
        [port('h2'), remove('subnet', false)],
        [leases, remove('host', false)],
        [leases, remove('host', true)],
        [port(n), remove('host', true)],
      ] as const
    )[i % 5]!;
    // Without the API between them, the second is decided before its controller hears of the first.
    const ended = await (i % 4 < 2 ? both(child, parent) : both(parent, child));
    outcomes.add(`${i % 5} ${ended.join(', ')}`);
    await assertNoLeak(store);
    // What is left of it goes without objection, even if a lease comes now.
    await here.world.reached((await store.range('/cursor/')).revision);
    for (const kind of ['ports', 'subnets'])
      for (const { id } of (await here.ok('GET', `${t}/${kind}?network=${n}`)).items)
        await here.ok('DELETE', `${t}/${kind}/${id}`);
    await there.world.reached(here.world.revision);
    const late = () => there.writer.create('lease', tenant, { ...lease, host: 'h1' });
    assert.deepEqual(await both(late, () => here.writer.remove('network', tenant, n, undefined)), ['done', 'done']);
    await assertNoLeak(store);
    await there.world.reached(here.world.revision);
  }
  assert.deepEqual(
    [...outcomes].sort(),
    [
      ['0 done, done', '1 done, IN_USE', '1 done, done', '2 done, IN_USE', '2 done, NOT_FOUND'],
      ['3 done, NOT_FOUND', '3 done, done', '4 done, NOT_FOUND', '4 done, done'],
    ].flat(),
  );
});

it('tops up leases and makes ports of them for many hosts at once in one write each', async () => {
  await using store = await openSqlite(':memory:');
  await using api = await openFurnishedApi({ store });
  const hosts = Array.from({ length: CLIENTS }, (_, n) => `x${n}`);
  for (const [n, name] of hosts.entries()) await api.ok('POST', '/v1/hosts', { name, vtep: `10.9.0.${n}` });
  const txn = store.txn.bind(store);
  let writes = 0;
  store.txn = (t) => {
    writes++;
    return txn(t);
  };
  const lease = (host: string) => api.ok('POST', `${t}/leases`, { network: 'web', host, size: 2 });
  const leases = await Promise.all(hosts.map(lease));
  const grow = (host: string) => api.ok('PATCH', `${t}/leases/web-${host}`, { size: 4 });
  await Promise.all(hosts.map(grow));
  const port = (host: string, n: number) =>
    api.ok('POST', `${t}/ports`, { network: 'web', host, addresses: leases[n].addresses.slice(0, 1) });
  const ports = await Promise.all(hosts.map(port));
  await Promise.all(ports.map(({ id }) => api.ok('DELETE', `${t}/ports/${id}`)));
  assert.equal(writes, 4 * CLIENTS);
  await assertNoLeak(store);
});
