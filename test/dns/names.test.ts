/** Names between workloads on two hosts, asked of their gateways by clients in their namespaces. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { until } from '../../src/lab/processes.ts';
import type { DnsLookup } from '../../src/model/dns-lookup.ts';
import { Rig } from '../agent/rig.ts';
import { heddle } from '../cli/heddle.ts';
import { gateway, openStation } from './station.ts';

const rig = await Rig.open({ hosts: 2 });
const web = await openStation(rig, 'h1', 'Web');
const db = await openStation(rig, 'h2', 'db');
after(async () => {
  for (const one of [web, db, rig]) await one[Symbol.asyncDispose]();
});

test('workloads resolve each other across hosts, over UDP and TCP, at either gateway address', async () => {
  for (const server of [gateway.four, gateway.six])
    for (const transport of ['udp', 'tcp'] as const)
      for (const name of ['db', 'DB.web', 'db.web.acme.heddle.internal']) {
        const a = await web.client.ask(server, name, 'A', { transport });
        assert.deepEqual([a.data, a.rcode, a.authoritative], [[db.four], 0, true], `${name} ${server} ${transport}`);
        assert.deepEqual((await web.client.ask(server, name, 'AAAA', { transport })).data, [db.six]);
      }
  assert.deepEqual((await db.client.ask(gateway.four, 'web')).data, [web.four]);
});

test('the system’s own resolver library finds names, and the names of addresses', async () => {
  assert.deepEqual(await web.client.resolve(gateway.four, 'db'), [db.four]);
  assert.deepEqual(await web.client.resolve(gateway.six, 'db.web', 'AAAA'), [db.six]);
  for (const address of [db.four, db.six])
    assert.deepEqual(await web.client.resolve(gateway.four, address, 'PTR'), ['db.web.acme.heddle.internal']);
  await assert.rejects(web.client.resolve(gateway.four, 'nobody'), /ENOTFOUND/);
});

test('a query to any other address is answered by the network’s DNS, as if from there', async () => {
  for (const server of ['192.0.2.53', '2001:db8::53'])
    for (const transport of ['udp', 'tcp'] as const)
      assert.deepEqual(
        (await web.client.ask(server, 'db', 'A', { transport })).data,
        [db.four],
        `${server} ${transport}`,
      );
});

test('many ports of one name are cut to what the client takes, and are all there over TCP', async () => {
  const { tenant } = rig;
  const ports = await Promise.all(
    Array.from({ length: 40 }, () =>
      rig.client.create('port', { network: 'web', host: 'h2', dnsNames: ['tasks.many'] }, { tenant }),
    ),
  );
  const all = await until('h1 knows them all', 5_000, async () => {
    const answer = await web.client.ask(gateway.four, 'Tasks.Many', 'A', { transport: 'tcp' });
    return answer.data.length === 40 ? answer : undefined;
  });
  assert.equal(all.truncated, false);
  const plain = await web.client.ask(gateway.four, 'tasks.many');
  assert.ok(plain.truncated && !plain.edns && plain.bytes <= 512 && plain.data.length >= 28, JSON.stringify(plain));
  const edns = await web.client.ask(gateway.four, 'tasks.many', 'A', { edns: 1400 });
  assert.ok(!edns.truncated && edns.edns && edns.data.length === 40);
  assert.equal((await web.client.resolve(gateway.four, 'tasks.many')).length, 40);
  for (const { id } of ports) await rig.client.remove('port', id, { tenant });
});

test('a name is gone from both hosts within two seconds of its port, and new at once under the same name', async () => {
  await using short = await openStation(rig, 'h2', 'short');
  const { client } = web;
  assert.deepEqual((await client.ask(gateway.four, 'short')).data, [short.four]);
  await short.detach();
  for (const asker of [web, db]) {
    const { rcode, soa } = await until('the name is gone', 2_000, async () => {
      const answer = await asker.client.ask(gateway.four, 'short.web');
      return answer.rcode === 3 ? answer : undefined;
    });
    assert.deepEqual([rcode, soa], [3, 'web']);
  }
});

test('A25: two tenants with the same names and addresses see only their own', async () => {
  const tenant = 'evil';
  await rig.client.create('tenant', { name: tenant });
  await rig.client.create('network', { name: 'web' }, { tenant });
  await rig.client.create('subnet', { name: 'web4', network: 'web', cidr: '10.0.0.0/24' }, { tenant });
  await using other = await openStation(rig, 'h1', 'db', { tenant, addresses: ['10.0.0.99'] });
  assert.deepEqual((await other.client.ask(gateway.four, 'db')).data, ['10.0.0.99']);
  assert.deepEqual((await web.client.ask(gateway.four, 'db')).data, [db.four]);
  for (const name of ['web', 'db.web.acme.heddle.internal', 'web.web', 'acme.heddle.internal'])
    assert.deepEqual((await other.client.ask(gateway.four, name)).data, [], name);
  const reverse = `${db.four.split('.').reverse().join('.')}.in-addr.arpa`;
  assert.equal((await other.client.ask(gateway.four, reverse, 'PTR')).rcode, 3);
  assert.deepEqual((await web.client.ask(gateway.four, '99.0.0.10.in-addr.arpa', 'PTR')).data, []);
  await other.detach();
});

test('a subnet that the network gets later has its gateway’s DNS and its reverse names', async () => {
  const { tenant } = rig;
  const subnet = { name: 'later4', network: 'web', cidr: '10.9.0.0/24' };
  await rig.client.create('subnet', subnet, { tenant });
  await rig.client.create('port', { name: 'late', network: 'web', host: 'h2', addresses: ['10.9.0.9'] }, { tenant });
  const ask = (name: string, type: string) =>
    until(`an answer to ${name}`, 5_000, async () => {
      const answer = await web.client.askIfServed('10.9.0.1', name, type, 300);
      return answer?.data.length === 1 ? answer.data : undefined;
    });
  assert.deepEqual(await ask('late', 'A'), ['10.9.0.9']);
  assert.deepEqual(await ask('9.0.9.10.in-addr.arpa', 'PTR'), ['late.web.acme.heddle.internal']);
  assert.deepEqual((await web.client.ask(gateway.four, 'late')).data, ['10.9.0.9'], 'and at the one before');
  await rig.client.remove('port', 'late', { tenant });
  await rig.client.remove('subnet', 'later4', { tenant });
});

test('the command line lists names, and asks the agent', async () => {
  const env = { ...rig.lab.host('h1').env, HEDDLE_TENANT: rig.tenant };
  const list = await heddle(['dns', '--network', 'web'], env);
  assert.match(list.stdout, new RegExp(`^db +web +A +${db.four.replaceAll('.', '\\.')} +db +h2$`, 'm'));
  const { items } = JSON.parse((await heddle(['dns', 'list', '--json'], env)).stdout);
  assert.deepEqual(items.filter((i: { name: string }) => i.name === 'web').length, 2);
  const query = async (...words: string[]): Promise<DnsLookup> =>
    JSON.parse((await heddle(['dns', 'query', '--network', 'web', '--json', ...words], env)).stdout);
  const found = await query('db');
  assert.deepEqual([found.rcode, found.from, found.answers[0]?.data], ['NOERROR', 'network', db.four]);
  assert.equal((await query(db.six)).answers[0]?.data, 'db.web.acme.heddle.internal');
  const nobody = await heddle(['dns', 'query', 'nobody', '--network', 'web'], env);
  assert.deepEqual([nobody.code, nobody.stdout, nobody.stderr], [0, '', 'NXDOMAIN, from the network’s own names\n']);
  const outside = await heddle(['dns', 'query', 'example.com', '--network', 'web'], env);
  assert.deepEqual([outside.code, outside.stderr], [3, 'SERVFAIL, from resolver (none answered)\n']);
  assert.match((await heddle(['dns', 'query', 'x', '--network', 'none'], env)).stderr, /\[NOT_FOUND\]/);
});

test('the status says how many networks have a DNS, and who is asked', async () => {
  const { dns } = await rig.status('h1');
  assert.deepEqual([dns.networks >= 1, dns.failed, dns.resolvers], [true, [], []]);
  assert.ok(dns.queries > 0);
});
