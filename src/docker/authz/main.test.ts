import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { pino } from 'pino';
import { TestEngine, testContainer, testNetwork } from '../test-engine.ts';
import { TestRecords } from '../test-records.ts';
import { agentHeader, newAgentSecret, openDockerAuthz } from './main.ts';

const shop = { id: '5'.repeat(64), name: 'shop', subnet: '10.0.0.0/24' };

/** A plug-in that is asked as an engine asks. */
class Rig implements AsyncDisposable {
  readonly engine = new TestEngine();
  /** What the agent's log has of it, since this was asked last. */
  readonly #logged: Record<string, unknown>[] = [];
  /** What is told to be refused. */
  readonly refused: unknown[] = [];
  readonly secret = newAgentSecret();
  readonly #dir = mkdtempSync(join(tmpdir(), 'heddle-authz-'));
  readonly #stack = new AsyncDisposableStack();
  readonly #socket = join(this.#dir, 'heddle-authz.sock');

  static async open(users: object): Promise<Rig> {
    const rig = new Rig();
    const records = new TestRecords();
    records.addNetwork(shop.id);
    rig.engine.networks.set(shop.id, testNetwork(shop));
    rig.engine.containers.set('front', {
      ...testContainer({ id: 'f', name: 'front', networks: { shop: { network: shop.id, endpoint: 'e' } } }),
      HostConfig: { MaskedPaths: ['/proc/kcore'], ReadonlyPaths: ['/proc/sys'] },
    });
    await rig.engine.start();
    const path = join(rig.#dir, 'users.json');
    writeFileSync(path, JSON.stringify({ users }));
    rig.#stack.use(
      await openDockerAuthz({
        ...{ users: path, socket: rig.#socket, driver: '/run/docker/plugins/heddle.sock', tenants: ['acme', 'globex'] },
        ...{
          engine: rig.engine.socket,
          secret: rig.secret,
          records,
          refusals: { note: (refusal) => void rig.refused.push(refusal) },
          log: pino({}, { write: (line: string) => void rig.#logged.push(JSON.parse(line)) }),
        },
      }),
    );
    return rig;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
    await this.engine.stop();
    rmSync(this.#dir, { recursive: true });
  }

  async post(path: string, body?: unknown): Promise<{ status: number; body: Record<string, unknown> }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: Record<string, unknown> }>();
    const outgoing = request({ socketPath: this.#socket, path, method: 'POST' }, (response) =>
      text(response).then((t) => resolve({ status: response.statusCode!, body: JSON.parse(t) }), reject),
    );
    outgoing.on('error', reject).end(body === undefined ? undefined : JSON.stringify(body));
    return promise;
  }
  /** What is told to who may not; undefined: it is allowed. What is refused is one line of the log, and what is not is none. */
  async ask(fields: object): Promise<string | undefined> {
    this.#logged.length = 0;
    const { status, body } = await this.post('/AuthZPlugin.AuthZReq', fields);
    assert.equal(status, 200);
    const isAllowed = body.Allow === true;
    const lines = this.#logged.map(({ msg }) => String(msg));
    assert.equal(lines.length, isAllowed ? 0 : 1, JSON.stringify(lines));
    if (!isAllowed) assert.match(lines[0]!, /^a request to the engine (was refused|could not be judged)$/);
    return isAllowed ? undefined : String(body.Msg);
  }
  /** The line of what was refused last. */
  get told(): Record<string, unknown> | undefined {
    return this.#logged.at(-1);
  }
}

const stop = { RequestMethod: 'POST', RequestUri: '/v1.41/containers/front/stop' };
const bob = { User: 'bob', UserAuthNMethod: 'TLS' };

test('it says what it is, and lets answers pass', async () => {
  await using rig = await Rig.open({});
  assert.deepEqual((await rig.post('/Plugin.Activate')).body, { Implements: ['authz'] });
  assert.deepEqual((await rig.post('/AuthZPlugin.AuthZRes', { ...stop, ...bob })).body, { Allow: true });
  assert.equal((await rig.post('/AuthZPlugin.Other')).status, 404);
});

test('A22: users are told apart by their certificates’ names, and a certificate without one is not the socket', async () => {
  await using rig = await Rig.open({ bob: ['acme'], carol: ['globex'], '': ['*'] });
  assert.equal(await rig.ask({ ...stop, ...bob }), undefined);
  assert.match(
    (await rig.ask({ ...stop, ...bob, User: 'carol' })) ?? '',
    /^carol may not .*yours called front.*globex/,
  );
  assert.match((await rig.ask({ ...stop, ...bob, User: 'dave' })) ?? '', /tenants here: none/);
  assert.equal(await rig.ask(stop), undefined, 'who comes by the socket');
  assert.match((await rig.ask({ ...stop, UserAuthNMethod: 'TLS' })) ?? '', /^a certificate without a common name/);
  for (const User of ['__proto__', 'constructor', 'toString'])
    assert.notEqual(await rig.ask({ ...stop, User, UserAuthNMethod: 'TLS' }), undefined);
});

test('A22: a refusal is a line of the log, and told for the record, with who asked for what, and why it was refused', async () => {
  await using rig = await Rig.open({ carol: ['globex'] });
  const Msg = await rig.ask({ ...stop, ...bob, User: 'carol' });
  const asked = 'POST /v1.41/containers/front/stop';
  const line = rig.told!;
  assert.deepEqual([line.user, line.asked, line.problem], ['carol', asked, Msg]);
  const told = { who: 'carol', asked, code: 'ENGINE_FORBIDDEN' };
  assert.deepEqual(rig.refused, [{ ...told, why: 'there is no container of yours called front' }]);
  const secret = `${stop.RequestUri}?password=hunter2`;
  await rig.ask({ ...stop, ...bob, User: 'carol', RequestUri: secret });
  assert.deepEqual(rig.refused[1], rig.refused[0], 'a query is not told');
  assert.doesNotMatch(JSON.stringify(rig.told), /hunter2/);
  await rig.engine.stop();
  await rig.ask({ ...stop, ...bob, User: 'carol' });
  assert.match(JSON.stringify(rig.told), /ENGINE_UNREACHABLE/);
  assert.equal(rig.refused.length, 2, 'what could not be judged is no refusal');
});

test('A22: who comes by the socket is nobody, unless the file says so; the agent itself is known by its secret', async () => {
  await using rig = await Rig.open({ bob: ['acme'] });
  const from = (secret: string) => ({ ...stop, RequestHeaders: { [agentHeader]: secret } });
  assert.match((await rig.ask(stop)) ?? '', /socket/);
  assert.equal(await rig.ask(from(rig.secret)), undefined);
  for (const wrong of ['', newAgentSecret(), rig.secret.slice(1)])
    assert.notEqual(await rig.ask(from(wrong)), undefined);
  assert.notEqual(await rig.ask({ ...from(rig.secret), ...bob, User: 'dave' }), undefined);
});

test('A22: a query is believed only if the engine tells that no body hides a form, which it would read first', async () => {
  await using rig = await Rig.open({ bob: ['acme'] });
  const rename = { ...bob, RequestMethod: 'POST', RequestUri: '/v1.41/containers/front/rename?name=fine' };
  assert.equal(await rig.ask({ ...rename, RequestHeaders: { 'Content-Length': '0' } }), undefined);
  for (const RequestHeaders of [null, {}, { 'Content-Length': '9' }, { 'Content-Type': 'text/plain' }])
    assert.match((await rig.ask({ ...rename, RequestHeaders })) ?? '', /Content-Length: 0/);
});

test('A22: other tenants’ names are not told', async () => {
  await using rig = await Rig.open({ bob: ['acme'] });
  const body = { Name: 'n', Driver: 'heddle', Options: { 'heddle.tenant': 'other' } };
  const RequestBody = Buffer.from(JSON.stringify(body)).toString('base64');
  const said = await rig.ask({ ...bob, RequestMethod: 'POST', RequestUri: '/networks/create', RequestBody });
  assert.match(said ?? '', /no tenant of yours called other/);
  assert.doesNotMatch(said ?? '', /globex/);
});

test('what goes wrong is a refusal: an engine that is away, a call without a body, one that is no JSON', async () => {
  await using rig = await Rig.open({ bob: ['acme'] });
  await rig.engine.stop();
  assert.match((await rig.ask({ ...stop, ...bob })) ?? '', /engine/);
  for (const body of [undefined, [], { User: 7 }, { ...stop, RequestHeaders: [] }])
    assert.equal((await rig.post('/AuthZPlugin.AuthZReq', body)).body.Allow, false);
});
