import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Command } from 'commander';
import { buildProgram } from '../../src/cli/program.ts';
import { run } from '../../src/lab/run.ts';
import { heddle, launcher, project } from './heddle.ts';

async function temporary(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'heddle-launcher-'));
  t.after(() => rm(dir, { recursive: true }));
  return dir;
}

test('the launcher works through symbolic links and from any folder', async (t) => {
  const dir = await temporary(t);
  await symlink(launcher, join(dir, 'one'));
  await symlink('one', join(dir, 'two'));
  const { code, stdout, stderr } = await run(['sh', '-c', `cd / && ${join(dir, 'two')} version --json`]);
  assert.equal(code, 0, stderr);
  assert.match(JSON.parse(stdout).node, /^v26\./);
});

test('a clone that is not set up says what to run', async (t) => {
  const dir = await temporary(t);
  await cp(launcher, join(dir, 'heddle'));
  const { code, stderr } = await run([join(dir, 'heddle'), 'version']);
  assert.equal(code, 4);
  assert.match(stderr, /scripts\/as-root\.sh setup/);
});

test('set-up has nothing to say and nothing to do when all is there', async () => {
  const { code, stdout, stderr } = await run(['sh', join(project, 'scripts/setup.sh'), 'modules']);
  assert.deepEqual([code, stdout, stderr], [0, '', '']);
});

test('every command shows its help with an example, exit code 0', async () => {
  let out = '';
  const io = {
    out: (text: string) => {
      out += text;
    },
    err: () => undefined,
    colour: false,
    signal: AbortSignal.abort(),
  };
  const paths = (c: Command, path: string[] = []): string[][] => [
    path,
    ...c.commands.flatMap((s) => paths(s as Command, [...path, s.name()])),
  ];
  for (const path of paths(buildProgram(io))) {
    out = '';
    await assert.rejects(buildProgram(io).parseAsync([...path, '--help'], { from: 'user' }), {
      code: 'commander.helpDisplayed',
    });
    assert.match(out, /\nExamples:\n {2}.*\bheddle /, path.join(' '));
  }
  const { code, stdout } = await heddle(['port', 'create', '--help']);
  assert.equal(code, 0);
  assert.match(stdout, /--address <address>/);
});

test('bash completes commands and flags from the tree', async () => {
  const { stdout: script } = await heddle(['completion', 'bash']);
  const complete = async (line: string) => {
    const words = line.split(' ');
    const bash = `${script}\nCOMP_WORDS=(${words.map((w) => `'${w}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _heddle; echo "\${COMPREPLY[*]}"`;
    return (await run(['bash', '-c', bash])).stdout.trim().split(' ');
  };
  assert.deepEqual(await complete('heddle net'), ['network']);
  assert.deepEqual(await complete('heddle network cr'), ['create']);
  assert.deepEqual(await complete('heddle --json network create web --mt'), ['--mtu']);
  assert.deepEqual(await complete('heddle lab he'), ['heal']);
});
