import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { openClient } from '../../src/client/client.ts';
import { createLab, type Lab, openLab } from '../../src/lab/lab.ts';
import { lockLab } from '../../src/lab/lock.ts';
import { labDir } from '../../src/lab/plan.ts';
import { removeLab } from '../../src/lab/remove.ts';
import { ipBatch, must, run } from '../../src/lab/run.ts';
import { hasCode } from '../../src/model/errors.ts';
import { heddle } from '../cli/heddle.ts';
import { labName, traces } from './trace.ts';

/** The controller of a lab answers at its address, to who believes its authority, or another lab's. */
async function answers(lab: Lab, believed = lab): Promise<boolean> {
  const { ca } = await believed.client().authority();
  try {
    return (await openClient(lab.apiAddress, { ca }).authority()).ca.includes(ca);
  } catch (e) {
    if (hasCode(e, 'CONTROLLER_UNREACHABLE')) return false;
    throw e;
  }
}

test('two labs run side by side, each with its own API, and leave nothing', async () => {
  const [a, b] = [labName(), labName()];
  {
    await using one = await createLab({ name: a, hosts: 1 });
    await using two = await createLab({ name: b, hosts: 2, subnets: 2 });
    assert.notEqual(one.apiAddress, two.apiAddress);
    await one.client().create('tenant', { name: 'only-here' });
    assert.deepEqual(await two.client().list('tenant'), []);
    assert.ok(await answers(two), 'the printed address works from this namespace');
    assert.ok(!(await answers(one, two)), 'and is known by its own authority alone');
    const { code } = await two.hosts[0]!.exec(['ip', 'route', 'get', two.hosts[1]!.vtep]);
    assert.equal(code, 0);
    assert.deepEqual(await openLab(b).client().list('tenant'), [], 'another process finds it by its name');
    assert.ok(traces(a).length > 0 && traces(b).length > 0, 'the look for traces sees a lab that runs');
  }
  assert.deepEqual([traces(a), traces(b)], [[], []]);
});

test('a lab of one wire joins two hosts directly', async () => {
  const name = labName();
  {
    await using lab = await createLab({ name, wire: true });
    const neighbours = await lab.hosts[0]!.exec(['ip', '-json', 'link', 'show', 'eth0']);
    assert.equal(JSON.parse(neighbours.stdout)[0].link_netnsid, 0);
    assert.deepEqual(
      await lab
        .client()
        .list('host')
        .then((hosts) => hosts.map((h) => h.name).sort()),
      ['h1', 'h2'],
    );
  }
  assert.deepEqual(traces(name), []);
});

test('lab down removes all after every process of the lab was killed and its files were lost', async () => {
  const name = labName();
  const lab = await createLab({ name, hosts: 2 });
  try {
    await lab.addWorkload('w1');
    for (const daemon of ['controller', 'h1', 'h2']) await lab.kill(daemon, 'SIGKILL');
    rmSync(`${labDir(name)}/lab.json`);
    rmSync(`${labDir(name)}/h1`, { recursive: true });
  } finally {
    const { code, stdout } = await heddle(['lab', 'down', '--name', name, '--json']);
    assert.deepEqual([code, JSON.parse(stdout).removed], [0, [name]]);
  }
  assert.deepEqual(traces(name), []);
});

test('lab down finds running processes without their pid files, by their namespaces', async () => {
  const name = labName();
  const lab = await createLab({ name, hosts: 1 });
  try {
    rmSync(`${labDir(name)}/controller.pid`);
    rmSync(`${labDir(name)}/h1/agent.pid`);
    assert.equal(lab.pid('controller'), undefined);
  } finally {
    await removeLab(name);
  }
  assert.deepEqual(traces(name), []);
});

test('a pid file of a process that has the pid by now is not believed', async () => {
  const name = labName();
  mkdirSync(labDir(name), { recursive: true });
  const bystander = await import('node:child_process').then(({ spawn }) => spawn('sleep', ['600']));
  try {
    writeFileSync(`${labDir(name)}/controller.pid`, `${bystander.pid} 1\n`);
    assert.equal(await removeLab(name), true);
    assert.equal(bystander.exitCode ?? bystander.signalCode, null, 'it still runs');
  } finally {
    bystander.kill('SIGKILL');
  }
});

test('half a lab is removed, and a second time there is nothing to do', async () => {
  const name = labName();
  await ipBatch([`netns add hd-${name}-h7`]);
  mkdirSync(`${labDir(name)}/bpf`, { recursive: true });
  await must(['mount', '-t', 'bpf', 'test', `${labDir(name)}/bpf`]);
  assert.equal(await removeLab(name), true);
  assert.equal(await removeLab(name), false);
  assert.deepEqual(traces(name), []);
});

test('a name in use is refused and what has it stays; a name being made is busy', async () => {
  const name = labName();
  await ipBatch([`netns add hd-${name}-h1`]);
  try {
    const before = traces(name);
    await assert.rejects(createLab({ name }), (e) => hasCode(e, 'NAME_TAKEN'));
    assert.deepEqual(traces(name), before);
    await using _lock = await lockLab(name);
    await assert.rejects(createLab({ name }), (e) => hasCode(e, 'LAB_BUSY'));
  } finally {
    await removeLab(name);
  }
});

test('an interrupted lab up leaves nothing', async () => {
  const name = labName();
  const stop = new AbortController();
  const onProgress = (text: string) => text.startsWith('starting the agents') && stop.abort(new Error('enough'));
  await assert.rejects(createLab({ name, hosts: 2, signal: stop.signal, onProgress }), /enough/);
  assert.deepEqual(traces(name), []);
});

test('a lab that does not come up shows the log of the daemon that ended, and leaves nothing', async () => {
  const name = labName();
  // The agent of h1 finds its socket's place taken by a folder that it cannot remove.
  const onProgress = (text: string) => {
    if (text.startsWith('starting the controller'))
      mkdirSync(`${labDir(name)}/h1/agent.sock/full`, { recursive: true });
  };
  await assert.rejects(createLab({ name, hosts: 1, onProgress }), (e: Error) => {
    assert.match(e.message, /h1 ended/);
    assert.match(e.message, /agent\.log:\n/);
    return true;
  });
  assert.deepEqual(traces(name), []);
});

test('faults: a host is cut off and joined again; daemons are killed and restarted', async () => {
  const name = labName();
  await using lab = await createLab({ name, hosts: 2 });
  const state = async () =>
    JSON.parse((await run(['ip', '-n', `hd-${name}-h2`, '-json', 'link', 'show', 'eth0'])).stdout)[0].operstate;
  assert.equal(await state(), 'UP');
  await lab.cut('h2');
  assert.notEqual(await state(), 'UP');
  await lab.heal('h2');
  assert.equal(await state(), 'UP');
  const before = [lab.pid('h1'), lab.pid('controller')];
  await lab.kill('h1');
  await lab.kill('controller');
  assert.deepEqual([lab.pid('h1'), lab.pid('controller')], [undefined, undefined]);
  await lab.restart('controller');
  await lab.restart('h1');
  await lab.allOnline(20_000);
  assert.ok(lab.pid('h1') !== before[0] && lab.pid('controller') !== before[1]);
  assert.ok(await answers(lab), 'the same address as before, and the same authority');
});

test('lab exec passes on output and exit code, and finds agent and controller by itself', async () => {
  const name = labName();
  await using _lab = await createLab({ name, hosts: 1 });
  const exec = (...words: string[]) => heddle(['lab', 'exec', '--name', name, ...words]);
  const failed = await exec('h1', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7');
  assert.deepEqual([failed.code, failed.stdout, failed.stderr], [7, 'out\n', 'err\n']);
  const status = await exec('h1', '--', 'heddle', 'status', '--json');
  assert.equal(status.code, 0, status.stdout);
  assert.equal(JSON.parse(status.stdout).agent.ok, true);
  assert.equal((await exec('h9', '--', 'true')).code, 1);
  assert.equal((await exec('h1')).code, 2);
  const listed = await heddle(['lab', 'status', '--name', name, '--json']);
  assert.equal(JSON.parse(listed.stdout).labs[0].hosts[0].vtep, '198.18.0.1');
});
