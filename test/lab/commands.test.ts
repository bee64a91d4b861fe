import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { openLocal } from '../../src/client/local.ts';
import { createLab, type Lab } from '../../src/lab/lab.ts';
import { run } from '../../src/lab/run.ts';
import { heddle, launcher, project } from '../cli/heddle.ts';
import { labName } from './trace.ts';

let lab: Lab;
before(async () => {
  lab = await createLab({ name: labName(), hosts: 1 });
});
after(() => lab[Symbol.asyncDispose]());

/** A command of the lab that must succeed; its standard output. */
async function ok(...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await heddle(['lab', ...words, '--name', lab.name]);
  assert.equal(code, 0, stderr);
  return stdout;
}
const json = async (...words: string[]) => JSON.parse(await ok(...words, '--json'));

test('every command of a lab can answer in JSON', async () => {
  assert.deepEqual(await json('env'), { HEDDLE_CONTROLLER: lab.controllerAddress });
  const { path } = await json('workload', 'add', 'w1');
  assert.ok(existsSync(path), path);
  assert.deepEqual(await json('workload', 'delete', 'w1'), { deleted: ['w1'] });
  assert.ok(!existsSync(path));
  assert.deepEqual(await json('cut', 'h1'), { host: 'h1', cut: true });
  assert.deepEqual(await json('heal', 'h1'), { host: 'h1', cut: false });
  assert.deepEqual(await json('kill', 'h1', '--signal', '9'), { daemon: 'h1', signal: 'SIGKILL' });
  assert.deepEqual(await json('restart', 'h1'), { daemon: 'h1', pid: lab.pid('h1') });
  const { code, stderr } = await heddle(['lab', 'exec', '--name', lab.name, '--json', 'h9', '--', 'true']);
  assert.deepEqual([code, JSON.parse(stderr).code], [1, 'NOT_FOUND']);
});

test('the way back that cut and kill print works when pasted, in this folder and in another', async () => {
  for (const [words, undone] of [
    [['cut', 'h1'], 'h1 is joined again\n'],
    [['kill', 'h1'], 'h1 is up\n'],
  ] as const)
    for (const cwd of [project, '/']) {
      const command = [launcher, 'lab', ...words, '--name', lab.name].join(' ');
      const told = await run(['sh', '-c', `cd ${cwd} && ${command}`]);
      const advice = /"(.+)"/.exec(told.stdout)?.[1];
      assert.ok(advice, told.stderr);
      const pasted = await run(['sh', '-c', `cd ${cwd} && ${advice}`]);
      assert.deepEqual([pasted.code, pasted.stdout], [0, undone], pasted.stderr);
    }
});

test('a host is ready when the agent that runs now has been told everything, not the one that was killed', async () => {
  for (let i = 0; i < 3; i++) {
    await lab.kill('h1');
    await lab.start('h1');
    await lab.ready('h1');
    const status = await openLocal(lab.host('h1').agentSocket).request('GET', '/v1/status');
    const { synced, controller } = status as { synced: boolean; controller: { connected: boolean } };
    assert.deepEqual([synced, controller.connected], [true, true]);
  }
});
