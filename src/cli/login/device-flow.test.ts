import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { INTERVAL, openProvider, type TestProvider } from '../../../test/login/provider.ts';
import { approve, deny } from '../../../test/login/visitor.ts';
import { Oidc } from '../../controller/oidc.ts';
import { type Code, hasCode } from '../../model/errors.ts';
import type { OidcSettings } from '../../model/login.ts';
import { makeAuthority } from '../../trust/authority-certificate.ts';
import { issueServer } from '../../trust/issue.ts';
import { isFresh } from './contexts.ts';
import { endLogin, type Invitation, logInByDevice, renewLogin } from './device-flow.ts';

const never = new AbortController().signal;
const settingsOf = ({ issuer }: TestProvider, more: Partial<OidcSettings> = {}): OidcSettings => ({
  ...{ issuer, clientId: 'heddle', scopes: ['openid', 'offline_access'] },
  ...more,
});
const controllerOf = (settings: OidcSettings) =>
  new Oidc({ ...settings, audiences: ['heddle'], userClaim: 'sub', groupsClaim: 'groups', prefix: 'oidc:' });

/** Logs in as a name. */
const logIn = (settings: OidcSettings, name = 'alice') => {
  let visit: Promise<void> | undefined;
  const login = logInByDevice(settings, ({ completeUri }) => (visit = approve(completeUri!, name)), never);
  return login.finally(() => visit);
};
const refused = (deed: Promise<unknown>, code: Code, text: RegExp) =>
  assert.rejects(deed, (e: Error) => {
    assert.ok(hasCode(e, code), String(e));
    assert.match(e.message, text);
    return true;
  });

describe('at a provider', () => {
  let provider: TestProvider;
  before(async () => {
    provider = await openProvider({ claims: { groups: ['dev', 'ops'] } });
  });
  after(() => provider[Symbol.asyncDispose]());

  it('somebody logs in on another device, and is somebody at the controller, also by the next token', async () => {
    const settings = settingsOf(provider);
    const controller = controllerOf(settings);
    let shown: Invitation | undefined;
    let visit: Promise<void> | undefined;
    const login = await logInByDevice(
      settings,
      (invitation) => {
        shown = invitation;
        visit = approve(invitation.completeUri!, 'alice');
      },
      never,
    );
    await visit;
    assert.match(shown!.uri, /^http:\/\/127\.0\.0\.1:\d+\/device$/);
    assert.match(shown!.code, /^[A-Z]{4}-[A-Z]{4}$/);
    const userOf = async (token: string) => {
      const { name, groups } = await controller.verifyJwt(token);
      return `${name}: ${groups.join(' ')}`;
    };
    assert.equal(await userOf(login.idToken), 'oidc:alice: oidc:dev oidc:ops');
    assert.ok(isFresh(login, new Date()));
    assert.ok(!isFresh(login, new Date(Date.now() + 580_000)), 'and not until its last second');
    const renewed = await renewLogin(login);
    assert.notEqual(renewed.idToken, login.idToken);
    assert.equal(await userOf(renewed.idToken), 'oidc:alice: oidc:dev oidc:ops');
    await endLogin(renewed);
    await refused(renewLogin(renewed), 'LOGIN_REFUSED', /the login is over/);
  });

  it('nobody does who was refused there', async () => {
    let visit: Promise<void> | undefined;
    const login = logInByDevice(settingsOf(provider), ({ completeUri }) => (visit = deny(completeUri!)), never);
    await refused(login, 'LOGIN_REFUSED', /was refused there/);
    await visit;
  });

  it('who is told to slow down waits five seconds more from then on (RFC 8628 §3.5)', async (t) => {
    const stop = new AbortController();
    const waits: number[] = [];
    const real = setTimeout;
    // Those of the library are over at once; how long they were to be is what counts.
    t.mock.method(globalThis, 'setTimeout', (then: () => void, ms: number, ...args: []) => {
      if (!new Error().stack?.includes('/openid-client/')) return real(then, ms, ...args);
      waits.push(ms);
      if (sums(waits).length === 5) stop.abort(new Error('enough'));
      return real(then, 0);
    });
    provider.slowDown = 2;
    await assert.rejects(
      logInByDevice(settingsOf(provider), () => undefined, stop.signal),
      /enough/,
    );
    const first = INTERVAL * 1000;
    assert.deepEqual(sums(waits), [first, first + 5000, first + 10_000, first + 10_000, first + 10_000]);
    assert.equal(provider.slowDown, 0);
  });

  it('the token of another client is none for the controller', async () => {
    const login = await logIn(settingsOf(provider, { clientId: 'other' }));
    await refused(controllerOf(settingsOf(provider)).verifyJwt(login.idToken), 'TOKEN_INVALID', /claim aud/);
  });

  it('a client that the provider does not know is told so', async () => {
    await refused(logIn(settingsOf(provider, { clientId: 'nobody' })), 'LOGIN_REFUSED', /does not know this client/);
  });

  it('who asks for no second token gets none, and must log in again', async () => {
    const login = await logIn(settingsOf(provider, { scopes: ['openid'] }));
    assert.equal(login.refreshToken, undefined);
    await refused(renewLogin(login), 'LOGIN_REFUSED', /without a login/);
    await endLogin(login);
  });

  it('who gives up ends the wait', async () => {
    const stop = new AbortController();
    const login = logInByDevice(settingsOf(provider), () => stop.abort(new Error('enough')), stop.signal);
    await assert.rejects(login, /enough/);
  });

  it('one that does not answer is unavailable', async () => {
    provider.broken = true;
    await refused(logIn(settingsOf(provider)), 'PROVIDER_UNREACHABLE', /127\.0\.0\.1/);
    provider.broken = false;
    const nobody = { ...provider, issuer: 'http://127.0.0.1:1' };
    await refused(logIn(settingsOf(nobody)), 'PROVIDER_UNREACHABLE', /ECONNREFUSED/);
  });
});

it('nobody does who comes too late', async () => {
  await using provider = await openProvider({ ttl: { DeviceCode: 1 } });
  await refused(
    logInByDevice(settingsOf(provider), () => undefined, never),
    'LOGIN_REFUSED',
    /in time/,
  );
});

it('a token that has ended is none, and the login goes on with the next one', async () => {
  await using provider = await openProvider({ ttl: { IdToken: 60 } });
  const settings = settingsOf(provider);
  const login = await logIn(settings);
  const later = () => new Date(Date.now() + 100_000);
  const options = { ...settings, audiences: ['heddle'], userClaim: 'sub', groupsClaim: 'groups', prefix: '' };
  await refused(new Oidc(options, later).verifyJwt(login.idToken), 'TOKEN_INVALID', /expired/);
  assert.ok(!isFresh(login, later()));
  assert.deepEqual((await new Oidc(options).verifyJwt((await renewLogin(login)).idToken)).name, 'alice');
});

/** Waits of five seconds at most, one behind the other, as openid-client cuts them; summed up. */
function sums(waits: readonly number[]): number[] {
  const all: number[] = [];
  let sum = 0;
  for (const ms of waits) {
    sum += ms;
    if (ms === 5000) continue;
    all.push(sum);
    sum = 0;
  }
  return all;
}

it('a provider whose certificate is of the company’s own authority is known by that, and only so', async (t) => {
  const authority = await makeAuthority(new Date());
  const { key, certificate: cert } = await issueServer(authority, [{ type: 'ip', value: '127.0.0.1' }], new Date());
  await using provider = await openProvider({ tls: { key, cert } });
  const ca = authority.certificate;
  const stop = new AbortController();
  let shown: Invitation | undefined;
  const invite = (invitation: Invitation) => {
    shown = invitation;
    stop.abort(new Error('enough'));
  };
  await assert.rejects(logInByDevice(settingsOf(provider, { ca }), invite, stop.signal), /enough/);
  assert.match(shown!.uri, /^https:/);
  const now = Math.floor(Date.now() / 1000);
  const token = await provider.sign({ iss: provider.issuer, aud: 'heddle', sub: 'alice', iat: now, exp: now + 60 });
  assert.equal((await controllerOf(settingsOf(provider, { ca })).verifyJwt(token)).name, 'oidc:alice');
  const stranger = (await makeAuthority(new Date())).certificate;
  // It takes nobody else, whatever the environment says.
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
  t.after(() => delete process.env.NODE_TLS_REJECT_UNAUTHORIZED);
  for (const settings of [settingsOf(provider), settingsOf(provider, { ca: stranger })]) {
    await refused(logIn(settings), 'PROVIDER_UNREACHABLE', /certificate/);
    await refused(controllerOf(settings).verifyJwt(token), 'PROVIDER_UNREACHABLE', /certificate/);
  }
});
