import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { count } from './result.ts';
import { runFile } from './run-file.ts';
import { runFiles } from './run-files.ts';

let dir: string;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'heddle-run-file-'));
});
after(() => rm(dir, { recursive: true }));

/** A test file with this body; its name. */
async function file(body: string): Promise<string> {
  const path = join(dir, `${Math.random().toString(36).slice(2)}.test.ts`);
  await writeFile(path, `import { after, describe, test } from 'node:test';\n${body}\n`);
  return path;
}
const options = { timeoutMs: 60_000 };

test('tests count, the suites around them do not', async () => {
  const result = await runFile(
    await file(`describe('a', () => { test('b', () => {}); test('c', () => {}); });`),
    options,
  );
  assert.deepEqual(count([result]), { passed: 2, failed: 0, skipped: 0 });
});

test('a failure is named with its suites and shown with its error', async () => {
  const result = await runFile(
    await file(`describe('a', () => { test('b', () => { throw new Error('broken thread'); }); });`),
    options,
  );
  assert.deepEqual(count([result]), { passed: 0, failed: 1, skipped: 0 });
  assert.equal(result.failures[0]?.name, 'a › b');
  assert.match(result.failures[0].error, /broken thread/);
});

test('a failing hook fails the file, though every test in it passed', async () => {
  const result = await runFile(
    await file(`describe('a', () => { after(() => { throw new Error('x'); }); test('b', () => {}); });`),
    options,
  );
  assert.equal(count([result]).failed, 1);
});

test('skipped and to-do tests are counted and named', async () => {
  const result = await runFile(await file(`test('a', { skip: 'no tun' }, () => {}); test.todo('b');`), options);
  assert.deepEqual(count([result]), { passed: 0, failed: 0, skipped: 2 });
  assert.deepEqual(result.skipped, ['a (no tun)', 'b']);
});

test('a file that hangs is killed, with what it started, and has failed', async () => {
  const hanging = `
    import { spawn } from 'node:child_process';
    const child = spawn('sleep', ['1000'], { stdio: 'inherit' });
    console.log('child', child.pid);
    process.on('SIGTERM', () => {});
    test('a', () => new Promise(() => setInterval(() => {}, 1000)));`;
  const result = await runFile(await file(hanging), { timeoutMs: 1000 });
  assert.equal(count([result]).failed, 1);
  assert.match(result.failures[0]?.error ?? '', /killed after 1 s/);
  const pid = Number(/child (\d+)/.exec(result.output)?.[1]);
  assert.ok(pid > 0);
  await gone(pid);
});

/** Resolves when the process is gone or a zombie; the test's own time limit ends the wait. */
async function gone(pid: number): Promise<void> {
  for (;;) {
    const state = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => 'gone');
    if (state === 'gone' || / [ZX] /.test(state)) return;
    await new Promise((next) => setImmediate(next));
  }
}

test('a file that ends early, does not load, or contains no test has failed', async () => {
  const bodies = [`process.exit(3);`, `import './missing.ts';`, ``];
  for (const body of bodies) {
    const result = await runFile(await file(body), options);
    assert.equal(count([result]).failed, 1, body);
  }
});

test('no more files run at once than allowed, and all of them run', async () => {
  const files = await Promise.all(Array.from({ length: 5 }, () => file(`test('a', () => {});`)));
  const results = await Array.fromAsync(runFiles(files, { ...options, concurrency: 2 }));
  assert.deepEqual(results.map((r) => r.file).sort(), files.sort());
  assert.deepEqual(count(results), { passed: 5, failed: 0, skipped: 0 });
});

test('an abort stops the running file and starts no other', async () => {
  const stop = new AbortController();
  const files = [
    await file(`test('a', () => new Promise(() => setInterval(() => {}, 1000)));`),
    await file(`test('b', () => {});`),
  ];
  setImmediate(() => stop.abort());
  const results = await Array.fromAsync(runFiles(files, { ...options, concurrency: 1, signal: stop.signal }));
  assert.deepEqual(
    results.map((r) => r.file),
    files.slice(0, 1),
  );
  assert.equal(count(results).failed, 1);
});
