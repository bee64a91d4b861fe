import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { test } from 'node:test';
import { createLab } from '../../src/lab/lab.ts';
import { labDir } from '../../src/lab/plan.ts';
import { heddle } from '../cli/heddle.ts';
import { labName, traces } from './trace.ts';

/** A program that a container runs for ever; the engine need not wait for its end. */
const forever = ['--detach', '--stop-signal', 'KILL', 'busybox', 'sleep', 'infinity'];

test('a lab with engines has one on every host, which outlives the command, and lab down removes all of it', async () => {
  const name = labName();
  try {
    const up = await heddle(['lab', 'up', '--name', name, '--hosts', '2', '--docker', '--json']);
    assert.equal(up.code, 0, up.stderr);
    const exec = (...words: string[]) => heddle(['lab', 'exec', '--name', name, ...words]);
    const ran = await exec('h1', '--', 'docker', 'run', '--rm', '--network', 'none', 'busybox', 'echo', 'hello');
    assert.deepEqual([ran.code, ran.stdout], [0, 'hello\n'], ran.stderr);
    const status = await heddle(['lab', 'status', '--name', name, '--json']);
    const [{ hosts }] = JSON.parse(status.stdout).labs;
    assert.deepEqual(hosts, JSON.parse(up.stdout).hosts);
    assert.notEqual(hosts[0].docker.pid, hosts[1].docker.pid);
    const tenants = await exec('h1', '--', 'heddle', 'tenant', 'list', '--json');
    assert.equal(JSON.parse(tenants.stdout).items[0].name, 'lab', 'the engines’ default tenant');
    assert.equal((await exec('h2', '--', 'docker', 'ps', '--all', '--quiet')).stdout, '', 'h1’s container is not here');
    // What is hard to remove: a container that runs, one that is frozen, one in the host's own namespace.
    await exec('h1', '--', 'docker', 'run', ...forever);
    const frozen = await exec('h1', '--', 'docker', 'run', ...forever);
    await exec('h1', '--', 'docker', 'pause', frozen.stdout.trim());
    const host = await exec('h2', '--', 'docker', 'run', '--network', 'host', ...forever);
    assert.equal(host.code, 0, host.stderr);
  } finally {
    const { code, stderr } = await heddle(['lab', 'down', '--name', name]);
    assert.equal(code, 0, stderr);
  }
  assert.deepEqual(traces(name), []);
});

test('an engine that was killed is started again and has its containers, images and networks', async () => {
  const name = labName();
  {
    await using lab = await createLab({ name, hosts: 2, dockerTenants: { h2: ['acme', 'globex'] } });
    assert.throws(() => lab.engine('h1'), /no Docker engine/, 'only h2 was to have one');
    const engine = lab.engine('h2');
    await engine.docker('network', 'create', 'own');
    await engine.docker('run', '--name', 'c1', '--network', 'own', '--restart', 'always', ...forever);
    await engine.docker('run', '--name', 'c2', '--network', 'own', ...forever);
    const before = engine.pid;
    await engine.kill();
    assert.equal(engine.pid, undefined);
    await engine.start();
    await engine.ready();
    assert.notEqual(engine.pid, before);
    assert.equal(
      await engine.docker('ps', '--filter', 'name=c1', '--format', '{{.Names}}'),
      'c1',
      'always means always',
    );
    await engine.stop();
    await engine.start();
    await engine.ready();
    const listed = await engine.docker('ps', '--all', '--format', '{{.Names}} {{.State}}');
    assert.deepEqual(listed.split('\n').sort(), ['c1 running', 'c2 exited']);
    assert.equal((await engine.try('network', 'inspect', 'nowhere')).code, 1);
  }
  assert.deepEqual(traces(name), []);
});

test('lab down removes engines and containers of which only names are left', async () => {
  const name = labName();
  const lab = await createLab({ name, hosts: 1, dockerTenants: ['acme'] });
  try {
    await lab.engine('h1').docker('run', '--name', 'c1', ...forever);
    await lab.engine('h1').kill();
    rmSync(`${labDir(name)}/lab.json`);
    assert.throws(() => rmSync(`${labDir(name)}/h1`, { recursive: true }), /resource busy/, 'mount points stay');
  } finally {
    await lab.down();
  }
  assert.deepEqual(traces(name), []);
});
