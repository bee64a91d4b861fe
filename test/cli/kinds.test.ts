import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, test } from 'node:test';
import { exitCodes } from '../../src/cli/exit.ts';
import { heddle, launcher, startTestController, type TestController } from './heddle.ts';

let controller: TestController;
before(async () => {
  controller = await startTestController();
  await ok(['tenant', 'create', 'acme']);
});
after(() => controller[Symbol.asyncDispose]());

/** Runs a command that must succeed; its standard output. */
async function ok(words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await heddle(words, controller.env);
  assert.equal(code, 0, `heddle ${words.join(' ')}: ${stderr}`);
  return stdout;
}
const json = async (...words: string[]) => JSON.parse(await ok([...words, '--json']));

test('a network, its subnets and a port are made, shown, changed and deleted', async () => {
  const network = await json('network', 'create', 'web', '--mtu', '1400', '--label', 'tier=web', '--label', 'x=1');
  assert.deepEqual([network.name, network.mtuBytes, network.labels], ['web', 1400, { tier: 'web', x: '1' }]);
  await ok(['subnet', 'create', 'web4', '--network', 'web', '--cidr', '10.0.0.0/24', '--pool', '10.0.0.50-10.0.0.60']);
  const port = await json('port', 'create', 'p1', '--network', 'web', '--wait', '5');
  assert.deepEqual(port.addresses, ['10.0.0.50']);
  const fixed = await json('port', 'create', 'p2', '--network', 'web', '--address', '10.0.0.7');
  assert.deepEqual(fixed.addresses, ['10.0.0.7']);

  const changed = await json('network', 'update', 'web', '--mtu', 'none', '--label', 'x=2', '--unlabel', 'tier');
  assert.deepEqual([changed.mtuBytes, changed.labels], [undefined, { x: '2' }]);

  const shown = await ok(['port', 'show', 'p1']);
  assert.match(shown, /^network: +web$/m, 'an id is shown as its name');
  const list = await ok(['port', 'list', '--network', 'web']);
  assert.match(list, /^NAME +NETWORK +MAC/);
  assert.deepEqual(
    list
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((line) => line.split(/ +/).slice(0, 2)),
    [
      ['p1', 'web'],
      ['p2', 'web'],
    ],
  );
  assert.equal((await json('port', 'list', '--limit', '1')).items.length, 1);

  assert.equal(await ok(['port', 'delete', 'p1', 'p2']), 'port p1 deleted\nport p2 deleted\n');
  await ok(['subnet', 'delete', 'web4']);
  await ok(['network', 'delete', 'web']);
});

test('a lease is made, shown as ranges, and goes with a host that is gone', async () => {
  await ok(['host', 'create', 'h1', '--vtep', '198.18.0.1']);
  await ok(['network', 'create', 'leased', '--source-nat', '--publish-from', '10.0.0.0/8']);
  await ok(['subnet', 'create', 'leased4', '--network', 'leased', '--cidr', '10.0.7.0/24']);
  const lease = await json('lease', 'create', '--network', 'leased', '--host', 'h1', '--size', '4');
  assert.deepEqual([lease.name, lease.addresses.length], ['leased-h1', 4]);
  assert.match(await ok(['lease', 'list']), /^leased-h1 +leased +h1 +4 +10\.0\.7\.2-10\.0\.7\.5 /m);
  const update = ['lease', 'update', 'leased-h1', '--size', '0', '--address', '10.0.7.3'];
  assert.deepEqual((await json(...update)).addresses, ['10.0.7.3']);
  assert.deepEqual((await json('lease', 'update', 'leased-h1', '--address', 'none')).addresses, []);
  const published = await json('port', 'create', 'p9', '--network', 'leased', '--host', 'h1', '--publish', '8080:80');
  assert.deepEqual(published.publish, [{ protocol: 'tcp', port: 80, hostPort: 8080 }]);
  assert.match(await ok(['port', 'show', 'p9']), /^publish: +8080:80\/tcp$/m);
  const kept = await heddle(['host', 'delete', 'h1'], controller.env);
  assert.equal(kept.code, 1);
  assert.match(kept.stderr, /heddle host delete h1 --gone/);
  assert.equal(await ok(['host', 'delete', 'h1', '--gone']), 'host h1 deleted\n');
  assert.equal((await json('port', 'show', 'p9')).host, undefined);
  for (const words of [
    ['port', 'delete', 'p9'],
    ['subnet', 'delete', 'leased4'],
    ['network', 'delete', 'leased'],
  ])
    await ok(words);
});

test('a router is made of subnets and routes, shown by their names, and changed', async () => {
  for (const [name, cidr] of [
    ['ra', '10.0.21.0/24'],
    ['rb', '10.0.22.0/24'],
  ] as const) {
    await ok(['network', 'create', name]);
    await ok(['subnet', 'create', `${name}4`, '--network', name, '--cidr', cidr]);
  }
  const words = ['--subnet', 'ra4', '--subnet', 'rb4', '--route', '10.9.0.0/16=10.0.21.5'];
  const router = await json('router', 'create', 'r1', ...words, '--route', '192.0.2.0/24=blackhole');
  assert.deepEqual(router.routes, [{ destination: '10.9.0.0/16', via: '10.0.21.5' }, { destination: '192.0.2.0/24' }]);
  assert.match(await ok(['router', 'list']), /^r1 +ra4, rb4 +\d+ /m);
  const shown = await ok(['router', 'show', 'r1']);
  assert.match(shown, /^subnets: +ra4, rb4$/m);
  assert.match(shown, /^routes: +10\.9\.0\.0\/16=10\.0\.21\.5, 192\.0\.2\.0\/24=blackhole$/m);
  const kept = await heddle(['subnet', 'delete', 'rb4'], controller.env);
  assert.match(kept.stderr, /take it out of router r1/);
  const changed = await json('router', 'update', 'r1', '--subnet', 'ra4', '--route', 'none');
  assert.deepEqual([changed.subnets.length, changed.routes], [1, []]);
  await ok(['router', 'delete', 'r1']);
  await ok(['subnet', 'delete', 'ra4', 'rb4']);
  await ok(['network', 'delete', 'ra', 'rb']);
});

test('delete takes all or, if one does not exist, none; and says what went before a refusal', async () => {
  await ok(['network', 'create', 'del']);
  await ok(['subnet', 'create', 'del4', '--network', 'del', '--cidr', '10.0.9.0/24']);
  for (const name of ['a', 'b']) await ok(['port', 'create', name, '--network', 'del']);
  const missing = await heddle(['port', 'delete', 'a', 'nosuch', 'b'], controller.env);
  assert.deepEqual([missing.code, missing.stdout], [1, '']);
  assert.match(missing.stderr, /there is no port nosuch/);
  assert.equal((await json('port', 'list', '--network', 'del')).items.length, 2, 'nothing was deleted');

  await ok(['network', 'create', 'empty']);
  const refused = await heddle(['network', 'delete', 'empty', 'del', '--json'], controller.env);
  assert.equal(refused.code, 1);
  assert.deepEqual(JSON.parse(refused.stdout), { deleted: ['empty'] });
  assert.equal(JSON.parse(refused.stderr).code, 'IN_USE');
  assert.deepEqual(await json('port', 'delete', 'a', 'a', 'b'), { deleted: ['a', 'b'] });
  await ok(['subnet', 'delete', 'del4']);
  await ok(['network', 'delete', 'del']);
});

test('a refusal is one line with its code and a hint on standard error, exit code 1', async () => {
  const { code, stdout, stderr } = await heddle(['tenant', 'create', 'acme'], controller.env);
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(stderr, /^heddle: a tenant named acme exists \[NAME_TAKEN\]\n {2}hint: .+\n$/);
});

test('with --json a refusal is the problem object', async () => {
  const { code, stderr } = await heddle(['network', 'show', 'nothing', '--json'], controller.env);
  assert.equal(code, 1);
  const problem = JSON.parse(stderr);
  assert.deepEqual([problem.code, problem.status, problem.details.name], ['NOT_FOUND', 404, 'nothing']);
});

test('a command line that cannot be understood exits with 2 and says what is wrong', async () => {
  for (const [words, expected] of [
    [['network', 'crate'], /unknown command 'crate'.*create.*\[USAGE\]/],
    [['network', 'create'], /missing required argument 'name'/],
    [['subnet', 'create', 'x', '--network', 'web'], /--cidr/],
    [['network', 'create', 'x', '--vni', 'many'], /--vni many: not a whole number/],
    [['network', 'update', 'x'], /nothing to change/],
    [['detach'], /a port or --netns/],
    [['completion', 'tcsh'], /no completion for tcsh/],
  ] as const) {
    const { code, stderr } = await heddle(words, controller.env);
    assert.equal(code, 2, words.join(' '));
    assert.match(stderr, expected);
  }
  const { code, stderr } = await heddle(['network', 'list'], { HEDDLE_CONTROLLER: controller.address });
  assert.equal(code, 2);
  assert.match(stderr, /which tenant\?/);
});

test('a group without a command shows its help on standard error and nothing else, exit code 2', async () => {
  for (const words of [[], ['tenant'], ['lab', 'workload']]) {
    const { code, stdout, stderr } = await heddle(words);
    assert.deepEqual([code, stdout], [2, '']);
    assert.ok(stderr.startsWith(`Usage: ${['heddle', ...words].join(' ')} `), stderr);
    assert.ok(!stderr.includes('outputHelp') && !stderr.includes('[USAGE]'), stderr);
  }
});

test('the help of heddle itself has every exit code, in the words of the reference', async () => {
  const help = await ok(['--help']);
  for (const [code, text] of Object.entries(exitCodes)) assert.ok(help.includes(`  ${code.padEnd(4)} ${text}\n`), text);
});

test('no answer exits with 3 and names the address', async () => {
  const { code, stderr } = await heddle(['host', 'list', '--controller', 'unix:/nonexistent/x.sock']);
  assert.equal(code, 3);
  assert.match(stderr, /no answer from the controller at unix:\/nonexistent\/x.sock.*\[CONTROLLER_UNREACHABLE\]/);
  const agent = await heddle(['attach', 'list', '--agent', '/nonexistent/a.sock']);
  assert.equal(agent.code, 3);
  assert.match(agent.stderr, /\[AGENT_UNREACHABLE\]/);
});

test('text that is no terminal gets no colours, and a reader that stops early is no error', async () => {
  assert.ok(!(await ok(['tenant', 'list'])).includes('\u001b'));
  const child = spawn(launcher, ['completion', 'bash'], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdout.destroy();
  const code = await new Promise((done) => child.once('close', done));
  assert.deepEqual([code, stderr], [0, '']);
});

test('list --watch shows what is there, then each change, as one JSON object a line', async () => {
  const child = spawn(launcher, ['network', 'list', '--watch', '--json'], {
    env: { ...process.env, ...controller.env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((done) => child.once('close', done));
  try {
    await ok(['network', 'create', 'seen']);
    const lines = child.stdout.setEncoding('utf8').iterator({ destroyOnReturn: false });
    let text = '';
    while (text.split('\n').length < 2) text += (await lines.next()).value;
    const first = JSON.parse(text.split('\n')[0]!);
    assert.deepEqual([first.type, first.object.name], ['put', 'seen']);
    await ok(['network', 'delete', 'seen']);
    while (text.split('\n').length < 3) text += (await lines.next()).value;
    const second = JSON.parse(text.split('\n')[1]!);
    assert.deepEqual([second.type, second.object.name], ['delete', 'seen']);
  } finally {
    child.kill('SIGTERM');
  }
  assert.equal(await ended, 0, 'a signal ends a watch, and that is fine');
});
