/** `heddle apply`, `diff -f`, `plan` and `export`, as people and pipelines use them. */
import assert from 'node:assert/strict';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { run } from '../../src/lab/run.ts';
import { heddle, launcher, startTestController } from './heddle.ts';

const base = `kind: tenant
name: acme
---
kind: network
tenant: acme
name: web
labels: { tier: web }
`;
const subnet = JSON.stringify({ kind: 'subnet', tenant: 'acme', name: 'v4', network: 'web', cidr: '10.0.0.0/24' });

test('a folder is applied, differs, is planned, pruned and given back', async () => {
  await using controller = await startTestController();
  const { HEDDLE_TENANT: _, ...env } = controller.env;
  const dir = join(controller.folder, 'net');
  await mkdir(join(dir, 'sub'), { recursive: true });
  await mkdir(join(dir, '.git'));
  await writeFile(join(dir, 'z.yaml'), base);
  await writeFile(join(dir, 'sub/a.json'), subnet);
  await writeFile(join(dir, '.git/x.yaml'), 'hidden: [');
  await writeFile(join(dir, 'notes.md'), 'no document: [');
  const ok = async (words: string[], code = 0) => {
    const ran = await heddle(words, env);
    assert.equal(ran.code, code, `${words.join(' ')}\n${ran.stdout}${ran.stderr}`);
    return ran.stdout;
  };
  const differs = await ok(['diff', '-f', dir, '--set', 'net'], 1);
  assert.match(differs, /^\+ network acme\/web\n {4}vni: 1\n {4}labels\.tier: web$/m);
  assert.match(await ok(['apply', '-f', dir, '--dry-run']), /^subnet acme\/v4 would be created$/m);
  assert.equal(
    await ok(['apply', '-f', dir, '--set', 'net', '--wait']),
    // The two before are the controller's authority and its first admin.
    ['tenant acme created', 'network acme/web created', 'subnet acme/v4 created', '3 created (revision 5)', ''].join(
      '\n',
    ),
  );
  assert.equal(await ok(['apply', '-f', dir, '--set', 'net']), '3 unchanged (revision 5)\n');
  assert.equal(await ok(['diff', '-f', dir, '--set', 'net']), '');
  assert.equal(await ok(['plan', '-f', dir, '--set', 'net']), 'nothing differs\n\nno host would change anything\n');
  await writeFile(join(dir, 'z.yaml'), base.replace('tier: web', 'tier: db'));
  assert.equal(await ok(['diff', '-f', dir, '--set', 'net'], 1), '~ network acme/web\n    labels.tier: web -> db\n');
  const json = JSON.parse(await ok(['diff', '-f', dir, '--set', 'net', '--json'], 1));
  assert.deepEqual(json.changes[0].fields, [{ field: 'labels.tier', before: 'web', after: 'db' }]);
  // One file alone, and what is missing is pruned.
  const pruned = await ok(['apply', '-f', join(dir, 'z.yaml'), '--set', 'net', '--prune']);
  assert.match(
    pruned,
    /^network acme\/web updated: labels\.tier\nsubnet acme\/v4 deleted\n1 updated, 1 deleted, 1 unchanged/m,
  );
  // Given back, in files and in a pipe.
  const files = (await ok(['export', '--out', join(dir, 'all')])).trim().split('\n');
  assert.deepEqual(files, [join(dir, 'all/grants.yaml'), join(dir, 'all/tenants/acme.yaml')]);
  assert.equal(await readFile(files[1]!, 'utf8'), await ok(['export', '--tenant', 'acme']));
  assert.equal(await ok(['diff', '-f', join(dir, 'all'), '--set', 'net']), '');
  await using other = await startTestController();
  const piped = await run(['sh', '-c', '"$0" export | "$0" apply --controller "$1" -f -', launcher, other.address], {
    env: { ...process.env, ...env },
  });
  assert.match(piped.stdout, /^2 created, 1 adopted \(revision/m, piped.stderr);
  const exported = await heddle(['export'], { ...env, HEDDLE_CONTROLLER: other.address });
  assert.equal(exported.stdout, await ok(['export']));
});

test('a refusal has file, line, field and what to do, and nothing was written', async () => {
  await using controller = await startTestController();
  const { env, folder } = controller;
  const file = join(folder, 'net.yaml');
  const empty = join(folder, 'empty');
  await mkdir(empty);
  const told = async (text: string, words: string[] = ['apply']) => {
    await writeFile(file, text);
    const { code, stdout, stderr } = await heddle([...words, '-f', file], env);
    assert.equal(stdout, '');
    assert.deepEqual(JSON.parse((await heddle(['tenant', 'list', '--json'], env)).stdout), { items: [] });
    return { code, text: stderr.replaceAll(folder, '') };
  };
  assert.deepEqual(await told(`${base}---\nkind: subnet\nname: v4\nnetwork: wbe\ncidr: 10.0.0.0/24\n`), {
    code: 1,
    text: 'heddle: these documents are refused, and nothing was written:\n  /net.yaml:11: subnet acme/v4: there is no network wbe: add a document for it, or name one that is there [NOT_FOUND] [DOCUMENTS_REFUSED]\n',
  });
  assert.equal((await told(`${base}mtuBytes: 9\n`, ['diff'])).code, 2);
  assert.match((await told(`${base}mtuBytes: 9\n`, ['plan'])).text, /\/net\.yaml:8: network acme\/web: mtuBytes: /);
  assert.match((await told(`${base}a: &x 1\nb: *x\n`)).text, /\/net\.yaml:9: aliases/);
  assert.match((await told('kind: nothing\nname: x\n')).text, /\/net\.yaml:1: nothing x: kind: /);
  for (const [words, problem] of [
    [['apply'], /required option '-f, --file <path>'/],
    [['apply', '-f', join(folder, 'none')], /-f .*none: ENOENT/],
    [['apply', '-f', empty], /there are no documents in/],
    [['diff'], /Give --since or -f/],
    [['diff', '-f', file, '--since', '1'], /Give --since or -f/],
    [['apply', '-f', file, '--prune'], /--prune needs --set/],
  ] as const) {
    const { code, stderr } = await heddle(words, env);
    assert.equal(code, 2, stderr);
    assert.match(stderr, problem);
  }
  await symlink(file, join(folder, 'link.yaml'));
  const json = await heddle(['apply', '-f', join(folder, 'link.yaml'), '--json'], env);
  assert.equal(JSON.parse(json.stderr).details.problems[0].field, 'kind');
});
