/** The host itself as a workload: reached and reaching both ways, and none of its own routes taken. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { deviceName } from '../../src/agent/workload-end.ts';
import { linkAddVeth } from '../../src/kernel/link.ts';
import { openNetns } from '../../src/kernel/netns.ts';
import { until } from '../../src/lab/processes.ts';
import { must, run } from '../../src/lab/run.ts';
import type { Mac } from '../../src/model/address.ts';
import { newId, type PortId } from '../../src/model/ids.ts';
import type { Port } from '../../src/model/kinds.ts';
import { transfer } from '../traffic/bulk.ts';
import type { Stage, Station } from '../traffic/stage.ts';
import { Rig } from './rig.ts';
import type { Workload } from './workload.ts';

let rig: Rig;
let near: Workload;
let far: Workload;
/** Of both workloads. */
let addresses: string[];

before(async () => {
  rig = await Rig.open({ subnets: 2 });
  [near, far] = [await rig.workload(), await rig.workload()];
  const [a, b] = [await rig.attach('h1', { target: near.path }), await rig.attach('h2', { target: far.path })];
  for (const { port } of [a, b]) await rig.portIs(port.id, 'up');
  addresses = [...a.port.addresses, ...b.port.addresses];
  // From now on the way between the hosts is known, and its rows stay as they are.
  for (const ip of b.port.addresses) assert.ok(await near.reaches(ip, 5));
  // The host's own link-local addresses get their routes when nobody else is found to have them.
  const tentative = () => inHost('ip', '-6', 'address', 'show', 'tentative');
  await until('the host is sure of its addresses', 10_000, async () => ((await tentative()) === '' ? true : undefined));
});
after(() => rig?.[Symbol.asyncDispose]());

const inHost = (...argv: string[]) => must(rig.lab.host('h1').argv(argv));
const pings = async (argv: string[], ip: string, withinS = 5): Promise<boolean> =>
  (await run([...argv, 'ping', '-n', '-q', '-c', '1', '-i', '0.2', '-w', String(withinS), ip])).code === 0;
const hostReaches = (ip: string) => pings(rig.lab.host('h1').argv([]), ip);
/** All of the host's routing, in lines; not the group routes that each of Heddle's other devices has, which come and go with workloads. */
async function routing(): Promise<string[]> {
  const asked = ['-4', '-6'].flatMap((family) => [
    ['ip', family, 'route', 'show', 'table', 'all'],
    ['ip', family, 'rule'],
    ['ip', family, '-br', 'address'],
  ]);
  const switches = ['cat', '/proc/sys/net/ipv4/ip_forward', '/proc/sys/net/ipv6/conf/all/forwarding'];
  const told = await Promise.all([...asked, switches].map((argv) => inHost(...argv)));
  return told
    .flatMap((text) => text.split('\n'))
    .filter((line) => !/\bh[dgo][0-9a-f]{13}\b/.test(line))
    .sort();
}

async function notHost({ id }: Port): Promise<number> {
  const answer = await rig.client.get('port', id, { tenant: rig.tenant, counters: true });
  return Number((answer as { counters?: { reasons: Record<string, number> } }).counters?.reasons.not_host ?? 0);
}

test('host and workloads reach one another, on it and elsewhere; nothing else of its routing changes, and all is back when it is detached', async () => {
  const [trace, before] = [await rig.trace('h1'), await routing()];
  const { port, ifname, device, mtuBytes } = await rig.attach('h1', { kind: 'host' });
  assert.deepEqual([port.name, ifname], ['h1', 'heddle0']);
  const link = rig.links('h1').find((l) => l.name === ifname);
  assert.deepEqual([link?.mac, link?.mtuBytes, link?.up], [port.mac, mtuBytes, true]);
  assert.equal(rig.links('h1').find((l) => l.name === device)?.alias, `heddle:${port.id}`);
  await rig.portIs(port.id, 'up');
  for (const ip of addresses) assert.ok(await hostReaches(ip), ip);
  for (const from of [near, far])
    for (const ip of port.addresses) assert.ok(await from.reaches(ip, 5), `${from.name} to ${ip}`);
  const lab = { lab: rig.lab } as Stage;
  const host = { netns: rig.lab.host('h1').netns } as Station;
  for (const ip of port.addresses) await transfer(lab, { workload: far.name } as Station, host, ip, 4 << 20);
  const during = await routing();
  const gone = before.filter((line) => !during.includes(line));
  assert.deepEqual(gone, [], 'every line is still there');
  const more = during.filter((line) => !before.includes(line));
  assert.deepEqual(
    more.filter((line) => !/heddle0/.test(line)),
    [],
    'and what is more is of the interface',
  );
  assert.ok(!more.some((line) => /default/.test(line)));
  assert.equal((await rig.attach('h1', { kind: 'host' })).port.id, port.id, 'repeated');
  await rig.detach('h1', 'h1');
  await rig.back('h1', trace);
  assert.deepEqual(await routing(), before);
});

test('what comes for another address of the host, or for somebody behind it, is dropped and counted', async () => {
  const { port } = await rig.attach('h1', { kind: 'host' });
  const [four = '', six = ''] = port.addresses;
  for (const [prefix, via] of [
    ['198.18.0.1/32', four],
    ['203.0.113.0/24', four],
    ['2001:db8::/32', six],
  ])
    await must(far.argv(['ip', 'route', 'add', prefix!, 'via', via!, 'dev', 'eth0']));
  assert.ok(await far.reaches(four, 5));
  for (const ip of ['198.18.0.1', '203.0.113.7', '2001:db8::7']) assert.ok(!(await far.reaches(ip, 1)), ip);
  const counted = await until('it is counted', 10_000, async () => {
    const count = await notHost(port);
    return count >= 3 ? count : undefined;
  });
  assert.ok(counted >= 3);
  for (const prefix of ['198.18.0.1/32', '203.0.113.0/24', '2001:db8::/32'])
    await must(far.argv(['ip', 'route', 'del', prefix]));
  await rig.detach('h1', port.id);
});

test('further prefixes go by the gateway, and with the interface', async () => {
  const before = await routing();
  const routes = ['10.7.0.0/16', '10.9.0.9/32', 'fd07::/16'];
  const { port } = await rig.attach('h1', { kind: 'host', routes, ifname: 'web0', port: 'server' });
  const main = `${await inHost('ip', 'route')}${await inHost('ip', '-6', 'route')}`;
  assert.match(main, /^10\.7\.0\.0\/16 via 10\.0\.0\.1 dev web0 proto 201/m);
  assert.match(main, /^10\.9\.0\.9 via 10\.0\.0\.1 dev web0 proto 201/m);
  assert.match(main, /^fd07::\/16 via fd00:1::1 dev web0 proto 201/m);
  await assert.rejects(rig.attach('h1', { kind: 'host', port: 'server', routes: [] }), { code: 'ATTACHMENT_CONFLICT' });
  await rig.detach('h1', port.id);
  assert.deepEqual(await routing(), before);
});

test('what the host reaches by another way already is not taken from it: the attach is refused, and nothing is left', async () => {
  const trace = await rig.trace('h1');
  const refused = (why: string[], more: object = {}) =>
    assert.rejects(rig.attach('h1', { kind: 'host', network: 'four', ...more }), {
      code: 'HOST_ROUTE_TAKEN',
      message: new RegExp(why.join('.*')),
    });
  for (const [add, del, why] of [
    ['route add 10.4.0.0/16 dev eth0', 'route del 10.4.0.0/16', ['10.4.0.0/16', 'eth0', '10.4.0.0/24']],
    ['route add 10.4.0.64/26 dev eth0', 'route del 10.4.0.64/26', ['10.4.0.64/26', 'eth0']],
    ['route add 10.4.0.0/24 dev eth0 table 77', 'route del 10.4.0.0/24 table 77', ['10.4.0.0/24', 'eth0']],
    ['address add 10.4.0.9/32 dev lo', 'address del 10.4.0.9/32 dev lo', ['10.4.0.9/32', 'lo']],
  ] as const) {
    const before = await routing();
    await inHost('ip', ...add.split(' '));
    await refused([...why]);
    await inHost('ip', ...del.split(' '));
    assert.deepEqual(await routing(), before);
  }
  await refused(['198.18.0.0/24', 'eth0', '198.18.0.0/16'], { routes: ['198.18.0.0/16'] });
  // The other host's VTEP, which this one reaches by its default route.
  await refused(['198.18.1.2/32', 'the underlay', '198.18.1.0/24'], { routes: ['198.18.1.0/24'] });
  await assert.rejects(rig.attach('h1', { kind: 'host', routes: ['0.0.0.0/0'] }), { code: 'PREFIX_INVALID' });
  await assert.rejects(rig.attach('h1', { kind: 'host', network: 'four', routes: ['fd07::/16'] }), { code: 'INVALID' });
  await rig.back('h1', trace);
  const web = await rig.attach('h1', { kind: 'host' });
  const four = await rig.attach('h1', { kind: 'host', network: 'four' });
  assert.deepEqual([web.ifname, four.ifname, four.port.name], ['heddle0', 'heddle1', 'h1-heddle1']);
  for (const { port } of [web, four]) await rig.detach('h1', port.id);
  await rig.back('h1', trace);
});

test('a killed agent leaves the interface; one that somebody removed is made again, and so after a reboot without the controller', async () => {
  const trace = await rig.trace('h1');
  const { port } = await rig.attach('h1', { kind: 'host' });
  const heddle0 = () => rig.links('h1').find((l) => l.name === 'heddle0');
  const { ifindex } = heddle0()!;
  await rig.lab.kill('h1');
  for (const ip of addresses) assert.ok(await hostReaches(ip), `${ip} without an agent`);
  await rig.lab.start('h1');
  await rig.inSync('h1');
  assert.equal(heddle0()?.ifindex, ifindex);

  await inHost('ip', 'link', 'del', 'heddle0');
  await until('the interface is back', 10_000, async () => (heddle0()?.operational ? true : undefined));
  for (const ip of addresses) assert.ok(await hostReaches(ip), ip);

  await rig.lab.restart('h1'); // an agent that ends by itself writes down what it knows
  for (const daemon of ['h1', 'controller'] as const) await rig.lab.kill(daemon);
  await inHost('ip', 'link', 'del', 'heddle0');
  await rig.lab.start('h1');
  await until('the interface is back', 10_000, async () => (heddle0()?.operational ? true : undefined));
  assert.equal(heddle0()?.mac, port.mac);
  for (const ip of addresses) assert.ok(await hostReaches(ip), `${ip} without the controller`);
  await rig.lab.start('controller');
  await rig.inSync('h1');
  await rig.portIs(port.id, 'up');
  await rig.detach('h1', port.id);
  await rig.back('h1', trace);
});

test('an interface that a killed agent left half made is undone', async () => {
  const trace = await rig.trace('h1');
  await rig.lab.kill('h1');
  const port = newId<PortId>() as PortId;
  const record = { port, tenant: rig.tenant, network: 'web', name: 'h1', kind: 'host', ifname: 'heddle0', routes: [] };
  writeFileSync(
    `${rig.stateDir('h1')}/attachments/${port}.json`,
    JSON.stringify({ ...record, owned: true, state: 'attaching' }),
  );
  {
    using nl = rig.netlink('h1');
    using netns = openNetns(rig.lab.host('h1').netns);
    const peer = { name: 'heddle0', mac: '02:00:00:00:00:31' as Mac, mtuBytes: 1400, netns };
    linkAddVeth(nl, { name: deviceName(port), peer });
  }
  await rig.lab.start('h1');
  await rig.inSync('h1');
  await rig.back('h1', trace);
});
