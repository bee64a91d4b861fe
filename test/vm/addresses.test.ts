/** A real guest comes by all its addresses itself: DHCPv4, DHCPv6 and router advertisements, each as its network has it. */
// exclusive: emulates a machine
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openStage, type Stage, type Station } from '../traffic/stage.ts';
import { Guest } from './guest.ts';
import { writeGuestImage } from './image.ts';
import { attachTap, qemuArgs, type Tap } from './taps.ts';

/** What ISC's client does in the guest with what it is told. */
const script = `#!/bin/sh
case $reason in
BOUND) ip address replace "$new_ip_address/24" dev "$interface"; ip route replace default via "$new_routers" ;;
BOUND6) [ -z "$new_ip6_address" ] || ip -6 address replace "$new_ip6_address/128" dev "$interface" ;;
esac
env >"/tmp/told-$interface"
`;

let dir: string;
let stage: Stage;
let guest: Guest;
/** The guest's two devices, and for each a workload on the other host. */
let given: { tap: Tap; far: Station };
let made: { tap: Tap; far: Station };

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'heddle-addresses-'));
  const [image, opened] = await Promise.all([writeGuestImage(dir, ['/sbin/dhclient']), openStage(2)]);
  stage = opened;
  await stage.network('t', 'given', ['10.31.0.0/24', 'fd31::/64']);
  await stage.network('t', 'made', ['10.32.0.0/24']);
  const subnet = { name: 'made-6', network: 'made', cidr: 'fd32::/64', dhcp: { ipv6: 'slaac' as const } };
  await stage.client.create('subnet', subnet, { tenant: 't' });
  const on = async (network: string) => ({
    tap: await attachTap(stage.lab.hosts[0]!, { tenant: 't', network }),
    far: await stage.attach({ tenant: 't', network, host: 1 }),
  });
  [given, made] = [await on('given'), await on('made')];
  const network = [...(await qemuArgs(given.tap)), ...(await qemuArgs(made.tap))];
  guest = await Guest.boot({ image, host: given.tap.host, network });
  await guest.must(`cat >/tmp/dhclient-script <<'END'\n${script}END\nchmod +x /tmp/dhclient-script`);
});
after(async () => {
  await guest?.[Symbol.asyncDispose]();
  await stage?.[Symbol.asyncDispose]();
  await rm(dir, { recursive: true });
});

/** Sets a device up, and waits until its kernel has a router there. */
const hearRouter = (device: string): Promise<string> =>
  guest.must(`ip link set ${device} up
    until ip -6 route show default dev ${device} | grep -q ' via fe80::68:67ff:fe00:1 '; do usleep 100000; done
    while ip -6 address show dev ${device} | grep -q tentative; do usleep 50000; done
    ip -6 address show dev ${device} scope global`);
/** ISC's client, until it has an answer; what it was told. */
const dhclient = (device: string, ...options: string[]): Promise<string> => {
  const name = [device, ...options].join('');
  const files = `-sf /tmp/dhclient-script -cf /dev/null -lf /tmp/leases-${name} -pf /tmp/pid-${name}`;
  return guest.must(`/usr/bin/dhclient -1 ${options.join(' ')} ${files} ${device} && cat /tmp/told-${device}`, 60);
};
async function reaches(device: string, { tap, far }: typeof given): Promise<void> {
  for (const ip of [far.ip4, far.ip6]) await guest.must(`/usr/bin/ping -n -c 1 -w 10 -I ${device} ${ip}`);
  for (const ip of [tap.ip4, tap.ip6]) await stage.ping(far, ip);
}

test('a guest has its router by advertisement, and its addresses by DHCP of both kinds', async () => {
  assert.doesNotMatch(await hearRouter('eth0'), /inet6/, 'the prefix makes none');
  const four = await dhclient('eth0', '-4');
  assert.match(four, new RegExp(`^new_ip_address=${given.tap.ip4}$`, 'm'));
  const six = await dhclient('eth0', '-6');
  assert.match(six, new RegExp(`^new_ip6_address=${given.tap.ip6}$`, 'm'));
  assert.match(six, /^new_dhcp6_name_servers=fd31::1$/m);
  await reaches('eth0', given);
});

test('where addresses are made of MACs it makes the port’s, and asks DHCPv6 for the rest alone', async () => {
  assert.match(await hearRouter('eth1'), new RegExp(`inet6 ${made.tap.ip6}/64 `));
  assert.match(await dhclient('eth1', '-4'), new RegExp(`^new_ip_address=${made.tap.ip4}$`, 'm'));
  const told = await dhclient('eth1', '-6', '-S');
  assert.match(told, /^new_dhcp6_name_servers=fd32::1$/m);
  assert.doesNotMatch(told, /^new_ip6_address=/m);
  await reaches('eth1', made);
});
