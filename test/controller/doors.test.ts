/** The controller's doors: its unix socket, and TLS with certificates, as agents and users meet them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { pino } from 'pino';
import { credentialsOf, type Identity, readIdentity } from '../../src/agent/identity.ts';
import { ensureJoined, joinController } from '../../src/agent/join.ts';
import { OwnCertificate } from '../../src/agent/own-certificate.ts';
import { ControllerStream } from '../../src/agent/stream.ts';
import { type Client, openClient } from '../../src/client/client.ts';
import { startController } from '../../src/controller/main.ts';
import { PROTOCOL, type Welcome } from '../../src/model/host-state.ts';

const log = pino({ level: 'silent' });
const days = 86_400_000;

interface Rig extends AsyncDisposable {
  readonly dir: string;
  /** By the unix socket. */
  readonly root: Client;
  /** "https://127.0.0.1:port" */
  readonly address: string;
  /** The clock of certificates, ms since 1970. */
  readonly clock: { now: number };
  /** Joins a host, with a token of its own. */
  join(name: string, controller?: string, token?: string): Promise<Identity>;
}

async function openRig(): Promise<Rig> {
  await using stack = new AsyncDisposableStack();
  const dir = await mkdtemp(join(tmpdir(), 'heddle-doors-'));
  stack.defer(() => rm(dir, { recursive: true }));
  const clock = { now: Date.now() };
  const listen = [{ unix: join(dir, 'socket') }, { tcp: '127.0.0.1:0' }];
  const now = () => new Date(clock.now);
  const { addresses } = stack.use(await startController({ db: join(dir, 'db'), listen, log, now }));
  const [local = '', address = ''] = addresses;
  const root = openClient(local);
  const newToken = async () => (await root.createHostToken({})).token;
  let vtep = 0;
  const joinAs: Rig['join'] = async (name, controller = address, token) => {
    const stateDir = join(dir, name);
    vtep++;
    return joinController({ controller, token: token ?? (await newToken()), name, vtep: `198.18.0.${vtep}`, stateDir });
  };
  return Object.assign(stack.move(), { dir, root, address, clock, join: joinAs });
}

const asHost = ({ controller, ...identity }: Identity): Client =>
  openClient(controller, credentialsOf({ controller, ...identity }));

test('who opens the unix socket is root; by TCP nobody is known without a certificate or a token', async () => {
  await using rig = await openRig();
  assert.deepEqual(await rig.root.list('tenant'), []);
  const { ca } = await rig.root.authority();
  const stranger = openClient(rig.address, { ca });
  await assert.rejects(stranger.list('tenant'), { code: 'UNAUTHENTICATED' });
  assert.match(String(await stranger.request('GET', '/v1/ca').then(JSON.stringify)), /BEGIN CERTIFICATE/);
  await assert.rejects(openClient(rig.address).list('tenant'), { code: 'USAGE' }, 'nothing to know the controller by');
  await assert.rejects(openClient(rig.address, { ca, token: 'hdt_no' }).list('tenant'), { code: 'TOKEN_INVALID' });
});

test('A30: a controller of another installation is none', async () => {
  await using one = await openRig();
  await using two = await openRig();
  const { ca } = await two.root.authority();
  await assert.rejects(openClient(one.address, { ca }).list('tenant'), { code: 'CONTROLLER_UNREACHABLE' });
  const host = await one.join('h1');
  const disguised = openClient(one.address, { ca: host.ca });
  await assert.rejects(disguised.list('tenant'), { code: 'UNAUTHENTICATED' });
  const { promise: lost, resolve } = Promise.withResolvers<Error>();
  {
    const listener = { hello: () => assert.fail('nobody is told'), lost: resolve };
    await using _ = new ControllerStream(two.address, () => credentialsOf(host), listener as never);
    assert.match((await lost).message, /of another authority than is known .*: .*hosts join .*again/);
  }
  const stolen = openClient(two.address, { ...credentialsOf(host), ca });
  await assert.rejects(stolen.list('host'), { code: 'CERTIFICATE_INVALID' });
});

test('A30: TLS 1.2 is not spoken', async () => {
  await using rig = await openRig();
  const { hostname: host, port } = new URL(rig.address);
  const socket = connect({ host, port: Number(port), rejectUnauthorized: false, maxVersion: 'TLSv1.2' });
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
  assert.match(error.code ?? '', /PROTOCOL_VERSION/);
  const twin = connect({ host, port: Number(port), rejectUnauthorized: false });
  await once(twin, 'secureConnect');
  assert.equal(twin.getProtocol(), 'TLSv1.3');
  twin.destroy();
});

test('A30: a host joins once with a token, is known by its certificate, and keeps its key to itself', async () => {
  await using rig = await openRig();
  const { token } = await rig.root.createHostToken({});
  const h1 = await rig.join('h1', rig.address, token);
  assert.deepEqual(readIdentity(join(rig.dir, 'h1')), h1);
  assert.equal((await stat(join(rig.dir, 'h1/identity.json'))).mode & 0o777, 0o600);
  assert.equal((await asHost(h1).get('host', 'h1')).id, h1.host.id);
  await assert.rejects(rig.join('h2', rig.address, token), { code: 'TOKEN_INVALID' }, 'used up');
  await assert.rejects(rig.join('h2', rig.address, token.slice(0, -1)), { code: 'TOKEN_INVALID' });
  await using other = await openRig();
  await assert.rejects(rig.join('h3', other.address), { code: 'CA_MISMATCH' });
  assert.deepEqual(
    (await rig.root.list('host')).map(({ name }) => name),
    ['h1'],
  );
});

test('A32: a revoked host is nobody, at once, and its stream ends; with a token for it, it comes back', async () => {
  await using rig = await openRig();
  const h1 = await rig.join('h1');
  const { promise: welcome, resolve: welcomed } = Promise.withResolvers<void>();
  const { promise: lost, resolve: ended } = Promise.withResolvers<Error>();
  await using _stream = new ControllerStream(rig.address, () => credentialsOf(h1), {
    hello: () =>
      ({
        type: 'hello',
        protocol: PROTOCOL,
        name: 'h1',
        vtep: '198.18.0.1',
        mtuBytes: 1500,
        version: '',
        kernel: '',
      }) as never,
    welcome: () => welcomed(),
    changes: () => undefined,
    renew: () => undefined,
    ask: () => ({}),
    lost: ended,
  });
  await welcome;
  await rig.root.revokeHost('h1');
  await lost;
  await assert.rejects(asHost(h1).get('host', 'h1'), { code: 'CERTIFICATE_REVOKED' });
  await assert.rejects(rig.join('h1'), { code: 'NAME_TAKEN' });
  const { token } = await rig.root.createHostToken({ name: 'h1' });
  const again = await rig.join('h1', rig.address, token);
  assert.equal(again.host.id, h1.host.id);
  assert.equal((await asHost(again).get('host', 'h1')).name, 'h1');
  await assert.rejects(asHost(h1).get('host', 'h1'), { code: 'CERTIFICATE_REVOKED' }, 'the old one stays so');
});

test('a host that joins again beside its agent is let in, without a new process', async () => {
  await using rig = await openRig();
  const h1 = await rig.join('h1');
  await using own = new OwnCertificate(join(rig.dir, 'h1'), h1, log);
  const { promise: renewed, resolve } = Promise.withResolvers<void>();
  own.onRenewed(() => resolve());
  own.begin(openClient(rig.address, own.credentials), 20);
  await rig.root.revokeHost('h1');
  await assert.rejects(openClient(rig.address, own.credentials).get('host', 'h1'), { code: 'CERTIFICATE_REVOKED' });
  await rig.join('h1', rig.address, (await rig.root.createHostToken({ name: 'h1' })).token);
  await renewed;
  assert.equal((await openClient(rig.address, own.credentials).get('host', 'h1')).name, 'h1');
});

test('a host may leave, and take no other one with it', async () => {
  await using rig = await openRig();
  const [h1] = [await rig.join('h1'), await rig.join('h2')];
  await assert.rejects(asHost(h1).remove('host', 'h2', { gone: true }), { code: 'FORBIDDEN' });
  await asHost(h1).remove('host', 'h1', { gone: true });
  assert.deepEqual(
    (await rig.root.list('host')).map(({ name }) => name),
    ['h2'],
  );
  await assert.rejects(asHost(h1).get('host', 'h2'), { code: 'HOST_GONE' }, 'it is nobody now');
});

test('a host that was given another name while it was off is let in by its certificate, and keeps the name that it is told', async () => {
  await using rig = await openRig();
  const h1 = await rig.join('h1');
  await rig.root.update('host', 'h1', { name: 'h9' });
  const other = await rig.root.create('host', { name: 'h1', vtep: '198.18.0.7' });
  const stateDir = join(rig.dir, 'h1');
  await using own = new OwnCertificate(stateDir, h1, log);
  const mute = { changes: () => undefined, renew: () => undefined, ask: () => undefined };
  const hello = () => ({
    ...{ type: 'hello' as const, protocol: PROTOCOL, name: 'h1', vtep: '198.18.0.1', mtuBytes: 1500 },
    ...{ version: '0', kernel: '0' },
  });
  const { promise: welcomed, resolve: welcome, reject: lost } = Promise.withResolvers<Welcome>();
  await using _ = new ControllerStream(rig.address, own.credentials, { ...mute, hello, welcome, lost });
  const { host } = await welcomed;
  assert.deepEqual([host.id, host.name], [h1.host.id, 'h9']);
  own.renamed('h9');
  assert.deepEqual(readIdentity(stateDir), { ...h1, host: { id: h1.host.id, name: 'h9' } });
  assert.equal((await rig.root.get('host', 'h9')).status.condition, 'online');
  assert.deepEqual(await rig.root.get('host', other.id), other, 'who has its old name now is not touched');
});

test('a certificate is renewed with a new key when a third of its time is over, and after that is not', async () => {
  await using rig = await openRig();
  const joined = await rig.join('h1');
  const h1 = { ...joined, issuedAt: new Date(Date.now() - 2 * days).toISOString() };
  const stateDir = join(rig.dir, 'h1');
  await using own = new OwnCertificate(stateDir, h1, log);
  const { promise: renewed, resolve } = Promise.withResolvers<void>();
  own.onRenewed(() => resolve());
  own.begin(openClient(rig.address, own.credentials));
  await renewed;
  const after = readIdentity(stateDir)!;
  assert.notEqual(after.key, h1.key);
  assert.notEqual(own.credentials().cert, h1.cert);
  assert.equal((await asHost(after).get('host', 'h1')).name, 'h1');
  rig.clock.now += 10 * days;
  await assert.rejects(asHost(after).get('host', 'h1'), { code: 'CERTIFICATE_INVALID' }, 'it has expired');
});

test('an authority takes over from another, and nobody notices', async () => {
  await using rig = await openRig();
  const h1 = await rig.join('h1');
  const { ca: before } = await rig.root.authority();
  await rig.root.rotateAuthority();
  const { ca: both } = await rig.root.authority();
  assert.notEqual(both, before);
  assert.equal((await asHost(h1).get('host', 'h1')).name, 'h1', 'believes the old one alone');
  const h2 = await rig.join('h2');
  assert.equal((await asHost(h2).get('host', 'h2')).name, 'h2');
  await assert.rejects(rig.root.retireAuthority(), { code: 'CA_IN_USE' });
  await rig.root.retireAuthority({ force: true });
  await assert.rejects(asHost(h1).get('host', 'h1'), (e: { code?: string }) =>
    ['CERTIFICATE_INVALID', 'CONTROLLER_UNREACHABLE'].includes(e.code ?? ''),
  );
  assert.equal((await asHost(h2).get('host', 'h2')).name, 'h2');
});

test('who has joined and asks once more by that token, which is used up, is the same host still, as long as it counts', async () => {
  await using rig = await openRig();
  const { token } = await rig.root.createHostToken({});
  const as = { controller: rig.address, token, vtep: '198.18.0.1', stateDir: join(rig.dir, 'h1') };
  const first = await ensureJoined({ ...as, name: 'h1' });
  assert.equal(first.refused, undefined);
  const again = await ensureJoined(as);
  assert.deepEqual(again.identity, first.identity);
  assert.equal(again.refused?.code, 'TOKEN_INVALID');
  const { token: free } = await rig.root.createHostToken({});
  await assert.rejects(ensureJoined({ ...as, token: free, name: 'h1' }), { code: 'NAME_TAKEN' }, 'another token');
  const { token: spent } = await rig.root.createHostToken({});
  await joinController({ ...as, token: spent, name: 'h3', vtep: '198.18.0.3', stateDir: join(rig.dir, 'h3') });
  for (const token of [spent, '', as.token.slice(0, -1)])
    await assert.rejects(ensureJoined({ ...as, token }), { code: 'TOKEN_INVALID' }, `"${token}" is not its token`);
  await assert.rejects(ensureJoined({ ...as, name: 'h2' }), { code: 'TOKEN_INVALID' }, 'another host');
  await assert.rejects(ensureJoined({ ...as, stateDir: join(rig.dir, 'h2') }), { code: 'TOKEN_INVALID' });
  const twice = { ...as, token: (await rig.root.createHostToken({ uses: 2 })).token, stateDir: join(rig.dir, 'h4') };
  const h4 = await ensureJoined({ ...twice, name: 'h4', vtep: '198.18.0.4' });
  const named = await ensureJoined({ ...twice, name: 'h4', vtep: '198.18.0.4' });
  assert.deepEqual([named.identity, named.refused?.code], [h4.identity, 'NAME_TAKEN']);
  const file = join(twice.stateDir, 'identity.json');
  await writeFile(file, '{}');
  await assert.rejects(ensureJoined({ ...twice, name: 'h4' }), { code: 'NAME_TAKEN' }, 'what it was refused for');
  await rig.root.revokeHost('h1');
  await assert.rejects(ensureJoined(as), { code: 'TOKEN_INVALID' }, 'it does not count any more');
  const { token: own } = await rig.root.createHostToken({ name: 'h1' });
  const back = await ensureJoined({ ...as, token: own });
  assert.equal(back.refused, undefined);
  assert.notEqual(back.identity.cert, first.identity.cert);
});
