import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { heddle, launcher } from '../cli/heddle.ts';
import { traces } from './trace.ts';

test('the demo’s table is as it should be, all rows, and nothing is left', async () => {
  const { code, stdout, stderr } = await heddle(['demo', '--once', '--json']);
  assert.equal(code, 0, stderr);
  const { rows, speeds } = JSON.parse(stdout);
  assert.deepEqual(
    rows.map((r: { answer: string | null }) => r.answer),
    ['acme/a2', 'acme/a3', 'acme/a3', 'globex/g3', 'globex/g4', null, null],
  );
  for (const { what, bare, overlay } of speeds) assert.ok(bare > 0 && overlay > 0, what);
  assert.deepEqual(traces('demo'), []);
});

test('the demo for people ends by itself with --once, says that all is well, and leaves nothing', async () => {
  const { code, stdout, stderr } = await heddle(['demo', '--once']);
  assert.equal(code, 0, stderr);
  assert.equal(stdout.match(/as it should be$/gm)?.length, 7, stdout);
  assert.match(stdout, /one TCP stream .* Gbit\/s/);
  assert.doesNotMatch(stdout, /WRONG|Try next/);
  assert.deepEqual(traces('demo'), []);
});

test('the demo stays up until a signal, its printed lines work, and then nothing is left', async () => {
  const child = spawn(launcher, ['demo'], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise((done) => child.once('close', done));
  let output = '';
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  try {
    for await (const text of child.stdout.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
      output += text;
      if (output.includes('removes every trace')) break;
    }
    const lines = output.split('\n').filter((line) => /^ {2}(eval|export|(sudo )?\S*heddle) /.test(line));
    assert.ok(lines.length >= 9, output + errors);
    const script = lines.map((line) => line.replace(/ping -c \d+/, 'ping -c 1')).join(' &&\n');
    const pasted = spawn('sh', ['-c', script], { cwd: process.cwd(), stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [pasted.stdout, pasted.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
    assert.equal(await new Promise((done) => pasted.once('close', done)), 0, said);
  } finally {
    child.kill('SIGINT');
  }
  assert.equal(await ended, 0, errors);
  assert.deepEqual(traces('demo'), []);
});
