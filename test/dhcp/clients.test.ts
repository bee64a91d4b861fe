/** Clients as guests have them get what the port has, and work with it. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { until } from '../../src/lab/processes.ts';
import { must, run } from '../../src/lab/run.ts';
import { Rig } from '../agent/rig.ts';
import { heddle } from '../cli/heddle.ts';
import { contains, openPackets } from '../traffic/packets.ts';
import { blank, dhclient, networkd, shown, udhcpc } from './clients.ts';

const rig = await Rig.open({ hosts: 2 });
after(() => rig[Symbol.asyncDispose]());
const there = await rig.workload();
const other = (await rig.attach('h2', { target: there.path, port: 'other' })).port;
const here = await rig.workload();
const { port } = await rig.attach('h1', { target: here.path, port: 'vm1' });
const [four = '', six = ''] = port.addresses;
const netns = here.path;

async function reaches(address: string): Promise<void> {
  await until(`${address} answers`, 10_000, async () =>
    (await run(['nsenter', `--net=${netns}`, '--', 'ping', '-n', '-c', '1', '-W', '1', address])).code === 0
      ? true
      : undefined,
  );
}
const messages = async (): Promise<Record<string, number>> => (await rig.status('h1')).dhcp.messages;
const count = async (kind: string): Promise<number> => (await messages())[kind] ?? 0;

test('udhcpc gets the port’s address and all else, renews it at the gateway, and gives it back', async () => {
  await blank(netns);
  await using client = udhcpc(netns, '-R', '-O', 'mtu', '-O', 'search');
  const { values } = await client.next('bound');
  assert.deepEqual(
    [values.ip, values.mask, values.router, values.dns, values.mtu, values.lease, values.serverid],
    [four, '24', '10.0.0.1', '10.0.0.1', '1450', '86400', '10.0.0.1'],
  );
  assert.deepEqual([values.domain, values.search], ['web.acme.heddle.internal', 'web.acme.heddle.internal']);
  await reaches(other.addresses[0]!);
  client.signal('SIGUSR1');
  assert.equal((await client.next('renew')).values.ip, four);
  const released = await count('released');
  client.signal('SIGUSR2');
  await client.next('deconfig');
  await until('the agent hears of it', 5_000, async () => ((await count('released')) > released ? true : undefined));
});

test('a subnet’s options are told, after a change to the next who asks', async () => {
  await blank(netns);
  const env = { ...rig.lab.host('h1').env, HEDDLE_TENANT: rig.tenant };
  const flags = [
    '--dhcp-lease-seconds',
    '600',
    '--dhcp-route',
    '10.99.0.0/16=10.0.0.9',
    '--dhcp-domain',
    'example.org',
  ];
  const boot = ['--dhcp-boot-server', '10.0.0.7', '--dhcp-boot-file', 'pxe.0', '--dhcp-dns-server', '10.0.0.53'];
  const set = await heddle(['subnet', 'update', 'web4', ...flags, ...boot, '--wait'], env);
  assert.equal(set.code, 0, set.stderr);
  {
    await using client = udhcpc(netns, '-q', '-O', 'staticroutes', '-O', 'bootfile');
    const { values } = await client.next('bound');
    assert.deepEqual(
      [values.lease, values.staticroutes, values.domain, values.siaddr, values.boot_file, values.dns],
      ['600', '10.99.0.0/16 10.0.0.9 0.0.0.0/0 10.0.0.1', 'example.org', '10.0.0.7', 'pxe.0', '10.0.0.53'],
    );
  }
  const none = flags.filter((f) => f.startsWith('--')).concat(boot.filter((f) => f.startsWith('--')));
  const unset = await heddle(['subnet', 'update', 'web4', ...none.flatMap((f) => [f, 'none']), '--wait'], env);
  assert.equal(unset.code, 0, unset.stderr);
  for (const [bad, why] of [
    [['web4', '--dhcp-route', '10.99.0.0/16=192.0.2.1'], /ROUTE_INVALID/],
    [['web4', '--dhcp-route', '10.99.0.0/16=blackhole'], /INVALID/],
    [['web4', '--dhcp-dns-server', 'fd00::1'], /INVALID/],
    [['web6', '--dhcp-route', '10.99.0.0/16=10.0.0.9'], /INVALID/],
    [['web4', '--dhcp-lease-seconds', '5'], /INVALID/],
    [['web4', '--dhcp-boot-server', '10.0.0.300'], /INVALID/],
  ] as const) {
    const refused = await heddle(['subnet', 'update', ...bad], env);
    assert.match(refused.stderr, why, bad.join(' '));
  }
});

test('dhclient gets it too, and one that remembers another address is refused, and asks anew', async () => {
  await blank(netns);
  const remembered = [
    'lease {',
    'interface "eth0"; fixed-address 10.0.0.99; option subnet-mask 255.255.255.0;',
    'option dhcp-message-type 5; option dhcp-server-identifier 10.0.0.1; option dhcp-lease-time 86400;',
    'renew never; rebind never; expire never; }',
  ].join('\n');
  await using client = dhclient(netns, 4, remembered);
  const { values } = await client.next('BOUND', 'REBOOT');
  assert.deepEqual([values.new_ip_address, values.new_host_name, values.new_interface_mtu], [four, 'vm1', '1450']);
  assert.match(client.said, /DHCPREQUEST for 10\.0\.0\.99 [\s\S]*DHCPNAK [\s\S]*DHCPACK/);
  await reaches(other.addresses[0]!);
});

test('dhclient -6 gets the IPv6 address, servers and domain, and the kernel its routes by advertisement', async () => {
  await blank(netns, { acceptRa: true });
  await until('routes by advertisement', 15_000, async () => {
    const routes = await shown(netns, '-6', 'route');
    return /^default via fe80::68:67ff:fe00:1 .*proto ra/m.test(routes) && /^fd00:1::\/64 /m.test(routes)
      ? true
      : undefined;
  });
  assert.doesNotMatch(await shown(netns, '-6', 'address', 'show', 'dev', 'eth0', 'scope', 'global'), /inet6/);
  {
    await using client = dhclient(netns, 6);
    const { values } = await client.next('BOUND6');
    assert.deepEqual(
      [values.new_ip6_address, values.new_dhcp6_name_servers, values.new_dhcp6_domain_search],
      [six, 'fd00:1::1', 'web.acme.heddle.internal.'],
    );
    await reaches(other.addresses[1]!);
  }
  await using informed = dhclient(netns, 6, '', '-S');
  assert.equal((await informed.next('BOUND6', 'RENEW6')).values.new_dhcp6_name_servers, 'fd00:1::1');
});

test('systemd-networkd sets up both families by itself', async () => {
  await blank(netns);
  await using _client = networkd(netns);
  await until('both addresses and routes', 20_000, async () => {
    const addresses = await shown(netns, 'address', 'show', 'dev', 'eth0');
    const routes = `${await shown(netns, 'route')}${await shown(netns, '-6', 'route')}`;
    const all = [four, six].every((a) => addresses.includes(` ${a}/`)) && routes.match(/^default via/gm)?.length === 2;
    return all && / mtu 1450 /.test(addresses) ? true : undefined;
  });
  for (const address of other.addresses) await reaches(address);
});

test('a new MTU of the underlay is advertised soon after, without a question', async () => {
  await blank(netns);
  using packets = openPackets(netns, 'eth0');
  const host = rig.lab.host('h1');
  const setMtu = (mtu: number) => must(host.argv(['ip', 'link', 'set', 'eth0', 'mtu', String(mtu)]));
  await setMtu(1_400);
  try {
    const option = Buffer.from('0501000000000546', 'hex'); // 1,350
    await until(
      'it is advertised',
      10_000,
      async () => packets.received().some((f) => contains(f, option)) || undefined,
    );
  } finally {
    await setMtu(1_500);
  }
});
