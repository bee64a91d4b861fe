/** A server in namespaces of its own: on networks of two tenants at once, apart from the host's routing. */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { ServerNamespaces, serverNetnsIfThere } from '../../src/agent/server-namespaces.ts';
import { linkByName } from '../../src/kernel/link.ts';
import { openNetlink } from '../../src/kernel/netlink.ts';
import { until } from '../../src/lab/processes.ts';
import { must, run } from '../../src/lab/run.ts';
import { newId, type PortId } from '../../src/model/ids.ts';
import type { Attached } from '../../src/model/local-api.ts';
import { Rig } from './rig.ts';
import type { Workload } from './workload.ts';

let rig: Rig;
/** On the other host, one of each tenant, with the same address. */
let clients: Map<string, Workload>;
const tenants = ['acme', 'globex'] as const;

before(async () => {
  rig = await Rig.open();
  const { client } = rig;
  await client.create('tenant', { name: 'globex' });
  await client.create('network', { name: 'web' }, { tenant: 'globex' });
  for (const [name, cidr] of [
    ['web4', '10.0.0.0/24'],
    ['web6', 'fd00:1::/64'],
  ])
    await client.create('subnet', { name, network: 'web', cidr } as never, { tenant: 'globex' });
  clients = new Map();
  for (const tenant of tenants) {
    const workload = await rig.workload();
    await rig.attach('h2', { target: workload.path, tenant, addresses: ['10.0.0.77', 'fd00:1::77'] });
    clients.set(tenant, workload);
  }
});
after(() => rig?.[Symbol.asyncDispose]());

/** Names that the lab removes with itself. */
const nameOf = (what: string) => `hd-${rig.lab.name}-${what}`;
const isThere = (name: string) => existsSync(`/run/netns/${name}`);
const inside = (name: string, ...argv: string[]) => must(['ip', 'netns', 'exec', name, ...argv]);
const inHost = (...argv: string[]) => must(rig.lab.host('h1').argv(argv));
const pings = async (name: string, ip: string, withinS = 5): Promise<boolean> =>
  (await run(['ip', 'netns', 'exec', name, 'ping', '-nqc1', '-i0.2', `-w${withinS}`, ip])).code === 0;
const attach = (netns: string, tenant: string, more: object = {}): Promise<Attached> =>
  rig.attach('h1', { kind: 'host', netns, tenant, ...more });
const routing = async () => `${await inHost('ip', 'route')}${await inHost('ip', '-6', 'route')}`;

test('one server is on networks of two tenants with equal addresses, each in a namespace that is made for it; the host’s routing stays', async () => {
  const before = await routing();
  for (const tenant of tenants) {
    const name = nameOf(tenant);
    const { port, ifname } = await attach(name, tenant, { addresses: ['10.0.0.9', 'fd00:1::9'] });
    assert.deepEqual([port.name, ifname], [`h1-${name}`, 'heddle0']);
    assert.ok(isThere(name));
  }
  for (const tenant of tenants) {
    const other = tenants.find((t) => t !== tenant)!;
    for (const ip of ['10.0.0.77', 'fd00:1::77']) assert.ok(await pings(nameOf(tenant), ip), `${tenant} to ${ip}`);
    const stream = ['-c', 'exec 3</dev/tcp/10.0.0.9/7000; cat <&3'];
    const serving = run(['ip', 'netns', 'exec', nameOf(tenant), 'timeout', '20', 'python3', '-c', server(tenant)]);
    await until(`${tenant}'s server listens`, 10_000, async () =>
      (await inside(nameOf(tenant), 'ss', '-Hlnt')).includes(':7000') ? true : undefined,
    );
    assert.equal((await clients.get(tenant)!.exec(['bash', ...stream])).stdout, tenant);
    assert.notEqual((await clients.get(other)!.exec(['timeout', '2', 'bash', ...stream])).stdout, tenant);
    assert.equal((await serving).code, 0);
  }
  assert.match(await inside(nameOf('acme'), 'ip', 'route'), /^default via 10\.0\.0\.1 dev heddle0/m);
  assert.equal(await routing(), before);
  assert.equal((await attach(nameOf('acme'), 'acme')).port.name, `h1-${nameOf('acme')}`, 'repeated');
  for (const tenant of tenants) {
    await rig.detach('h1', `h1-${nameOf(tenant)}`);
    assert.ok(!isThere(nameOf(tenant)), `${tenant}'s goes with its port`);
  }
});

/** Answers once, with a word. */
const server = (word: string): string =>
  `import socket; s = socket.create_server(('', 7000)); c, _ = s.accept(); c.sendall(b'${word}'); c.close()`;

test('the namespace goes with the last of its ports, and not if it was there before', async () => {
  const name = nameOf('both');
  await attach(name, 'acme');
  const four = await attach(name, 'acme', { network: 'four' });
  assert.equal(four.ifname, 'heddle1');
  await assert.rejects(attach(name, 'globex'), { code: 'HOST_ROUTE_TAKEN' }, 'its addresses are acme’s there');
  assert.ok(isThere(name));
  await rig.detach('h1', `h1-${name}`);
  assert.ok(isThere(name));
  await rig.client.remove('port', four.port.id, { tenant: 'acme' });
  await until('the namespace is gone', 10_000, async () => (isThere(name) ? undefined : true));

  const two = nameOf('two');
  await attach(two, 'acme');
  await rig.attach('h1', { target: `/proc/self/root/run/netns/${two}`, network: 'four', port: 'four-two' });
  await rig.detach('h1', `h1-${two}`);
  assert.ok(isThere(two), 'a port is in it that found it by a path');
  await rig.detach('h1', 'four-two');
  await until('the namespace is gone', 10_000, async () => (isThere(two) ? undefined : true));

  const own = nameOf('own');
  await must(['ip', 'netns', 'add', own]);
  await attach(own, 'acme');
  assert.ok(await pings(own, '10.0.0.77'));
  await rig.detach('h1', `h1-${own}`);
  assert.ok(isThere(own));
  assert.doesNotMatch(await inside(own, 'ip', '-br', 'link'), /heddle/);
  await must(['ip', 'netns', 'del', own]);
  await assert.rejects(attach(`hd-${rig.lab.name}-h1`, 'acme'), { code: 'INVALID' }, 'the host’s own');
});

test('what is for another address in the namespace is dropped, also after the agent was killed', async () => {
  const name = nameOf('strict');
  const { port } = await attach(name, 'acme');
  await inside(name, 'ip', 'address', 'add', '203.0.113.7/32', 'dev', 'lo');
  const far = clients.get('acme')!;
  const ip = port.addresses.find((address) => address.includes('.'))!;
  await must(far.argv(['ip', 'route', 'add', '203.0.113.7/32', 'via', ip, 'dev', 'eth0']));
  const counted = async () =>
    Number(
      ((await rig.client.get('port', port.id, { tenant: 'acme', counters: true })) as { counters?: Counters }).counters
        ?.reasons.not_host ?? 0,
    );
  for (const round of [1, 2]) {
    assert.ok(await far.reaches(ip, 5));
    const before = await counted();
    assert.ok(!(await far.reaches('203.0.113.7', 1)));
    await until(`it is counted, round ${round}`, 10_000, async () => ((await counted()) > before ? true : undefined));
    await rig.lab.kill('h1');
    await rig.lab.start('h1');
    await rig.inSync('h1');
    await rig.lab.ready('h1');
  }
  await must(far.argv(['ip', 'route', 'del', '203.0.113.7/32']));
  await rig.detach('h1', port.id);
  assert.ok(!isThere(name), 'the restarted agent knows it for its own');
});
type Counters = { reasons: Record<string, number> };

test('a namespace that somebody removed is made again, and so after a reboot without the controller', async () => {
  const name = nameOf('again');
  const { port } = await attach(name, 'acme');
  const mac = (): string | undefined => {
    // Its file alone may be there for a moment.
    using netns = serverNetnsIfThere(name);
    if (!netns) return undefined;
    using nl = openNetlink(netns);
    const link = linkByName(nl, 'heddle0');
    return link?.operational ? link.mac : undefined;
  };
  await must(['ip', 'netns', 'del', name]);
  await until('it is back', 20_000, async () => mac());
  assert.ok(await pings(name, '10.0.0.77'));
  await rig.lab.restart('h1'); // an agent that ends by itself writes down what it knows
  for (const daemon of ['h1', 'controller'] as const) await rig.lab.kill(daemon);
  await must(['ip', 'netns', 'del', name]);
  await rig.lab.start('h1');
  assert.equal(await until('it is back', 20_000, async () => mac()), port.mac);
  assert.ok(await pings(name, '10.0.0.77'));
  await rig.lab.start('controller');
  await rig.inSync('h1');
  await rig.detach('h1', port.id);
  assert.ok(!isThere(name));
});

test('a namespace that somebody else is just making is his', async () => {
  const name = nameOf('theirs');
  const path = `/run/netns/${name}`;
  writeFileSync(path, '');
  const script = 'ip link set lo alias theirs && sleep 0.3 && mount --bind /proc/self/ns/net "$0"';
  const making = must(['unshare', '--net', 'sh', '-c', script, path]);
  {
    using netns = new ServerNamespaces(20_000).ensure(name);
    using nl = openNetlink(netns);
    assert.equal(linkByName(nl, 'lo')?.alias, 'theirs');
  }
  await making;
  await must(['ip', 'netns', 'del', name]);
});

test('what a killed agent left half made is undone, or made whole', async () => {
  const name = nameOf('half');
  // Where the namespace is to be, and no more.
  writeFileSync(`/run/netns/${name}`, '');
  const { port } = await attach(name, 'acme');
  assert.ok(await pings(name, '10.0.0.77'));
  const mark = /alias (heddle:netns:\S+)/.exec(await inside(name, 'ip', '-d', 'link', 'show', 'lo'))![1]!;
  await rig.detach('h1', port.id);
  assert.ok(!isThere(name));

  await rig.lab.kill('h1');
  await must(['ip', 'netns', 'add', name]);
  await inside(name, 'ip', 'link', 'set', 'lo', 'alias', mark);
  const id = newId<PortId>() as PortId;
  const begun = { port: id, tenant: rig.tenant, network: 'web', name: 'half', owned: true, state: 'attaching' };
  const record = { ...begun, kind: 'host', netns: name, ifname: 'heddle0', routes: [] };
  writeFileSync(`${rig.stateDir('h1')}/attachments/${id}.json`, JSON.stringify(record));
  await rig.lab.start('h1');
  await rig.inSync('h1');
  await until('the namespace is gone', 10_000, async () => (isThere(name) ? undefined : true));
});
