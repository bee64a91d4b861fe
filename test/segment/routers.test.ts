/** Router advertisements for machines of a LAN, which may have a router of its own. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '../../src/lab/processes.ts';
import { Rig } from '../agent/rig.ts';
import type { Workload } from '../agent/workload.ts';
import { heddle } from '../cli/heddle.ts';
import { Lan, macOf, nic } from './lan.ts';

const own = 'fd00:1::201';
/** The LAN's router, which has told it so. */
const router = 'fd00:1::fe';
let rig: Rig;
let machine: Workload;

before(async () => {
  rig = await Rig.open({ hosts: 1 });
  const lan = await Lan.open(rig.lab, () => rig.workload());
  machine = await lan.machine({ vlan: 0, addresses: [`${own}/64`], via: [router] });
  await rig.attach('h1', { kind: 'device', ifname: nic, port: 'plant', learn: 0 });
  const body = { name: 'plc', network: 'web', behind: 'plant', mac: macOf(machine), addresses: [own] };
  await rig.client.create('port', body, { tenant: rig.tenant, waitMs: 20_000 });
});
after(() => rig?.[Symbol.asyncDispose]());

const routes = async (): Promise<string> => (await machine.exec(['ip', '-6', 'route', 'show', 'default'])).stdout;
const told = async (): Promise<number> => (await rig.status('h1')).dhcp.messages.advertisement ?? 0;
async function hearsRouters(value: 'true' | 'false'): Promise<void> {
  const env = { ...rig.lab.host('h1').env, HEDDLE_TENANT: rig.tenant };
  const { code, stderr } = await heddle(['port', 'update', 'plant', `--segment-router=${value}`, '--wait'], env);
  assert.equal(code, 0, stderr);
}

test('a machine that asks for routers gets no second default route, and no MTU', async () => {
  const before = await told();
  await machine.exec(['ip', 'link', 'set', 'eth0', 'down']);
  const setUp = [
    `ip link set eth0 up`,
    `ip address replace ${own}/64 dev eth0 nodad`,
    `ip route add default via ${router}`,
  ];
  const { code, stderr } = await machine.exec(['sh', '-euc', setUp.join('\n')]);
  assert.equal(code, 0, stderr);
  await until('it is answered', 15_000, async () => ((await told()) > before ? true : undefined));
  const hears = await until('the prefix is heard', 5_000, async () => {
    const { stdout } = await machine.exec(['ip', '-6', 'route', 'show', 'fd00:1::/64']);
    return /proto (ra|kernel)/.test(stdout) ? stdout : undefined;
  });
  assert.match(hears, /dev eth0/);
  assert.equal((await routes()).trim().split('\n').length, 1);
  assert.match(await routes(), new RegExp(`^default via ${router} `));
  assert.equal((await machine.exec(['cat', '/proc/sys/net/ipv6/conf/eth0/mtu'])).stdout.trim(), '1500');
});

test('it hears of the network’s router if its segment says so, and soon if it says so no more', async () => {
  await hearsRouters('true');
  await until('a route by advertisement', 15_000, async () =>
    /^default via fe80::68:67ff:fe00:1 .*proto ra/m.test(await routes()) ? true : undefined,
  );
  assert.equal((await machine.exec(['cat', '/proc/sys/net/ipv6/conf/eth0/mtu'])).stdout.trim(), '1450');
  await hearsRouters('false');
  await until('no route by advertisement', 15_000, async () => (/proto ra/.test(await routes()) ? undefined : true));
  assert.match(await routes(), new RegExp(`^default via ${router} `));
});
