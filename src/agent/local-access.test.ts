import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { Agent, type IncomingMessage, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { pino } from 'pino';
import { asUser, type TestUser } from '../kernel/test-user.ts';
import { HeddleError } from '../model/errors.ts';
import { newId, type PortId } from '../model/ids.ts';
import type { Attachment, AttachRequest } from '../model/local-api.ts';
import { LocalAccess, memberLimits } from './local-access.ts';
import { serveLocalApi } from './local-api.ts';

const folder = mkdtempSync(join(tmpdir(), 'heddle-access-'));
chmodSync(folder, 0o711);
after(() => rmSync(folder, { recursive: true }));

const group = 4711;
const root: TestUser = { uid: 0 };
const alice: TestUser = { uid: 70_001, groups: [group] };
const bob: TestUser = { uid: 70_002, gid: group };
const stranger: TestUser = { uid: 70_003, groups: [4712] };

const secret = { userData: 'password: hunter2', sshKeys: ['ssh-ed25519 AAAA bob'], labels: { tier: 'vault' } };
/** A record as it is on disk, as far as the local API looks at it. */
const attachment = (name: string, more: object): Attachment =>
  ({ port: newId<PortId>(), tenant: 'acme', network: 'web', name, state: 'attached', local: secret, ...more }) as never;
const here = [
  attachment('of-alice', { kind: 'tap', ifname: 'tap-a', uid: alice.uid }),
  attachment('of-bob', { kind: 'tap', ifname: 'tap-b', uid: bob.uid }),
  attachment('of-root', { kind: 'tap', ifname: 'tap-r' }),
  attachment('w1', { kind: 'netns', target: { path: '/run/netns/w1' }, ifname: 'eth0' }),
];
const idOf = (name: string): string => here.find((a) => a.name === name)!.port;

let served = 0;
/** The local API over attachments that nobody makes, and what it was asked for. */
async function serve(options: { group?: number } = { group }) {
  const path = join(folder, `${++served}.sock`);
  const asked: { attach: unknown[]; detach: string[]; left: number } = { attach: [], detach: [], left: 0 };
  const refused: string[] = [];
  const find = (name: string) => {
    const found = here.find((a) => a.name === name || a.port === name);
    if (!found) throw new HeddleError('NOT_FOUND', { kind: 'attachment of port', name });
    return found;
  };
  const api = await serveLocalApi(path, {
    attacher: {
      attach: async (...given: [AttachRequest, number?]) => {
        asked.attach.push(given);
        if (given[0].network === 'not-its')
          throw new HeddleError('FORBIDDEN', { who: 'host h1', verb: 'write', what: 'ports' });
        return { port: { id: newId() } } as never;
      },
      detach: async (port) => {
        asked.detach.push(port);
        return { released: true };
      },
      details: (name) => ({ attachment: find(name) }) as never,
      find,
    },
    attachments: { all: () => here },
    status: () => ({ synced: true }),
    setting: () => ({ name: 'h1' }) as never,
    observed: { metrics: async () => 'heddle_up 1\n', readiness: () => [] },
    dns: { lookUp: async () => ({ rcode: 'NOERROR' }) as never },
    leave: {
      plan: {} as never,
      answered: () => undefined,
      run: async () => {
        asked.left += 1;
        return {} as never;
      },
    },
    ...options,
    refusals: { note: ({ who, asked, code, why }) => void refused.push([code, who, asked, why].join(' | ')) },
    log: pino({ level: 'silent' }),
  });
  return Object.assign(api, { path, asked, refused });
}

/** A connection of a user's. */
const open = (path: string, user: TestUser): Socket => asUser(user, () => connect(path));

/** Requests by this connection, one after the other. */
function by(socket: Socket): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  agent.createConnection = () => socket;
  return agent;
}

async function ask(
  path: string,
  user: TestUser,
  method: string,
  route: string,
  { body, agent = by(open(path, user)) }: { body?: object | undefined; agent?: Agent } = {},
) {
  const headers = { 'content-type': 'application/json' };
  const asking = request({ agent, method, path: route, ...(body && { headers }) });
  asking.end(body && JSON.stringify(body));
  const [answer] = (await once(asking, 'response')) as [IncomingMessage];
  const told = await text(answer);
  const json = told && answer.headers['content-type']?.includes('json') ? JSON.parse(told) : {};
  return { status: answer.statusCode!, code: json.code as string, detail: json.detail as string, json };
}

const tap = { kind: 'tap', tenant: 'acme', network: 'web' };
const routes = [
  ['GET', '/healthz', 200],
  ['GET', '/readyz', 200],
  ['GET', '/metrics', 200],
  ['GET', '/v1/status', 200],
  ['GET', '/v1/setting', 200],
  ['GET', '/v1/dns?tenant=acme&network=web&name=db1&type=A', 200],
  ['GET', '/v1/attachments', 200],
  ['GET', '/v1/attachments/of-alice', 200],
  ['GET', '/v1/attachments/of-bob', 200],
  ['POST', '/v1/attachments', 200, tap],
  ['DELETE', '/v1/attachments/of-alice', 200],
  ['DELETE', '/v1/attachments/of-bob', 403],
  ['DELETE', '/v1/attachments/of-root', 403],
  ['DELETE', '/v1/attachments/w1', 403],
  ['GET', '/v1/leave', 403],
  ['POST', '/v1/leave', 403, {}],
  ['HEAD', '/v1/leave', 403],
  ['GET', '/v1/whatever-comes-next', 403],
] as const;

test('A21: root may all; a member reads, and has taps of its own; a stranger may nothing, even where the socket lets it in', async () => {
  await using api = await serve();
  // Root's own mistake, or another's: what the kernel says of who comes holds without the socket's mode.
  chmodSync(api.path, 0o666);
  for (const [method, route, forAlice, body] of routes) {
    const [asRoot, asAlice, asStranger] = [
      await ask(api.path, root, method, route, { body }),
      await ask(api.path, alice, method, route, { body }),
      await ask(api.path, stranger, method, route, { body }),
    ];
    const what = `${method} ${route}`;
    assert.notEqual(asRoot.status, 403, what);
    assert.equal(asAlice.status, forAlice, what);
    assert.equal(asStranger.status, 403, what);
    if (method === 'HEAD') continue;
    if (forAlice === 403)
      assert.deepEqual([asAlice.code, /^user 70001 may not /.test(asAlice.detail)], ['FORBIDDEN', true]);
    assert.match(asStranger.detail, /^user 70003 may not ask this agent: only root may, and who was in group 4711/);
  }
  assert.deepEqual(new Set(api.asked.detach), new Set(here.map((a) => a.port)));
  assert.equal(api.asked.detach.filter((port) => port === idOf('of-alice')).length, 2);
  assert.deepEqual([api.asked.attach.length, api.asked.left], [2, 1]);
});

test('A21: what is refused is noted, with who asked for what and why, and nothing else is', async () => {
  await using api = await serve();
  chmodSync(api.path, 0o666);
  const attach = (user: TestUser, body: object) => ask(api.path, user, 'POST', '/v1/attachments', { body });
  await attach(alice, { ...tap, owner: 0, userData: 'password: hunter2' });
  await ask(api.path, alice, 'DELETE', '/v1/attachments/of-bob?tenant=acme');
  await ask(api.path, stranger, 'GET', '/v1/status');
  const told = [
    'FORBIDDEN | user 70001 | POST /v1/attachments | user 70001 may not attach a tap of user 0: leave --owner out, and it is yours',
    'FORBIDDEN | user 70001 | DELETE /v1/attachments/of-bob | user 70001 may not detach port of-bob: only whose tap it is may, and root',
    'FORBIDDEN | user 70003 | GET /v1/status | user 70003 may not ask this agent: only root may, and who was in group 4711 when it connected',
  ];
  assert.deepEqual(api.refused, told);
  await attach(alice, tap);
  await attach(alice, { ...tap, queues: 0 });
  assert.equal(
    (await attach(alice, { ...tap, network: 'not-its' })).code,
    'FORBIDDEN',
    'by the controller, to this host',
  );
  await ask(api.path, bob, 'GET', '/v1/attachments/none');
  await ask(api.path, root, 'DELETE', '/v1/attachments/none');
  assert.deepEqual(api.refused, told);
});

test('A21: the socket itself keeps strangers out, and everybody but root where there is no group', async () => {
  const refused = async (path: string, user: TestUser) => {
    const socket = open(path, user);
    socket.once('connect', () => socket.destroy(new Error('it was let in')));
    const [e] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
    assert.equal(e.code, 'EACCES', e.message);
  };
  await using shared = await serve();
  await refused(shared.path, stranger);
  for (const member of [alice, bob]) assert.equal((await ask(shared.path, member, 'GET', '/v1/status')).status, 200);
  await using own = await serve({});
  for (const user of [alice, bob, stranger]) await refused(own.path, user);
  chmodSync(own.path, 0o666);
  const told = await ask(own.path, alice, 'GET', '/v1/status');
  assert.deepEqual([told.code, told.detail], ['FORBIDDEN', 'user 70001 may not ask this agent: only root may']);
  assert.equal((await ask(own.path, root, 'GET', '/v1/status')).status, 200);
});

test('A21: a member’s attach is of a tap of its own, whatever it asks for', async () => {
  await using api = await serve();
  const attach = (body: object, user = alice) =>
    ask(api.path, user, 'POST', '/v1/attachments', { body: { ...tap, ...body } });
  assert.equal((await attach({ ifname: 'tap-vm1', port: 'vm1', queues: 2 })).status, 200);
  assert.equal((await attach({ owner: alice.uid })).status, 200);
  const own = { ...tap, owner: alice.uid };
  assert.deepEqual(api.asked.attach, [
    [{ ...own, ifname: 'tap-vm1', port: 'vm1', queues: 2 }, memberLimits.taps],
    [own, memberLimits.taps],
  ]);
  for (const [body, why] of [
    [{ owner: bob.uid }, /may not attach a tap of user 70002: leave --owner out/],
    [{ owner: 0 }, /may not attach a tap of user 0/],
    [{ standby: true, port: 'db1' }, /may not attach a tap that stands by for a port of another host/],
    [{ ifname: 'eth1' }, /may not attach a tap named eth1: take a name that begins with "tap"/],
    [{ kind: 'netns', target: '/proc/1/ns/net' }, /may not attach a network namespace: only root may/],
    [{ kind: 'host' }, /may not attach this host/],
    [{ kind: 'host', netns: 'n', routes: ['10.0.0.0/8'] }, /may not attach this host/],
    [{ kind: 'device', ifname: 'eth0' }, /may not attach a NIC/],
  ] as const) {
    const told = await attach(body);
    assert.deepEqual([told.status, told.code], [403, 'FORBIDDEN']);
    assert.match(told.detail, why);
  }
  assert.equal((await attach({ kind: 'tap', queues: 0 })).code, 'INVALID');
  assert.equal(api.asked.attach.length, 2);
  // Root's goes as it is.
  assert.equal((await attach({ owner: bob.uid, standby: true, port: 'db1', ifname: 'eth1' }, root)).status, 200);
  assert.deepEqual(api.asked.attach[2], [
    { ...tap, owner: bob.uid, standby: true, port: 'db1', ifname: 'eth1' },
    undefined,
  ]);
});

test('A21: a member sees user data, keys and labels of its own ports alone', async () => {
  await using api = await serve();
  const list = async (user: TestUser) => {
    const { json } = await ask(api.path, user, 'GET', '/v1/attachments');
    return Object.fromEntries((json.items as Attachment[]).map((a) => [a.name, a.local]));
  };
  assert.deepEqual(await list(alice), { 'of-alice': secret, 'of-bob': undefined, 'of-root': undefined, w1: undefined });
  assert.deepEqual(await list(root), { 'of-alice': secret, 'of-bob': secret, 'of-root': secret, w1: secret });
  for (const [user, name, told] of [
    [alice, 'of-alice', secret],
    [alice, 'of-bob', undefined],
    [bob, 'of-bob', secret],
    [root, 'of-bob', secret],
  ] as const)
    assert.deepEqual((await ask(api.path, user, 'GET', `/v1/attachments/${name}`)).json.attachment.local, told);
});

test('A21: who it is is asked anew of each connection, and is who made it', async () => {
  await using api = await serve();
  const [first, second] = [by(open(api.path, alice)), by(open(api.path, root))];
  const see = async (user: TestUser, agent: Agent) => (await ask(api.path, user, 'GET', '/v1/leave', { agent })).status;
  // Who uses a connection later does not matter: neither gains nor loses by that.
  for (const user of [root, alice])
    assert.deepEqual([await see(user, first), await asUser(user, () => see(user, second))], [403, 200]);
  for (const agent of [first, second]) agent.destroy();
});

test('A21: of whom the kernel does not tell is nobody', () => {
  const access = new LocalAccess({ group });
  const caller = () => access.caller({} as Socket);
  assert.throws(caller, {
    code: 'FORBIDDEN',
    message: /somebody whom the kernel does not name may not ask this agent/,
  });
  assert.throws(() => access.admit({} as Socket, 'GET', '/healthz'), { code: 'FORBIDDEN' });
});

test('A21: a member that connects or asks without end takes nothing from others', async () => {
  await using api = await serve();
  const many = Array.from({ length: memberLimits.connections + 1 }, () => open(api.path, alice));
  const [cut] = await Promise.race(many.map(async (socket) => (await once(socket, 'close'), [socket])));
  assert.equal(many.indexOf(cut!), memberLimits.connections);
  for (const user of [bob, root]) assert.equal((await ask(api.path, user, 'GET', '/v1/status')).status, 200);
  const agent = by(many[0]!);
  const codes = new Set<string>();
  for (let asked = 0; asked < 10_000 && !codes.has('RATE_LIMITED'); asked++)
    codes.add((await ask(api.path, alice, 'GET', '/healthz', { agent })).code);
  assert.ok(codes.has('RATE_LIMITED'));
  for (const user of [bob, root]) assert.equal((await ask(api.path, user, 'GET', '/v1/status')).status, 200);
  for (const one of many) one.destroy();
});
