/** Guests that make their IPv6 address of their MAC, as routers say: in a subnet that is so, it is the port's. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '../../src/lab/processes.ts';
import { ipFamily, type Mac, parsePrefix, slaacAddress } from '../../src/model/address.ts';
import type { Port } from '../../src/model/kinds.ts';
import type { Attached } from '../../src/model/local-api.ts';
import { Rig } from '../agent/rig.ts';
import type { Workload } from '../agent/workload.ts';
import { heddle } from '../cli/heddle.ts';
import { blank, dhclient, networkd, shown } from './clients.ts';

const cidr = 'fd00:5::/64';
const network = 'made';
let rig: Rig;
let there: Workload;
let here: Workload;
let other: Attached;
let own: Attached;

before(async () => {
  rig = await Rig.open({ hosts: 2 });
  const env = { ...rig.lab.host('h1').env, HEDDLE_TENANT: rig.tenant };
  for (const words of [
    ['network', 'create', network],
    ['subnet', 'create', 'made4', '--network', network, '--cidr', '10.5.0.0/24'],
    ['subnet', 'create', 'made6', '--network', network, '--cidr', cidr, '--dhcp-ipv6', 'slaac'],
  ]) {
    const { code, stderr } = await heddle(words, env);
    assert.equal(code, 0, stderr);
  }
  [there, here] = [await rig.workload(), await rig.workload()];
  other = await rig.attach('h2', { network, target: there.path, port: 'other', mac: '52:54:00:12:34:56' });
  own = await rig.attach('h1', { network, target: here.path });
});
after(() => rig?.[Symbol.asyncDispose]());

const sixOf = ({ addresses }: Port): string => addresses.find((ip) => ipFamily(ip) === 6)!;
/** The global IPv6 addresses of a workload's device. */
const globals = async ({ path }: Workload): Promise<string[]> =>
  [...(await shown(path, '-6', 'address', 'show', 'dev', 'eth0', 'scope', 'global')).matchAll(/inet6 (\S+)/g)].map(
    (match) => match[1]!,
  );
/** It has the address, and a router, and is reached by it. */
async function isReached(workload: Workload, address: string): Promise<void> {
  await until('it has its address and a router', 15_000, async () => {
    const routes = await shown(workload.path, '-6', 'route');
    const has = (await globals(workload)).some((a) => a.startsWith(`${address}/`));
    return has && /^default via fe80::68:67ff:fe00:1 .*proto ra/m.test(routes) ? true : undefined;
  });
  assert.ok(await workload.reaches(sixOf(other.port), 10));
  assert.ok(await there.reaches(address, 10));
}

test('a port has the address that its MAC makes, whoever chose which of them', () => {
  assert.equal(sixOf(other.port), 'fd00:5::5054:ff:fe12:3456');
  for (const { port } of [own, other]) assert.equal(sixOf(port), slaacAddress(parsePrefix(cidr), port.mac as Mac));
});

test('a guest without any DHCP client has its address, which its kernel makes, and its router', async () => {
  await blank(here.path, { acceptRa: true });
  await isReached(here, sixOf(own.port));
  assert.deepEqual(await globals(here), [`${sixOf(own.port)}/64`]);
});

test('who asks by DHCPv6 is told servers and domain, or that same address', async () => {
  {
    await using informed = dhclient(here.path, 6, '', '-S');
    assert.equal((await informed.next('BOUND6', 'RENEW6')).values.new_dhcp6_name_servers, 'fd00:5::1');
  }
  await using client = dhclient(here.path, 6);
  assert.equal((await client.next('BOUND6')).values.new_ip6_address, sixOf(own.port));
});

test('systemd-networkd makes it too, besides what it has by DHCPv4', async () => {
  await blank(here.path);
  await using _client = networkd(here.path);
  await isReached(here, sixOf(own.port));
  assert.deepEqual(await globals(here), [`${sixOf(own.port)}/64`]);
});

test('a workload that comes while the controller is away has one that its MAC makes, and keeps it', async () => {
  await rig.lab.kill('controller');
  await using workload = await rig.workload();
  const { port } = await rig.attach('h1', { network, target: workload.path });
  assert.equal(sixOf(port), slaacAddress(parsePrefix(cidr), port.mac as Mac));
  await blank(workload.path, { acceptRa: true });
  await isReached(here, sixOf(own.port));
  await rig.lab.start('controller');
  await rig.lab.ready('controller');
  const told = await rig.portIs(port.name, 'up');
  assert.deepEqual([told.id, told.mac, told.addresses], [port.id, port.mac, port.addresses]);
  await isReached(workload, sixOf(port));
  await rig.detach('h1', port.id);
});
