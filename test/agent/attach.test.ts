/** What an attach makes, and that it can be repeated. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { overheadBytes } from '../../src/compile/facts.ts';
import { linkLocal, type Mac } from '../../src/model/address.ts';
import { Rig } from './rig.ts';

const rig = await Rig.open({ mtu: 1600 });
after(() => rig[Symbol.asyncDispose]());

test('an attach gives the namespace an interface with the port’s MAC, addresses, routes and MTU', async () => {
  await using w = await rig.workload();
  const { port, device, ifname, mtuBytes } = await rig.attach('h1', { target: w.path });
  const { status } = await rig.portIs(port.id, 'up');
  const { link, addresses, defaults } = w.inside();
  assert.equal(ifname, 'eth0');
  assert.deepEqual(
    [link('eth0')?.mac, link('eth0')?.mtuBytes, link('eth0')?.up, link('lo')?.up],
    [port.mac, 1550, true, true],
  );
  assert.equal(mtuBytes, 1550);
  const [four, six] = port.addresses;
  assert.deepEqual(addresses('eth0').sort(), [`${four}/24`, `${linkLocal(port.mac as Mac)}/64`, `${six}/64`].sort());
  assert.deepEqual(defaults.sort(), ['10.0.0.1 eth0', 'fd00:1::1 eth0']);
  const host = rig.links('h1').find((l) => l.name === device);
  assert.deepEqual([host?.alias, host?.up, status.device], [`heddle:${port.id}`, true, device]);
  assert.ok(!rig.hasIpv6('h1', device), 'a host that forwards would report its groups to the workload');
  await rig.detach('h1', port.id);
});

test('a repeated attach answers the same port, also when two come at once', async () => {
  await using w = await rig.workload();
  const [first, second] = await Promise.all([
    rig.attach('h1', { target: w.path }),
    rig.attach('h1', { target: w.path }),
  ]);
  const third = await rig.attach('h1', { target: w.path });
  const byName = await rig.attach('h1', { target: w.path, port: first.port.name });
  for (const again of [second, third, byName])
    assert.deepEqual(
      [again.port.id, again.device, again.ifname, again.mtuBytes],
      [first.port.id, first.device, 'eth0', 1550],
    );
  assert.equal(w.inside().links.length, 2);
  await rig.detach('h1', first.port.id);
});

test('interface, addresses, MAC, name and labels can be chosen', async () => {
  await using w = await rig.workload();
  const chosen = { addresses: ['10.0.0.77', 'fd00:1::77'], mac: '02:aa:bb:cc:dd:ee', labels: { app: 'db' } };
  const { port } = await rig.attach('h1', { target: w.path, ifname: 'net7', port: 'db1', ...chosen });
  const { name, addresses, mac, labels } = port;
  assert.deepEqual({ name, addresses, mac, labels }, { name: 'db1', ...chosen });
  assert.equal(w.inside().link('net7')?.mac, chosen.mac);
  await rig.detach('h1', 'db1');
});

test('a port that was made before is bound, and stays when it is detached', async () => {
  await using w = await rig.workload();
  const { tenant } = rig;
  const made = await rig.client.create('port', { name: 'early', network: 'web' }, { tenant });
  const { port } = await rig.attach('h1', { target: w.path, port: 'early' });
  assert.deepEqual([port.id, w.inside().link('eth0')?.mac], [made.id, made.mac]);
  assert.deepEqual(await rig.detach('h1', 'early'), { released: true });
  assert.equal((await rig.port('early')).status.condition, 'unbound');
  await rig.client.remove('port', 'early', { tenant });
});

test('a namespace can be on two networks, with one default route', async () => {
  await using w = await rig.workload();
  const web = await rig.attach('h1', { target: w.path });
  const four = await rig.attach('h1', { target: w.path, network: 'four' });
  const { addresses, defaults } = w.inside();
  assert.deepEqual([web.ifname, four.ifname], ['eth0', 'eth1']);
  assert.notEqual(web.port.name, four.port.name);
  assert.deepEqual(defaults.sort(), ['10.0.0.1 eth0', 'fd00:1::1 eth0']);
  assert.deepEqual(
    addresses('eth1'),
    [`${four.port.addresses[0]}/24`],
    'a network without IPv6 has none on its interface',
  );
  for (const { port } of [web, four]) await rig.detach('h1', port.id);
});

test('attaches to two networks at once choose different interfaces', async () => {
  await using w = await rig.workload();
  const made = await Promise.all(['web', 'four'].map((network) => rig.attach('h1', { target: w.path, network })));
  assert.deepEqual(made.map((m) => m.ifname).sort(), ['eth0', 'eth1']);
  for (const { port } of made) await rig.detach('h1', port.id);
});

test('a network’s own MTU holds where it is the smaller one', async () => {
  await using w = await rig.workload();
  const { tenant } = rig;
  // The agent attaches by what it knows: it is to know this.
  await rig.client.update('network', 'four', { mtuBytes: 1300 }, { tenant, waitMs: 20_000 });
  const { port, mtuBytes } = await rig.attach('h1', { target: w.path, network: 'four' });
  assert.deepEqual([mtuBytes, w.inside().link('eth0')?.mtuBytes], [1300, 1300]);
  await rig.client.update('network', 'four', { mtuBytes: null }, { tenant, waitMs: 20_000 });
  assert.equal(w.inside().link('eth0')?.mtuBytes, 1600 - overheadBytes(port.addresses[0] as never));
  await rig.detach('h1', port.id);
});

test('twenty attaches at once on two hosts reach one another', async () => {
  await using all = new AsyncDisposableStack();
  const workloads = await Promise.all(Array.from({ length: 20 }, async () => all.use(await rig.workload())));
  const made = await Promise.all(workloads.map((w, i) => rig.attach(`h${1 + (i % 2)}`, { target: w.path })));
  assert.equal(new Set(made.flatMap(({ port }) => [port.mac, ...port.addresses])).size, 60);
  assert.equal(new Set(made.map(({ device }) => device)).size, 20);
  for (const { port } of made) await rig.portIs(port.id, 'up');
  const last = made.at(-1)!.port;
  for (const w of workloads.slice(0, 2))
    for (const ip of last.addresses) assert.ok(await w.reaches(ip, 5), `${w.name} to ${ip}`);
  await Promise.all(made.map(({ port }, i) => rig.detach(`h${1 + (i % 2)}`, port.id)));
});
