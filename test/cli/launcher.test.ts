import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
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

/** What set-up makes one file of, each. */
const libraries = ['typebox', 'x509'];

/** A clone with what set-up takes of the packages; nothing is built. */
async function clone(t: TestContext): Promise<string> {
  const dir = await temporary(t);
  await mkdir(join(dir, 'node_modules/.bin'), { recursive: true });
  const files = ['heddle', 'package.json', 'package-lock.json', 'scripts/setup.sh'];
  for (const file of [...files, ...libraries.map((name) => `scripts/${name}.mts`), 'node_modules/.package-lock.json'])
    await cp(join(project, file), join(dir, file), { preserveTimestamps: true });
  for (const name of ['.bin/node', 'typebox', '@peculiar', 'reflect-metadata'])
    await symlink(join(project, 'node_modules', name), join(dir, 'node_modules', name));
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

test('a clone that is not set up, or not to its end, says what to run', async (t) => {
  const [fresh, unbuilt] = [await temporary(t), await clone(t)];
  await cp(launcher, join(fresh, 'heddle'));
  for (const dir of [fresh, unbuilt]) {
    const { code, stderr } = await run([join(dir, 'heddle'), 'version']);
    assert.equal(code, 4);
    assert.match(stderr, /^heddle: not set up yet\. Run: .*scripts\/as-root\.sh setup\n$/);
  }
});

test('set-up builds what is not there whole, also after it was ended in the middle', async (t) => {
  const dir = await clone(t);
  const esbuild = join(dir, 'node_modules/.bin/esbuild');
  const setUp = () => run(['sh', join(dir, 'scripts/setup.sh'), 'modules']);
  const breaking =
    'for word; do case $word in --outfile=*) echo export >"$(echo "$word" | cut -d= -f2)";; esac; done; exit 1';
  await mkdir(join(dir, 'build'));
  await writeFile(esbuild, `#!/bin/sh\n${breaking}\n`, { mode: 0o755 });
  assert.notEqual((await setUp()).code, 0);
  await rm(esbuild);
  await symlink(join(project, 'node_modules/esbuild/bin/esbuild'), esbuild);
  const built = async () => {
    const files = (await readdir(join(dir, 'build'))).sort();
    return Promise.all(files.map(async (file) => [file, await readFile(join(dir, 'build', file), 'utf8')]));
  };
  let whole: unknown;
  for (const missing of libraries.flatMap((name) => [`${name}.mjs`, `${name}.d.mts`])) {
    assert.deepEqual(await setUp(), { code: 0, stdout: '', stderr: '' });
    whole ??= await built();
    assert.deepEqual(await built(), whole);
    await rm(join(dir, 'build', missing));
  }
  assert.equal((await setUp()).code, 0);
  assert.deepEqual(await built(), whole);
  const { Compile } = await import(join(dir, 'build/typebox.mjs'));
  assert.equal(typeof Compile, 'function');
  const { X509CertificateGenerator } = await import(join(dir, 'build/x509.mjs'));
  assert.equal(typeof X509CertificateGenerator, 'function');
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
