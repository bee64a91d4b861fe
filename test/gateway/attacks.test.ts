/** What a workload cannot do through its gateway, and nobody through a gateway to a workload. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { controllerAddress } from '../../src/lab/daemons.ts';
import { openPackets } from '../traffic/packets.ts';
import { serve } from './server.ts';
import { hostAddress, outside, Town } from './town.ts';

const town = await Town.open(2);
after(() => town[Symbol.asyncDispose]());
const [h1, h2] = town.stage.lab.hosts;
const host = hostAddress(1);
const a = await town.resident('acme');
const b = await town.resident('beta');
await Promise.all([town.opened(a), town.opened(b)]);

/** Every address by which a workload could mean its host. */
const ofHost = {
  v4: [host.v4, '169.254.128.0', '169.254.128.2', '127.0.0.1', '10.0.0.1'],
  v6: [host.v6, 'fd68:6564:646c::', 'fd68:6564:646c::2', 'fd00:1::1'],
};

for (const [family, any, from] of [
  ['v4', '0.0.0.0', outside.v4],
  ['v6', '::', outside.v6],
] as const)
  test(`a host’s own services are not for workloads, by none of its addresses (${family})`, async () => {
    for (const protocol of ['tcp', 'udp'] as const) {
      using service = serve(h1!.netns, protocol, any, 7100, 'service');
      await town.silent(a.netns, protocol, ofHost[family], 7100);
      assert.deepEqual(service.seen, []);
      assert.equal(
        await town.ask(town.outside, protocol, host[family], 7100),
        `ok service ${from}`,
        'the control: it is for others',
      );
    }
  });

test('nor are the services of the host’s own link: metadata, other gateways', async () => {
  await town.in(h1!.netns, 'ip', 'address', 'add', '169.254.169.254/32', 'dev', 'lo');
  await town.in(town.outside, 'ip', 'address', 'add', '169.254.7.7/32', 'dev', 'br0');
  await town.in(h1!.netns, 'ip', 'route', 'add', '169.254.7.7/32', 'dev', 'eth0');
  using metadata = serve(h1!.netns, 'tcp', '169.254.169.254', 80, 'metadata');
  using neighbour = serve(town.outside, 'tcp', '169.254.7.7', 80, 'neighbour');
  await town.silent(a.netns, 'tcp', ['169.254.169.254', '169.254.7.7'], 80);
  assert.deepEqual([metadata.seen, neighbour.seen], [[], []]);
  assert.match(
    await town.ask(h1!.netns, 'tcp', '169.254.7.7', 80),
    /^ok neighbour/,
    'the control: the host gets there',
  );
});

test('nor are the host’s own containers, but for what they publish', async () => {
  const inside = async (...argv: string[]) => town.in(h1!.netns, ...argv);
  await inside('ip', 'link', 'add', 'br7', 'type', 'bridge');
  await inside('ip', 'address', 'add', '172.31.0.1/24', 'dev', 'br7');
  await inside('ip', 'link', 'set', 'br7', 'up');
  await inside('ip', 'link', 'add', 'con0', 'type', 'veth', 'peer', 'name', 'eth7', 'netns', b.netns);
  await inside('ip', 'link', 'set', 'con0', 'master', 'br7', 'up');
  await town.in(b.netns, 'ip', 'address', 'add', '172.31.0.2/24', 'dev', 'eth7');
  await town.in(b.netns, 'ip', 'link', 'set', 'eth7', 'up');
  await inside('sh', '-c', 'echo 1 >/proc/sys/net/ipv4/conf/br7/forwarding');
  using container = serve(b.netns, 'tcp', '172.31.0.2', 7105, 'container');
  await town.becomes(/^ok container/, h1!.netns, 'tcp', '172.31.0.2', 7105);
  assert.match(await town.ask(a.netns, 'tcp', '172.31.0.2', 7105), /^no /);
  assert.equal(container.seen.length, 1);
});

test('nor is the controller, wherever it is', async () => {
  const url = controllerAddress(town.stage.lab.plan);
  // Who gets there at all is what is asked: not whether it would believe the certificate, nor what it may.
  const health = (netns: string) => town.in(netns, 'curl', '-sSk', '-m', '2', `${url}/healthz`);
  assert.match(await health(h1!.netns), /ok/, 'the control: hosts get there');
  await assert.rejects(health(a.netns), /curl: \((7|28)\)/);
  const { hostname } = new URL(url);
  using beside = serve(town.outside, 'tcp', hostname, 7106, 'beside');
  await town.becomes(/^ok beside/, a.netns, 'tcp', hostname, 7106);
  assert.equal(beside.seen.length, 1, 'the control: others there are');
});

test('a tenant reaches no other tenant through the gateways', async () => {
  using service = serve(b.netns, 'tcp', '0.0.0.0', 7101, 'beta');
  await town.silent(a.netns, 'tcp', ['169.254.128.1', '169.254.128.3', '10.0.0.77', '10.9.9.9'], 7101);
  assert.deepEqual(service.seen, []);
});

test('no datagram of a workload gets to a VXLAN port, whole or in fragments, and none that looks like one', async () => {
  const vtep2 = hostAddress(2);
  using wire = openPackets(h2!.netns, 'eth0');
  using farther = openPackets(town.outside, 'br0');
  const mark = (port: number) => `<to ${port}>`;
  const send = (family: 4 | 6, to: string, port: number, size: number) =>
    town.in(
      a.netns,
      process.execPath,
      ...['--input-type=module', '-e'],
      `import { createSocket } from 'node:dgram';
      const socket = createSocket('udp${family}');
      const sent = () => new Promise((done) => socket.send(Buffer.alloc(${size}, '${mark(port)}'), ${port}, '${to}', done));
      await sent();
      await sent();
      socket.close();`,
    );
  for (const size of [60, 4000])
    for (const [family, to] of [
      [4, vtep2.v4],
      [6, vtep2.v6],
      [4, outside.v4],
      [6, outside.v6],
    ] as const)
      for (const port of [4789, 4790]) await send(family, to, port, size);
  await town.stage.ping(a, outside.v4);
  const arrived = [...wire.received(), ...farther.received()].map((frame) => Buffer.from(frame));
  const toPort = (port: number) => arrived.filter((frame) => frame.includes(mark(port)));
  assert.ok(toPort(4790).length >= 8, 'the control: others arrive');
  assert.deepEqual(toPort(4789), []);
});

test('nobody outside gets to a workload or a gateway by routing there, nor past the host', async () => {
  using shop = serve(a.netns, 'tcp', '0.0.0.0', 7102, 'shop');
  using shop6 = serve(a.netns, 'tcp', '::', 7102, 'shop');
  for (const to of ['10.0.0.0/24', '169.254.128.0/17', '127.9.9.9/32', '192.0.2.0/24'])
    await town.in(town.outside, 'ip', 'route', 'add', to, 'via', host.v4);
  for (const to of ['fd00:1::/64', 'fd68:6564:646c::/64'])
    await town.in(town.outside, 'ip', 'route', 'add', to, 'via', host.v6);
  // Even if the host itself had the way.
  await town.in(h1!.netns, 'ip', 'route', 'add', '10.0.0.0/24', 'nexthop', 'via', '169.254.128.1');
  await town.in(h1!.netns, 'ip', 'route', 'add', 'fd00:1::/64', 'via', 'fd68:6564:646c::1');
  using other = serve(b.netns, 'udp', '0.0.0.0', 7102, 'other');
  using one = serve(a.netns, 'udp', '0.0.0.0', 7102, 'one');
  for (const protocol of ['tcp', 'udp'] as const)
    await town.silent(town.outside, protocol, [a.ip4, '169.254.128.1', a.ip6, 'fd68:6564:646c::1'], 7102);
  assert.deepEqual([one.seen, other.seen], [[], []], 'not one datagram');
  assert.deepEqual([shop.seen, shop6.seen], [[], []]);

  // Another network behind the host, which forwards only because of its gateways.
  await town.in(h1!.netns, 'ip', 'link', 'add', 'lan0', 'type', 'veth', 'peer', 'name', 'lan1');
  await town.in(h1!.netns, 'ip', 'address', 'add', '192.0.2.1/24', 'dev', 'lan0');
  await town.in(h1!.netns, 'ip', 'link', 'set', 'lan0', 'up');
  await town.in(h1!.netns, 'ip', 'link', 'set', 'lan1', 'up');
  await town.in(h1!.netns, 'ip', 'neighbour', 'add', '192.0.2.9', 'lladdr', '02:00:00:00:00:09', 'dev', 'lan0');
  using lan = openPackets(h1!.netns, 'lan1');
  await town.in(h1!.netns, 'ip', 'address', 'add', '2001:db8:77::1/64', 'dev', 'lan0', 'nodad');
  await town.in(h1!.netns, 'ip', 'neighbour', 'add', '2001:db8:77::9', 'lladdr', '02:00:00:00:00:09', 'dev', 'lan0');
  await town.in(town.outside, 'ip', 'route', 'add', '2001:db8:77::/64', 'via', host.v6);
  for (const there of ['192.0.2.9', '2001:db8:77::9']) {
    const [type, protocol] = there.includes(':') ? [0x86dd, 20] : [0x0800, 23];
    const pinged = async (from: string) => {
      await town.in(from, 'ping', '-n', '-c', '2', '-i', '0.2', '-W', '1', there).catch(() => undefined); // nobody answers
      const frames = lan.received().map((frame) => Buffer.from(frame));
      // ICMP, or ICMPv6's echo request: the kernel itself says other things too.
      return frames.filter(
        (f) => f.readUInt16BE(12) === type && (f[protocol] === 1 || (f[protocol] === 58 && f[54] === 128)),
      ).length;
    };
    assert.equal(await pinged(town.outside), 0, there);
    assert.equal(await pinged(h1!.netns), 2, `the control: the host itself sends to ${there}`);
  }
});

test('a port published on a loopback address is not reached from the wire', async () => {
  using shop = serve(a.netns, 'tcp', '0.0.0.0', 7103, 'shop');
  await town.publish(a, [{ protocol: 'tcp', port: 7103, hostPort: 7103, hostAddress: '127.0.0.1' }]);
  await town.becomes(/^ok shop/, h1!.netns, 'tcp', '127.0.0.1', 7103);
  const { seen } = shop;
  await town.in(town.outside, 'ip', 'route', 'add', 'table', '77', '127.0.0.1/32', 'via', host.v4);
  assert.match(await town.ask(town.outside, 'tcp', host.v4, 7103), /^no /);
  assert.equal(seen.length, 1);
});
