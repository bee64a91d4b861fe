import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pino } from 'pino';
import { startController } from '../../src/controller/main.ts';
import { Oidc } from '../../src/controller/oidc.ts';
import { project } from '../cli/heddle.ts';
import { openProvider } from '../login/provider.ts';
import { approve } from '../login/visitor.ts';

test('the commands of docs/guides/login.md work when pasted, and what shall be refused is', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'heddle-login-guide-'));
  t.after(() => rm(dir, { recursive: true }));
  await using provider = await openProvider({ claims: { groups: ['dev', 'ops'] } });
  const oidc = new Oidc({
    ...{ issuer: provider.issuer, clientId: 'heddle', scopes: ['openid', 'offline_access'], audiences: ['heddle'] },
    ...{ userClaim: 'sub', groupsClaim: 'groups', prefix: 'oidc:' },
  });
  const socket = join(dir, 'controller.sock');
  await using controller = await startController({
    ...{ db: join(dir, 'controller.db'), listen: [{ tcp: '127.0.0.1:0' }, { unix: socket }], oidc },
    ...{ log: pino({ level: 'silent' }), announce: () => undefined },
  });

  // What differs from the page: where things are on this machine.
  const places = {
    'https://192.0.2.1:7470': controller.addresses[0]!,
    '/run/heddle/controller.sock': socket,
    '/var/lib/heddle/controller.db.admin-token': join(dir, 'controller.db.admin-token'),
    'bob-token': join(dir, 'bob-token'),
    'ca.pem': join(dir, 'ca.pem'),
  };
  const page = readFileSync(join(project, 'docs/guides/login.md'), 'utf8');
  const commands = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map((block) => block[1]).join('\n');
  const script = Object.entries(places).reduce((text, [there, here]) => text.replaceAll(there, here), commands);

  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HEDDLE_')));
  const child = spawn('sh', ['-euxc', `cd ${project}\n${script}`], {
    env: { ...env, XDG_CONFIG_HOME: dir },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  const visits: Promise<void>[] = [];
  child.stdout.on('data', (text) => {
    stdout += text;
  });
  child.stderr.on('data', (text) => {
    stderr += text;
    const [, uri] = /^or go to (\S+)\n/m.exec(stderr) ?? [];
    if (uri && visits.length === 0) visits.push(approve(uri, 'alice'));
  });
  const [code] = await once(child, 'close');
  await Promise.all(visits);
  assert.equal(code, 0, `${stdout}\n${stderr}`);

  assert.match(stdout, /^name: +admin\nis: +a user, by an API token\nroles: +admin in the installation$/m);
  assert.match(
    stdout,
    /^name: +oidc:alice\nis: +a user, by a login\ngroups: +oidc:dev, oidc:ops\nroles: +viewer in acme$/m,
  );
  assert.match(stdout, /^name: +bob\nis: +a user, by an API token\nroles: +tenant-editor in acme$/m);
  const codes = [...stderr.matchAll(/^heddle: .*\[([A-Z_]+)\]$/gm)].map((m) => m[1]);
  assert.deepEqual(codes, ['FORBIDDEN', 'NOT_FOUND', 'UNAUTHENTICATED'], stderr);
});
