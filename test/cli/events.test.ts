/** heddle events and heddle status against a controller alone. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { heddle, startTestController, type TestController } from './heddle.ts';

let controller: TestController;
before(async () => {
  controller = await startTestController();
  await ok('tenant', 'create', 'acme');
  await ok('tenant', 'create', 'globex');
  await ok('network', 'create', 'web', '--tenant', 'acme');
  await ok('network', 'create', 'web', '--tenant', 'globex');
  await ok('host', 'create', 'h1', '--vtep', '198.18.0.1');
});
after(() => controller[Symbol.asyncDispose]());

async function ok(...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await heddle(words, controller.env);
  assert.equal(code, 0, `heddle ${words.join(' ')}: ${stderr}`);
  return stdout;
}
/** The last two columns of each line. */
const told = (table: string) =>
  table
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => line.split(/ {2,}/).slice(1, 3).join(' '));

test('without a kind events are of everything, whatever tenant the environment names; with one, of that tenant', async () => {
  assert.match(controller.env.HEDDLE_TENANT ?? '', /^acme$/);
  const all = [
    'created grant admin',
    'created tenant acme',
    'created tenant globex',
    'created network acme/web',
    'created network globex/web',
  ];
  assert.deepEqual(told(await ok('events')), [...all, 'created host h1']);
  assert.deepEqual(told(await ok('events', 'network', 'web')), ['created network acme/web']);
  assert.deepEqual(told(await ok('events', '--tenant', 'globex')), [
    'created tenant globex',
    'created network globex/web',
  ]);
  assert.deepEqual(told(await ok('events', 'host', '--since', '1h')), ['created host h1']);
  assert.deepEqual(JSON.parse(await ok('events', '--type', 'deleted', '--json')), { items: [] });
});

test('the latest are shown, and how many there are before', async () => {
  const { stdout, stderr } = await heddle(['events', '--limit', '1'], controller.env);
  assert.deepEqual(told(stdout), ['created host h1']);
  assert.equal(stderr, '5 earlier events: --limit 6 shows all\n');
});

test('what is no kind, no time or no object is refused', async () => {
  for (const [words, code, why] of [
    [['planet'], 2, /planet is no kind: one of tenant, network/],
    [['--since', 'yesterday'], 1, /since: must be a time as .*, or how long ago, as 90m/],
    [['port', 'nosuch'], 1, /there is no port nosuch/],
    [['--type', 'exploded'], 1, /type: must be one of created/],
  ] as const) {
    const answer = await heddle(['events', ...words], controller.env);
    assert.equal(answer.code, code, words.join(' '));
    assert.match(answer.stderr, why);
  }
});

test('status names a host that is away, says what to do, and ends with 1; without an agent it says nothing of one', async () => {
  const env = { ...controller.env };
  delete env.HEDDLE_AGENT;
  const { code, stdout } = await heddle(['status'], env);
  assert.equal(code, 1);
  assert.match(stdout, /^controller +ok +unix:\S+, version \d+\.\d+\.\d+, revision \d+$/m);
  assert.match(stdout, /^hosts +no +0 of 1 online; not: h1$/m);
  assert.match(stdout, /^error +host h1: not connected; 0 ports are there\n +on h1: .*heddle host delete h1 --gone$/m);
  assert.equal(/^agent/m.test(stdout), existsSync('/run/heddle/agent.sock'), 'of one that is where it would be');
  const away = await heddle(['status'], { ...env, HEDDLE_AGENT: '/nonexistent/agent.sock' });
  assert.equal(away.code, 3, 'one that is named is to answer');
  assert.match(away.stdout, /^agent +no /m);
});
