/** What is not the network's own is asked of the host's resolver; nothing else is. */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { until } from '../../src/lab/processes.ts';
import { Rig } from '../agent/rig.ts';
import { FakeResolver } from './fake-resolver.ts';
import { gateway, openStation } from './station.ts';

const rig = await Rig.open({ hosts: 1 });
const host = rig.lab.host('h1');
const resolvConf = `${rig.lab.plan.hosts[0]!.dir}/resolv.conf`;
const web = await openStation(rig, 'h1', 'web');
after(async () => {
  await web[Symbol.asyncDispose]();
  await rig[Symbol.asyncDispose]();
});
const ask = web.client.ask.bind(web.client, gateway.four);

/** Resolves when the agent asks this resolver. */
const asks = (address: string | undefined) =>
  until(`resolver ${address}`, 5_000, async () => (await rig.status('h1')).dns.resolvers[0] === address || undefined);

test('without a resolver there is an error at once, and the status says why', async () => {
  const { rcode } = await ask('example.com');
  assert.equal(rcode, 2);
  assert.equal((await rig.status('h1')).dns.problem, 'there is no resolver');
});

test('a resolver that resolv.conf names from now on is asked, over UDP and TCP', async () => {
  using resolver = new FakeResolver(host.netns, host.vtep);
  writeFileSync(resolvConf, `nameserver ${host.vtep}\n`);
  await asks(host.vtep);
  for (const transport of ['udp', 'tcp'] as const) {
    const answer = await ask('Example.com', 'A', { transport });
    assert.deepEqual([answer.data, answer.rcode, answer.authoritative], [['192.0.2.1'], 0, false], transport);
  }
  assert.equal((await ask('none.example.com')).rcode, 3);
  assert.ok((await ask('big.example.com')).truncated);
  assert.equal((await ask('big.example.com', 'A', { transport: 'tcp' })).data.length, 100);
  assert.equal((await web.client.resolve(gateway.six, 'big.example.com')).length, 100);
  assert.deepEqual((await ask('7.0.8.10.in-addr.arpa', 'PTR')).rcode, 0);
  assert.equal((await rig.status('h1')).dns.problem, undefined);
  assert.ok(resolver.asked.includes('7.0.8.10.in-addr.arpa'));
});

test('no private name leaves the host: neither single words, nor the zone’s names, nor its addresses’', async () => {
  using resolver = new FakeResolver(host.netns, host.vtep);
  writeFileSync(resolvConf, `nameserver ${host.vtep}\n`);
  await asks(host.vtep);
  const names = ['payroll', 'db.web', 'x.y.web', 'db.web.acme.heddle.internal', 'x.heddle.internal', 'heddle.internal'];
  for (const name of names)
    for (const type of ['A', 'AAAA', 'TXT', 'SRV'])
      assert.deepEqual((await ask(name, type)).data, [], `${name} ${type}`);
  for (const reverse of ['77.0.0.10.in-addr.arpa', '0.0.10.in-addr.arpa'])
    assert.deepEqual((await ask(reverse, 'PTR')).data, []);
  await ask('the.last.one');
  assert.deepEqual(resolver.asked, ['the.last.one']);
});

test('a dead resolver is passed over, and a changed resolv.conf heeded', async () => {
  using _resolver = new FakeResolver(host.netns, '127.0.0.53');
  // A port of its own address where nobody listens refuses at once.
  writeFileSync(resolvConf, `nameserver ${host.vtep}\nnameserver 127.0.0.53\n`);
  await asks(host.vtep);
  await until('the second one answers', 5_000, async () => (await ask('example.com')).rcode === 0 || undefined);
  rmSync(resolvConf);
  await asks(undefined);
  assert.equal((await ask('example.com')).rcode, 2);
});
