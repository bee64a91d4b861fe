/** Logins at a controller in this process, by TLS, with a real provider. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { after, before, beforeEach, describe, it } from 'node:test';
import { pino } from 'pino';
import { openProvider, type TestProvider } from '../../../test/login/provider.ts';
import { approve } from '../../../test/login/visitor.ts';
import { shownAuthority } from '../../client/authority.ts';
import { type Client, openClient } from '../../client/client.ts';
import { type Controller, startController } from '../../controller/main.ts';
import { Oidc } from '../../controller/oidc.ts';
import { type Code, hasCode } from '../../model/errors.ts';
import { makeAuthority } from '../../trust/authority-certificate.ts';
import { parseBundle, pinOf } from '../../trust/bundle.ts';
import { reportError } from '../exit.ts';
import { changeContexts, contextOf, readContexts, withContext } from './contexts.ts';
import { controllerOf } from './controller-of.ts';
import { type LogIn, logIn } from './log-in.ts';
import { logOut } from './log-out.ts';

let dir: string;
let provider: TestProvider;
let controller: Controller;
let address: string;
/** Root's, by the unix socket. */
let root: Client;
let pin: string;
let adminToken: string;
let logged = '';
let said = '';
const visits: Promise<void>[] = [];

/** Where alice reads what is said to her, and goes where it says. */
const io = {
  out: (text: string) => {
    said += text;
  },
  err(text: string) {
    said += text;
    const uri = /^or go to (\S+)$/m.exec(text)?.[1];
    if (uri) visits.push(approve(uri, 'alice'));
  },
  colour: false,
  signal: new AbortController().signal,
};

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'heddle-log-in-'));
  provider = await openProvider({ claims: { groups: ['dev'] } });
  const oidc = new Oidc({
    ...{ issuer: provider.issuer, clientId: 'heddle', scopes: ['openid', 'offline_access'], audiences: ['heddle'] },
    ...{ userClaim: 'sub', groupsClaim: 'groups', prefix: 'oidc:' },
  });
  const keep = new Writable({
    write(chunk, _encoding, done) {
      logged += chunk;
      done();
    },
  });
  controller = await startController({
    ...{ db: join(dir, 'db'), listen: [{ tcp: '127.0.0.1:0' }, { unix: join(dir, 'sock') }], oidc },
    ...{ log: pino({ level: 'trace' }, keep), announce: () => undefined },
  });
  [address = ''] = controller.addresses;
  root = openClient(controller.addresses[1]!);
  pin = pinOf(parseBundle(await shownAuthority(address))[0]!);
  adminToken = (await readFile(join(dir, 'db.admin-token'), 'utf8')).trim();
});
after(async () => {
  await Promise.all(visits);
  await controller[Symbol.asyncDispose]();
  await provider[Symbol.asyncDispose]();
  await rm(dir, { recursive: true });
});

const env = () => ({ XDG_CONFIG_HOME: dir });
const file = () => join(dir, 'heddle', 'config.json');
const kept = () => readContexts(file());
const enter = (how: LogIn, where: string | undefined = address) => logIn(io, file(), where, how);
/** As a command would ask. */
const ask = (context: string): Client => {
  const found = controllerOf({ context }, env(), '/nonexistent');
  return openClient(found.address, found.credentials);
};
const tokenFile = async (text: string) => {
  await writeFile(join(dir, 'token'), `${text}\n`, { mode: 0o600 });
  return join(dir, 'token');
};
beforeEach(async () => {
  await changeContexts(file(), () => ({ contexts: new Map() }));
  said = '';
});
/** Refused, with nothing kept, and nothing secret in the text. */
async function refused(deed: Promise<unknown>, code: Code, text: RegExp): Promise<void> {
  await assert.rejects(deed, (e: Error) => {
    assert.ok(hasCode(e, code), String(e));
    assert.match(e.message, text);
    assert.doesNotMatch(e.message, /hdt_\w/);
    return true;
  });
  assert.equal(kept().contexts.size, 0);
}

describe('A29: with an API token', () => {
  it('somebody is who it says, and the next command asks there', async () => {
    const done = await enter({ pin, tokenFile: await tokenFile(adminToken) });
    assert.deepEqual([done.context, done.address, done.you.name], ['127.0.0.1', address, 'admin']);
    assert.deepEqual(done.you.roles, [{ role: 'admin' }]);
    assert.equal(kept().current, '127.0.0.1');
    assert.equal(((await stat(file())).mode & 0o777).toString(8), '600');
    assert.equal((await ask('127.0.0.1').whoami()).via, 'token');
    const next = controllerOf({}, env(), '/nonexistent');
    assert.equal((await openClient(next.address, next.credentials).whoami()).name, 'admin');
    assert.ok(!said.includes(adminToken));
  });

  it('the authority is known from then on, and a context may have another name', async () => {
    const how = { tokenFile: await tokenFile(adminToken) };
    await enter({ pin, ...how, context: 'prod' });
    assert.equal((await enter(how)).context, 'prod', 'that of the address');
    assert.equal((await enter({ ...how, context: 'prod' }, undefined)).address, address);
    assert.equal((await enter({ ...how, context: 'other' })).context, 'other');
    assert.deepEqual([...kept().contexts.keys()], ['prod', 'other']);
    assert.equal(kept().current, 'other');
  });

  it('nobody is kept whose token does not count', async () => {
    for (const token of [`${adminToken.slice(0, -1)}x`, 'hdt_0123456789abcdef_x', 'x'])
      await refused(enter({ pin, tokenFile: await tokenFile(token) }), 'TOKEN_INVALID', /./);
    for (const token of ['', 'two words', 'two\nlines', 'é', 'x'.repeat(20_000)])
      await refused(enter({ pin, tokenFile: await tokenFile(token) }), 'USAGE', /this is no token/);
    await refused(enter({ pin, tokenFile: '/nonexistent' }), 'USAGE', /--token-file: .*no such file/);
    await refused(enter({ pin, tokenFile: '/x', oidc: true }), 'USAGE', /one of them/);
  });

  it('logged out it is nobody, and knows the controller still', async () => {
    await enter({ pin, tokenFile: await tokenFile(adminToken), context: 'prod' });
    await logOut(io, file(), 'prod');
    await assert.rejects(ask('prod').whoami(), (e) => hasCode(e, 'UNAUTHENTICATED'));
    assert.equal((await ask('prod').loginSettings()).oidc?.issuer, provider.issuer);
    assert.ok(!(await readFile(file(), 'utf8')).includes('hdt_'));
    await enter({ tokenFile: await tokenFile(adminToken) });
  });
});

/** The same, and what was kept before is. */
const refusedKept = (deed: Promise<unknown>, code: Code, text: RegExp) =>
  assert.rejects(deed, (e: Error) => hasCode(e, code) && text.test(e.message));

describe('A29: who the controller is', () => {
  it('is said, or nothing is sent to it', async () => {
    provider.asked.length = 0;
    await refused(enter({ tokenFile: '/nonexistent' }), 'USAGE', /--pin <pin>/);
    assert.ok(said.includes(pin), 'what to compare');
    await refused(enter({ pin: 'A'.repeat(43) }), 'CA_MISMATCH', /somebody is between/);
    await refused(enter({ pin, ca: '/x' }), 'USAGE', /one of them/);
    await refused(enter({ ca: '/nonexistent' }), 'USAGE', /--ca/);
    assert.deepEqual(provider.asked, [], 'nobody was asked to log in');
  });

  it('is not another who shows another authority, also if it was known', async () => {
    const { certificate } = await makeAuthority(new Date());
    await writeFile(join(dir, 'other.pem'), certificate);
    await refused(enter({ ca: join(dir, 'other.pem') }), 'CA_MISMATCH', /somebody is between/);
    const expected = pinOf(parseBundle(certificate)[0]!);
    await changeContexts(file(), (c) => withContext(c, 'prod', { address, ca: certificate, token: adminToken }));
    for (const where of [undefined, address])
      await assert.rejects(enter({ context: 'prod' }, where), (e: Error) => {
        assert.ok(hasCode(e, 'CA_MISMATCH') && e.details.pin === expected, String(e));
        said = '';
        reportError(io, e, false);
        assert.match(said, /the pin of the one that answers: /);
        assert.ok(said.includes(pin));
        return true;
      });
    await refusedKept(ask('prod').whoami(), 'CONTROLLER_UNREACHABLE', /of another authority than is known/);
    assert.equal(contextOf(kept(), 'prod').ca, certificate);
  });

  it('is nobody whom the environment alone would believe', async (t) => {
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    t.after(() => delete process.env.NODE_TLS_REJECT_UNAUTHORIZED);
    const { certificate } = await makeAuthority(new Date());
    const client = openClient(address, { ca: certificate, token: adminToken });
    await refusedKept(client.whoami(), 'CONTROLLER_UNREACHABLE', /of another authority/);
  });

  it('is one by its certificate in a file too', async () => {
    await writeFile(join(dir, 'ca.pem'), (await root.authority()).ca);
    await enter({ ca: join(dir, 'ca.pem'), tokenFile: await tokenFile(adminToken) });
    assert.equal((await ask('127.0.0.1').whoami()).name, 'admin');
  });

  it('has an address by TLS', async () => {
    for (const where of ['http://127.0.0.1:7470', 'unix:/x', 'https://x/y', 'https://u:p@x', '', 'ftp://x'])
      await refused(enter({ pin }, where), 'USAGE', /no address of a controller/);
  });
});

describe('A29: by the provider', () => {
  const byProvider = (more: LogIn = {}) => enter({ pin, context: 'prod', ...more });

  it('somebody is who it says, with groups, and no role before one is given', async () => {
    const { you } = await byProvider();
    assert.deepEqual(you, { kind: 'user', name: 'oidc:alice', groups: ['oidc:dev'], via: 'oidc', roles: [] });
    await root.create('tenant', { name: 'acme' });
    await root.create('network', { name: 'web' }, { tenant: 'acme' });
    await assert.rejects(ask('prod').list('network', { tenant: 'acme' }), (e) => hasCode(e, 'NOT_FOUND'));
    await root.create('grant', { name: 'dev', subject: 'group:oidc:dev', role: 'viewer' }, { tenant: 'acme' });
    assert.deepEqual(
      (await ask('prod').list('network', { tenant: 'acme' })).map((n) => n.name),
      ['web'],
    );
    assert.deepEqual((await ask('prod').whoami()).roles, [{ role: 'viewer', tenant: 'acme' }]);
    await assert.rejects(ask('prod').create('network', { name: 'x' }, { tenant: 'acme' }), (e) =>
      hasCode(e, 'FORBIDDEN'),
    );
  });

  /** Its token has ended. */
  const end = () =>
    changeContexts(file(), (c) => {
      const context = contextOf(c, 'prod');
      return withContext(c, 'prod', { ...context, oidc: { ...context.oidc!, expiresAt: new Date(0).toISOString() } });
    });

  it('the login goes on when its token ends, until it is logged out', async () => {
    await byProvider();
    const before = contextOf(kept(), 'prod').oidc!;
    await end();
    assert.equal((await ask('prod').whoami()).name, 'oidc:alice');
    assert.notEqual(contextOf(kept(), 'prod').oidc!.idToken, before.idToken);
    provider.asked.length = 0;
    await logOut(io, file(), 'prod');
    assert.ok(provider.asked.includes('POST /token/revocation'));
    await assert.rejects(ask('prod').whoami(), (e) => hasCode(e, 'UNAUTHENTICATED'));
  });

  it('the login goes on when the authority has a successor, and when the old one is gone', async () => {
    await byProvider();
    await root.rotateAuthority();
    await end();
    assert.equal((await ask('prod').whoami()).name, 'oidc:alice');
    assert.equal(parseBundle(contextOf(kept(), 'prod').ca!).length, 2);
    await root.retireAuthority();
    await end();
    assert.equal((await ask('prod').whoami()).name, 'oidc:alice');
    const [authority, ...more] = parseBundle(contextOf(kept(), 'prod').ca!);
    assert.deepEqual([more.length, pinOf(authority!) === pin], [0, false]);
    pin = pinOf(authority!);
  });

  it('nobody else gets in', async () => {
    await byProvider();
    const { ca } = contextOf(kept(), 'prod');
    const now = Math.floor(Date.now() / 1000);
    const claims = { iss: provider.issuer, aud: 'heddle', sub: 'mallory', iat: now, exp: now + 60 };
    const as = (token: string) => openClient(address, { ca: ca!, token }).whoami();
    assert.equal((await as(await provider.sign(claims))).name, 'oidc:mallory');
    const none = Buffer.from('{"alg":"none"}').toString('base64url');
    const payload = Buffer.from(JSON.stringify(claims)).toString('base64url');
    for (const token of [
      await provider.sign({ ...claims, aud: 'other' }),
      await provider.sign({ ...claims, iss: 'https://login.example.org' }),
      await provider.sign({ ...claims, exp: now - 60 }),
      `${none}.${payload}.`,
      'x.y.z',
      'Bearer',
    ])
      await refusedKept(as(token), 'TOKEN_INVALID', /token/);
    assert.equal((await as(await provider.sign(claims))).name, 'oidc:mallory');
  });

  it('is told of, if it does not answer', async () => {
    provider.broken = true;
    await refused(byProvider(), 'PROVIDER_UNREACHABLE', /127\.0\.0\.1/);
    provider.broken = false;
    await byProvider();
    provider.broken = true;
    await logOut(io, file(), 'prod');
    provider.broken = false;
    assert.match(said, /the provider was not told/);
    assert.equal(contextOf(kept(), 'prod').oidc, undefined);
  });
});

it('A29: nothing of a token was written to the log', () => {
  assert.ok(logged.length > 0);
  assert.doesNotMatch(logged, /hdt_[0-9a-f]{16}_|eyJ/);
});
