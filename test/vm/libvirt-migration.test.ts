/** `virsh migrate --live` between two real libvirtds: the hook has the ports stand by, and gives them back on the source. */
// exclusive: emulates a machine
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openLocal } from '../../src/client/local.ts';
import type { LabHost } from '../../src/lab/lab.ts';
import { until } from '../../src/lab/processes.ts';
import type { Port } from '../../src/model/kinds.ts';
import type { AttachmentList } from '../../src/model/local-api.ts';
import { openStage, type Stage, type Station } from '../traffic/stage.ts';
import { writeGuestImage } from './image.ts';
import { configure, define, guideBlocks, shellOf } from './libvirt/domain.ts';
import { Libvirt } from './libvirt/libvirt.ts';
import { PingLog } from './ping-log.ts';

/** Beyond the pause that QEMU itself makes. */
const lossMs = 1_000;
const place = { tenant: 'acme', network: 'web' };
let dir: string;
let stage: Stage;
let hosts: [LabHost, LabHost];
const libvirts: Libvirt[] = [];
let far: Station;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'heddle-libvirt-migration-'));
  const made = await Promise.all([openStage(3, 2), writeGuestImage(dir)]);
  const image = made[1];
  stage = made[0];
  hosts = [stage.lab.hosts[0]!, stage.lab.hosts[1]!];
  for (const host of hosts) libvirts.push(await Libvirt.start(host));
  // Asks QEMU for its abilities, once.
  const asked = Promise.all(libvirts.map((l) => l.must('domcapabilities', '--virttype', 'qemu')));
  await stage.network('acme', 'web', ['10.22.0.0/24', 'fd22::/64']);
  far = await stage.attach({ ...place, host: 2 });
  await asked;
  // The port comes with the guest: no port of that name is there, and the guide's interface says the MAC.
  const [metadata, nic] = guideBlocks();
  await define({ libvirt: libvirts[0]!, dir, image }, 'vm1', metadata, nic);
});
after(async () => {
  for (const libvirt of libvirts) await libvirt[Symbol.asyncDispose]();
  await stage?.[Symbol.asyncDispose]();
  await rm(dir, { recursive: true });
});

const port = (): Promise<Port> => stage.client.get('port', 'vm1', { tenant: 'acme' });
/** Taps of the ports that are attached on a host. */
async function taps(host: LabHost): Promise<string[]> {
  const { items } = (await openLocal(host.agentSocket).request('GET', '/v1/attachments')) as AttachmentList;
  return items.flatMap((a) => (a.kind === 'tap' ? [a.ifname] : []));
}
/** The port is at this host alone, attached there and nowhere else. */
async function aloneAt(at: LabHost): Promise<Port> {
  const { id } = await stage.client.get('host', at.name);
  return until(`the port is at ${at.name} alone`, 10_000, async () => {
    const now = await port();
    const where = await Promise.all(hosts.map(async (host) => (await taps(host)).length));
    const right = now.host === id && now.standby === undefined;
    return right && String(where) === String(hosts.map((host) => (host === at ? 1 : 0))) ? now : undefined;
  });
}
const migrate = (from: number, to: number, ...more: string[]) =>
  libvirts[from]!.virsh('migrate', '--live', 'vm1', libvirts[to]!.uri, `tcp://${hosts[to]!.vtep}`, ...more);

test('a guest of libvirt moves with its port, which goes with the guest at its end', async (t) => {
  await libvirts[0]!.must('start', 'vm1');
  const before = await aloneAt(hosts[0]);
  const shell = shellOf(dir, 'vm1');
  await shell.up();
  await configure(shell, before.addresses);
  const logs = before.addresses.map((ip) => new PingLog(ip, far.netns, ip));
  await Promise.all(logs.map(({ begun }) => begun));
  // Busy, it does not see that nobody holds its port on the other host, where it would switch itself off.
  const busy = assert.rejects(shell.exec('sleep 600', 600), /^Error: the guest is gone/);
  const { code, stderr } = await migrate(0, 1);
  assert.equal(code, 0, stderr);
  const job = await libvirts[1]!.virsh('domjobinfo', 'vm1', '--completed');
  const pauseMs = Number(/Total downtime: +(\d+) +ms/.exec(job.stdout)?.[1] ?? 0);
  t.diagnostic(`paused ${pauseMs} ms`);
  const now = await aloneAt(hosts[1]);
  await busy;
  assert.deepEqual([now.id, now.mac, now.addresses], [before.id, before.mac, before.addresses]);
  const counts = logs.map(({ answered }) => answered);
  await until('it answers there', 10_000, async () =>
    logs.every(({ answered }, n) => answered > counts[n]! + 50) ? true : undefined,
  );
  for (const log of logs) {
    const { name, sent, lost, silenceMs } = await log.stop();
    t.diagnostic(`${name}: ${lost} of ${sent} pings lost, longest silence ${silenceMs} ms`);
    assert.ok(lost * 10 <= pauseMs + lossMs, `${name}: ${lost} pings lost, ${pauseMs} ms of pause`);
  }
});

test('a guest that cannot come leaves nothing where it was to go, and stays', async () => {
  const { revision } = await port();
  // Not an address of the host: QEMU cannot wait there, after all has been prepared.
  const { code } = await migrate(1, 0, '--listen-address', '192.0.2.1');
  assert.equal(code, 1);
  const { addresses, revision: after } = await aloneAt(hosts[1]);
  assert.ok(BigInt(after) >= BigInt(revision) + 2n, 'it stood by, and does so no longer');
  for (const ip of addresses) await stage.ping(far, ip);
});

test('a guest that ends where it came to takes along the port that was made for it elsewhere', async () => {
  await libvirts[1]!.must('destroy', 'vm1');
  await until('the port is gone', 10_000, async () => {
    const left = await stage.client.list('port', { tenant: 'acme', name: 'vm1' });
    return left.length === 0 ? true : undefined;
  });
  for (const host of hosts) assert.deepEqual(await taps(host), []);
});
