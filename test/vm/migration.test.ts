/** A real guest moves between hosts in different prefixes of the underlay, under pings and TCP of both families. */
// exclusive: emulates a machine, and counts lost pings
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import type { LabHost } from '../../src/lab/lab.ts';
import { until } from '../../src/lab/processes.ts';
import { must } from '../../src/lab/run.ts';
import { launcher } from '../cli/heddle.ts';
import { openStage, type Stage, type Station } from '../traffic/stage.ts';
import { Guest } from './guest.ts';
import { type GuestImage, writeGuestImage } from './image.ts';
import { abort, type Migrated, migrate } from './migration.ts';
import { PingLog, type PingTally } from './ping-log.ts';
import { attachTap, configure, qemuArgs, type Tap } from './taps.ts';

const place = { tenant: 't', network: 'net' };
const words = ['--port', 'vm1', '--ifname', 'tap-vm1'];
/** Beyond the pause that QEMU itself makes. */
const lossMs = 1_000;
/** Of each TCP session, which must begin before the migration and end after it, also where a machine is emulated beside all else. */
const sessionS = 50;

let dir: string;
let stage: Stage;
let image: GuestImage;
/** In one prefix of the underlay the first and the third host, in another the second. */
let hosts: LabHost[];
/** Workloads on the first host and on the third. */
let near: Station;
let far: Station;
/** The guest where it runs now. */
let tap: Tap;
let guest: Guest;
const servers: ChildProcess[] = [];

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'heddle-migration-'));
  [stage, image] = await Promise.all([openStage(3, 2), writeGuestImage(dir, ['/usr/bin/iperf3'])]);
  await stage.network('t', 'net', ['10.24.0.0/24', 'fd24::/64']);
  await stage.client.update('network', 'net', { sourceNat: true }, { tenant: 't' });
  hosts = [...stage.lab.hosts];
  near = await stage.attach({ ...place, host: 0 });
  far = await stage.attach({ ...place, host: 2 });
  tap = await attachTap(hosts[0]!, place, ...words);
  guest = await Guest.boot({ image, host: tap.host, network: await qemuArgs(tap) });
  await configure(guest, tap, 'static');
  await guest.must('ip route add default via 10.24.0.1');
  const outside = `/run/netns/${stage.lab.plan.netns}`;
  for (const [port, netns] of [
    [5201, far.netns],
    [5202, far.netns],
    [5203, outside],
  ])
    servers.push(spawn('nsenter', [`--net=${netns}`, '--', 'iperf3', '-s', '-p', `${port}`], { stdio: 'ignore' }));
});
after(async () => {
  await guest?.[Symbol.asyncDispose]();
  for (const server of servers) server.kill('SIGKILL');
  await stage?.[Symbol.asyncDispose]();
  await rm(dir, { recursive: true });
});

const bindings = async (): Promise<string[]> => {
  const { host, standby } = await stage.client.get('port', 'vm1', { tenant: 't' });
  const names = await Promise.all([host, standby].map(async (id) => id && (await stage.client.get('host', id)).name));
  return names.filter((name) => name !== undefined);
};
const boundTo = (...want: string[]) =>
  until(`the port is at ${want}`, 10_000, async () => (String(await bindings()) === String(want) ? true : undefined));
const detachAt = (host: LabHost) => must([launcher, 'detach', 'vm1'], { env: host.env });
const uriOf = (host: LabHost) => `tcp:${host.vtep}:4444`;

/** Wires the port on another host, and starts a QEMU there that waits for the guest. */
async function prepare(host: LabHost): Promise<{ tap: Tap; guest: Guest }> {
  const there = await attachTap(host, place, ...words, '--standby');
  const network = await qemuArgs(there);
  assert.deepEqual(network, await qemuArgs(tap), 'the guest finds the device that it left');
  return { tap: there, guest: await Guest.boot({ image, host, network, incoming: uriOf(host) }) };
}

/** A hundred pings a second from either workload by either family. */
async function pings(): Promise<PingLog[]> {
  const logs = [near, far].flatMap((from) =>
    [tap.ip4, tap.ip6].map(
      (ip) => new PingLog(`${from === near ? 'h1' : 'h3'} IPv${ip.includes(':') ? 6 : 4}`, from.netns, ip),
    ),
  );
  await Promise.all(logs.map(({ begun }) => begun));
  return logs;
}
/** Resolves when each of them has had so many more answers. */
const answered = (logs: readonly PingLog[], more: number) => {
  const before = logs.map((log) => log.answered);
  return until('pings are answered', 20_000, async () =>
    logs.every((log, n) => log.answered >= before[n]! + more) ? true : undefined,
  );
};

/** Prints what was lost, and holds it against QEMU's pause. */
function judge(t: TestContext, { tookMs, pauseMs, downtimeMs }: Migrated, tallies: readonly PingTally[]): void {
  t.diagnostic(`moved in ${tookMs} ms; paused ${pauseMs} ms (QEMU says ${downtimeMs} ms)`);
  for (const { name, sent, lost, gapMs, silenceMs, doubled } of tallies) {
    t.diagnostic(`${name}: ${lost} of ${sent} pings lost, ${gapMs} ms at once; longest silence ${silenceMs} ms`);
    assert.ok(sent > 100, name);
    assert.ok(lost * 10 <= pauseMs + lossMs, `${name}: ${lost} pings lost, ${pauseMs} ms of pause`);
    assert.ok(silenceMs <= pauseMs + lossMs, `${name}: silent for ${silenceMs} ms, ${pauseMs} ms of pause`);
    assert.equal(doubled, 0, name);
  }
}

interface Session {
  readonly error?: string;
  readonly start: { readonly connected: readonly { readonly local_port: number }[] };
  readonly intervals: readonly { readonly sum: { readonly bytes: number; readonly start: number } }[];
  readonly end: {
    readonly sum_sent: { readonly bytes: number; retransmits?: number };
    readonly sum_received: { readonly bytes: number };
  };
}

test('between the guest’s hosts there is a router', async () => {
  const { stdout } = await hosts[0]!.exec(['ip', '-j', 'route', 'get', hosts[1]!.vtep]);
  assert.equal(JSON.parse(stdout)[0].gateway, '198.18.0.254');
});

test('a running guest moves across a router of the underlay, and keeps its address, its MAC and its TCP sessions', async (t) => {
  const inside = await guest.must(
    'ip -o address show dev eth0; ip -o link show dev eth0; cat /proc/sys/kernel/random/boot_id',
  );
  const target = await prepare(hosts[1]!);
  await boundTo('h1', 'h2');
  const logs = await pings();
  // The guest sends by IPv4, and is sent to by IPv6; it cannot do more than that beside all else on two cores.
  const sessions = [
    ['IPv4', `iperf3 -c ${far.ip4} -p 5201 -b 8M`],
    ['IPv6', `iperf3 -c ${far.ip6} -p 5202 -R -b 8M`],
    ['NAT', 'iperf3 -c 198.18.0.254 -p 5203 -b 1M'],
  ] as const;
  for (const [way, iperf] of sessions)
    await guest.must(`(${iperf} -t ${sessionS} --json >/tmp/${way}; echo done >/tmp/${way}.end) >/dev/null 2>&1 &`);
  await answered(logs, 150);
  const migrated = await migrate(guest, target.guest, uriOf(hosts[1]!));
  await boundTo('h2', 'h1');
  await guest[Symbol.asyncDispose]();
  ({ tap, guest } = target);
  await answered(logs, 100);
  for (const [way] of sessions)
    assert.notEqual((await guest.exec(`cat /tmp/${way}.end`)).code, 0, `${way} goes on after the move`);
  await detachAt(hosts[0]!);
  await boundTo('h2');
  await until('the sessions are over', 90_000, async () =>
    (await guest.exec(`cat ${sessions.map(([way]) => `/tmp/${way}.end`).join(' ')}`)).code === 0 ? true : undefined,
  );
  judge(t, migrated, await Promise.all(logs.map((log) => log.stop())));
  for (const [way] of sessions) {
    const session = JSON.parse(await guest.must(`cat /tmp/${way}`)) as Session;
    assert.equal(session.error, undefined);
    const { sum_sent: sent, sum_received: received } = session.end;
    t.diagnostic(`TCP by ${way}: ${received.bytes} of ${sent.bytes} bytes, ${sent.retransmits} segments sent again`);
    assert.equal(session.start.connected.length, 1);
    const last = session.intervals.at(-1)!.sum;
    assert.ok(last.start >= sessionS - 2 && last.bytes > 0, `${way} to its end: ${JSON.stringify(last)}`);
  }
  const now = await guest.must(
    'ip -o address show dev eth0; ip -o link show dev eth0; cat /proc/sys/kernel/random/boot_id',
  );
  assert.equal(now, inside);
});

test('a migration that is given up leaves the guest where it is, and costs it nothing', async (t) => {
  const logs = await pings();
  const target = await prepare(hosts[0]!);
  await boundTo('h2', 'h1');
  await abort(guest, uriOf(hosts[0]!));
  await target.guest[Symbol.asyncDispose]();
  await detachAt(hosts[0]!);
  await boundTo('h2');
  await answered(logs, 50);
  for (const { name, sent, lost } of await Promise.all(logs.map((log) => log.stop()))) {
    t.diagnostic(`${name}: ${lost} of ${sent} pings lost`);
    assert.equal(lost, 0, name);
  }
});

test('a guest moves back while the controller is away, which learns of it later', async (t) => {
  const target = await prepare(hosts[0]!);
  const logs = await pings();
  await stage.lab.kill('controller');
  const source = tap.host;
  const migrated = await migrate(guest, target.guest, uriOf(hosts[0]!));
  // Until the source's QEMU is gone its tap is open, and its host does not know.
  await guest[Symbol.asyncDispose]();
  ({ tap, guest } = target);
  await answered(logs, 100);
  judge(t, migrated, await Promise.all(logs.map((log) => log.stop())));
  await stage.lab.start('controller');
  await stage.lab.ready('controller');
  await boundTo('h1', 'h2');
  await detachAt(source);
  await boundTo('h1');
  for (const from of [near, far]) for (const ip of [tap.ip4, tap.ip6]) await stage.ping(from, ip);
});
