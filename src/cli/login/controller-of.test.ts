import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { openProvider } from '../../../test/login/provider.ts';
import { approve } from '../../../test/login/visitor.ts';
import { type Code, hasCode } from '../../model/errors.ts';
import { type Context, changeContexts, contextOf, contextsFile, type OidcLogin, readContexts } from './contexts.ts';
import { controllerOf } from './controller-of.ts';
import { logInByDevice } from './device-flow.ts';

const prod: Context = { address: 'https://192.0.2.1:7470', ca: 'PROD', token: 'hdt_prod' };
const dev: Context = { address: 'https://[2001:db8::1]:7470', ca: 'DEV' };
const near: Context = { address: 'unix:/run/other.sock' };

let dir: string;
let env: NodeJS.ProcessEnv;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'heddle-controller-of-'));
  env = { XDG_CONFIG_HOME: dir };
  await writeFile(join(dir, 'socket'), '');
  await writeFile(join(dir, 'ca.pem'), 'FILE');
  const contexts = new Map(Object.entries({ prod, dev, near }));
  await changeContexts(contextsFile(env), () => ({ current: 'prod', contexts }));
});
after(() => rm(dir, { recursive: true }));

const none = '/nonexistent/controller.sock';
const refused = (deed: () => unknown, code: Code) => assert.throws(deed, (e) => hasCode(e, code));

describe('a command asks', () => {
  const byProd = { address: prod.address, context: 'prod', credentials: { ca: 'PROD', token: 'hdt_prod' } };

  it('the current context, but first this machine’s own controller', () => {
    assert.deepEqual(controllerOf({}, env, none), byProd);
    assert.deepEqual(controllerOf({}, env, join(dir, 'socket')), { address: `unix:${join(dir, 'socket')}` });
    assert.deepEqual(controllerOf({}, { XDG_CONFIG_HOME: '/nonexistent' }, none), { address: `unix:${none}` });
  });

  it('the context that is named, before this machine’s own', () => {
    const own = join(dir, 'socket');
    assert.deepEqual(controllerOf({ context: 'prod' }, env, own), byProd);
    assert.deepEqual(controllerOf({ context: 'dev' }, env, own), {
      ...{ address: dev.address, context: 'dev' },
      credentials: { ca: 'DEV' },
    });
    assert.deepEqual(controllerOf({ context: 'near' }, { ...env, HEDDLE_TOKEN: 'x' }, own), {
      address: near.address,
      context: 'near',
    });
    refused(() => controllerOf({ context: 'prd' }, env, own), 'CONTEXT_UNKNOWN');
    refused(() => controllerOf({ context: 'toString' }, env, own), 'CONTEXT_UNKNOWN');
  });

  it('what was typed before what is in the environment, and an address before a context', () => {
    const set = { ...env, HEDDLE_CONTROLLER: 'unix:/env.sock', HEDDLE_CONTEXT: 'dev' };
    // As commander gives them: the environment's where nothing was typed.
    const fromEnv = { controller: 'unix:/env.sock', context: 'dev' };
    assert.equal(controllerOf(fromEnv, set, none).address, 'unix:/env.sock');
    assert.equal(controllerOf({ ...fromEnv, context: 'prod' }, set, none).address, prod.address);
    assert.equal(controllerOf({ ...fromEnv, controller: 'unix:/typed.sock' }, set, none).address, 'unix:/typed.sock');
    assert.equal(
      controllerOf({ controller: '', context: 'dev' }, { ...env, HEDDLE_CONTEXT: 'dev' }, none).context,
      'dev',
    );
    refused(() => controllerOf({ controller: 'unix:/typed.sock', context: 'prod' }, set, none), 'USAGE');
  });

  it('with what the environment says, or what a context has for the same address', () => {
    const where = { controller: prod.address };
    assert.deepEqual(controllerOf(where, env, none), byProd);
    assert.deepEqual(controllerOf(where, { ...env, HEDDLE_TOKEN: 'hdt_env\n' }, none).credentials, {
      ...{ ca: 'PROD', token: 'hdt_env' },
    });
    const ca = join(dir, 'ca.pem');
    assert.deepEqual(controllerOf({}, { ...env, HEDDLE_CA: ca }, none).credentials?.ca, 'FILE');
    const elsewhere = { controller: 'https://192.0.2.9:7470' };
    assert.deepEqual(controllerOf(elsewhere, env, none), { address: 'https://192.0.2.9:7470' });
    assert.deepEqual(controllerOf(elsewhere, { HEDDLE_CA: ca, HEDDLE_TOKEN: 't', XDG_CONFIG_HOME: dir }, none), {
      address: 'https://192.0.2.9:7470',
      credentials: { ca: 'FILE', token: 't' },
    });
    assert.deepEqual(controllerOf({ controller: 'unix:/x' }, { ...env, HEDDLE_TOKEN: 't' }, none), {
      address: 'unix:/x',
    });
    refused(() => controllerOf(elsewhere, { ...env, HEDDLE_CA: '/nonexistent' }, none), 'USAGE');
  });

  it('with the environment’s token only whom that is meant for', () => {
    const ca = join(dir, 'ca.pem');
    const set = { ...env, HEDDLE_TOKEN: 'hdt_env', HEDDLE_CA: ca };
    const [own, envs] = [byProd.credentials, { ca: 'FILE', token: 'hdt_env' }];
    const elsewhere = 'https://192.0.2.9:7470';
    for (const [named, more, expected] of [
      // Named on the command line: it has its own login, or none.
      [{ context: 'prod' }, {}, own],
      [{ context: 'dev' }, {}, { ca: 'DEV' }],
      [{ context: 'prod' }, { HEDDLE_CONTEXT: 'dev' }, own],
      [{ context: 'dev', controller: elsewhere }, { HEDDLE_CONTROLLER: elsewhere }, { ca: 'DEV' }],
      // Another one than that which the environment names.
      [{ controller: elsewhere }, { HEDDLE_CONTROLLER: prod.address }, undefined],
      [{ controller: elsewhere, context: 'prod' }, { HEDDLE_CONTEXT: 'prod' }, undefined],
      [{ controller: prod.address, context: 'dev' }, { HEDDLE_CONTEXT: 'dev' }, own],
      // Those that it is for.
      [{ context: 'prod' }, { HEDDLE_CONTEXT: 'prod' }, envs],
      [{ controller: elsewhere }, { HEDDLE_CONTROLLER: elsewhere }, envs],
      [{ controller: elsewhere }, {}, envs],
      [{ controller: elsewhere }, { HEDDLE_CONTROLLER: 'unix:/run/lab.sock' }, envs],
      [{}, {}, envs],
    ] as const)
      assert.deepEqual(
        controllerOf(named, { ...set, ...more }, none).credentials,
        expected,
        JSON.stringify([named, more]),
      );
  });

  it('without reading the contexts where nothing of them is needed', async () => {
    const broken = join(dir, 'broken');
    await changeContexts(contextsFile({ XDG_CONFIG_HOME: broken }), () => ({ contexts: new Map([['a', prod]]) }));
    await writeFile(contextsFile({ XDG_CONFIG_HOME: broken }), '{');
    const damaged = { XDG_CONFIG_HOME: broken };
    assert.equal(controllerOf({ controller: 'unix:/x' }, damaged, none).address, 'unix:/x');
    assert.equal(controllerOf({}, damaged, join(dir, 'socket')).address, `unix:${join(dir, 'socket')}`);
    refused(() => controllerOf({}, damaged, none), 'CONTEXTS_UNREADABLE');
  });
});

describe('a login by a provider', () => {
  const open = async (t: { after(fn: () => unknown): void }, idTokenSeconds: number) => {
    const provider = await openProvider({ ttl: { IdToken: idTokenSeconds } });
    t.after(() => provider[Symbol.asyncDispose]());
    let visit: Promise<void> | undefined;
    const settings = { issuer: provider.issuer, clientId: 'heddle', scopes: ['openid', 'offline_access'] };
    const invite = ({ completeUri }: { completeUri?: string }) => {
      visit = approve(completeUri!, 'alice');
    };
    const oidc = await logInByDevice(settings, invite, new AbortController().signal);
    await visit;
    await keep(oidc);
    provider.asked.length = 0;
    return { provider, oidc };
  };
  const keep = (oidc: OidcLogin) =>
    changeContexts(contextsFile(env), ({ contexts }) => ({
      contexts: new Map([...contexts, ['oidc', { address: 'https://127.0.0.1:1', ca: 'OIDC', oidc }]]),
    }));
  const token = () => {
    const { credentials } = controllerOf({ context: 'oidc' }, env, none);
    return (credentials!.token as () => Promise<string>)();
  };
  const kept = () => contextOf(readContexts(contextsFile(env)), 'oidc').oidc!;

  it('sends its token as long as that one holds', async (t) => {
    const { provider, oidc } = await open(t, 600);
    assert.equal(await token(), oidc.idToken);
    assert.deepEqual(provider.asked, []);
  });

  it('gets the next one before it ends, once, whoever asks at the same time', async (t) => {
    const { provider, oidc } = await open(t, 600);
    await keep({ ...oidc, expiresAt: new Date(Date.now() + 10_000).toISOString() });
    const tokens = await Promise.all(Array.from({ length: 5 }, token));
    assert.equal(new Set(tokens).size, 1);
    assert.notEqual(tokens[0], oidc.idToken);
    assert.equal(provider.asked.filter((what) => what === 'POST /token').length, 1);
    assert.equal(kept().idToken, tokens[0]);
    assert.notEqual(kept().refreshToken, undefined);
  });

  it('is over when the provider says so, or cannot be asked', async (t) => {
    const { provider, oidc } = await open(t, 600);
    const ended = { ...oidc, expiresAt: new Date(0).toISOString() };
    await keep({ ...ended, refreshToken: 'made-up' });
    await assert.rejects(token(), (e: Error) => {
      assert.ok(hasCode(e, 'LOGIN_EXPIRED'));
      assert.match(e.message, /heddle login --context oidc/);
      assert.doesNotMatch(e.message, /made-up/);
      return true;
    });
    provider.broken = true;
    await keep(ended);
    await assert.rejects(token(), (e) => hasCode(e, 'PROVIDER_UNREACHABLE'));
    assert.deepEqual(kept(), ended, 'and nothing is lost');
  });
});
