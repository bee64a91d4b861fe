/** Hosts with one thing wrong each: the doctor finds it, says what to do, and all is well again when it is mended. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { writeIdentity } from '../../src/agent/identity.ts';
import { openPinnedProgram } from '../../src/kernel/bpf.ts';
import { openBoundSocket } from '../../src/kernel/inet-socket.ts';
import { close } from '../../src/kernel/libc.ts';
import { inNetns, openNetns } from '../../src/kernel/netns.ts';
import { ensureNoTcx, ensureTcx } from '../../src/kernel/tcx.ts';
import { until } from '../../src/lab/processes.ts';
import { ipBatch, must } from '../../src/lab/run.ts';
import type { Ip } from '../../src/model/address.ts';
import { makeAuthority } from '../../src/trust/authority-certificate.ts';
import { issueServer } from '../../src/trust/issue.ts';
import { hostCertificate, hostId } from '../../src/trust/test-hosts.ts';
import { DAY_MS } from '../../src/trust/validity.ts';
import { Rig } from '../agent/rig.ts';
import { launcher } from '../cli/heddle.ts';
import { askDoctor, nameResolver } from './ask-doctor.ts';

const rig = await Rig.open({ hosts: 2 });
after(() => rig[Symbol.asyncDispose]());
const { lab } = rig;
const [h1, h2] = [lab.host('h1'), lab.host('h2')];
const netns = { net: lab.plan.netns, h1: lab.plan.hosts[0]!.netns, h2: lab.plan.hosts[1]!.netns };
const onHost = (host: 'h1' | 'h2', ...argv: string[]) => must(lab.host(host).argv(argv));

/** Breaks something, has the doctor look at it, and mends it; the doctor says so, and then that all is well. */
async function isFound(
  what: { check: string; words?: readonly string[]; says: RegExp; grade?: 'fail' | 'warn'; host?: typeof h1 },
  breakIt: () => Promise<unknown>,
  mend: () => Promise<unknown>,
): Promise<void> {
  const { check, words = [], says, grade = 'fail', host = h1 } = what;
  await breakIt();
  try {
    const found = await askDoctor(host, [check, ...words]);
    assert.match(found.lines.join('\n'), says);
    assert.equal(found.grade, grade, found.lines.join('\n'));
    assert.equal(found.code, grade === 'fail' ? 1 : 0);
    const worst = found.checks.flatMap((c) => c.findings).filter((f) => f.grade === grade);
    assert.ok(worst.every((f) => f.advice));
  } finally {
    await mend();
  }
  const mended = await askDoctor(host, [check, ...words]);
  assert.equal(mended.grade, 'ok', mended.lines.join('\n'));
}

test('an underlay that carries less than the devices believe: which size fits is said', () =>
  isFound(
    {
      check: 'path',
      says: /^path fail to h2 \(198\.18\.0\.2\) packets of 1400 bytes arrive, and of 1401 to 1500 not/m,
    },
    () => ipBatch(['link set h2 mtu 1400'], netns.net),
    () => ipBatch(['link set h2 mtu 1500'], netns.net),
  ));

test('a far host whose firewall drops UDP 4789', () =>
  isFound(
    { check: 'path', says: /^path fail nothing on UDP port 4789 arrives at h2 \(198\.18\.0\.2\)/m },
    () =>
      onHost(
        'h2',
        'nft',
        'table inet broken { chain input { type filter hook input priority 0; udp dport 4789 drop; }; }',
      ),
    () => onHost('h2', 'nft', 'delete table inet broken'),
  ));

test('this host’s firewall drops the answers', () =>
  isFound(
    { check: 'path', says: /nothing on UDP port 4789 arrives at h2 .*, or its answers not here/ },
    () =>
      onHost(
        'h1',
        'nft',
        'table inet broken { chain input { type filter hook input priority 0; udp dport 4789 drop; }; }',
      ),
    () => onHost('h1', 'nft', 'delete table inet broken'),
  ));

test('a far host whose agent does not run is no failure of the path', () =>
  isFound(
    { check: 'path', says: /^path warn h2 .* is not connected/m, grade: 'warn' },
    async () => {
      await lab.kill('h2');
      await until('the controller has h2 offline', 30_000, async () =>
        (await rig.client.get('host', 'h2')).status.condition === 'online' ? undefined : true,
      );
    },
    async () => {
      await lab.start('h2');
      await lab.ready('h2');
    },
  ));

test('another VXLAN device has the port: the doctor names it, and the agent does not start until it is gone', async () => {
  await lab.kill('h2');
  await ipBatch(['link del hdvx0', 'link add vx0 type vxlan id 5 dstport 4789 dev eth0', 'link set vx0 up'], netns.h2);
  const told = /UDP port 4789 is taken by VXLAN device vx0, which is not Heddle’s/;
  const { code, lines } = await askDoctor(h2, ['port']);
  assert.match(lines.join('\n'), told);
  assert.equal(code, 1);
  await lab.start('h2');
  await until('the agent gives up', 20_000, async () => (lab.pid('h2') === undefined ? true : undefined));
  const log = readFileSync(lab.logFile('h2'), 'utf8');
  assert.match(log, /HOST_UNFIT/);
  assert.match(log, told);
  assert.equal(
    rig.links('h2').some((l) => l.name === 'hdvx0'),
    false,
    'it has made nothing',
  );
  await ipBatch(['link del vx0'], netns.h2);
  await lab.start('h2');
  await lab.ready('h2');
  assert.equal((await askDoctor(h2, ['port'])).grade, 'ok');
});

test('a program, and a VXLAN device that was moved into another namespace, have the port', async () => {
  const port = '4799';
  const look = () => askDoctor(h1, ['port', '--vxlan-port', port]);
  assert.equal((await look()).grade, 'ok');
  using ns = openNetns(h1.netns);
  const fd = inNetns(ns, () => openBoundSocket('udp', '198.18.0.1' as Ip, Number(port)));
  assert.match((await look()).lines.join('\n'), new RegExp(`taken by .* \\(process ${process.pid}\\)`));
  close(fd);
  const w = await rig.workload();
  await ipBatch([`link add vx1 type vxlan id 6 dstport ${port} dev eth0`, 'link set vx1 up'], netns.h1);
  await ipBatch([`link set vx1 netns ${w.path.slice('/run/netns/'.length)}`], netns.h1);
  await ipBatch(['link set vx1 up'], w.path.slice('/run/netns/'.length));
  assert.match((await look()).lines.join('\n'), /VXLAN device in another namespace/);
  await ipBatch(['link del vx1'], w.path.slice('/run/netns/'.length));
  assert.equal((await look()).grade, 'ok');
});

test('another’s program sees packets first', async () => {
  using nl = rig.netlink('h1');
  // It lets everything pass that has no mark.
  using program = openPinnedProgram(`${rig.pins('h1')}/pass_marked`);
  const { ifindex } = rig.links('h1').find((l) => l.name === 'eth0')!;
  await isFound(
    { check: 'programs', says: /^programs warn pass_marked on eth0 sees packets before/m, grade: 'warn' },
    async () => ensureTcx(nl, ifindex, 'ingress', program),
    async () => ensureNoTcx(nl, ifindex, 'ingress', 'pass_marked'),
  );
});

test('the controller’s clock is another one, by minutes', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'heddle-doctor-'));
  let shiftMs = 0;
  const server = createServer((_, response) => {
    response.setHeader('date', new Date(Date.now() + shiftMs).toUTCString());
    response.setHeader('content-type', 'application/json').end('{"revision":"1","items":[]}');
  }).listen(join(dir, 's.sock'));
  await once(server, 'listening');
  try {
    const words = ['--controller', `unix:${join(dir, 's.sock')}`];
    await isFound(
      { check: 'clock', words, says: /^clock warn the clock is 2\d\d s behind the controller’s/m, grade: 'warn' },
      async () => {
        shiftMs = 250_000;
      },
      async () => {
        shiftMs = 0;
      },
    );
  } finally {
    server.close();
    server.closeAllConnections();
    rmSync(dir, { recursive: true });
  }
});

test('the controller’s clock is another one, by so much that its certificate does not hold here', async () => {
  const theirs = new Date(Date.now() + 9 * DAY_MS);
  const { key, certificate: cert } = await issueServer(await makeAuthority(theirs), [], theirs);
  const server = createTlsServer({ key, cert, minVersion: 'TLSv1.3' }, (_, response) =>
    response.setHeader('date', theirs.toUTCString()).end('ok\n'),
  );
  using ns = openNetns(h1.netns);
  server.listen({ fd: inNetns(ns, () => openBoundSocket('tcp', '198.18.0.1' as Ip, 7471)) });
  await once(server, 'listening');
  try {
    const { code, lines } = await askDoctor(h1, ['clock', '--controller', 'https://198.18.0.1:7471']);
    assert.match(lines.join('\n'), /^clock fail the clock is 777\d{3} s behind the controller’s: certificates/m);
    assert.equal(code, 1);
  } finally {
    server.close();
  }
});

test('the host’s certificate ended while it was off, and too long ago', async () => {
  const authority = await makeAuthority(new Date(Date.now() - 50 * DAY_MS));
  const dir = mkdtempSync(join(tmpdir(), 'heddle-doctor-'));
  try {
    for (const [days, says] of [
      [4, /^certificate fail the certificate ended \S+Z$/m],
      [40, /^certificate fail the certificate ended \S+Z, too long ago to be renewed$/m],
    ] as const) {
      const made = new Date(Date.now() - days * DAY_MS);
      const { certificate: cert, key } = await hostCertificate(authority, { now: made });
      writeIdentity(dir, {
        ...{ controller: 'https://198.18.0.254:7470', host: { id: hostId, name: 'h1' } },
        ...{ cert, key, ca: authority.certificate, issuedAt: made.toISOString() },
      });
      const { code, lines } = await askDoctor(h1, ['certificate', '--state-dir', dir]);
      assert.match(lines.join('\n'), says);
      assert.equal(code, 1);
    }
    assert.equal((await askDoctor(h1, ['certificate'])).grade, 'ok');
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('routes of the host hide networks from each other', async () => {
  const w = await rig.workload();
  const { port } = await rig.attach('h1', { target: w.path });
  await rig.portIs(port.id, 'up');
  await rig.client.update('network', 'web', { sourceNat: true }, { tenant: rig.tenant, waitMs: 20_000 });
  await isFound(
    {
      check: 'routes',
      says: /^routes warn network acme\/web has 10\.0\.0\.0\/24, and this host reaches 10\.0\.0\.0\/16 by eth0/m,
      grade: 'warn',
    },
    () => ipBatch(['route add 10.0.0.0/16 via 198.18.0.254'], netns.h1),
    () => ipBatch(['route del 10.0.0.0/16 via 198.18.0.254'], netns.h1),
  );
  await isFound(
    { check: 'routes', says: /^routes fail this host reaches 169\.254\.200\.0\/24 by eth0/m },
    () => ipBatch(['route add 169.254.200.0/24 dev eth0'], netns.h1),
    () => ipBatch(['route del 169.254.200.0/24 dev eth0'], netns.h1),
  );
});

test('another machine has the VTEP address', async () => {
  await isFound(
    {
      check: 'duplicate',
      says: /^duplicate fail another machine, with MAC 02:68:64:00:00:00, says that it has 198\.18\.0\.1$/m,
    },
    () => ipBatch(['address add 198.18.0.1/32 dev br0'], netns.net),
    () => ipBatch(['address del 198.18.0.1/32 dev br0'], netns.net),
  );
  // Its connection to the controller did not survive that.
  await rig.inSync('h1');
});

test('an address that the host does not have', async () => {
  const { code, lines } = await askDoctor(h1, ['vtep', '--vtep', '203.0.113.9']);
  assert.equal(code, 1);
  assert.match(lines.join('\n'), /no network device of this host has the VTEP address 203\.0\.113\.9/);
});

test('the bpffs is gone from under the agent', async () => {
  const without = (command: readonly string[]) => [
    'unshare',
    '-m',
    'sh',
    '-c',
    'umount -l "$0" && exec "$@"',
    lab.plan.bpfDir,
    ...command,
  ];
  const { code, lines } = await askDoctor(h1, ['bpffs'], without);
  assert.match(lines.join('\n'), /^bpffs fail .*in no bpffs any more/m);
  assert.equal(code, 1);
  assert.equal((await askDoctor(h1, ['bpffs'])).grade, 'ok');
});

test('the disk is full', async () => {
  const small = (command: readonly string[]) => [
    ...['unshare', '-m', 'sh', '-c', 'mount -t tmpfs -o size=8m none "$0" && exec "$@"', '/mnt'],
    ...command,
  ];
  const { code, lines } = await askDoctor(h1, ['disk', '--state-dir', '/mnt/agent'], small);
  assert.match(lines.join('\n'), /^disk fail \d MiB are free at \/mnt\/agent/m);
  assert.equal(code, 1);
});

test('resolvers: none is named, or one that nobody has', async () => {
  assert.match((await askDoctor(h1, ['names'])).lines.join('\n'), /^names warn .*resolv\.conf names no resolver/m);
  nameResolver(rig.stateDir('h1'), '198.18.0.253');
  const { code, lines } = await askDoctor(h1, ['names']);
  assert.match(lines.join('\n'), /^names fail resolver 198\.18\.0\.253 does not answer/m);
  assert.equal(code, 1);
});

test('another’s chain drops what is forwarded', () =>
  isFound(
    { check: 'nftables', says: /chain strict of table inet broken drops what is forwarded/, grade: 'warn' },
    () =>
      onHost('h1', 'nft', 'table inet broken { chain strict { type filter hook forward priority 0; policy drop; }; }'),
    () => onHost('h1', 'nft', 'delete table inet broken'),
  ));

test('connections that are forgotten too soon', () => {
  const set = (seconds: number) =>
    onHost('h1', 'sh', '-c', `echo ${seconds} >/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established`);
  return isFound(
    { check: 'conntrack', says: /idle TCP connection .* is forgotten after 900 s/, grade: 'warn' },
    () => set(900),
    () => set(432_000),
  );
});

test('the controller is gone: that is said, and paths are looked at all the same', async () => {
  await lab.kill('controller');
  try {
    const { code, lines } = await askDoctor(h1, ['controller', 'path']);
    assert.equal(code, 1);
    assert.match(lines.join('\n'), /^controller fail no answer from the controller/m);
    assert.match(lines.join('\n'), /^path ok 198\.18\.0\.2: 1500 bytes arrive$/m);
  } finally {
    await lab.start('controller');
    await lab.ready('controller');
  }
});

/** The process of a doctor's trial, once there is one: the launcher has children of its own before. */
function trialOf(doctor: number): string | undefined {
  try {
    return readFileSync(`/proc/${doctor}/task/${doctor}/children`, 'utf8')
      .split(' ')
      .find((pid) => pid !== '' && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('offload/main.ts'));
  } catch {
    return undefined; // a child has gone while it was looked at
  }
}

test('an interrupt ends it at once, and nothing of the trial stays', async () => {
  const child = spawn('nsenter', h1.argv([launcher, 'doctor', 'offload']).slice(1), { env: h1.env, stdio: 'ignore' });
  const trial = await until('the trial runs', 20_000, async () => trialOf(child.pid!));
  child.kill('SIGINT');
  const [code] = await once(child, 'exit');
  assert.equal(code, 130);
  await until('the trial is gone', 10_000, async () => (readdirSync('/proc').includes(trial) ? undefined : true));
});
