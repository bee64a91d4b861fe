import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openClient } from '../../src/client/client.ts';
import type { Difference, ObjectHistory, Rollback } from '../../src/model/history.ts';
import { heddle, startTestController } from '../cli/heddle.ts';

test('an object’s history, what is different since, and the way back, as people and programs read them', async () => {
  await using controller = await startTestController();
  const { env } = controller;
  const client = openClient(controller.address);
  await client.create('tenant', { name: 'acme' });
  const tenant = 'acme';
  await client.create('network', { name: 'web', labels: { tier: 'web' } }, { tenant });
  const good = (await client.create('network', { name: 'db' }, { tenant })).revision;
  await client.update('network', 'web', { mtuBytes: 1400, labels: { tier: 'old' } }, { tenant });
  await client.remove('network', 'db', { tenant });
  await client.create('network', { name: 'db' }, { tenant });

  const history = await heddle(['history', 'network', 'web'], env);
  assert.equal(history.code, 0, history.stderr);
  const [head, newest] = history.stdout.split('\n');
  assert.match(head!, /^REVISION +TIME +CHANGE +ID +FIELDS$/);
  assert.match(newest!, /^\d+ +20\d\d-\S+Z +update +\S+ +labels\.tier: web -> old; mtuBytes: 1400$/);
  const two = JSON.parse((await heddle(['history', 'network', 'db', '--json'], env)).stdout) as ObjectHistory;
  assert.deepEqual(
    two.items.map((i) => i.action),
    ['create', 'delete', 'create'],
  );
  assert.equal(new Set(two.items.map((i) => i.id)).size, 2);
  const unknown = await heddle(['history', 'network', 'never'], env);
  assert.deepEqual([unknown.code, /NOT_FOUND/.test(unknown.stderr)], [1, true]);
  assert.equal((await heddle(['history', 'net', 'web'], env)).code, 2);

  const diff = await heddle(['diff', '--since', good], env);
  assert.equal(
    diff.stdout,
    `- network acme/db
+ network acme/db
    vni: 3
~ network acme/web
    labels.tier: web -> old
    mtuBytes: 1400
`,
  );
  assert.equal((JSON.parse((await heddle(['diff', '--since', good, '--json'], env)).stdout) as Difference).total, 3);
  assert.equal((await heddle(['diff'], env)).code, 2);

  const plan = await heddle(['rollback', '--to', good, '--dry-run'], env);
  assert.equal(
    plan.stdout,
    `network acme/db would be created
network acme/db would be deleted
network acme/web would be updated: labels.tier, mtuBytes
1 created, 1 updated, 1 deleted; nothing was written
`,
  );
  assert.match(plan.stderr, /^to what was at revision \d+ of 20\d\d-\S+Z$/m);
  assert.equal((await client.get('network', 'web', { tenant })).mtuBytes, 1400);
  const done = await heddle(['rollback', '--to', good, '--wait', '--json'], env);
  assert.equal(done.code, 0, done.stderr);
  assert.equal((JSON.parse(done.stdout) as Rollback).changes.length, 3);
  assert.equal((await client.get('network', 'web', { tenant })).mtuBytes, undefined);
  const nobodys = await heddle(['rollback', '--to', good], { ...env, HEDDLE_TENANT: '' });
  assert.deepEqual([nobodys.code, /--tenant, or --installation/.test(nobodys.stderr)], [2, true]);
  const again = await heddle(['rollback', '--to', good, '--installation'], env);
  assert.match(again.stdout, /^nothing differs \(revision \d+\)$/m);
  const future = await heddle(['rollback', '--to', '999999'], env);
  assert.deepEqual([future.code, /REVISION_UNKNOWN/.test(future.stderr)], [1, true]);
});

test('writes are refused where somebody was faster, or the object is there', async () => {
  await using controller = await startTestController();
  const { env } = controller;
  const client = openClient(controller.address);
  await client.create('tenant', { name: 'acme' });
  const tenant = 'acme';
  const seen = (await client.create('network', { name: 'web' }, { tenant })).revision;
  await client.update('network', 'web', { mtuBytes: 1400 }, { tenant });
  for (const words of [
    ['network', 'update', 'web', '--mtu', '1300', '--if-revision', seen],
    ['network', 'delete', 'web', '--if-revision', seen],
  ]) {
    const refused = await heddle(words, env);
    assert.deepEqual([refused.code, /REVISION_CONFLICT/.test(refused.stderr)], [1, true], refused.stderr);
  }
  assert.equal((await heddle(['network', 'delete', 'web', 'db', '--if-revision', seen], env)).code, 2);
  const id = '0197b8a0-0000-7000-8000-000000000001';
  const create = ['port', 'create', 'p1', '--network', 'web', '--id', id];
  for (const [words, code] of [
    [[...create, '--if-absent'], 0],
    [create, 0],
    [[...create, '--if-absent'], 1],
  ] as const)
    assert.equal((await heddle(words, env)).code, code, words.join(' '));
  assert.equal((await client.get('network', 'web', { tenant })).mtuBytes, 1400);
  const now = (await client.get('port', 'p1', { tenant })).revision;
  assert.equal((await heddle(['port', 'delete', 'p1', '--if-revision', now], env)).code, 0);
});
