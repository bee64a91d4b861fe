import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { test } from 'node:test';
import { RUN_VARIABLE, survey, topmost } from './leftovers.ts';

test('a process that a test started is found by the variable it inherited, and no other is', async () => {
  const run = randomUUID();
  const ours = spawn('sleep', ['1000'], { env: { ...process.env, [RUN_VARIABLE]: run } });
  const other = spawn('sleep', ['1001'], { env: { ...process.env, [RUN_VARIABLE]: randomUUID() } });
  try {
    await Promise.all([once(ours, 'spawn'), once(other, 'spawn')]);
    const found = await survey(run);
    assert.ok(found.has(`process ${ours.pid} (sleep 1000)`), [...found].join('\n'));
    assert.ok(!found.has(`process ${other.pid} (sleep 1001)`));
  } finally {
    ours.kill('SIGKILL');
    other.kill('SIGKILL');
  }
});

test('a tree that is left is named by its top', () => {
  const left = ['file /run/heddle/lab', 'file /run/heddle/lab/a/b', 'file /run/heddle/labour', 'pin /sys/fs/bpf/x/y'];
  assert.deepEqual(topmost(left), ['file /run/heddle/lab', 'file /run/heddle/labour', 'pin /sys/fs/bpf/x/y']);
});
