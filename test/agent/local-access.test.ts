/** Who else than root gets at what a controller and an agent make on a machine, and what members of the socket's group may do. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  chmodSync,
  closeSync,
  existsSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { join, relative } from 'node:path';
import { after, before, test } from 'node:test';
import { layoutHash } from '../../src/datapath/layouts.ts';
import { asUser, type TestUser } from '../../src/kernel/test-user.ts';
import { agentDaemon } from '../../src/lab/daemons.ts';
import { startDaemon, until } from '../../src/lab/processes.ts';
import { run } from '../../src/lab/run.ts';
import type { AuditRecord } from '../../src/model/audit.ts';
import { heddle as heddleAsRoot, project } from '../cli/heddle.ts';
import { Rig } from './rig.ts';

const group = 70_000;
const alice: TestUser = { uid: 70_001, groups: [group] };
const bob: TestUser = { uid: 70_002, gid: group };
const stranger: TestUser = { uid: 70_003 };

let rig: Rig;
before(async () => {
  // Nothing may depend on the mask of whoever starts the daemons.
  const mask = process.umask(0);
  try {
    rig = await Rig.open({ hosts: 1 });
  } finally {
    process.umask(mask);
  }
  await rig.attach('h1', { kind: 'tap', ifname: 'tap-first' });
});
after(() => rig?.[Symbol.asyncDispose]());

/** What a lab says to everybody: its options, its ports, its authority's certificate. */
const isPublic = (name: string): boolean => /^(lab\.json|ca\.pem|.+\.pid)$/.test(name);
const NSFS_MAGIC = 0x6e736673;

interface Thing {
  readonly path: string;
  readonly kind: 'folder' | 'file' | 'socket';
  readonly mode: number;
}

/** A folder and all that is in it; the kernel's own files of namespaces have a mode that nobody can change. */
function* under(path: string): Generator<Thing> {
  const stat = lstatSync(path);
  if (stat.isSymbolicLink() || statfsSync(path).type === NSFS_MAGIC) return;
  const kind = stat.isDirectory() ? 'folder' : stat.isSocket() ? 'socket' : 'file';
  yield { path, kind, mode: stat.mode & 0o777 };
  if (kind === 'folder') for (const name of readdirSync(path)) yield* under(join(path, name));
}

/** What others than its owner may do anything with. */
function openThings(path: string): string[] {
  const own = new Set([path, ...rig.lab.plan.hosts.map(({ dir }) => dir)]);
  return [...under(path)]
    .filter((thing) => {
      const allowed = own.has(thing.path) ? 0o055 : isPublic(relative(path, thing.path).split('/').at(-1)!) ? 0o044 : 0;
      return (thing.mode & 0o077 & ~allowed) !== 0;
    })
    .map(({ path: its, mode }) => `${relative(path, its)} ${mode.toString(8)}`);
}

async function reaches({ path, kind }: Thing): Promise<boolean> {
  try {
    if (kind === 'folder') asUser(stranger, () => readdirSync(path));
    else if (kind === 'file') closeSync(asUser(stranger, () => openSync(path, 'r')));
    else {
      const socket = asUser(stranger, () => connect(path));
      await once(socket, 'connect');
      socket.destroy();
    }
    return true;
  } catch (e) {
    assert.equal((e as NodeJS.ErrnoException).code, 'EACCES', path);
    return false;
  }
}

test('A21: no file, folder, socket or pin of a controller and an agent is for others than root, whatever mask they began with', async () => {
  const { dir, bpfDir } = rig.lab.plan;
  await until('the state is on disk', 10_000, () => existsSync(`${rig.stateDir('h1')}/host-state.json`) || undefined);
  const all = [...under(dir)];
  const has = (path: string) =>
    assert.ok(
      all.some((thing) => thing.path === join(dir, path)),
      `${path} is looked at`,
    );
  for (const suffix of ['', '-wal', '.secret.key', '.admin-token']) has(`controller.db${suffix}`);
  has('join-token');
  for (const path of ['controller.sock', 'controller.log', 'h1/agent.sock', 'h1/agent.log', 'h1/netns']) has(path);
  for (const path of ['h1/state/identity.json', 'h1/state/attachments', 'h1/state/host-state.json']) has(path);
  for (const path of ['', '/ports', '/from_port']) has(`${relative(dir, bpfDir)}/h1/${layoutHash}${path}`);
  assert.deepEqual(openThings(dir), []);
  // Not by their modes alone: somebody tries.
  const reached: string[] = [];
  for (const thing of all) if (await reaches(thing)) reached.push(relative(dir, thing.path));
  assert.deepEqual(reached.sort(), ['', 'ca.pem', 'controller.pid', 'h1', 'h1/agent.pid', 'lab.json']);
  // What is open is found, so that nothing found means something.
  for (const [path, mode] of [
    ['lab.json', 0o646],
    ['controller.db', 0o640],
    ['h1/agent.sock', 0o602],
  ] as const) {
    const was = lstatSync(join(dir, path)).mode & 0o777;
    chmodSync(join(dir, path), mode);
    assert.deepEqual(openThings(dir), [`${path} ${mode.toString(8)}`]);
    chmodSync(join(dir, path), was);
  }
  writeFileSync(join(dir, 'h1/state/new'), '', { mode: 0o644 });
  assert.deepEqual(openThings(dir), ['h1/state/new 644']);
  rmSync(join(dir, 'h1/state/new'));
});

/** A command as a user types it. */
async function heddle({ uid, gid = uid, groups = [] }: TestUser, ...words: readonly string[]) {
  const program = [process.execPath, '--disable-warning=ExperimentalWarning', join(project, 'test/cli/as-user.ts')];
  const agent = ['--agent', rig.lab.host('h1').agentSocket];
  return run([...program, JSON.stringify({ uid, gid, groups }), ...words, ...agent]);
}
const ours = ['--tenant', 'acme', '--network', 'web'];

test('A21: without --socket-group nobody but root gets in, and is told so', async () => {
  const { code, stderr } = await heddle(alice, 'attach', 'tap', ...ours);
  assert.equal(code, 1);
  assert.match(
    stderr,
    /^heddle: this user may not open the agent's socket \S+: be root; or .*--socket-group.* \[FORBIDDEN\]/,
  );
});

test('A21: members of the group have taps of their own, and touch nothing else', async () => {
  const spec = agentDaemon(rig.lab.plan, rig.lab.plan.hosts[0]!);
  await rig.lab.kill('h1', 'SIGTERM');
  await startDaemon({ ...spec, argv: [...spec.argv, '--socket-group', `${group}`] });
  await rig.inSync('h1');
  const trace = await rig.quietTrace('h1');

  const made = await heddle(alice, 'attach', 'tap', ...ours, '--port', 'vm1', '--ifname', 'tap-vm1', '--json');
  assert.equal(made.code, 0, made.stderr);
  assert.equal(rig.links('h1').find((l) => l.name === 'tap-vm1')?.tap?.owner, alice.uid);
  await rig.portIs('vm1', 'up');
  const unnamed = JSON.parse((await heddle(bob, 'attach', 'tap', ...ours, '--json')).stdout) as { ifname: string };
  assert.equal(rig.links('h1').find((l) => l.name === unnamed.ifname)?.tap?.owner, bob.uid);

  const secret = 'password: hunter2';
  await rig.attach('h1', { kind: 'tap', ifname: 'tap-root', userData: secret });
  const [seen, whole] = [
    await heddle(alice, 'attach', 'list', '--json'),
    await heddle({ uid: 0 }, 'attach', 'list', '--json'),
  ];
  for (const name of ['tap-root', 'vm1', 'tap-first']) assert.match(seen.stdout, new RegExp(name));
  assert.deepEqual([seen.stdout.includes(secret), whole.stdout.includes(secret)], [false, true]);

  for (const [words, why] of [
    [['detach', 'h1-tap-root'], /user 70001 may not detach port h1-tap-root: only whose tap it is may, and root/],
    [['detach', `h1-${unnamed.ifname}`], /user 70001 may not detach/],
    [['attach', 'host', ...ours], /user 70001 may not attach this host: only root may/],
    [['attach', 'netns', '/proc/1/ns/net', ...ours], /may not attach a network namespace/],
    [['attach', 'device', 'eth0', ...ours], /may not attach a NIC/],
    [['attach', 'tap', ...ours, '--owner', '0'], /may not attach a tap of user 0/],
    [['attach', 'tap', ...ours, '--ifname', 'eth7'], /may not attach a tap named eth7/],
    [['attach', 'tap', ...ours, '--port', 'vm1', '--standby'], /may not attach a tap that stands by/],
  ] as const) {
    const { code, stderr } = await heddle(alice, ...words);
    assert.deepEqual([code, /\[FORBIDDEN\]/.test(stderr)], [1, true], stderr);
    assert.match(stderr, why);
  }
  // One that belongs to another, or to nobody: it is not taken.
  for (const owner of [[], ['user', `${bob.uid}`]]) {
    await rig.lab.host('h1').exec(['ip', 'tuntap', 'add', 'dev', 'tap-own', 'mode', 'tap', ...owner]);
    const { code, stderr } = await heddle(alice, 'attach', 'tap', ...ours, '--ifname', 'tap-own');
    assert.deepEqual(
      [code, /owner: tap-own is there and has (no owner|owner 70002), not 70001/.test(stderr)],
      [1, true],
      stderr,
    );
    await rig.lab.host('h1').exec(['ip', 'link', 'del', 'tap-own']);
  }
  const out = await heddle(stranger, 'attach', 'list');
  assert.deepEqual([out.code, /be root, or a member of group 70000/.test(out.stderr)], [1, true], out.stderr);

  for (const [user, port] of [
    [alice, 'vm1'],
    [bob, `h1-${unnamed.ifname}`],
    [{ uid: 0 }, 'h1-tap-root'],
  ] as const)
    assert.equal((await heddle(user, 'detach', port)).code, 0, port);
  await rig.back('h1', trace);
  assert.match(readFileSync(rig.lab.host('h1').log, 'utf8'), /"uid":70001,.*"msg":"a user attached a tap"/);

  // What they were refused is in the controller's audit log, as this host's word.
  const record = await until('a record of what a member was refused', 20_000, async () =>
    (await audited()).find(({ told }) => told?.asked === `DELETE /v1/attachments/h1-${unnamed.ifname}`),
  );
  assert.deepEqual([record.who, record.code], [{ kind: 'host', name: 'h1' }, 'FORBIDDEN']);
  assert.match(`${record.told!.who}: ${record.told!.why}`, /^user 70001: user 70001 may not detach port h1-/);
  const asking = new Set((await audited()).map(({ told }) => told?.who));
  assert.deepEqual([...asking], ['user 70001'], 'who may, and who does not get in, is not told of');
});

/** What the audit log has of refusals of the host. */
async function audited(): Promise<AuditRecord[]> {
  const env = { HEDDLE_CONTROLLER: rig.lab.controllerAddress };
  const { stdout } = await heddleAsRoot(['audit', '--refused', '--who', 'h1', '--all', '--json'], env);
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as AuditRecord);
}

test('the commands that docs/guides/virtual-machines.md shows to members of the group work', async () => {
  const text = readFileSync(join(project, 'docs/guides/virtual-machines.md'), 'utf8');
  const lines = [...text.matchAll(/^\$ heddle (.+)$/gm)].map(([, words]) => words!.split(' '));
  assert.ok(lines.length >= 4, 'the page has its commands');
  for (const words of lines) {
    const { code, stderr } = await heddle(alice, ...words);
    assert.equal(code, 0, `heddle ${words.join(' ')}: ${stderr}`);
  }
});
