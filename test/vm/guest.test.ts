/** Real guests under QEMU on taps: workloads like any other. */
// exclusive: emulates two machines at once
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openStage, type Stage, type Station } from '../traffic/stage.ts';
import { type End, Files, filePort } from './files.ts';
import { Guest } from './guest.ts';
import { type GuestImage, writeGuestImage } from './image.ts';
import { attachTap, configure, countersOf, countOf, qemuArgs, type Tap } from './taps.ts';

const place = { tenant: 't', network: 'net' };
const mtu = 1450;
const big = 16 << 20;
const small = 2 << 20;

let dir: string;
let stage: Stage;
let image: GuestImage;
let files: Files;
const servers: ChildProcess[] = [];
/** A namespace on the first host, and one on the other. */
let near: Station;
let far: Station;
/** The guest on the first host, one on the other, and later a second one on the first. */
let first: Tap;
let other: Tap;
let second: Tap;
const guests = new Map<Tap, Guest>();

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'heddle-guests-'));
  [stage, image, files] = await Promise.all([openStage(2), writeGuestImage(dir), Files.make(dir, [big, small])]);
  await stage.network('t', 'net', ['10.21.0.0/24', 'fd21::/64']);
  const [h1, h2] = stage.lab.hosts as [(typeof stage.lab.hosts)[0], (typeof stage.lab.hosts)[0]];
  near = await stage.attach({ ...place, host: 0 });
  far = await stage.attach({ ...place, host: 1 });
  first = await attachTap(h1, place, '--port', 'vm1', '--ifname', 'tap-vm1');
  other = await attachTap(h2, place, '--port', 'vm2');
  second = await attachTap(h1, place, '--port', 'vm3', '--queues', '2');
  for (const { netns } of [near, far]) {
    const server = ['busybox', 'httpd', '-f', '-p', `${filePort}`, '-h', files.folder];
    servers.push(spawn('nsenter', [`--net=${netns}`, '--', ...server], { stdio: 'ignore' }));
  }
  const [one, two] = await Promise.all([qemuArgs(first), qemuArgs(other)]);
  await Promise.all([boot(first, one), boot(other, unbounded(two), { dhcp: true })]);
});
after(async () => {
  for (const guest of guests.values()) await guest[Symbol.asyncDispose]();
  for (const server of servers) server.kill('SIGKILL');
  await stage?.[Symbol.asyncDispose]();
  await rm(dir, { recursive: true });
});

/** Starts a tap's guest with these arguments of QEMU. */
async function boot(tap: Tap, network: readonly string[], more: { cpus?: number; dhcp?: boolean } = {}): Promise<void> {
  const guest = await Guest.boot({ image, host: tap.host, network, ...more });
  guests.set(tap, guest);
  await configure(guest, tap, more.dhcp ? 'dhcp' : 'static');
  await files.seed(guestEnd(tap), stationEnd(near));
}
/** Without the MTU, which a guest need not be told by its device. */
const unbounded = (network: readonly string[]): string[] => network.map((word) => word.replace(`,host_mtu=${mtu}`, ''));
const guestOf = (tap: Tap): Guest => guests.get(tap)!;
async function end(tap: Tap): Promise<void> {
  await guestOf(tap)[Symbol.asyncDispose]();
  guests.delete(tap);
}

const guestEnd = (tap: Tap): End => ({
  name: `guest ${tap.port.name}`,
  ip4: tap.ip4,
  ip6: tap.ip6,
  run: (script) => guestOf(tap).exec(script, 60),
});
const stationEnd = (station: Station): End => ({
  name: station.workload,
  ip4: station.ip4,
  ip6: station.ip6,
  run: (script) => stage.lab.execIn(station.workload, ['sh', '-c', script], { signal: AbortSignal.timeout(60_000) }),
});

/** One answered ping in each direction, by both families. */
async function reach(a: End, b: End): Promise<void> {
  for (const [from, to] of [[a, b] as const, [b, a] as const])
    for (const ip of [to.ip4, to.ip6]) {
      const { code, stdout, stderr } = await from.run(`/usr/bin/ping -n -c 1 -w 10 ${ip}`);
      assert.equal(code, 0, `${from.name} to ${to.name} by ${ip}: ${stdout}${stderr}`);
    }
}
/** Bulk in each direction, by both families. */
async function exchange(a: End, b: End, bytes: number): Promise<void> {
  for (const [to, from] of [[a, b] as const, [b, a] as const])
    for (const ip of [from.ip4, from.ip6]) await files.fetch(to, from, ip, bytes);
}

/** Frames that came from a guest and went to it. */
async function frames({ host, ifname }: Tap): Promise<{ from: number; to: number }> {
  const { stdout } = await host.exec(['ip', '-s', '-j', 'link', 'show', 'dev', ifname]);
  const [{ stats64 }] = JSON.parse(stdout);
  return { from: stats64.rx.packets, to: stats64.tx.packets };
}

test('a guest and workloads on its host, on another host, and in another guest reach one another', async () => {
  for (const peer of [stationEnd(near), stationEnd(far), guestEnd(other)]) await reach(guestEnd(first), peer);
});

/** Switches the offloads of a guest's device, and of its tap towards it. */
async function setOffloads(tap: Tap, state: 'on' | 'off'): Promise<void> {
  const settings = ['tx', 'sg', 'tso', 'gso', 'gro'].map((feature) => `${feature} ${state}`).join(' ');
  await guestOf(tap).must(`ethtool -K eth0 ${settings}`);
  const { code, stderr } = await tap.host.exec(['ethtool', '-K', tap.ifname, ...settings.split(' ')]);
  assert.equal(code, 0, stderr);
}

for (const [state, bytes] of [
  ['on', big],
  ['off', small],
] as const)
  test(`bulk TCP from and to a guest arrives unchanged with offloads ${state}`, async () => {
    for (const tap of [first, other]) await setOffloads(tap, state);
    const counted: { peer: string; from: number; to: number }[] = [];
    for (const peer of [stationEnd(near), stationEnd(far), guestEnd(other)]) {
      const before = await frames(first);
      await exchange(guestEnd(first), peer, bytes);
      const { from, to } = await frames(first);
      counted.push({ peer: peer.name, from: from - before.from, to: to - before.to });
    }
    // Two files in each direction.
    const full = (2 * bytes) / mtu;
    const told = `of ${full}: ${JSON.stringify(counted)}`;
    if (state === 'on') {
      for (const { from, to } of counted) assert.ok(from < full / 4 && to < full / 4, told);
    } else for (const { from, to } of counted) assert.ok(from > full && to > full, told);
  });

test('none of it was dropped, or went out by the slow path', async () => {
  for (const tap of [first, other]) {
    const { reasons } = await countersOf(stage, tap);
    for (const reason of ['slow_tx', 'too_big', 'encap_failed', 'ip4_header', 'ip6_header'])
      assert.equal(reasons[reason], undefined, reason);
  }
});

test('a guest’s device has the network’s MTU, and packets of that size pass', async () => {
  const guest = guestOf(first);
  assert.match(await guest.must('cat /sys/class/net/eth0/mtu'), new RegExp(`^${mtu}$`, 'm'));
  for (const peer of [near, far, other]) {
    await guest.must(`/usr/bin/ping -n -c 1 -w 10 -M do -s ${mtu - 28} ${peer.ip4}`);
    await guest.must(`/usr/bin/ping -n -c 1 -w 10 -M do -s ${mtu - 48} ${peer.ip6}`);
  }
});

test('a guest has its address, MTU, router and names by DHCP, and its IPv6 router by advertisement', async () => {
  const guest = guestOf(other);
  assert.match(
    await guest.must('ip -4 address show dev eth0'),
    new RegExp(`mtu ${mtu} [\\s\\S]*inet ${other.ip4}/24 `),
  );
  assert.match(await guest.must('ip route show default'), /^default via 10\.21\.0\.1 dev eth0/);
  assert.match(await guest.must('ip -6 route show default'), /^default via fe80::\S+ dev eth0/);
  assert.match(await guest.must('nslookup vm1'), new RegExp(`^Address: ${first.ip4}$`, 'm'));
  await guest.must('/usr/bin/ping -n -c 1 -w 10 10.21.0.1');
});

test('QEMU’s arguments need no controller; what is no tap has none', async () => {
  const before = await qemuArgs(first);
  await stage.lab.kill('controller');
  assert.deepEqual(await qemuArgs(first), before);
  await assert.rejects(qemuArgs({ ...first, port: near.port }), /attached here, but not as a tap/);
  await assert.rejects(qemuArgs({ ...first, port: far.port }), /no attachment of port/);
  await stage.lab.start('controller');
  for (const target of ['controller', 'h1', 'h2']) await stage.lab.ready(target);
});

test('a guest cannot send as another: neither with another address nor with another MAC', async () => {
  const guest = guestOf(first);
  const cases = [
    ['src_ip4', 'ip address add 10.21.0.99/24 dev eth0', `/usr/bin/ping -n -c 1 -w 1 -I 10.21.0.99 ${near.ip4}`],
    // Without asking first whether it is somebody's.
    [
      'src_ip6',
      'echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad; ip address add fd21::99/64 dev eth0',
      `/usr/bin/ping -n -c 1 -w 1 -I fd21::99 ${near.ip6}`,
    ],
    ['src_mac', 'ip link set eth0 address 02:00:00:00:00:99', `/usr/bin/ping -n -c 1 -w 1 ${near.ip4}`],
  ] as const;
  for (const [reason, change, ping] of cases) {
    const before = await countOf(stage, first, reason);
    await guest.must(change);
    assert.notEqual((await guest.exec(ping)).code, 0, reason);
    assert.ok((await countOf(stage, first, reason)) > before, reason);
  }
  await guest.must(`ip link set eth0 address ${first.mac}
    ip address delete 10.21.0.99/24 dev eth0
    ip address delete fd21::99/64 dev eth0`);
  await reach(guestEnd(first), stationEnd(far));
});

test('a guest that is killed and started again has its port back, also while the agent is away', async () => {
  const [one, two] = await Promise.all([qemuArgs(first), qemuArgs(second)]);
  await stage.lab.kill('h1');
  await end(first);
  await end(other);
  await Promise.all([boot(first, one), boot(second, unbounded(two), { cpus: 2 })]);
  for (const peer of [stationEnd(near), stationEnd(far), guestEnd(second)]) await reach(guestEnd(first), peer);
  await stage.lab.start('h1');
  await stage.lab.ready('h1');
  for (const peer of [stationEnd(near), stationEnd(far), guestEnd(second)]) await reach(guestEnd(first), peer);
});

test('a guest that does not know the network’s MTU is told of what is too large, by IPv4 and IPv6', async () => {
  const guest = guestOf(second);
  // The router tells it for IPv6, if only when the agent is back.
  const ip6 = '/proc/sys/net/ipv6/conf/eth0';
  await guest.must(`until grep -qx 1450 ${ip6}/mtu; do usleep 50000; done
    echo 0 >${ip6}/accept_ra_mtu; echo 1500 >${ip6}/mtu`);
  assert.match(await guest.must('cat /sys/class/net/eth0/mtu'), /^1500$/m);
  for (const peer of [near, first])
    for (const [ip, headers, told] of [
      [peer.ip4, 28, /Frag needed and DF set \(mtu = 1450\)/],
      [peer.ip6, 48, /Packet too big: mtu=1450/],
    ] as const) {
      const { stdout, stderr } = await guest.exec(`/usr/bin/ping -n -c 1 -w 10 -M do -s ${mtu + 1 - headers} ${ip}`);
      assert.match(stdout + stderr, told);
      await guest.must(`/usr/bin/ping -n -c 1 -w 10 -M do -s ${mtu - headers} ${ip}`);
    }
});

test('its TCP goes on with what fits, on two queues, with a peer that knows no better either', async () => {
  assert.match(await guestOf(second).must('ethtool -l eth0'), /Current hardware settings:[\s\S]*Combined:\s+2/);
  await stage.exec(far, 'ip', 'link', 'set', far.ifname, 'mtu', '9000');
  const before = await countOf(stage, second, 'too_big_told');
  for (const ip of [second.ip4, second.ip6]) await files.fetch(stationEnd(far), guestEnd(second), ip, small);
  assert.ok((await countOf(stage, second, 'too_big_told')) >= before + 2);
  await exchange(guestEnd(second), stationEnd(far), small);
});
