import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';

const project = resolve(import.meta.dirname, '..');

/** A directory that is gone after the test. */
async function temporary(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'heddle-repository-'));
  t.after(() => rm(dir, { recursive: true }));
  return dir;
}

/** The tracked text files whose names match. */
function tracked(pattern: RegExp): string[] {
  return execFileSync('git', ['-C', project, '-c', `safe.directory=${project}`, 'ls-files', '-z'], { encoding: 'utf8' })
    .split('\0')
    .filter((path) => path && pattern.test(path) && existsSync(join(project, path)));
}

/** Violations that the project's own check finds in these sources. */
async function violations(t: TestContext, sources: Readonly<Record<string, string>>): Promise<string[]> {
  const dir = await temporary(t);
  for (const [path, text] of Object.entries(sources)) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), text);
  }
  for (const name of ['node_modules', 'package.json', '.dependency-cruiser.cjs'])
    await symlink(join(project, name), join(dir, name));
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [
      '--import',
      join(project, 'scripts/layers/register.mjs'),
      join(project, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs'),
      'src',
      '--output-type',
      'json',
    ],
    { cwd: dir, encoding: 'utf8' },
  );
  assert.ok(stdout.startsWith('{'), stderr);
  const { summary }: { summary: { violations: { rule: { name: string }; from: string }[] } } = JSON.parse(stdout);
  return summary.violations.map(({ rule, from }) => `${rule.name}: ${from}`).sort();
}

const leaf = 'export const x = 1;\nexport type X = number;\n';

test('an import that points upward is refused, a type as well as a value, and beside `using`', async (t) => {
  const found = await violations(t, {
    'src/agent/a.ts': leaf,
    'src/kernel/k.ts': leaf,
    'src/model/value.ts': `import { x } from '../kernel/k.ts';\nexport function f() { using y = x as never; return y; }\n`,
    'src/model/type.ts': `import type { X } from '../kernel/k.ts';\nexport type Y = X;\n`,
    'src/kernel/up.ts': `export { x } from '../agent/a.ts';\n`,
    'src/agent/down.ts': `import { x } from '../kernel/k.ts';\nexport const z = x;\n`,
  });
  assert.deepEqual(found, [
    'layer-kernel: src/kernel/up.ts',
    'layer-model: src/model/type.ts',
    'layer-model: src/model/value.ts',
  ]);
});

test('circles, I/O in pure layers, test code in the product and folders without a rule are refused', async (t) => {
  const found = await violations(t, {
    'src/store/a.ts': `import './b.ts';\n`,
    'src/store/b.ts': `import './a.ts';\n`,
    'src/compile/io.ts': `import { readFileSync } from 'node:fs';\nexport const r = readFileSync;\n`,
    'src/compile/socket.ts': `import koffi from 'koffi';\nexport const k = koffi;\n`,
    'src/cli/undeclared.ts': `import 'acorn';\n`,
    'src/model/x.test.ts': `import 'node:fs';\n`,
    'src/model/y.ts': `import './x.test.ts';\n`,
    'src/somewhere/z.ts': `import '../model/y.ts';\n`,
  });
  assert.deepEqual(
    [...new Set(found)],
    [
      'layer-unlisted: src/somewhere/z.ts',
      'no-cycles: src/store/a.ts',
      'no-tests-in-product: src/model/y.ts',
      'no-undeclared-dependency: src/cli/undeclared.ts',
      'pure: src/compile/io.ts',
      'pure: src/compile/socket.ts',
    ],
  );
});

test('the page of drop reasons is what the table generates', async (t) => {
  const page = join(await temporary(t), 'reasons.md');
  execFileSync(process.execPath, ['scripts/generate.ts', 'docs', page], { cwd: project });
  assert.equal(await readFile(join(project, 'docs/reference/reasons.md'), 'utf8'), await readFile(page, 'utf8'));
});

test('no file mentions a path of the place it was written at', async () => {
  // Written apart, so that this file does not mention them.
  const places = ['/wor', '/tmp/', '/root/', '/home/'].map((start, i) => start + ['k/', 's/', 'work', 'user'][i]);
  for (const path of tracked(/^(?!package-lock\.json)/)) {
    const text = await readFile(join(project, path), 'utf8');
    for (const place of places) assert.ok(!text.includes(place), `${path} mentions ${place}`);
  }
});

test('every dependency has one exact version', async () => {
  const { dependencies, devDependencies } = JSON.parse(await readFile(join(project, 'package.json'), 'utf8'));
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
    assert.match(String(version), /^\d+\.\d+\.\d+(-[\w.]+)?$/, name);
  }
});

test('the lock file has an entry for every optional package, also for platforms that are not this one', async () => {
  // npm leaves out what its registry did not serve, and `npm ci` then refuses the lock file.
  const lock: { packages: Record<string, { optionalDependencies?: object }> } = JSON.parse(
    await readFile(join(project, 'package-lock.json'), 'utf8'),
  );
  const locked = new Set(Object.keys(lock.packages).map((path) => path.split('node_modules/').at(-1)));
  for (const [path, { optionalDependencies = {} }] of Object.entries(lock.packages)) {
    for (const name of Object.keys(optionalDependencies)) assert.ok(locked.has(name), `${path} may need ${name}`);
  }
});

test('every link in the documents leads to a file', async () => {
  for (const path of tracked(/\.md$/)) {
    const text = (await readFile(join(project, path), 'utf8')).replaceAll(/```.*?```/gs, '');
    for (const [, target] of text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue;
      assert.ok(existsSync(join(project, dirname(path), target!)), `${path} links to ${target}`);
    }
  }
});

test('every page of the documents has one link in docs/README.md', async () => {
  const index = await readFile(join(project, 'docs/README.md'), 'utf8');
  for (const path of tracked(/^docs\/.*\.md$/)) {
    const name = path.slice('docs/'.length);
    const links = index.split(`](${name})`).length - 1;
    assert.equal(links, name === 'README.md' ? 0 : 1, `docs/README.md links ${links} times to ${name}`);
  }
});

/** The values that a module exports, by name; types may stand in signatures alone. */
function exportedValues(text: string): string[] {
  return [...text.matchAll(/^export (?:async )?(?:function\*?|const|let|class|abstract class) (\w+)/gm)].map(
    (m) => m[1]!,
  );
}

test('every value that src/ exports is used by another file', async () => {
  const words = new Map<string, Set<string>>();
  for (const path of tracked(/^(src|test|bench|scripts)\/.*\.(ts|mjs|cjs)$/))
    words.set(path, new Set((await readFile(join(project, path), 'utf8')).match(/\w+/g)));
  for (const path of tracked(/^src\/.*(?<!\.test)\.ts$/))
    for (const name of exportedValues(await readFile(join(project, path), 'utf8')))
      assert.ok(
        [...words].some(([other, has]) => other !== path && has.has(name)),
        `${path} exports ${name} for nobody`,
      );
});
