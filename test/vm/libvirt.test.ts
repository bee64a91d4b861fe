/** Guests of a real libvirtd have their ports through its hook, whatever ends them. */
// exclusive: emulates a machine
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openLocal } from '../../src/client/local.ts';
import type { LabHost } from '../../src/lab/lab.ts';
import { signalPid, until } from '../../src/lab/processes.ts';
import type { Port } from '../../src/model/kinds.ts';
import type { AttachmentList } from '../../src/model/local-api.ts';
import { openStage, type Stage, type Station } from '../traffic/stage.ts';
import { type GuestImage, writeGuestImage } from './image.ts';
import { configure, define, guideBlocks, shellOf } from './libvirt/domain.ts';
import { Libvirt } from './libvirt/libvirt.ts';

const place = { tenant: 'acme', network: 'web' };
let dir: string;
let stage: Stage;
let host: LabHost;
let image: GuestImage;
let libvirt: Libvirt;
let near: Station;
/** Made beforehand; its guest is vm1. */
let port: Port;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'heddle-libvirt-test-'));
  [stage, image] = await Promise.all([openStage(1), writeGuestImage(dir)]);
  host = stage.lab.hosts[0]!;
  libvirt = await Libvirt.start(host);
  // Asks QEMU for its abilities, once.
  const asked = libvirt.must('domcapabilities', '--virttype', 'qemu');
  await stage.network('acme', 'web', ['10.22.0.0/24', 'fd22::/64']);
  near = await stage.attach({ ...place, host: 0 });
  port = await stage.client.create('port', { name: 'vm1', network: 'web' }, { tenant: 'acme' });
  await asked;
  const [metadata, nic] = guideBlocks();
  await defineHere('vm1', metadata, nic.replace(/<mac address='[^']*'/, `<mac address='${port.mac}'`));
});
after(async () => {
  await libvirt?.[Symbol.asyncDispose]();
  await stage?.[Symbol.asyncDispose]();
  await rm(dir, { recursive: true });
});

const defineHere = (name: string, metadata: string, nic: string) =>
  define({ libvirt, dir, image }, name, metadata, nic);

/** Taps of attached ports, with the ports' names. */
async function attached(): Promise<string[]> {
  const { items } = (await openLocal(host.agentSocket).request('GET', '/v1/attachments')) as AttachmentList;
  return items.flatMap((a) => (a.kind === 'tap' ? [`${a.name} ${a.ifname} ${a.state}`] : []));
}
async function links(): Promise<string> {
  return (await host.exec(['ip', '-o', 'link'])).stdout;
}
/** The guest is off, its port is on no host, and its tap is gone. */
async function off(name: string, tap: string): Promise<void> {
  await until(`${name} is off`, 20_000, async () => (await libvirt.must('domstate', name)) === 'shut off' || undefined);
  await until(`${name} is detached`, 20_000, async () => (await attached()).length === 0 || undefined);
  assert.ok(!(await links()).includes(tap));
}
async function unbound(): Promise<void> {
  await until('the port is on no host', 10_000, async () => {
    const { host: on } = await stage.client.get('port', port.id, { tenant: 'acme' });
    return on === undefined || undefined;
  });
}

test('a guest that starts has its port, and keeps it when it reboots', async () => {
  await libvirt.must('start', 'vm1');
  assert.deepEqual(await attached(), ['vm1 tap-vm1 attached']);
  const shell = shellOf(dir, 'vm1');
  for (const boot of [1, 2]) {
    await shell.up(boot);
    await configure(shell, port.addresses);
    for (const ip of [near.ip4, near.ip6]) await shell.must(`/usr/bin/ping -n -c 1 -w 10 ${ip}`);
    for (const ip of port.addresses) await stage.ping(near, ip);
    if (boot === 1) await libvirt.must('reboot', 'vm1');
  }
  assert.deepEqual(await attached(), ['vm1 tap-vm1 attached']);
});

test('libvirtd and the agent may be killed and started again while a guest runs', async () => {
  await libvirt.kill();
  await stage.lab.kill('h1');
  await stage.lab.start('h1');
  await libvirt.run();
  await stage.lab.ready('h1');
  assert.equal(await libvirt.must('domstate', 'vm1'), 'running');
  assert.deepEqual(await attached(), ['vm1 tap-vm1 attached']);
  for (const ip of port.addresses) await stage.ping(near, ip);
});

test('a copy of a guest that runs does not start, and takes nothing away from it', async () => {
  const xml = (await libvirt.must('dumpxml', '--inactive', 'vm1')).replace(/<uuid>.*<\/uuid>/, '');
  const path = join(dir, 'copy.xml');
  await writeFile(path, xml.replace('<name>vm1<', '<name>copy<').replaceAll('vm1.shell', 'copy.shell'));
  await libvirt.must('define', path);
  const { code, stderr } = await libvirt.virsh('start', 'copy');
  assert.equal(code, 1);
  assert.match(stderr, /another program has tap-vm1 open/);
  for (const ip of port.addresses) await stage.ping(near, ip);
});

test('a guest that is shut down leaves nothing but its port, which is on no host', async () => {
  await libvirt.must('shutdown', 'vm1');
  await off('vm1', 'tap-vm1');
  await unbound();
});

test('a guest that is destroyed, or whose QEMU is killed, leaves as little', async () => {
  await libvirt.must('start', 'vm1');
  await libvirt.must('destroy', 'vm1');
  await off('vm1', 'tap-vm1');
  await libvirt.must('start', 'vm1');
  assert.deepEqual(await attached(), ['vm1 tap-vm1 attached']);
  signalPid(Number((await libvirt.exec('cat', '/run/libvirt/qemu/vm1.pid')).stdout), 'SIGKILL');
  await off('vm1', 'tap-vm1');
});

test('a guest with another MAC than its port’s does not start, and is told the right one', async () => {
  const [metadata, nic] = guideBlocks();
  await defineHere('vm2', metadata.replaceAll('tap-vm1', 'tap-vm2'), nic.replaceAll('tap-vm1', 'tap-vm2'));
  const { code, stderr } = await libvirt.virsh('start', 'vm2');
  assert.equal(code, 1);
  assert.match(stderr, new RegExp(`interface tap-vm2 has MAC .*port vm1 has ${port.mac}`));
  await off('vm2', 'tap-vm2');
});

test('a port that nobody made comes with the guest, with the MAC that libvirt chose, and goes with it', async () => {
  const [metadata, nic] = guideBlocks();
  const own = (text: string) => text.replaceAll('tap-vm1', 'tap-vm3').replace(" name='vm1'", " address='10.22.0.77'");
  await defineHere('vm3', own(metadata), own(nic).replace(/<mac [^>]*>/, "<driver queues='2'/>"));
  await libvirt.must('start', 'vm3');
  const mac = /<mac address='([^']*)'/.exec(await libvirt.must('dumpxml', 'vm3'))?.[1];
  const made = await stage.client.get('port', 'vm3', { tenant: 'acme' });
  assert.deepEqual([made.mac, made.addresses], [mac, ['10.22.0.77']]);
  await libvirt.must('destroy', 'vm3');
  await off('vm3', 'tap-vm3');
  await until('the port is gone', 10_000, async () => {
    const ports = await stage.client.list('port', { tenant: 'acme', name: 'vm3' });
    return ports.length === 0 || undefined;
  });
});

test('without the agent a guest of ours does not start, and says why; one without our metadata does', async () => {
  const [, nic] = guideBlocks();
  await defineHere('plain', '', nic.replace("<target dev='tap-vm1' managed='no'/>", "<target dev='tap-plain'/>"));
  await stage.lab.kill('h1');
  await libvirt.must('start', 'plain');
  await libvirt.must('destroy', 'plain');
  const { code, stderr } = await libvirt.virsh('start', 'vm1');
  assert.equal(code, 1);
  assert.match(stderr, /AGENT_UNREACHABLE/);
  await stage.lab.start('h1');
  await stage.lab.ready('h1');
  await off('vm1', 'tap-vm1');
});
