/** The program of the managed plug-in, without an engine. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../../src/lab/processes.ts';
import { swarmPlugin } from './swarm-plugin.ts';

/** The proxy on a socket, and where it looks for the agent. */
async function stage() {
  const stack = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), 'heddle-proxy-'));
  stack.defer(() => rmSync(folder, { recursive: true }));
  const [own, agent] = [join(folder, 'own.sock'), join(folder, 'agent.sock')];
  const child = spawn(join(await swarmPlugin(), 'rootfs/heddle-proxy'), [own, agent], { stdio: 'inherit' });
  const ended = once(child, 'exit');
  stack.defer(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  await until('the proxy’s socket', 5000, async () => (existsSync(own) ? true : undefined));
  return { own, agent, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** What a call is answered with. */
async function call(socketPath: string, method: string, body = '{}'): Promise<{ status: number; text: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
  const outgoing = request({ socketPath, method: 'POST', path: `/${method}`, agent: false }, (response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    response.on('end', () => resolve({ status: response.statusCode!, text }));
  });
  outgoing.on('error', reject).end(body);
  return promise;
}

/** An agent that answers with what it was asked. */
async function startAgent(socket: string): Promise<AsyncDisposable> {
  const server = createServer((incoming, response) => {
    let text = '';
    incoming.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    incoming.on('end', () => response.end(`${incoming.url} ${text.length}`));
  });
  server.listen(socket);
  await once(server, 'listening');
  return {
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

test('calls go to the agent and its answers back, also large ones and many at once', async () => {
  await using s = await stage();
  await using _agent = await startAgent(s.agent);
  const large = 'x'.repeat(900_000);
  assert.deepEqual(await call(s.own, 'NetworkDriver.Join', large), { status: 200, text: '/NetworkDriver.Join 900000' });
  const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => call(s.own, `Call.${i}`)));
  assert.deepEqual(
    answers.map((a) => a.text),
    answers.map((_, i) => `/Call.${i} 2`),
  );
});

test('what it can do is answered while the agent is away, and all else refused with the reason', async () => {
  await using s = await stage();
  const capabilities = await call(s.own, 'NetworkDriver.GetCapabilities');
  assert.deepEqual(JSON.parse(capabilities.text), { Scope: 'local', ConnectivityScope: 'global' });
  const spaces = await call(s.own, 'IpamDriver.GetDefaultAddressSpaces');
  assert.equal(JSON.parse(spaces.text).LocalDefaultAddressSpace, 'heddle');
  const refused = await call(s.own, 'NetworkDriver.Join');
  assert.equal(refused.status, 500);
  assert.match(JSON.parse(refused.text).Err, /agent of this host does not answer/);
});

test('a call waits for an agent that is starting', async () => {
  await using s = await stage();
  const called = call(s.own, 'NetworkDriver.Leave');
  await using _agent = await startAgent(s.agent);
  assert.equal((await called).status, 200);
});
