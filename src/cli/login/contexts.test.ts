import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, lstat, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '../../model/errors.ts';
import { type Context, changeContexts, contextOf, contextsFile, readContexts, withContext } from './contexts.ts';

async function place(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'heddle-contexts-'));
  t.after(() => rm(dir, { recursive: true }));
  return join(dir, 'config', 'heddle', 'config.json');
}
const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);
const one: Context = { address: 'https://192.0.2.1:7470', ca: 'PEM', token: 'hdt_secret' };
const put = (file: string, name: string, context: Context = one) =>
  changeContexts(file, (before) => withContext(before, name, context));

test('the file is where XDG says, and where no relative path leads', () => {
  assert.equal(contextsFile({ XDG_CONFIG_HOME: '/x', HOME: '/h' }), '/x/heddle/config.json');
  for (const xdg of ['', 'relative', './x', undefined])
    assert.equal(contextsFile({ XDG_CONFIG_HOME: xdg, HOME: '/h' }), '/h/.config/heddle/config.json');
});

test('nothing is there, then what was put, for its owner alone, with whatever umask', async (t) => {
  const file = await place(t);
  assert.equal(readContexts(file).contexts.size, 0);
  const umask = process.umask(0);
  t.after(() => process.umask(umask));
  await changeContexts(file, (before) => ({ ...withContext(before, 'prod', one), current: 'prod' }));
  assert.deepEqual(contextOf(readContexts(file), 'prod'), one);
  assert.equal(readContexts(file).current, 'prod');
  assert.equal(await modeOf(file), '600');
  assert.equal(await modeOf(join(file, '..')), '700');
  assert.throws(() => contextOf(readContexts(file), 'prd'), /no context prd, only prod/);
  assert.throws(
    () => contextOf(readContexts(file), 'constructor'),
    (e) => hasCode(e, 'CONTEXT_UNKNOWN'),
  );
});

test('a killed process leaves nothing that is in the way, nor a mode of its own', async (t) => {
  const file = await place(t);
  await put(file, 'a');
  await writeFile(`${file}.new`, 'half', { mode: 0o666 });
  await chmod(`${file}.new`, 0o666);
  await put(file, 'b');
  assert.deepEqual([...readContexts(file).contexts.keys()], ['a', 'b']);
  assert.equal(await modeOf(file), '600');
  assert.deepEqual((await readdir(join(file, '..'))).sort(), ['config.json', 'config.json.lock']);
});

test('a symbolic link stays one', async (t) => {
  const file = await place(t);
  await put(file, 'a');
  const link = join(file, '..', 'link.json');
  await symlink(file, link);
  await put(link, 'b');
  assert.ok((await lstat(link)).isSymbolicLink());
  assert.equal(readContexts(file).contexts.size, 2);
});

test('what is not changed is not written, and a change that fails changes nothing', async (t) => {
  const file = await place(t);
  await put(file, 'a');
  const before = await stat(file);
  await changeContexts(file, (contexts) => contexts);
  await assert.rejects(
    changeContexts(file, () => Promise.reject(new Error('no'))),
    /no/,
  );
  assert.equal((await stat(file)).ino, before.ino);
  await put(file, 'b');
  assert.notEqual((await stat(file)).ino, before.ino, 'a write is a new file');
});

test('what others can read is refused until it is mended', async (t) => {
  const file = await place(t);
  await put(file, 'a');
  for (const mode of [0o644, 0o660, 0o602]) {
    await chmod(file, mode);
    assert.throws(() => readContexts(file), /config\.json: it has secrets.*chmod 600/);
    await assert.rejects(put(file, 'b'), (e) => hasCode(e, 'CONTEXTS_UNREADABLE'));
  }
  await chmod(file, 0o600);
  assert.equal(readContexts(file).contexts.size, 1);
});

test('a damaged file is said to be so, by name, without its secrets, and stays as it is', async (t) => {
  const file = await place(t);
  await put(file, 'a');
  const good = await readFile(file, 'utf8');
  for (const text of [
    '',
    good.slice(0, -20),
    good.replace('"token": "hdt_secret"', '"token": hdt_secret'),
    good.replace('"hdt_secret"', '["hdt_secret"]'),
    '[]',
    'null',
    '{"contexts":[]}',
    '{"contexts":{"../x":{"address":"a"}}}',
    '{"contexts":{"__proto__":{"address":"a"}}}',
    '{"contexts":{"a":{}}}',
    '{"contexts":{"a":null}}',
    '{"contexts":{"a":{"address":"x","oidc":{"issuer":"i"}}}}',
    '{"current":7,"contexts":{}}',
  ]) {
    await writeFile(file, text);
    for (const deed of [async () => readContexts(file), () => put(file, 'b')])
      await assert.rejects(deed(), (e: Error) => {
        assert.ok(hasCode(e, 'CONTEXTS_UNREADABLE'), `${text}: ${e}`);
        assert.ok(e.message.includes(file));
        assert.doesNotMatch(e.message, /hdt/);
        return true;
      });
    assert.equal(await readFile(file, 'utf8'), text);
  }
});

test('whatever was written is read again, and is cut short nowhere without a word', async (t) => {
  const file = await place(t);
  const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,9}$/);
  const text = fc.string({ unit: 'grapheme', maxLength: 20 });
  const context = fc.record(
    { address: text, ca: text, token: text },
    { requiredKeys: ['address'], noNullPrototype: true },
  );
  await fc.assert(
    fc.asyncProperty(fc.dictionary(name, context, { maxKeys: 4 }), fc.nat(), async (contexts, cut) => {
      const all = new Map(Object.entries(contexts)) as ReadonlyMap<string, Context>;
      await changeContexts(file, () => ({ contexts: all }));
      assert.deepEqual(readContexts(file), { contexts: all });
      const whole = await readFile(file, 'utf8');
      const half = whole.trimEnd().slice(0, cut % whole.trimEnd().length);
      await writeFile(file, half);
      assert.throws(
        () => readContexts(file),
        (e) => hasCode(e, 'CONTEXTS_UNREADABLE'),
      );
      await rm(file);
    }),
    { numRuns: 50 },
  );
});

test('several processes that change it at once lose nothing of each other', async (t) => {
  const file = await place(t);
  const source = `const { changeContexts, withContext } = await import(${JSON.stringify(new URL('./contexts.ts', import.meta.url).href)});
    for (let i = 0; i < 10; i++)
      await changeContexts(process.argv[1], (c) => withContext(c, 'p' + process.argv[2] + '-' + i, { address: 'a' }));`;
  const ended = await Promise.all(
    ['1', '2', '3', '4'].map((n) =>
      once(
        spawn(
          process.execPath,
          ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', source, file, n],
          {
            stdio: 'inherit',
          },
        ),
        'exit',
      ),
    ),
  );
  assert.deepEqual(
    ended,
    Array.from({ length: 4 }, () => [0, null]),
  );
  assert.equal(readContexts(file).contexts.size, 40);
});

test('who was killed holds up nobody', async (t) => {
  const file = await place(t);
  await put(file, 'a');
  const source = `const { changeContexts } = await import(${JSON.stringify(new URL('./contexts.ts', import.meta.url).href)});
    await changeContexts(process.argv[1], () => { console.log('has it'); setInterval(() => {}, 1000); return new Promise(() => {}); });`;
  const holder = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', source, file],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  t.after(() => holder.kill('SIGKILL'));
  await once(holder.stdout, 'data');
  let done = false;
  const change = put(file, 'b').then(() => {
    done = true;
  });
  assert.equal(readContexts(file).contexts.size, 1, 'who reads waits for nobody');
  assert.equal(done, false);
  holder.kill('SIGKILL');
  await change;
  assert.deepEqual([...readContexts(file).contexts.keys()], ['a', 'b']);
});
