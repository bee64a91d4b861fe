/** Who is told what, and when, one case at a time. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { hostItem } from '../compile/compile-host.ts';
import { itemKey } from '../model/host-state.ts';
import { CHUNK } from './feed.ts';
import { applyEdit } from './test-edits.ts';
import { assertSame, FakeHost, openWithHosts } from './test-hosts.ts';

it('tells a host of every revision that concerns it, even if it changes nothing there', async () => {
  const { api, fakes } = await openWithHosts();
  await using _ = api;
  const t = '/v1/tenants/acme';
  await api.ok('POST', `${t}/ports`, { network: 'web', host: 'h1' });
  const { revision } = await api.ok('POST', `${t}/ports`, { network: 'web' });
  await turn();
  const last = fakes.get('h1')!.messages.at(-1);
  assert.deepEqual(last, { type: 'changes', revision, upserts: [], deletes: [], synced: true });
  assert.notEqual(fakes.get('h2')!.messages.at(-1)?.revision, revision, 'h2 has no port there');
});

it('tells only its own host what a port publishes, and nobody of another host’s lease', async () => {
  const { api, fakes } = await openWithHosts();
  await using _ = api;
  const t = '/v1/tenants/acme';
  for (const name of ['h1', 'h2']) await api.ok('POST', `${t}/leases`, { network: 'web', host: name, size: 1 });
  const publish = [{ protocol: 'tcp', port: 80, hostPort: 8080 }];
  await api.ok('POST', `${t}/ports`, { name: 'p', network: 'web', host: 'h1', dnsNames: ['db'], publish });
  await api.ok('PATCH', t, { name: 'other' });
  await turn();
  for (const [name, published] of [
    ['h1', publish],
    ['h2', []],
  ] as const) {
    const items = [...fakes.get(name)!.state.values()];
    assert.deepEqual(
      items.flatMap((i) => (i.kind === 'port' ? [[i.name, i.dnsNames, i.publish]] : [])),
      [['p', ['db'], published]],
    );
    assert.deepEqual(
      items.flatMap((i) => (i.kind === 'network' ? [[i.name, i.tenant]] : [])),
      [['web', 'other']],
    );
    assert.equal(items.filter((i) => i.kind === 'lease').length, 1);
    assert.equal(items.filter((i) => i.kind === 'peer').length, 1, 'the host of a lease alone is a peer too');
  }
  assert.deepEqual(new Set([...fakes.get('h3')!.state.values()].map((i) => i.kind)), new Set(['server']));
});

it('tells all hosts what another one holds for workloads, not what they ask for, and nothing when its labels change', async () => {
  const { api, fakes } = await openWithHosts();
  await using _ = api;
  const id = api.world.find('host', '-', 'h1')!.record.id;
  const reached = () => {
    const item = fakes.get('h3')!.state.get(`server/${id}`);
    return item?.kind === 'server' ? [item.addresses, item.reached] : [];
  };
  const publish = [{ protocol: 'tcp', port: 22, hostPort: 22 }];
  await api.ok('POST', '/v1/tenants/acme/ports', { name: 'p', network: 'web', host: 'h1', publish });
  await turn();
  assert.deepEqual(reached(), [['198.18.0.1'], []]);

  const word = {
    addresses: ['2001:DB8::1', '192.0.2.7', '198.18.0.1'],
    held: ['tcp 80', 'udp 53 2001:db8:0::1', 'tcp 99 192.0.2.8', 'udp 54 198.18.0.1'],
  };
  await api.writer.told(id, word);
  await api.ok('PATCH', '/v1/hosts/h1', { openPorts: ['tcp/443'] });
  await turn();
  const told = [
    ['198.18.0.1', '192.0.2.7', '2001:db8::1'],
    ['tcp 443', 'tcp 80', 'udp 53 2001:db8::1', 'udp 54 198.18.0.1'],
  ];
  assert.deepEqual(reached(), told, 'but what is at an address that it does not have');

  const { revision } = await api.writer.told(id, { ...word, held: word.held.toReversed() });
  assert.equal(revision, api.world.host.get(id)!.revision, 'what is known is not written');
  await turn();
  const before = fakes.get('h3')!.messages.length;
  await api.ok('PATCH', '/v1/hosts/h1', { labels: { rack: '7' } });
  await turn();
  assert.equal(fakes.get('h3')!.messages.length, before);
  for (const held of ['tcp 0', 'tcp 65536', 'icmp 1', 'tcp 80 }', 'tcp 80 1.2.3.4; drop'])
    await assert.rejects(async () => api.writer.told(id, { addresses: [], held: [held] }), { code: /INVALID/ });
  assert.deepEqual(reached(), told);
});

it('A32: takes a revoked host from all others, and gives it back when it joins again', async () => {
  const { api, fakes } = await openWithHosts();
  await using _ = api;
  const t = '/v1/tenants/acme';
  for (const host of ['h1', 'h2']) await api.ok('POST', `${t}/ports`, { name: host, network: 'web', host });
  const id = api.world.find('host', '-', 'h1')!.record.id;
  const known = (name: string) =>
    ['server', 'peer'].filter((kind) => fakes.get(name)!.state.has(`${kind}/${id}` as never));
  await turn();
  assert.deepEqual([known('h2'), known('h3')], [['server', 'peer'], ['server']]);
  await applyEdit(api, fakes, { make: 'revoke', host: 'h1' });
  await turn();
  assert.deepEqual([known('h2'), known('h3')], [[], []]);
  for (const [name, fake] of fakes) assertSame(api, name, fake, 'after it was revoked');
  await applyEdit(api, fakes, { make: 'rejoin', host: 'h1' });
  await turn();
  assert.deepEqual([known('h2'), known('h3')], [['server', 'peer'], ['server']]);
});

it('makes what all hosts are told of another one once', async () => {
  const { api } = await openWithHosts();
  await using _ = api;
  const ids = ['h1', 'h2', 'h3'].map((name) => api.world.find('host', '-', name)!.record.id);
  const key = itemKey({ kind: 'server', id: ids[0]! });
  assert.equal(hostItem(api.world, ids[1]!, key), hostItem(api.world, ids[2]!, key));
  assert.equal(hostItem(api.world, ids[0]!, key), undefined);
});

it('sends a large state in chunks of which the last is marked synced', async () => {
  const { api } = await openWithHosts();
  await using _ = api;
  const t = '/v1/tenants/acme';
  await api.ok('POST', `${t}/subnets`, { name: 'big', network: 'db', cidr: '10.64.0.0/16' });
  await api.ok('POST', `${t}/ports`, { network: 'db', host: 'h1' });
  for (let i = 0; i < CHUNK + 200; i += 50)
    await Promise.all(Array.from({ length: 50 }, () => api.ok('POST', `${t}/ports`, { network: 'db', host: 'h2' })));
  const fake = new FakeHost(api, api.world.find('host', '-', 'h1')!.record.id);
  await turn();
  assert.deepEqual(
    fake.messages.map((m) => m.synced),
    [false, true],
  );
  assert.ok(fake.messages.every((m) => m.upserts.length <= CHUNK));
  assertSame(api, 'h1', fake, 'after the snapshot');
});

it('sends a slow host each object once, as it is then, however often it changed', async () => {
  const { api, fakes } = await openWithHosts();
  await using _ = api;
  const t = '/v1/tenants/acme';
  await api.ok('POST', `${t}/ports`, { network: 'web', host: 'h1' });
  await turn();
  const fake = fakes.get('h1')!;
  const before = fake.messages.length;
  fake.slow = true;
  for (let mtuBytes = 1300; mtuBytes < 1400; mtuBytes++) await api.ok('PATCH', `${t}/networks/web`, { mtuBytes });
  await turn();
  assert.equal(fake.messages.length, before);
  fake.drain();
  const [message, ...more] = fake.messages.slice(before);
  assert.deepEqual(more, []);
  assert.equal(message?.upserts.length, 1);
  assertSame(api, 'h1', fake, 'after it caught up');
});

it('shows a host the networks that a router joins to its own, and takes them away with the router', async () => {
  const { api, fakes } = await openWithHosts();
  await using _ = api;
  const t = '/v1/tenants/acme';
  await api.ok('POST', `${t}/ports`, { name: 'a', network: 'web', host: 'h1' });
  await api.ok('POST', `${t}/ports`, { name: 'b', network: 'db', host: 'h2' });
  await api.ok('POST', `${t}/ports`, { name: 'c', network: 'ops', host: 'h3' });
  await turn();
  const h1 = fakes.get('h1')!;
  const seen = () =>
    [...h1.state.values()]
      .flatMap((i) => (i.kind === 'server' ? [] : i.kind === 'lease' ? i.kind : `${i.kind} ${i.name}`))
      .sort();
  const alone = ['network web', 'port a'];
  assert.deepEqual(seen(), alone);

  const router = await api.ok('POST', `${t}/routers`, {
    name: 'r',
    subnets: ['v4', 'db4'],
    routes: [{ destination: '10.9.0.0/16', via: '10.2.0.7' }],
  });
  await turn();
  assert.deepEqual(seen(), ['network db', 'network web', 'peer h2', 'port a', 'port b', 'router r']);
  const networks = new Map([...h1.state.values()].flatMap((i) => (i.kind === 'network' ? [[i.name, i]] : [])));
  const shown = (name: string) => {
    const { member, domain, subnets } = networks.get(name)!;
    return { member, domain, subnets };
  };
  const { domain } = router;
  assert.deepEqual(shown('web'), {
    member: true,
    domain,
    subnets: [
      { cidr: '10.0.0.0/24', gateway: '10.0.0.1', pools: [{ first: '10.0.0.1', last: '10.0.0.254' }], routed: true },
      { cidr: 'fd00::/64', gateway: 'fd00::1' },
    ],
  });
  assert.deepEqual(shown('db'), {
    member: false,
    domain,
    subnets: [{ cidr: '10.2.0.0/24', gateway: '10.2.0.1', routed: true }],
  });
  const { id: web, vni: webVni } = networks.get('web')!;
  const { id: db, vni: dbVni } = networks.get('db')!;
  assert.deepEqual(h1.state.get(`router/${router.id}`), {
    kind: 'router',
    id: router.id,
    name: 'r',
    tenant: 'acme',
    domain,
    subnets: [
      { network: web, vni: webVni, cidr: '10.0.0.0/24', gateway: '10.0.0.1' },
      { network: db, vni: dbVni, cidr: '10.2.0.0/24', gateway: '10.2.0.1' },
    ],
    besides: ['fd00::/64'],
    routes: [{ destination: '10.9.0.0/16', via: '10.2.0.7' }],
  });

  await api.ok('DELETE', `${t}/routers/r`);
  await turn();
  assert.deepEqual(seen(), alone);
});

it('sends a change of routes alone as one item', async () => {
  const { api, fakes } = await openWithHosts();
  await using _ = api;
  const t = '/v1/tenants/acme';
  for (const name of ['h1', 'h2']) await api.ok('POST', `${t}/ports`, { network: 'db', host: name });
  await api.ok('POST', `${t}/routers`, { name: 'r', subnets: ['v4', 'db4'] });
  await turn();
  await api.ok('PATCH', `${t}/routers/r`, { routes: [{ destination: '192.0.2.0/24' }] });
  await turn();
  for (const name of ['h1', 'h2'])
    assert.deepEqual(
      fakes
        .get(name)!
        .messages.at(-1)
        ?.upserts.map((i) => i.kind),
      ['router'],
    );
});
