/** What a network that asks for it gets to the outside, under its host's address; and what the others do not. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { serve } from './server.ts';
import { hostAddress, outside, Town } from './town.ts';

const town = await Town.open();
after(() => town[Symbol.asyncDispose]());
const host = hostAddress(1);
const families = [
  ['IPv4', outside.v4, '0.0.0.0', host.v4],
  ['IPv6', outside.v6, '::', host.v6],
] as const;
const [a, b, quiet] = [
  await town.resident('acme'),
  await town.resident('beta'),
  await town.resident('gamma', { sourceNat: false }),
];
await Promise.all([town.opened(a), town.opened(b)]);

for (const [family, address, any, seenAs] of families)
  for (const [n, protocol] of (['tcp', 'udp'] as const).entries())
    test(`two tenants with the same addresses reach the outside over ${family} by ${protocol} at the same time`, async () => {
      assert.deepEqual([a.ip4, a.ip6], [b.ip4, b.ip6], 'the control: they are the same');
      using _server = serve(town.outside, protocol, any, 7001 + n, 'hello');
      const answers = await Promise.all([a, b, a, b].map(({ netns }) => town.ask(netns, protocol, address, 7001 + n)));
      assert.deepEqual(
        answers,
        Array.from({ length: 4 }, () => `ok hello ${seenAs}`),
      );
    });

test('ping goes out in both families', async () => {
  for (const [, address] of families) await Promise.all([town.stage.ping(a, address), town.stage.ping(b, address)]);
});

test('a network that does not ask for it gets a clear no, and nothing leaves', async () => {
  for (const [, address, any] of families) {
    using server = serve(town.outside, 'tcp', any, 7003, 'hello');
    assert.match(await town.ask(quiet.netns, 'tcp', address, 7003), /^no E(NET|HOST)UNREACH$/);
    assert.deepEqual(server.seen, []);
  }
});

test('it is given and taken away while workloads run', async () => {
  using _server = serve(town.outside, 'tcp', '0.0.0.0', 7004, 'hello');
  const question = [quiet.netns, 'tcp', outside.v4, 7004] as const;
  await town.set('gamma', { sourceNat: true });
  await town.becomes(`ok hello ${host.v4}`, ...question);
  await town.set('gamma', { sourceNat: false });
  await town.becomes(/^no/, ...question);
  assert.equal(await town.ask(a.netns, 'tcp', outside.v4, 7004), `ok hello ${host.v4}`, 'the others’ stays');
});

test('what is larger than the network’s MTU comes through from outside', async () => {
  for (const [, address, any] of families) {
    const text = 'x'.repeat(500_000);
    using _server = serve(town.outside, 'tcp', any, 7005, text);
    assert.equal(
      (await town.ask(a.netns, 'tcp', address, 7005)).length,
      `ok ${text} `.length + (any === '::' ? host.v6 : host.v4).length,
    );
  }
});

test('the gateway answers pings on every host and for every tenant', async () => {
  for (const station of [a, b, quiet])
    for (const address of ['10.0.0.1', 'fd00:1::1']) await town.stage.ping(station, address);
});
