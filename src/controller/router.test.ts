/** Routers through the API: what they join, what is refused, and who wins when two want the same. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Code } from '../model/errors.ts';
import { limits } from '../model/fields.ts';
import { openSqlite } from '../store/sqlite.ts';
import { objectKey } from './keys.ts';
import { type Answer, type Method, openFurnishedApi, openTestApi, type TestApi } from './test-api.ts';
import { assertNoLeak } from './test-claims.ts';
import { both } from './test-race.ts';
import { furnish, t } from './test-routers.ts';
import { World } from './world.ts';

async function openWithRouter(): Promise<TestApi> {
  const api = await openFurnishedApi();
  await furnish(api);
  await api.ok('POST', `${t}/routers`, { name: 'r1', subnets: ['v4', 'db4'] });
  return api;
}

it('makes, shows, changes and deletes a router, by name and by id, and leaves nothing behind', async () => {
  await using api = await openFurnishedApi();
  await furnish(api);
  const { revision: before, entries } = await api.store.range('/');
  const routes = [
    { destination: '10.9.0.0/16', via: '10.0.0.5' },
    { destination: '192.0.2.7' },
    { destination: '::/0', via: 'fd00:1:0::9' },
  ];
  const body = { name: 'r1', subnets: ['v4', 'db4', 'db6'], routes, labels: { a: 'b' } };
  const router = await api.ok('POST', `${t}/routers`, body);
  const id = async (name: string) => (await api.ok('GET', `${t}/subnets/${name}`)).id;
  assert.deepEqual(router.subnets, await Promise.all(body.subnets.map(id)));
  assert.deepEqual(router.routes, [
    { destination: '10.9.0.0/16', via: '10.0.0.5' },
    { destination: '192.0.2.7/32' },
    { destination: '::/0', via: 'fd00:1::9' },
  ]);
  assert.equal(router.domain, 4, 'the number after the networks’');
  assert.deepEqual(await api.ok('GET', `${t}/routers/${router.id}`), router);
  assert.deepEqual((await api.ok('GET', `${t}/routers`)).items, [router]);
  await assertNoLeak(api.store);

  const changed = await api.ok('PATCH', `${t}/routers/r1`, { name: 'r2', subnets: ['db4', 'v6'], routes: [] });
  assert.deepEqual(changed.subnets, [await id('db4'), await id('v6')]);
  assert.deepEqual([changed.name, changed.routes, changed.domain], ['r2', [], 4]);
  await assertNoLeak(api.store);
  await api.ok('DELETE', `${t}/subnets/v4`);

  await api.ok('POST', `${t}/subnets`, { name: 'v4', network: 'web', cidr: '10.0.0.0/24' });
  await api.ok('DELETE', `${t}/routers/${router.id}`);
  await assertNoLeak(api.store);
  const after = await api.store.range('/');
  assert.ok(after.revision > before);
  assert.equal(after.entries.length, entries.length);
});

it('takes numbers of the one pool, in turn with networks', async () => {
  await using api = await openTestApi({ vniPool: { first: 10, last: 12 } });
  await api.ok('POST', '/v1/tenants', { name: 'acme' });
  assert.equal((await api.ok('POST', `${t}/networks`, { name: 'a' })).vni, 10);
  assert.equal((await api.ok('POST', `${t}/routers`, { name: 'a' })).domain, 11);
  await api.refused('VNI_TAKEN', 'POST', `${t}/networks`, { name: 'b', vni: 11 });
  assert.equal((await api.ok('POST', `${t}/routers`, { name: 'b' })).domain, 12);
  await api.refused('VNI_POOL_EXHAUSTED', 'POST', `${t}/routers`, { name: 'c' });
  await api.ok('DELETE', `${t}/routers/a`);
  assert.equal((await api.ok('POST', `${t}/networks`, { name: 'b' })).vni, 11);
});

type Case = readonly [code: Code, what: string, method: Method, path: string, body?: unknown];
const cases: readonly Case[] = [
  ['SUBNET_WITHOUT_GATEWAY', 'a subnet without gateway', 'PATCH', `${t}/routers/r1`, { subnets: ['v4', 'lone4'] }],
  ['NETWORK_ROUTED', 'a subnet of another router', 'POST', `${t}/routers`, { name: 'r2', subnets: ['v4'] }],
  ['NETWORK_ROUTED', 'another subnet of its network', 'POST', `${t}/routers`, { name: 'r2', subnets: ['v6'] }],
  ['NOT_FOUND', 'a subnet that is not there', 'PATCH', `${t}/routers/r1`, { subnets: ['none'] }],
  ['NOT_FOUND', 'another tenant’s subnet', 'PATCH', `${t}/routers/r1`, { subnets: ['strange'] }],
  ['INVALID', 'the same subnet twice', 'PATCH', `${t}/routers/r1`, { subnets: ['v4', 'v4'] }],
  [
    'INVALID',
    'more subnets than it can have',
    'PATCH',
    `${t}/routers/r1`,
    { subnets: Array.from({ length: limits.subnetsPerRouter + 1 }, (_, i) => `s${i}`) },
  ],
  ['NAME_TAKEN', 'a router’s name', 'POST', `${t}/routers`, { name: 'r1' }],
  ['NAME_INVALID', 'a name with a space', 'PATCH', `${t}/routers/r1`, { name: 'a b' }],
  ['PREFIX_OVERLAPS', 'a prefix that it joins already', 'PATCH', `${t}/routers/r1`, { subnets: ['v4', 'same'] }],
  ['PREFIX_OVERLAPS', 'a prefix beside one that it joins', 'PATCH', `${t}/routers/r1`, { subnets: ['v4', 'beside'] }],
  [
    'PREFIX_OVERLAPS',
    'a new subnet of a joined network with a prefix of another',
    'POST',
    `${t}/subnets`,
    { name: 'x', network: 'web', cidr: '10.1.0.128/25' },
  ],
  ['IN_USE', 'a joined subnet’s end', 'DELETE', `${t}/subnets/db4`],
  ['IN_USE', 'the end of a tenant with a router', 'DELETE', '/v1/tenants/bare'],
  ...(
    [
      ['PREFIX_INVALID', 'a destination with host bits', { destination: '10.9.0.1/16' }],
      ['PREFIX_INVALID', 'a destination that is none', { destination: 'default' }],
      ['PREFIX_INVALID', 'a destination without text', { destination: '' }],
      ['PREFIX_INVALID', 'the address of the metadata', { destination: '169.254.169.254/32' }],
      ['ROUTE_INVALID', 'the other address of the metadata', { destination: 'fd00:ec2::254' }],
      ['PREFIX_INVALID', 'multicast', { destination: '224.0.0.0/3' }],
      ['PREFIX_INVALID', 'link-local addresses', { destination: 'fe80::/64' }],
      ['ROUTE_INVALID', 'a joined prefix', { destination: '10.0.0.0/24' }],
      ['ROUTE_INVALID', 'a part of a joined prefix', { destination: '10.1.0.64/26' }],
      ['ROUTE_INVALID', 'one of its own addresses', { destination: '10.0.0.1/32' }],
      ['ADDRESS_INVALID', 'a next hop that is none', { destination: '10.9.0.0/16', via: 'blackhole' }],
      ['ADDRESS_INVALID', 'a next hop without text', { destination: '10.9.0.0/16', via: '' }],
      ['ROUTE_INVALID', 'a next hop outside', { destination: '10.9.0.0/16', via: '10.2.0.5' }],
      ['ROUTE_INVALID', 'a next hop of the other family', { destination: '::/0', via: '10.0.0.5' }],
      ['ROUTE_INVALID', 'a gateway as next hop', { destination: '10.9.0.0/16', via: '10.1.0.1' }],
      ['ROUTE_INVALID', 'the broadcast address as next hop', { destination: '10.9.0.0/16', via: '10.1.0.255' }],
      ['INVALID', 'a route of another shape', { destination: '10.9.0.0/16', gateway: '10.1.0.5' }],
      ['INVALID', 'a route to nowhere', { via: '10.1.0.5' }],
    ] as const
  ).map(([code, what, route]) => [code, `a route: ${what}`, 'PATCH', `${t}/routers/r1`, { routes: [route] }] as const),
  [
    'ROUTE_INVALID',
    'the same destination twice, written in two ways',
    'PATCH',
    `${t}/routers/r1`,
    { routes: [{ destination: '192.0.2.7' }, { destination: '192.0.2.7/32', via: '10.0.0.5' }] },
  ],
  ['ROUTE_INVALID', 'that the subnet of a next hop leaves', 'PATCH', `${t}/routers/via`, { subnets: [] }],
];

describe('a router is refused, and nothing changes:', () => {
  for (const [code, what, method, path, body] of cases)
    it(`${code} for ${what}`, async () => {
      await using api = await openWithRouter();
      await api.ok('POST', '/v1/tenants', { name: 'other' });
      await api.ok('POST', '/v1/tenants/other/networks', { name: 'x' });
      await api.ok('POST', '/v1/tenants/other/subnets', { name: 'strange', network: 'x', cidr: '10.7.0.0/24' });
      await api.ok('POST', '/v1/tenants', { name: 'bare' });
      await api.ok('POST', '/v1/tenants/bare/routers', { name: 'r' });
      for (const [name, cidr] of [
        ['same', '10.0.0.0/25'],
        ['beside', '10.8.0.0/24'],
      ]) {
        await api.ok('POST', `${t}/networks`, { name });
        await api.ok('POST', `${t}/subnets`, { name, network: name, cidr });
      }
      // Not joined itself, but its network would be.
      await api.ok('POST', `${t}/subnets`, { name: 'shadow', network: 'beside', cidr: '10.0.0.64/26' });
      await api.ok('POST', `${t}/networks`, { name: 'far' });
      await api.ok('POST', `${t}/subnets`, { name: 'far', network: 'far', cidr: '10.6.0.0/24' });
      const routes = [{ destination: '10.9.0.0/16', via: '10.6.0.5' }];
      await api.ok('POST', `${t}/routers`, { name: 'via', subnets: ['far'], routes });
      await api.refused(code, method, path, body);
    });
});

it('lets one router have a network, one prefix be there, and no subnet go, if two controllers are asked at once', async () => {
  await using store = await openSqlite(':memory:');
  await using here = await openFurnishedApi({ store });
  await using there = await openTestApi({ store });
  await furnish(here);
  await there.world.reached(here.world.revision);
  const tenant = here.world.find('tenant', '-', 'acme')!.record.id;
  const join = (api: TestApi, name: string, subnets: string[]) =>
    api.writer.update('router', tenant, name, undefined, (have) => ({ ...have, subnets }));
  const races = [
    () => join(there, 'b', ['v6', 'db6']),
    () => there.writer.remove('subnet', tenant, 'db4', undefined),
    () => there.writer.create('subnet', tenant, { name: 'x', network: 'web', cidr: '10.1.0.0/25' }),
  ] as const;
  const outcomes = new Set<string>();
  for (let i = 0; i < 24; i++) {
    const [race, secondFirst, joined] = [i % 3, (i & 4) > 0, (i & 8) > 0];
    await here.ok('POST', `${t}/routers`, { name: 'a', subnets: joined ? ['v4'] : [] });
    await here.ok('POST', `${t}/routers`, { name: 'b' });
    await there.world.reached(here.world.revision);
    // What comes second is decided before its controller hears of the first.
    const first = () => join(here, 'a', ['v4', 'db4']);
    const second = races[race]!;
    const ended = secondFirst ? (await both(second, first)).toReversed() : await both(first, second);
    outcomes.add(`${race} ${ended.join(', ')}`);
    await assertNoLeak(store);
    await here.world.reached((await store.range('/cursor/')).revision);
    for (const name of ['a', 'b']) await here.ok('DELETE', `${t}/routers/${name}`);
    if (race === 1 && ended[1] === 'done')
      await here.ok('POST', `${t}/subnets`, { name: 'db4', network: 'db', cidr: '10.1.0.0/24' });
    if (race === 2 && ended[1] === 'done') await here.ok('DELETE', `${t}/subnets/x`);
  }
  assert.deepEqual([...outcomes].sort(), [
    '0 NETWORK_ROUTED, done',
    '0 done, NETWORK_ROUTED',
    '1 NOT_FOUND, done',
    '1 done, IN_USE',
    '2 PREFIX_OVERLAPS, done',
    '2 done, PREFIX_OVERLAPS',
  ]);
});
it('gives a tenant so many routers and no more', async () => {
  await using api = await openFurnishedApi();
  for (let i = 0; i < limits.routersPerTenant; i++) await api.ok('POST', `${t}/routers`, { name: `r${i}` });
  await api.refused('ROUTER_LIMIT', 'POST', `${t}/routers`, { name: 'more' });
  await api.ok('DELETE', `${t}/routers/r0`);
  await api.ok('POST', `${t}/routers`, { name: 'more' });
});

it('regroups no host for a change of routes alone', async (ctx) => {
  await using api = await openFurnishedApi();
  await api.ok('POST', `${t}/ports`, { network: 'web', host: 'h1' });
  await api.ok('POST', `${t}/routers`, { name: 'r', subnets: ['v4'] });
  const world = new World();
  await world.load(api.store);
  const [router] = world.router.values();
  const put = (record: object) =>
    world.apply({
      revision: world.revision + 1n,
      changes: [{ key: objectKey('router', router!.record), value: JSON.stringify(record), previous: undefined }],
    });
  const asked = ctx.mock.method(world.views.hostsOfNetwork, 'of');
  put({ ...router!.record, routes: [{ destination: '192.0.2.0/24' }] });
  assert.equal(asked.mock.callCount(), 0);
  put({ ...router!.record, subnets: [] });
  assert.equal(asked.mock.callCount(), 1);
});

it('decides on a router of the largest size in little time', async () => {
  await using api = await openFurnishedApi();
  const names = Array.from({ length: limits.subnetsPerRouter }, (_, i) => `s${i}`);
  await api.ok('POST', `${t}/networks`, { name: 'many' });
  for (const [i, name] of names.entries())
    await api.ok('POST', `${t}/subnets`, { name, network: 'many', cidr: `10.64.${i}.0/24` });
  const routes = Array.from({ length: limits.routesPerRouter }, (_, i) => ({
    destination: `10.${128 + (i >> 8)}.${i & 255}.0/24`,
    via: `10.64.${i & 255}.9`,
  }));
  const answers: Answer[] = [];
  const started = performance.now();
  answers.push(await api.request('POST', `${t}/routers`, { name: 'big', subnets: names, routes }));
  answers.push(await api.request('PATCH', `${t}/routers/big`, { routes: routes.slice(1) }));
  for (const { status, body } of answers) assert.ok(status < 300, JSON.stringify(body).slice(0, 300));
  assert.ok(performance.now() - started < 5000);
});
