/** Logins as people type them: on a terminal, from a pipe, in the wrong way. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, type TestContext, test } from 'node:test';
import { pino } from 'pino';
import { shownAuthority } from '../../src/client/authority.ts';
import { type Controller, startController } from '../../src/controller/main.ts';
import { run } from '../../src/lab/run.ts';
import { type KeyedCertificate, makeAuthority } from '../../src/trust/authority-certificate.ts';
import { parseBundle, pinOf } from '../../src/trust/bundle.ts';
import { issueServer } from '../../src/trust/issue.ts';
import { heddle, launcher } from './heddle.ts';

let dir: string;
let controller: Controller;
let address: string;
let pin: string;
let token: string;
const config = () => join(dir, 'heddle', 'config.json');
const env = () => ({ XDG_CONFIG_HOME: dir });

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'heddle-cli-login-'));
  controller = await startController({
    ...{ db: join(dir, 'db'), listen: [{ tcp: '127.0.0.1:0' }] },
    ...{ log: pino({ level: 'silent' }), announce: () => undefined },
  });
  [address = ''] = controller.addresses;
  pin = pinOf(parseBundle(await shownAuthority(address))[0]!);
  token = (await readFile(join(dir, 'db.admin-token'), 'utf8')).trim();
});
after(async () => {
  await controller[Symbol.asyncDispose]();
  await rm(dir, { recursive: true });
});
beforeEach(() => rm(join(dir, 'heddle'), { recursive: true, force: true }));

/** A command with something on its standard input. */
async function fed(words: readonly string[], input: string) {
  const child = spawn(launcher, words, { env: { ...process.env, ...env() }, stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.end(input);
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (text) => {
    stdout += text;
  });
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  const [code] = await once(child, 'close');
  return { code, stdout, stderr };
}

/** The same on a terminal, where an answer is typed when its question is there; all that is shown. */
async function onTerminal(words: readonly string[], answers: readonly (readonly [question: RegExp, answer: string])[]) {
  const line = [launcher, ...words].map((word) => `'${word}'`).join(' ');
  const child = spawn('script', ['-qefc', line, '/dev/null'], {
    env: { ...process.env, ...env(), NO_COLOR: '1' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let shown = '';
  let next = 0;
  child.stdout.on('data', (text) => {
    shown += text;
    const [question, answer] = answers[next] ?? [];
    if (!question?.test(shown)) return;
    next++;
    child.stdin.write(answer!);
  });
  const [code] = await once(child, 'close');
  return { code, shown };
}

test('from a pipe: a token is read, and the next command asks there', async () => {
  const login = await fed(['login', address, '--pin', pin, '--token', '--context', 'prod'], `${token}\n`);
  assert.equal(login.code, 0, login.stderr);
  assert.match(login.stdout, /^logged in to https:\/\/127\.0\.0\.1:\d+ as admin; context prod is the current one$/m);
  const who = await heddle(['whoami'], env());
  assert.match(who.stdout, /^name: +admin\nis: +a user, by an API token\nroles: +admin in the installation$/m);
  const list = await heddle(['context', 'list'], env());
  assert.match(list.stdout, /^\* +prod +https:\/\/127\.0\.0\.1:\d+ +API token [0-9a-f]{16}$/m);
  const show = JSON.parse((await heddle(['context', 'show', '--json'], env())).stdout);
  assert.deepEqual([show.name, show.current, show.authorities[0].pin, show.login.by], ['prod', true, pin, 'token']);
  assert.ok(!`${list.stdout}${JSON.stringify(show)}`.includes(token));
  assert.match((await heddle(['tenant', 'list', '--context', 'prd'], env())).stderr, /no context prd, only prod/);
});

test('A29: on a terminal: the authority is shown and confirmed, the token is not shown', async () => {
  const { code, shown } = await onTerminal(
    ['login', address, '--token'],
    [
      [/Is it the same\? \[y\/N\] /, 'y\r'],
      [/API token: /, `${token}\r`],
    ],
  );
  assert.equal(code, 0, shown);
  assert.ok(shown.includes(pin));
  assert.match(shown, /logged in to .* as admin/);
  assert.ok(!shown.includes(token), shown);
  assert.ok((await readFile(config(), 'utf8')).includes(token));
});

test('on a terminal: whoever says no, or interrupts, has done nothing', async () => {
  const no = await onTerminal(['login', address, '--token'], [[/\[y\/N\] /, 'n\r']]);
  assert.equal(no.code, 2, no.shown);
  const interrupted = await onTerminal(['login', address, '--pin', pin, '--token'], [[/API token: /, '\u0003']]);
  assert.equal(interrupted.code, 130, interrupted.shown);
  await assert.rejects(readFile(config()), { code: 'ENOENT' });
});

/** Somebody between, who shows these authorities in their order, and what he is sent. */
async function between(t: TestContext, mallory: KeyedCertificate, shown: readonly string[]) {
  const sent: string[] = [];
  const { certificate, key } = await issueServer(mallory, [], new Date());
  const server = createServer({ cert: certificate, key }, ({ url, headers }, response) => {
    sent.push(`${url} ${headers.authorization ?? ''}`.trim());
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ ca: shown.join('') }));
  });
  server.listen({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  t.after(() => server.close());
  return { sent, address: `https://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

test('A29: on a terminal: of several authorities that are shown the first alone counts, and is shown', async (t) => {
  const mallory = await makeAuthority(new Date());
  const [right, its] = [await shownAuthority(address), pinOf(parseBundle(mallory.certificate)[0]!)];
  const first = await between(t, mallory, [right, mallory.certificate]);
  const answers = [
    [/\[y\/N\] /, 'y\r'],
    [/API token: /, `${token}\r`],
  ] as const;
  const believed = await onTerminal(['login', first.address, '--token'], answers);
  assert.equal(believed.code, 1, believed.shown);
  assert.match(believed.shown, /\[CA_MISMATCH\]/);
  assert.ok(!believed.shown.slice(0, believed.shown.indexOf('[y/N]')).includes(its), believed.shown);
  const last = await between(t, mallory, [mallory.certificate, right]);
  const doubted = await onTerminal(['login', last.address, '--token'], [[/\[y\/N\] /, 'n\r']]);
  assert.ok(doubted.shown.includes(its) && !doubted.shown.includes(pin), doubted.shown);
  assert.deepEqual([...new Set([...first.sent, ...last.sent])], ['/v1/ca']);
});

test('A29: a token on the command line is refused, and not repeated', async () => {
  for (const words of [
    ['login', address, '--token', token],
    ['login', address, `--token=${token}`],
    ['login', '--token', token],
    ['login', token, '--json'],
    ['context', 'use', 'prod', token],
  ]) {
    const { code, stdout, stderr } = await heddle(words, env());
    assert.equal(code, 2, stderr);
    assert.ok(!`${stdout}${stderr}`.includes(token), stderr);
  }
  await assert.rejects(readFile(config()), { code: 'ENOENT' });
});

test('without a terminal nobody is asked: what is missing is said', async () => {
  const unknown = await fed(['login', address, '--token'], `${token}\n`);
  assert.equal(unknown.code, 2);
  assert.ok(unknown.stderr.includes(pin));
  assert.match(unknown.stderr, /--pin <pin>.*\n +hint: "heddle ca status"/);
  const nothing = await fed(['login', address, '--pin', pin], '');
  assert.match(nothing.stderr, /this is no token.*\[USAGE\]/);
  assert.equal((await fed(['login'], '')).code, 2);
  assert.match((await fed(['login', address, '--pin', pin, '--oidc'], '')).stderr, /has no OpenID provider/);
});

test('contexts are added, used, shown, logged out and removed', async () => {
  await writeFile(join(dir, 'token'), token, { mode: 0o600 });
  const ok = async (...words: string[]) => {
    const { code, stdout, stderr } = await heddle(words, env());
    assert.equal(code, 0, `${words.join(' ')}: ${stderr}`);
    return stdout;
  };
  await ok('context', 'add', 'ci', '--address', address, '--pin', pin, '--token-file', join(dir, 'token'));
  await ok('context', 'add', 'here', '--address', 'unix:/nonexistent.sock', '--use');
  assert.match(await ok('context', 'list'), /^ +ci .*\n\* +here +unix:\/nonexistent\.sock/m);
  assert.equal(await ok('context', 'list', '--names'), 'ci\nhere\n');
  assert.equal((await heddle(['tenant', 'list'], env())).code, 3);
  assert.equal(JSON.parse(await ok('whoami', '--context', 'ci', '--json')).name, 'admin');
  await ok('context', 'use', 'ci');
  await ok('tenant', 'list');
  await ok('logout');
  const nobody = await heddle(['tenant', 'list', '--json'], env());
  assert.equal(JSON.parse(nobody.stderr).code, 'UNAUTHENTICATED');
  const byEnv = await heddle(['whoami'], { ...env(), HEDDLE_TOKEN: token });
  assert.equal(byEnv.code, 0, byEnv.stderr);
  await ok('context', 'remove', 'ci');
  assert.match(await ok('context', 'list'), /^ +here/m, 'none is current');
  for (const [words, text] of [
    [['context', 'use', 'ci'], /no context ci, only here/],
    [['context', 'remove', 'ci'], /no context ci/],
    [['context', 'show'], /no current context/],
    [['context', 'add', 'here', '--address', 'unix:/x'], /exists/],
    [['context', 'add', '../x', '--address', 'unix:/x'], /is no name/],
    [['context', 'add', 'x', '--address', 'http://x'], /no address of a controller/],
    [['context', 'add', 'x', '--address', address], /--ca or --pin/],
    [['logout'], /logged in anywhere/],
  ] as const)
    assert.match((await heddle(words, env())).stderr, text, words.join(' '));
});

test('the shell completes names of contexts', async () => {
  await heddle(['context', 'add', 'prod', '--address', 'unix:/x'], env());
  await heddle(['context', 'add', 'dev', '--address', 'unix:/y'], env());
  const script = `
    export XDG_CONFIG_HOME=${dir}
    source <(${launcher} completion bash)
    complete_() { COMP_WORDS=(${launcher} "$@"); COMP_CWORD=$#; COMPREPLY=(); _heddle; echo "\${COMPREPLY[*]}"; }
    complete_ context use p
    complete_ port list --context ""
    complete_ whoami --conte`;
  const { stdout, stderr } = await run(['bash', '-c', script]);
  assert.equal(stdout, 'prod\ndev prod\n--context\n', stderr);
});
