/** Routers of two tenants through the API: what each shows the other, and what is refused. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { compileHost } from '../compile/compile-host.ts';
import type { Code } from '../model/errors.ts';
import { openSqlite } from '../store/sqlite.ts';
import { openFurnishedApi, openTestApi, type TestApi } from './test-api.ts';
import { assertNoLeak } from './test-claims.ts';
import { both } from './test-race.ts';
import { furnish, t } from './test-routers.ts';

/** Tenants acme (r1: 10.0.0.0/24, on h1) and other (r2: 10.7.0.0/24, on h2), each with a port. */
async function openWithTwo(): Promise<{ api: TestApi; r1: string; r2: string; o: string }> {
  const api = await openFurnishedApi();
  const o = '/v1/tenants/other';
  await api.ok('POST', '/v1/tenants', { name: 'other' });
  await api.ok('POST', `${o}/networks`, { name: 'far' });
  await api.ok('POST', `${o}/subnets`, { name: 'far4', network: 'far', cidr: '10.7.0.0/24' });
  await api.ok('POST', `${t}/ports`, { name: 'p1', network: 'web', host: 'h1' });
  await api.ok('POST', `${o}/ports`, { name: 'p2', network: 'far', host: 'h2' });
  const { id: r1 } = await api.ok('POST', `${t}/routers`, { name: 'r', subnets: ['v4'] });
  const { id: r2 } = await api.ok('POST', `${o}/routers`, { name: 'r', subnets: ['far4'] });
  return { api, r1, r2, o };
}
const stateOf = (api: TestApi, host: string) => [
  ...compileHost(api.world, api.world.find('host', '-', host)!.record.id).values(),
];
const seenBy = (api: TestApi, host: string) =>
  stateOf(api, host)
    .flatMap((i) => (i.kind === 'lease' || i.kind === 'server' ? [] : [`${i.kind} ${i.name}`]))
    .sort();

it('A25: connects routers of two tenants while both name each other, and not a moment longer', async () => {
  const { api, r1, r2, o } = await openWithTwo();
  await using _ = api;
  const alone = ['network web', 'port p1', 'router r'];
  const named = await api.ok('PATCH', `${t}/routers/r`, { peers: [r2] });
  assert.deepEqual([named.peers, named.activePeers], [[r2], []]);
  assert.deepEqual(seenBy(api, 'h1'), alone, 'one side alone changes nothing');
  const answered = await api.ok('PATCH', `${o}/routers/r`, { peers: [r1] });
  assert.deepEqual([answered.peers, answered.activePeers], [[r1], [r1]]);
  assert.deepEqual((await api.ok('GET', `${t}/routers/r`)).activePeers, [r2]);
  assert.deepEqual(seenBy(api, 'h1'), ['network far', 'network web', 'peer h2', 'port ', 'port p1', 'router r']);
  const routes = stateOf(api, 'h1').flatMap((i) =>
    i.kind === 'router' ? i.subnets.map((s) => [i.id, s.cidr, s.peer]) : [],
  );
  assert.deepEqual(routes, [
    [r1, '10.0.0.0/24', undefined],
    [r1, '10.7.0.0/24', true],
  ]);
  const far = stateOf(api, 'h1').find((i) => i.kind === 'network' && i.name === 'far');
  assert.ok(far?.kind === 'network' && !far.member && far.tenant === 'other');
  await api.ok('PATCH', `${o}/routers/r`, { peers: [] });
  assert.deepEqual(seenBy(api, 'h1'), alone);
  await api.ok('PATCH', `${o}/routers/r`, { peers: [r1] });
  await api.ok('DELETE', `${o}/routers/r`);
  assert.deepEqual(seenBy(api, 'h1'), alone);
  const left = await api.ok('PATCH', `${t}/routers/r`, { labels: { a: 'b' } });
  assert.deepEqual([left.peers, left.activePeers], [[r2], []], 'a name of what is gone does no harm');
});

it('A25: tells hosts of a peer’s network what the peer joins, and no more', async () => {
  const { api, r1, r2, o } = await openWithTwo();
  await using _ = api;
  await api.ok('PATCH', `${o}/networks/far`, { publishFrom: ['192.0.2.0/24'] });
  await api.ok('PATCH', `${o}/subnets/far4`, { dhcp: { domain: 'secret.example' } });
  await api.ok('POST', `${o}/subnets`, { name: 'apart', network: 'far', cidr: '10.8.0.0/24' });
  const port = { name: 'p3', network: 'far', host: 'h2', dnsNames: ['db'] };
  const both = await api.ok('POST', `${o}/ports`, { ...port, addresses: ['10.7.0.9', '10.8.0.9'] });
  await api.ok('POST', `${o}/ports`, { network: 'far', host: 'h2', addresses: ['10.8.0.10'] });
  await api.ok('PATCH', `${t}/routers/r`, { peers: [r2] });
  await api.ok('PATCH', `${o}/routers/r`, { peers: [r1] });

  const seen = stateOf(api, 'h1');
  const network = seen.find((i) => i.kind === 'network' && i.name === 'far');
  assert.ok(network?.kind === 'network');
  assert.deepEqual(network.publishFrom, []);
  assert.deepEqual(network.subnets, [{ cidr: '10.7.0.0/24', gateway: '10.7.0.1', routed: true }]);
  const ports = seen.flatMap((i) => (i.kind === 'port' && i.network === network.id ? [i] : []));
  assert.equal(ports.length, 2, 'the one without an address there is not among them');
  const { name, dnsNames, addresses } = ports.find(({ id }) => id === both.id)!;
  assert.deepEqual([name, dnsNames, addresses], ['', [], ['10.7.0.9']]);

  // A host with a port there is told all.
  await api.ok('POST', `${o}/ports`, { network: 'far', host: 'h1' });
  const all = stateOf(api, 'h1');
  const whole = all.find((i) => i.kind === 'port' && i.id === both.id);
  assert.deepEqual(whole?.kind === 'port' && [whole.name, whole.dnsNames, whole.addresses.length], ['p3', ['db'], 2]);
  assert.equal(all.filter((i) => i.kind === 'port' && i.network === network.id).length, 4);
});

it('refuses what makes one address be in two places for a router and its peers', async () => {
  const { api, r1, r2, o } = await openWithTwo();
  await using _ = api;
  const refused = (path: string, body: object, code: Code = 'PEER_OVERLAPS') => api.refused(code, 'PATCH', path, body);
  await refused(`${t}/routers/r`, { peers: [r1] }, 'INVALID');
  await refused(`${t}/routers/r`, { peers: [r2, r2] }, 'INVALID');
  await refused(`${t}/routers/r`, { peers: ['01a1fbe3-73c1-7595-93b3-860e40bdeaf6'] }, 'NOT_FOUND');
  await api.ok('PATCH', `${t}/routers/r`, { peers: [r2] });
  // A third one, whose addresses are those of acme.
  await api.ok('POST', `${o}/networks`, { name: 'same' });
  await api.ok('POST', `${o}/subnets`, { name: 'same4', network: 'same', cidr: '10.0.0.0/25' });
  const third = await api.ok('POST', `${o}/routers`, { name: 'third', subnets: ['same4'], peers: [r2] });

  await api.ok('PATCH', `${o}/routers/r`, { peers: [third.id] });
  await refused(`${o}/routers/r`, { peers: [third.id, r1] });
  await api.ok('PATCH', `${o}/routers/r`, { peers: [] });
  await api.ok('DELETE', `${o}/routers/third`);
  await api.ok('PATCH', `${o}/routers/r`, { subnets: ['same4', 'far4'] });
  await refused(`${o}/routers/r`, { peers: [r1] });
  await api.ok('PATCH', `${o}/routers/r`, { subnets: ['far4'] });
  await api.ok('PATCH', `${o}/routers/r`, { routes: [{ destination: '10.0.0.128/25' }] });
  await refused(`${o}/routers/r`, { peers: [r1] });
  await api.ok('PATCH', `${o}/routers/r`, { routes: [{ destination: '10.0.0.0/16' }], peers: [r1] });
  // They are peers now: what came before the answer is refused after it.
  await refused(`${o}/routers/r`, { subnets: ['same4'] });
  await refused(`${t}/routers/r`, { routes: [{ destination: '10.7.0.9' }] });
  for (const cidr of ['10.7.0.0/16', '10.7.0.64/26'])
    await api.refused('PEER_OVERLAPS', 'POST', `${t}/subnets`, { name: 'x', network: 'web', cidr });
  const again = await api.ok('POST', `${o}/routers`, { name: 'third', subnets: ['same4'], peers: [r2] });
  await refused(`${o}/routers/r`, { peers: [r1, again.id] });
});

it('connects routers of tenants with the same addresses if each shows the other another prefix', async () => {
  const { api, r1, o } = await openWithTwo();
  await using _ = api;
  await api.ok('POST', `${o}/networks`, { name: 'same' });
  await api.ok('POST', `${o}/subnets`, { name: 'same4', network: 'same', cidr: '10.0.0.0/24' });
  const twin = await api.ok('POST', `${o}/routers`, { name: 'twin', subnets: ['same4'], peers: [r1] });
  const refused = (path: string, body: object, code: Code = 'PEER_OVERLAPS') => api.refused(code, 'PATCH', path, body);
  await refused(`${t}/routers/r`, { peers: [twin.id] });
  await api.ok('PATCH', `${o}/routers/twin`, { translations: [{ subnet: 'same4', as: '100.64.2.0/24' }] });
  await refused(`${t}/routers/r`, { peers: [twin.id] });
  const mine = { peers: [twin.id], translations: [{ subnet: 'v4', as: '100.64.1.0/24' }] };
  const peered = await api.ok('PATCH', `${t}/routers/r`, mine);
  assert.deepEqual(peered.activePeers, [twin.id]);
  // They are peers now: neither prefix may go, nor come where the other one is.
  await refused(`${t}/routers/r`, { translations: [] });
  await refused(`${o}/routers/twin`, { translations: [{ subnet: 'same4', as: '10.0.0.0/24' }] });
  await api.refused('PEER_OVERLAPS', 'POST', `${t}/subnets`, { name: 'x', network: 'web', cidr: '100.64.2.128/25' });
  const item = stateOf(api, 'h1').find((i) => i.kind === 'router');
  assert.deepEqual(item?.kind === 'router' && item.subnets.map(({ cidr, as, peer }) => ({ cidr, as, peer })), [
    { cidr: '10.0.0.0/24', as: '100.64.1.0/24', peer: undefined },
    { cidr: '10.0.0.0/24', as: '100.64.2.0/24', peer: true },
  ]);
});

it('refuses translations that are no other prefix for a joined subnet', async () => {
  const { api } = await openWithTwo();
  await using _ = api;
  const refused = async (code: Code, text: RegExp, ...translations: { subnet: string; as: string }[]) => {
    assert.match(JSON.stringify(await api.refused(code, 'PATCH', `${t}/routers/r`, { translations })), text);
  };
  const v4 = { subnet: 'v4', as: '100.64.1.0/24' };
  await refused('NOT_FOUND', /nobody/, { subnet: 'nobody', as: '100.64.1.0/24' });
  await refused('PREFIX_INVALID', /host bits/, { subnet: 'v4', as: '100.64.1.1/24' });
  await refused('TRANSLATION_INVALID', /as long as 10\.0\.0\.0\/24/, { subnet: 'v4', as: '100.64.0.0/16' });
  await refused('TRANSLATION_INVALID', /prefix of IPv4/, { subnet: 'v4', as: 'fd64::/64' });
  await refused('TRANSLATION_INVALID', /twice/, v4, v4);
  await refused('TRANSLATION_INVALID', /does not join/, { subnet: 'v6', as: 'fd64::/64' });
  await api.ok('POST', `${t}/subnets`, { name: 'more4', network: 'web', cidr: '10.9.0.0/24' });
  await api.ok('PATCH', `${t}/routers/r`, { subnets: ['v4', 'more4'] });
  await refused('TRANSLATION_INVALID', /more4 there, as 10\.9\.0\.0\/24/, { subnet: 'v4', as: '10.9.0.0/24' });
  const both = await api.ok('PATCH', `${t}/routers/r`, { translations: [v4] });
  assert.deepEqual(
    both.translations.map(({ as }: { as: string }) => as),
    ['100.64.1.0/24'],
  );
  await api.refused('TRANSLATION_INVALID', 'PATCH', `${t}/routers/r`, { subnets: ['more4'] });
});

it('A25: says of an overlap with a peer which prefix of the caller’s own it is, and nothing of the peer’s addresses', async () => {
  const { api, r1, r2, o } = await openWithTwo();
  await using _ = api;
  await api.ok('POST', `${o}/networks`, { name: 'same' });
  await api.ok('POST', `${o}/subnets`, { name: 'same4', network: 'same', cidr: '10.0.0.0/25' });
  const third = await api.ok('POST', `${o}/routers`, { name: 'third', subnets: ['same4'], peers: [r2] });
  const told = async (path: string, body: object) => {
    const { body: problem } = await api.request('PATCH', path, body);
    assert.equal(problem.code, 'PEER_OVERLAPS');
    return problem;
  };
  // On the peer's behalf: r2 has a third router as peer, whose addresses are acme's.
  await api.ok('PATCH', `${o}/routers/r`, { peers: [third.id, r1] });
  const { detail, details } = await told(`${t}/routers/r`, { peers: [r2] });
  assert.deepEqual(details, { peer: r2, prefix: '10.0.0.0/24' });
  assert.match(detail, new RegExp(`^prefix 10.0.0.0/24 overlaps an address of peer ${r2},`));
  // On its own: two of its peers have the same addresses, and none of them is told.
  await api.ok('PATCH', `${o}/routers/r`, { peers: [third.id] });
  await api.ok('PATCH', `${t}/routers/r`, { peers: [r2] });
  const two = await told(`${o}/routers/r`, { peers: [third.id, r1] });
  assert.deepEqual(Object.keys(two.details), ['peer']);
  assert.doesNotMatch(two.detail, /\d\//);
  // Its own route into the peer's addresses.
  await api.ok('PATCH', `${o}/routers/r`, { peers: [r1] });
  assert.deepEqual((await told(`${t}/routers/r`, { routes: [{ destination: '10.7.0.9' }] })).details, {
    ...{ peer: r2, prefix: '10.7.0.9/32' },
  });
});

it('A25: keeps the addresses of peers apart when both sides change at once', async () => {
  await using store = await openSqlite(':memory:');
  await using here = await openFurnishedApi({ store });
  await using there = await openTestApi({ store });
  await furnish(here);
  await here.ok('POST', `${t}/networks`, { name: 'same' });
  await here.ok('POST', `${t}/subnets`, { name: 'same4', network: 'same', cidr: '10.0.0.0/25' });
  const tenant = here.world.find('tenant', '-', 'acme')!.record.id;
  const change = (api: TestApi, name: string, next: object) => () =>
    api.writer.update('router', tenant, name, undefined, (have) => ({ ...have, ...next }));
  const subnet = () => there.writer.create('subnet', tenant, { name: 'x', network: 'web', cidr: '10.1.0.0/25' });
  const outcomes = new Set<string>();
  for (let i = 0; i < 8; i++) {
    const ids = new Map<string, string>();
    for (const name of ['a', 'b', 'c']) ids.set(name, (await here.ok('POST', `${t}/routers`, { name })).id);
    const peers = (...names: string[]) => ({ peers: names.map((name) => ids.get(name)) });
    const set = (name: string, next: object) => here.ok('PATCH', `${t}/routers/${name}`, next);
    const star = async () => {
      for (const name of ['a', 'c']) await set(name, peers('b'));
      await set('b', peers('a', 'c'));
    };
    const races = [
      // Both sides of b grow to the same addresses.
      async () => {
        await star();
        return [change(here, 'a', { subnets: ['v4'] }), change(there, 'c', { subnets: ['same4'] })];
      },
      // Two with the same addresses name each other.
      async () => {
        await set('a', { subnets: ['v4'] });
        await set('c', { subnets: ['same4'] });
        return [change(here, 'a', peers('c')), change(there, 'c', peers('a'))];
      },
      // A grows by what a network of b gets, joined or not.
      async () => {
        await star();
        await set('b', { subnets: ['v4'] });
        return [change(here, 'a', { subnets: ['db4'] }), subnet];
      },
      // B answers c, whose addresses a is about to have.
      async () => {
        await star();
        await set('b', peers('a'));
        await set('c', { subnets: ['same4'] });
        return [change(here, 'b', peers('a', 'c')), change(there, 'a', { subnets: ['v4'] })];
      },
    ] as const;
    const [one, two] = await races[i % 4]!();
    await there.world.reached(here.world.revision);
    const ended = i < 4 ? await both(one!, two!) : (await both(two!, one!)).toReversed();
    outcomes.add(`${i % 4} ${ended.join(', ')}`);
    await assertNoLeak(store);
    await here.world.reached((await store.range('/cursor/')).revision);
    for (const name of ['a', 'b', 'c']) await here.ok('DELETE', `${t}/routers/${name}`);
    if (here.world.find('subnet', tenant, 'x')) await here.ok('DELETE', `${t}/subnets/x`);
  }
  assert.deepEqual(
    [...outcomes].sort(),
    [0, 1, 2, 3].flatMap((race) => [`${race} PEER_OVERLAPS, done`, `${race} done, PEER_OVERLAPS`]),
  );
});
