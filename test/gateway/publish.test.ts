/** Published ports: reached from everywhere, by those who may, with the client's own address. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { until } from '../../src/lab/processes.ts';
import { serve } from './server.ts';
import { hostAddress, outside, Town } from './town.ts';

const town = await Town.open(2);
after(() => town[Symbol.asyncDispose]());
const host = hostAddress(1);
const h2 = hostAddress(2);
const [netns1, netns2] = town.stage.lab.hosts.map((h) => h.netns) as [string, string];
const shop = await town.resident('acme', { sourceNat: false });
const neighbour = await town.stage.attach({ host: 0, tenant: 'acme', network: 'web' });
const other = await town.resident('beta');
await town.opened(other);
for (const protocol of ['tcp', 'udp'] as const)
  for (const any of ['0.0.0.0', '::']) after(serve(shop.netns, protocol, any, 80, 'shop')[Symbol.dispose]);
const both = [
  { protocol: 'tcp', port: 80, hostPort: 8080 },
  { protocol: 'udp', port: 80, hostPort: 8080 },
] as const;

test('a published port is reached from other machines, who are seen with their own addresses', async () => {
  await town.publish(shop, [...both]);
  for (const { protocol } of both) {
    await town.becomes(`ok shop ${outside.v4}`, town.outside, protocol, host.v4, 8080);
    await town.becomes(`ok shop ${outside.v6}`, town.outside, protocol, host.v6, 8080);
    assert.equal(await town.ask(netns2, protocol, host.v4, 8080), `ok shop ${h2.v4}`);
    assert.equal(await town.ask(netns2, protocol, host.v6, 8080), `ok shop ${h2.v6}`);
  }
});

test('it is reached from the host itself, also by its loopback address', async () => {
  for (const { protocol } of both) {
    assert.equal(await town.ask(netns1, protocol, host.v4, 8080), `ok shop ${host.v4}`);
    assert.equal(await town.ask(netns1, protocol, host.v6, 8080), `ok shop ${host.v6}`);
    assert.match(await town.ask(netns1, protocol, '127.0.0.1', 8080), /^ok shop 169\.254\.128\./);
  }
});

test('it is reached from workloads of other networks on the host, and from an own one by its way outside', async () => {
  await town.set('acme', { sourceNat: true });
  for (const { protocol } of both)
    for (const address of [host.v4, host.v6]) {
      assert.match(await town.ask(other.netns, protocol, address, 8080), /^ok shop (169\.254\.|fd68:6564:646c:)/);
      await town.becomes(/^ok shop (169\.254\.|fd68:6564:646c:)/, neighbour.netns, protocol, address, 8080);
      assert.match(await town.ask(shop.netns, protocol, address, 8080), /^ok shop (169\.254\.|fd68:6564:646c:)/);
    }
  await town.set('acme', { sourceNat: false });
});

test('only clients of the network’s allow list get in, and the host itself', async () => {
  await town.set('acme', { publishFrom: [`${h2.v4}/32`, '2001:db8:f::2/128'] });
  await town.becomes('no timeout', town.outside, 'tcp', host.v4, 8080);
  await Promise.all(
    both.map(async ({ protocol }) => {
      await town.silent(town.outside, protocol, [host.v4, host.v6], 8080);
      await town.silent(other.netns, protocol, [host.v4, host.v6], 8080);
      assert.equal(await town.ask(netns2, protocol, host.v4, 8080), `ok shop ${h2.v4}`);
      assert.equal(await town.ask(netns2, protocol, host.v6, 8080), `ok shop ${h2.v6}`);
      assert.match(await town.ask(netns1, protocol, '127.0.0.1', 8080), /^ok shop/);
    }),
  );
  await town.set('acme', { publishFrom: [] });
  await town.becomes(`ok shop ${outside.v4}`, town.outside, 'tcp', host.v4, 8080);
});

test('two addresses of the host can publish one port each for its own workload', async () => {
  using _second = serve(neighbour.netns, 'tcp', '0.0.0.0', 81, 'second');
  await town.in(netns1, 'ip', 'address', 'add', '198.18.0.101/24', 'dev', 'eth0');
  await town.publish(shop, [{ protocol: 'tcp', port: 80, hostPort: 8081, hostAddress: host.v4 }]);
  await town.publish(neighbour, [{ protocol: 'tcp', port: 81, hostPort: 8081, hostAddress: '198.18.0.101' }]);
  await town.becomes(`ok shop ${outside.v4}`, town.outside, 'tcp', host.v4, 8081);
  await town.becomes(`ok second ${outside.v4}`, town.outside, 'tcp', '198.18.0.101', 8081);
  assert.equal(await town.ask(netns1, 'tcp', '127.0.0.1', 8081), 'no ECONNREFUSED', 'only at that address');
  assert.equal(await town.ask(town.outside, 'tcp', host.v4, 8080), 'no ECONNREFUSED', 'no longer published');
});

test('a port of the host that another program has is refused with a word, and taken as soon as it is free', async () => {
  const program = serve(netns1, 'tcp', '0.0.0.0', 8082, 'program');
  const condition = async () => (await town.stage.client.get('port', shop.port.id, { tenant: 'acme' })).status;
  await town.publish(shop, [{ protocol: 'tcp', port: 80, hostPort: 8082 }]);
  const refused = await until('the port’s condition says so', 10_000, async () => {
    const status = await condition();
    return status.code === 'HOST_PORT_TAKEN' ? status : undefined;
  });
  assert.equal(refused.condition, 'up', 'the workload itself is well');
  assert.match(refused.message ?? '', /tcp port 8082 of this host is taken/);
  assert.equal(await town.ask(town.outside, 'tcp', host.v4, 8082), `ok program ${outside.v4}`);
  program[Symbol.dispose]();
  await town.becomes(`ok shop ${outside.v4}`, town.outside, 'tcp', host.v4, 8082);
  await until('the condition is clean', 10_000, async () =>
    (await condition()).code === undefined ? true : undefined,
  );
});

test('no other program gets a published port, and no second port of ours', async () => {
  assert.throws(() => serve(netns1, 'tcp', '0.0.0.0', 8082, 'program'), /EADDRINUSE/);
  await town.publish(neighbour, [{ protocol: 'tcp', port: 81, hostPort: 8082 }]);
  await until('the second is refused', 10_000, async () => {
    const { status } = await town.stage.client.get('port', neighbour.port.id, { tenant: 'acme' });
    return status.code === 'HOST_PORT_TAKEN' ? true : undefined;
  });
  assert.equal(await town.ask(town.outside, 'tcp', host.v4, 8082), `ok shop ${outside.v4}`);
});
