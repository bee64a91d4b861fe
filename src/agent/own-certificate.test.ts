/** A host's certificate while another process joins again in the same folder. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pino } from 'pino';
import { makeAuthority } from '../trust/authority-certificate.ts';
import { issueHost } from '../trust/issue.ts';
import { hostCertificate, hostId } from '../trust/test-hosts.ts';
import { type Identity, readIdentity, writeIdentity } from './identity.ts';
import { OwnCertificate } from './own-certificate.ts';

const authority = await makeAuthority(new Date());

/** What a host has joined with. */
async function newIdentity(
  name = 'h1',
  controller = 'https://192.0.2.1:7470',
  id = hostId as string,
): Promise<Identity> {
  const { certificate: cert, key } = await hostCertificate(authority);
  const issuedAt = new Date().toISOString();
  return { controller, host: { id, name }, key, cert, ca: authority.certificate, issuedAt };
}

async function newState() {
  const stateDir = mkdtempSync(join(tmpdir(), 'heddle-own-'));
  const joined = await newIdentity();
  writeIdentity(stateDir, joined);
  // What is tested keeps no process alive.
  const alive = setTimeout(() => undefined, 20_000);
  const end = () => {
    clearTimeout(alive);
    rmSync(stateDir, { recursive: true });
  };
  return { stateDir, joined, [Symbol.dispose]: end };
}

const issue = (csr: string) => issueHost(authority, csr, { id: hostId, name: 'h1', generation: 0 }, new Date());

/** A controller whose answers to a renewal come when the test says so. */
function slowController() {
  const asked = Promise.withResolvers<string>();
  const answer = Promise.withResolvers<object>();
  const client = {
    async request(_method: string, _path: string, { body }: { body: { csr: string } }) {
      asked.resolve(body.csr);
      return answer.promise;
    },
  };
  const renewed = async () => {
    const certificate = await issue(await asked.promise);
    answer.resolve({ certificate, ca: authority.certificate });
    return certificate;
  };
  return { client, asked: asked.promise, renewed };
}

test('a renewal under way takes not the place of what the host joins again with meanwhile', async () => {
  using state = await newState();
  const { client, asked, renewed } = slowController();
  const again = await newIdentity();
  const failed = Promise.withResolvers<void>();
  const own = new OwnCertificate(state.stateDir, state.joined, { info: () => undefined, warn: () => failed.resolve() });
  {
    await using _ = own;
    own.onRenewed(() => failed.resolve());
    own.begin(client as never);
    own.renewNow();
    await asked;
    writeIdentity(state.stateDir, again);
    await renewed();
    await failed.promise;
  }
  assert.deepEqual(readIdentity(state.stateDir), again);
});

test('what a host joined with while its agent began is taken, whatever times its file has', async () => {
  using state = await newState();
  const again = await newIdentity();
  writeIdentity(state.stateDir, again);
  const { client } = slowController();
  const taken = Promise.withResolvers<void>();
  await using own = new OwnCertificate(state.stateDir, state.joined, pino({ level: 'silent' }));
  own.onRenewed(() => taken.resolve());
  own.begin(client as never, 10);
  await taken.promise;
  assert.equal(own.credentials().cert, again.cert);
});

test('as another host, or elsewhere, only a new process goes on: that is said once, and the file stays for it', async () => {
  const elsewhere = 'https://192.0.2.2:7470';
  for (const other of [await newIdentity('h9', undefined, 'another'), await newIdentity('h1', elsewhere)]) {
    using state = await newState();
    const { client, asked, renewed } = slowController();
    const taken = Promise.withResolvers<void>();
    const said: [object, string][] = [];
    let warned = Promise.withResolvers<void>();
    const warn = (about: object, text: string) => {
      said.push([about, text]);
      warned.resolve();
    };
    await using own = new OwnCertificate(state.stateDir, state.joined, { info: () => undefined, warn: warn as never });
    own.onRenewed(() => taken.resolve());
    own.begin(client as never, 10);
    writeIdentity(state.stateDir, other);
    await warned.promise;
    warned = Promise.withResolvers();
    assert.deepEqual(own.credentials().cert, state.joined.cert);
    own.renewNow();
    await asked;
    const cert = await renewed();
    await taken.promise;
    assert.deepEqual(
      [own.credentials().cert, readIdentity(state.stateDir)],
      [cert, other],
      'at its controller it goes on',
    );
    const { controller, host } = other;
    const text = 'this server has joined as another host, or elsewhere: restart the agent to go on as that';
    writeFileSync(join(state.stateDir, 'identity.json'), '{}');
    await warned.promise;
    assert.deepEqual(said.shift(), [{ host: host.name, controller }, text]);
    assert.deepEqual(
      said.map(([, what]) => what),
      ['what this host joined with cannot be read; it goes on with what it had'],
    );
  }
});

test('a key and a certificate of two pairs are not taken: not from the file, and not from a controller', async () => {
  using state = await newState();
  const other = await newIdentity();
  let warned = Promise.withResolvers<string>();
  const warn = (_: object, text: string) => warned.resolve(text);
  await using own = new OwnCertificate(state.stateDir, state.joined, { info: () => undefined, warn: warn as never });
  const taken = Promise.withResolvers<string>();
  own.onRenewed(({ cert }) => taken.resolve(cert));
  const request = async () => ({ certificate: other.cert, ca: other.ca });
  own.begin({ request } as never, 10);
  writeIdentity(state.stateDir, { ...other, key: state.joined.key });
  assert.match(await Promise.race([warned.promise, taken.promise]), /cannot be read; it goes on with what it had/);
  assert.equal(own.context, own.credentials());
  assert.equal(own.context.cert, state.joined.cert);
  writeIdentity(state.stateDir, state.joined);
  warned = Promise.withResolvers();
  own.renewNow();
  assert.match(await Promise.race([warned.promise, taken.promise]), /was not renewed; it is tried again/);
  assert.deepEqual([own.context.cert, readIdentity(state.stateDir)], [state.joined.cert, state.joined]);
  writeIdentity(state.stateDir, other);
  assert.equal(await taken.promise, other.cert);
});

test('a name that its controller gives it is written down, stays with a renewal, and is no reason to take it for another', async () => {
  using state = await newState();
  const { client, asked, renewed } = slowController();
  const steps = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let taken = 0;
  await using own = new OwnCertificate(state.stateDir, state.joined, pino({ level: 'silent' }));
  own.onRenewed(() => steps[taken++]?.resolve());
  own.begin(client as never, 10);
  own.renewNow();
  await asked;
  own.renamed('h9');
  assert.deepEqual(readIdentity(state.stateDir), { ...state.joined, host: { id: hostId, name: 'h9' } });
  const cert = await renewed();
  await steps[0]!.promise;
  const { host, cert: written } = readIdentity(state.stateDir)!;
  assert.deepEqual([host.name, written, own.credentials().cert], ['h9', cert, cert]);
  const again = await newIdentity('h8');
  writeIdentity(state.stateDir, again);
  await steps[1]!.promise;
  assert.equal(own.credentials().cert, again.cert);
});

test('what a host has joined with meanwhile keeps its name; and a full disk keeps nobody from its controller', async () => {
  using state = await newState();
  const own = new OwnCertificate(state.stateDir, state.joined, pino({ level: 'silent' }));
  const again = await newIdentity('h8');
  writeIdentity(state.stateDir, again);
  own.renamed('h9');
  assert.deepEqual(readIdentity(state.stateDir), again);
  const nowhere = new OwnCertificate(
    join(state.stateDir, 'identity.json', 'none'),
    state.joined,
    pino({ level: 'silent' }),
  );
  nowhere.renamed('h9');
});

test('a renewal that somebody wants, and that fails, is tried again, although it is not time', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  using state = await newState();
  const [failed, renewed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const log = { info: () => undefined, warn: () => failed.resolve() };
  let tries = 0;
  let certificate: string | undefined;
  const request = async (_method: string, _path: string, { body }: { body: { csr: string } }) => {
    if (++tries === 1) throw new Error('no route');
    certificate = await issue(body.csr);
    return { certificate, ca: authority.certificate };
  };
  await using own = new OwnCertificate(state.stateDir, state.joined, log);
  own.onRenewed(() => renewed.resolve());
  own.renewNow();
  own.begin({ request } as never);
  await failed.promise;
  t.mock.timers.tick(90_000);
  await renewed.promise;
  assert.equal(own.context.cert, certificate);
});
