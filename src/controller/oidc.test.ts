import assert from 'node:assert/strict';
import { createSecretKey } from 'node:crypto';
import { after, before, beforeEach, describe, it } from 'node:test';
import { generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import { openProvider, type TestProvider } from '../../test/login/provider.ts';
import { type Code, hasCode } from '../model/errors.ts';
import { Oidc, type OidcOptions } from './oidc.ts';

let provider: TestProvider;
before(async () => {
  provider = await openProvider();
});
after(() => provider[Symbol.asyncDispose]());

const optionsOf = (more: Partial<OidcOptions> = {}): OidcOptions => ({
  issuer: provider.issuer,
  clientId: 'heddle',
  scopes: ['openid'],
  audiences: ['heddle'],
  userClaim: 'sub',
  groupsClaim: 'groups',
  prefix: '',
  ...more,
});
const now = () => Math.floor(Date.now() / 1000);
const claims = (more: object = {}) => ({
  ...{ iss: provider.issuer, aud: 'heddle', sub: 'alice', iat: now(), exp: now() + 300 },
  ...more,
});

/** Must be refused, with nothing of the token in the text. */
async function refused(oidc: Oidc, token: string, text: RegExp, code: Code = 'TOKEN_INVALID'): Promise<void> {
  await assert.rejects(oidc.verifyJwt(token), (e: Error) => {
    assert.ok(hasCode(e, code), String(e));
    assert.match(e.message, text);
    const parts = token.split('.').filter((part) => part.length > 8);
    assert.ok(!parts.some((part) => e.message.includes(part)));
    return true;
  });
}

describe('A29: whose token counts', () => {
  let oidc: Oidc;
  before(() => {
    oidc = new Oidc(optionsOf());
  });

  it('one of the provider, for this client', async () => {
    const untilMs = (now() + 300 + 30) * 1000;
    const given = claims({ exp: untilMs / 1000 - 30 });
    assert.deepEqual(await oidc.verifyJwt(await provider.sign(given)), { name: 'alice', groups: [], untilMs });
    const several = await provider.sign(
      { ...given, aud: ['account', 'heddle'], groups: ['dev', 'ops'] },
      { typ: 'at+jwt' },
    );
    assert.deepEqual(await oidc.verifyJwt(several), { name: 'alice', groups: ['dev', 'ops'], untilMs });
  });

  it('none of another issuer, of another audience, too old, too new, or without what tells', async () => {
    for (const [more, text] of [
      [{ iss: 'https://login.example.org' }, /claim iss/],
      [{ iss: undefined }, /claim iss/],
      [{ aud: 'other' }, /claim aud/],
      [{ aud: ['other', 'heddle2'] }, /claim aud/],
      [{ aud: undefined }, /claim aud/],
      [{ exp: now() - 31 }, /expired/],
      [{ exp: undefined }, /claim exp/],
      [{ exp: 'tomorrow' }, /claim exp/],
      [{ iat: undefined }, /claim iat/],
      [{ nbf: now() + 60 }, /claim nbf/],
      [{ cnf: { jkt: 'x' } }, /bound to a key/],
      [{ sub: undefined }, /claim sub/],
      [{ sub: '' }, /claim sub/],
      [{ sub: 7 }, /claim sub/],
      [{ sub: ['alice'] }, /claim sub/],
      [{ sub: 'alice\u001b[2J' }, /claim sub/],
      [{ sub: 'a'.repeat(129) }, /claim sub/],
      [{ groups: { dev: true } }, /claim groups/],
      [{ groups: 7 }, /claim groups/],
    ] as const)
      await refused(oidc, await provider.sign(claims(more)), text);
    assert.ok(await oidc.verifyJwt(await provider.sign(claims({ exp: now() - 25 }))), 'clocks differ a little');
  });

  it('none of a type that is for something else', async () => {
    for (const typ of ['logout+jwt', 'secevent+jwt', 'dpop+jwt', 'client-authentication+jwt'])
      await refused(oidc, await provider.sign(claims(), { typ }), /of a type/);
    assert.ok(await oidc.verifyJwt(await provider.sign(claims(), { typ: 'JWT' })));
  });

  it('none that anybody may have signed', async () => {
    const genuine = await provider.sign(claims());
    const [head, , signature] = genuine.split('.');
    const kid = JSON.parse(Buffer.from(head!, 'base64url').toString()).kid;
    const { privateKey } = await generateKeyPair('ES256');
    const stranger = new SignJWT(claims()).setProtectedHeader({ alg: 'ES256', kid });
    await refused(oidc, await stranger.sign(privateKey), /signature is wrong/);
    const unknown = new SignJWT(claims()).setProtectedHeader({ alg: 'ES256', kid: 'mine' });
    await refused(oidc, await unknown.sign(privateKey), /none of the provider/);
    // Keys that a token brings itself.
    const brought = new SignJWT(claims()).setProtectedHeader({
      ...{ alg: 'ES256', kid },
      jwk: { kty: 'EC' },
      jku: 'http://127.0.0.1:1/jwks',
    });
    await refused(oidc, await brought.sign(privateKey), /signature is wrong/);
    await refused(oidc, new UnsecuredJWT(claims()).encode(), /does not count|cannot be read/);
    const secret = createSecretKey(Buffer.from('x'.repeat(32)));
    for (const alg of ['HS256', 'HS512'])
      await refused(
        oidc,
        await new SignJWT(claims())
          .setProtectedHeader({ alg, kid })
          .sign(alg === 'HS256' ? secret : createSecretKey(Buffer.alloc(64, 'x'))),
        /does not count/,
      );
    const other = Buffer.from(JSON.stringify(claims({ sub: 'root' }))).toString('base64url');
    await refused(oidc, `${head}.${other}.${signature}`, /signature is wrong/);
    const critical = await provider.sign(claims(), { crit: ['b64'], b64: true });
    assert.ok(await oidc.verifyJwt(critical), 'what it must understand it does');
    for (const text of ['', '..', 'a.b.c', `${head}..`, 'x'.repeat(5000), `${head}.${other}.${signature}.x`])
      await refused(oidc, text, /cannot be read|signature is wrong/);
    await refused(oidc, `${'x'.repeat(6000)}.${'x'.repeat(6500)}.x`, /over \d+ characters/);
    assert.ok(await oidc.verifyJwt(genuine), 'and the genuine one still does');
  });
});

describe('A29: names', () => {
  const userOf = async (options: Partial<OidcOptions>, more: object) => {
    const { untilMs: _, ...user } = await new Oidc(optionsOf(options)).verifyJwt(await provider.sign(claims(more)));
    return user;
  };

  it('have a prefix, so that a name that was chosen at the provider is not one that is known here', async () => {
    assert.deepEqual(await userOf({ prefix: 'oidc:' }, { sub: 'admin', groups: ['admin', 'dev'] }), {
      name: 'oidc:admin',
      groups: ['oidc:admin', 'oidc:dev'],
    });
  });

  it('come from the claims that are said, also from inside of others', async () => {
    const realm = { realm_access: { roles: ['dev', 'two words', 7, 'a'.repeat(200)] }, 'https://x.org/n': 'al' };
    assert.deepEqual(await userOf({ userClaim: 'https://x.org/n', groupsClaim: 'realm_access.roles' }, realm), {
      name: 'al',
      groups: ['dev'],
    });
    assert.deepEqual((await userOf({}, { groups: 'dev' })).groups, ['dev']);
    assert.deepEqual((await userOf({ groupsClaim: 'constructor.name' }, {})).groups, []);
    await assert.rejects(userOf({ userClaim: 'toString' }, {}), (e) => hasCode(e, 'TOKEN_INVALID'));
  });

  it('may be mail addresses that the provider has verified', async () => {
    const email = 'alice@example.org';
    assert.equal((await userOf({ userClaim: 'email' }, { email, email_verified: true })).name, email);
    for (const email_verified of [false, undefined, 'true'])
      await assert.rejects(userOf({ userClaim: 'email' }, { email, email_verified }), /not verified/);
  });
});

describe('keys', () => {
  beforeEach(() => {
    provider.asked.length = 0;
    provider.broken = false;
  });

  it('are asked for once, also by many at the same time', async () => {
    const oidc = new Oidc(optionsOf());
    const token = await provider.sign(claims());
    assert.deepEqual(provider.asked, [], 'and not before there is a token');
    await Promise.all(Array.from({ length: 20 }, () => oidc.verifyJwt(token)));
    assert.deepEqual(provider.asked, ['GET /.well-known/openid-configuration', 'GET /jwks']);
  });

  it('that are new count as soon as a token names them, and those that are gone do not', async () => {
    const oidc = new Oidc(optionsOf(), undefined, { againMs: 0 });
    const old = await provider.sign(claims());
    await oidc.verifyJwt(old);
    await provider.rotate();
    assert.ok(await oidc.verifyJwt(await provider.sign(claims())));
    await refused(oidc, old, /none of the provider/);
  });

  it('A27: that nobody has are asked for no more than once in a while', async () => {
    const oidc = new Oidc(optionsOf());
    await oidc.verifyJwt(await provider.sign(claims()));
    provider.asked.length = 0;
    const stranger = await provider.sign(claims(), { kid: 'made-up' });
    for (let i = 0; i < 10; i++) await refused(oidc, stranger, /none of the provider/);
    assert.deepEqual(provider.asked, []);
  });

  it('of a provider that does not answer are asked for once, then not for a while; those at hand still count', async () => {
    provider.broken = true;
    const patient = new Oidc(optionsOf());
    const token = await provider.sign(claims());
    for (let i = 0; i < 5; i++) await refused(patient, token, /HTTP 500/, 'PROVIDER_UNREACHABLE');
    assert.equal(provider.asked.length, 1);
    provider.broken = false;
    const hasty = new Oidc(optionsOf(), undefined, { failedMs: 0, metadataMs: 0, againMs: 0 });
    assert.ok(await hasty.verifyJwt(token));
    provider.broken = true;
    assert.ok(await hasty.verifyJwt(token));
    const stranger = await provider.sign(claims(), { kid: 'made-up' });
    await refused(hasty, stranger, /HTTP 500/, 'PROVIDER_UNREACHABLE');
    provider.broken = false;
    await refused(hasty, stranger, /none of the provider/);
  });

  it('of another issuer than the one that was named are not taken', async () => {
    const issuer = provider.issuer.replace('127.0.0.1', 'localhost');
    await refused(
      new Oidc(optionsOf({ issuer })),
      await provider.sign(claims()),
      /another issuer/,
      'PROVIDER_UNREACHABLE',
    );
  });
});

it('an issuer that can be overheard is none, nor is a prefix with which no name is one', () => {
  for (const prefix of [' ', ':', 'a b', 'x'.repeat(130)])
    assert.throws(
      () => new Oidc(optionsOf({ prefix })),
      (e) => hasCode(e, 'USAGE'),
      prefix,
    );
  for (const issuer of [
    'http://login.example.org',
    'login.example.org',
    'ftp://127.0.0.1',
    'https://a:b@x.org',
    'https://x.org?y',
  ])
    assert.throws(
      () => new Oidc(optionsOf({ issuer })),
      (e) => hasCode(e, 'USAGE'),
      issuer,
    );
});
