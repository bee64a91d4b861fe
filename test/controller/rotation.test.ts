/** Certificates that are renewed, and authorities that take over, while a client writes and a host is connected. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { pino } from 'pino';
import { credentialsOf } from '../../src/agent/identity.ts';
import { joinController } from '../../src/agent/join.ts';
import { OwnCertificate } from '../../src/agent/own-certificate.ts';
import { ControllerStream } from '../../src/agent/stream.ts';
import { type Client, openClient } from '../../src/client/client.ts';
import { tlsOptions } from '../../src/client/tls.ts';
import { startController } from '../../src/controller/main.ts';
import { type Hello, PROTOCOL } from '../../src/model/host-state.ts';
import { makeRequest } from '../../src/trust/request.ts';

const log = pino({ level: 'silent' });
const days = 86_400_000;

interface Rig extends AsyncDisposable {
  readonly root: Client;
  readonly address: string;
  readonly dir: string;
  readonly clock: { now: number };
}

async function openRig(): Promise<Rig> {
  await using stack = new AsyncDisposableStack();
  const dir = await mkdtemp(join(tmpdir(), 'heddle-rotation-'));
  stack.defer(() => rm(dir, { recursive: true }));
  const clock = { now: Date.now() };
  const listen = [{ unix: join(dir, 'socket') }, { tcp: '127.0.0.1:0' }];
  const now = () => new Date(clock.now);
  const { addresses } = stack.use(await startController({ db: join(dir, 'db'), listen, log, now }));
  return Object.assign(stack.move(), { dir, clock, root: openClient(addresses[0]!), address: addresses[1]! });
}

/** A host that is connected; `renewed` settles when its certificate was renewed the next time. */
async function openHost({ root, address, dir }: Rig) {
  await using stack = new AsyncDisposableStack();
  const { token } = await root.createHostToken({});
  const stateDir = join(dir, 'h1');
  const identity = await joinController({ controller: address, token, name: 'h1', vtep: '198.18.0.1', stateDir });
  const own = stack.use(new OwnCertificate(stateDir, identity, log));
  let welcomed = Promise.withResolvers<void>();
  let renewed = Promise.withResolvers<void>();
  const hello: Hello = {
    ...{ type: 'hello', protocol: PROTOCOL, name: 'h1', vtep: '198.18.0.1', mtuBytes: 1500 },
    ...{ version: '0', kernel: '6' },
  };
  const stream = stack.use(
    new ControllerStream(address, own.credentials, {
      hello: () => hello,
      welcome: () => welcomed.resolve(),
      changes: () => undefined,
      ask: () => ({}),
      renew: () => own.renewNow(),
      lost: () => undefined,
    }),
  );
  await welcomed.promise;
  own.onRenewed(() => {
    welcomed = Promise.withResolvers();
    stream.reopen();
    renewed.resolve();
  });
  own.begin(openClient(address, own.credentials));
  return Object.assign(stack.move(), {
    renewed: () => {
      renewed = Promise.withResolvers();
      return renewed.promise;
    },
    /** It is there again. */
    welcomed: () => welcomed.promise,
  });
}

test('A33: while authorities take over, no write is lost and no host has to join again', async () => {
  await using rig = await openRig();
  const { root, address } = rig;
  await using host = await openHost(rig);
  const { token } = await root.createToken({ user: 'admin' });
  let credentials = { ca: (await root.authority()).ca, token };
  const client = openClient(address, () => credentials);
  await root.create('tenant', { name: 'acme' });

  let on = true;
  let made = 0;
  const write = async (): Promise<void> => {
    while (on) await client.create('network', { name: `n${made++}` }, { tenant: 'acme' });
  };
  const writing = Promise.all([write(), write()]);
  const pins = new Set<string>();
  for (let round = 0; round < 3; round++) {
    const renewed = host.renewed();
    const { authorities } = await root.rotateAuthority();
    pins.add(authorities[0]!.pin);
    await Promise.race([renewed, writing]);
    await host.welcomed();
    assert.deepEqual(
      (await root.authorityStatus()).authorities.map(({ hosts }) => hosts.map(({ name }) => name)),
      [['h1'], []],
    );
    credentials = { ca: (await root.authority()).ca, token };
    await client.list('tenant');
    await root.retireAuthority();
  }
  on = false;
  await writing;
  assert.equal(pins.size, 3);
  assert.equal((await root.list('network', { tenant: 'acme' })).length, made);
  assert.equal((await root.get('host', 'h1')).status.condition, 'online');
});

test('A33: a listener shows the new certificate to who comes, keeps who is there, and resumes no session', async () => {
  await using rig = await openRig();
  using opened = new DisposableStack();
  rig.clock.now -= days;
  await rig.root.rotateAuthority();
  const { ca } = await rig.root.authority();
  const { hostname: host, port } = new URL(rig.address);
  const open = async (session?: Buffer) => {
    const socket = connect({ ...tlsOptions({ ca }), host, port: Number(port), ...(session && { session }) });
    opened.defer(() => socket.destroy());
    await once(socket, 'secureConnect');
    return socket;
  };
  const answer = async (socket: Awaited<ReturnType<typeof open>>): Promise<string> => {
    socket.write(`GET /healthz HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    const [data] = (await once(socket, 'data')) as [Buffer];
    return data.toString('latin1').split('\r\n', 1)[0]!;
  };
  const sessions: Buffer[] = [];
  const first = await open();
  assert.equal(await answer(first), 'HTTP/1.1 200 OK');
  const serial = first.getPeerX509Certificate()!.serialNumber;
  rig.clock.now += days;
  await rig.root.retireAuthority();
  const second = await open();
  second.on('session', (session: Buffer) => sessions.push(session));
  assert.notEqual(second.getPeerX509Certificate()!.serialNumber, serial);
  assert.equal(await answer(second), 'HTTP/1.1 200 OK');
  assert.equal(await answer(first), 'HTTP/1.1 200 OK', 'the same connection as before');
  const third = await open(sessions.at(-1) ?? second.getSession());
  assert.equal(third.isSessionReused(), false);
  assert.equal(await answer(third), 'HTTP/1.1 200 OK');
});

test('A33: a host that was off for three weeks is back by itself, and until then may nothing else', async () => {
  await using rig = await openRig();
  rig.clock.now -= 21 * days;
  const { token } = await rig.root.createHostToken({});
  const stateDir = join(rig.dir, 'h1');
  const joined = await joinController({ controller: rig.address, token, name: 'h1', vtep: '198.18.0.1', stateDir });
  rig.clock.now += 21 * days;
  // As it is on its disk, made three weeks ago.
  const identity = { ...joined, issuedAt: new Date(rig.clock.now - 21 * days).toISOString() };
  await using own = new OwnCertificate(stateDir, identity, log);
  const client = openClient(rig.address, own.credentials);
  await assert.rejects(client.get('host', 'h1'), { code: 'CERTIFICATE_INVALID', message: /expired/ });
  const { promise: renewed, resolve } = Promise.withResolvers<void>();
  own.onRenewed(() => resolve());
  own.begin(client);
  await renewed;
  assert.equal((await client.get('host', 'h1')).name, 'h1');
});

test('a renewal that a host began before it was revoked gets nothing, although another is in its place by then', async () => {
  await using rig = await openRig();
  using opened = new DisposableStack();
  const joinAs = async (dir: string, name?: string) => {
    const { token } = await rig.root.createHostToken(name === undefined ? {} : { name });
    return joinController({
      controller: rig.address,
      token,
      name: 'h1',
      vtep: '198.18.0.1',
      stateDir: join(rig.dir, dir),
    });
  };
  const stolen = await joinAs('stolen');
  const body = JSON.stringify({ csr: (await makeRequest('h1')).csr });
  const { hostname: host, port } = new URL(rig.address);
  const begin = async () => {
    const socket = connect({ ...tlsOptions(credentialsOf(stolen)), host, port: Number(port) });
    opened.defer(() => socket.destroy());
    await once(socket, 'secureConnect');
    const head = [`POST /v1/hosts/h1/certificate HTTP/1.1`, `Host: ${host}`, 'Content-Type: application/json'];
    socket.write(`${[...head, `Content-Length: ${body.length}`, 'Expect: 100-continue'].join('\r\n')}\r\n\r\n`);
    const [going] = (await once(socket, 'data')) as [Buffer];
    assert.match(String(going), /^HTTP\/1\.1 100 /);
    return async () => {
      socket.write(body);
      const [answer] = (await once(socket, 'data')) as [Buffer];
      return String(answer);
    };
  };
  const [twin, late] = [await begin(), await begin()];
  assert.match(await twin(), /^HTTP\/1\.1 200 /);
  await rig.root.revokeHost('h1');
  await joinAs('again', 'h1');
  assert.match(await late(), /^HTTP\/1\.1 401 [\s\S]*CERTIFICATE_REVOKED/);
});
