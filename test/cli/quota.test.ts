import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { heddle, startTestController, type TestController } from './heddle.ts';

let controller: TestController;
before(async () => {
  controller = await startTestController();
  await ok('tenant', 'create', 'acme');
});
after(() => controller[Symbol.asyncDispose]());

const run = (...words: string[]) => heddle(words, controller.env);
async function ok(...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...words);
  assert.equal(code, 0, `heddle ${words.join(' ')}: ${stderr}`);
  return stdout;
}

test('limits are set, shown beside use, and ended', async () => {
  await ok('network', 'create', 'web');
  const set = await ok('quota', 'set', 'networks=1', 'ports=10');
  assert.equal(await ok('quota', 'show'), set);
  assert.equal(await ok('quota'), set);
  assert.match(set, /^UNIT +USED +LIMIT\nnetworks +1 +1\nsubnets +0 +unlimited\nports +0 +10\n/);
  const more = await run('network', 'create', 'more');
  assert.equal(more.code, 1);
  assert.match(
    more.stderr,
    /^heddle: quota of tenant acme: 1 of 1 networks in use.*heddle quota set networks=<limit>.*\[QUOTA_EXCEEDED\]$/m,
  );
  const json = JSON.parse(await ok('quota', 'unset', 'networks', '--json'));
  assert.deepEqual([json.limits, json.used.networks], [{ ports: 10 }, 1]);
  await ok('network', 'create', 'more');
  const old = ['--if-revision', json.revision];
  await ok('quota', 'set', 'ports=11', ...old);
  for (const words of [
    ['set', 'ports=12'],
    ['unset', 'ports'],
  ]) {
    const late = await run('quota', ...words, ...old);
    assert.deepEqual([late.code, /\[REVISION_CONFLICT\]$/m.test(late.stderr)], [1, true], late.stderr);
  }
  assert.match(await ok('quota', 'show'), /^ports +0 +11$/m);
  assert.match(await ok('quota', 'set', 'ports=unlimited'), /^ports +0 +unlimited$/m);
});

test('what cannot be understood is a matter of usage, and changes nothing', async () => {
  const before = await ok('quota', 'show', '--json');
  for (const [words, text] of [
    [['set', 'hosts=1'], /no quota of hosts; there are networks, subnets, ports/],
    [['set', 'ports'], /write it as ports=100/],
    [['set', 'ports=many'], /many is no limit/],
    [['set', 'ports=-1'], /-1 is no limit/],
    [['set', 'ports=1', 'nets=2'], /no quota of nets/],
    [['set'], /limits/],
    [['unset', 'hosts'], /no quota of hosts/],
    [['unset'], /units/],
  ] as const) {
    const { code, stderr } = await run('quota', ...words);
    assert.equal(code, 2, words.join(' '));
    assert.match(stderr, text);
  }
  const nobody = await run('quota', 'show', '--tenant', 'nobody', '--json');
  assert.equal(nobody.code, 1);
  assert.equal(JSON.parse(nobody.stderr).code, 'NOT_FOUND');
  assert.equal(await ok('quota', 'show', '--json'), before);
});

test('a controller takes no quota or rate that is none', async () => {
  for (const words of [
    ['--tenant-quota', 'ports=x'],
    ['--tenant-quota', 'hosts=1'],
    ['--write-rate', '-1'],
  ]) {
    const { code, stderr } = await run('controller', '--socket', `${controller.folder}/other`, ...words);
    assert.equal(code, 2, stderr);
  }
});
