/** The command line against daemons that are there and do not do their part. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { HeddleError, toProblem } from '../../src/model/errors.ts';
import { heddle } from './heddle.ts';

/** A server on a unix socket; disposing closes it. */
async function serve(listener: RequestListener): Promise<{ socket: string } & Disposable> {
  const dir = mkdtempSync(join(tmpdir(), 'heddle-silent-'));
  const socket = join(dir, 's.sock');
  const server = createServer(listener).listen(socket);
  await once(server, 'listening');
  const close = () => {
    server.close();
    server.closeAllConnections();
    rmSync(dir, { recursive: true });
  };
  return { socket, [Symbol.dispose]: close };
}

test('status ends when controller and agent take the question and say nothing', async () => {
  using deaf = await serve(() => undefined);
  const env = { HEDDLE_CONTROLLER: `unix:${deaf.socket}`, HEDDLE_AGENT: deaf.socket };
  const { code, stdout } = await heddle(['status', '--json'], env);
  assert.equal(code, 3);
  const { controller, agent } = JSON.parse(stdout);
  assert.equal(controller.problem.code, 'CONTROLLER_UNREACHABLE');
  assert.equal(agent.problem.code, 'AGENT_UNREACHABLE');
  for (const { problem } of [controller, agent]) assert.match(problem.detail, /no answer within 3 s/);
});

test('an attach that took too long says that it was undone; another write, that it will be applied', async () => {
  const problem = toProblem(new HeddleError('WAIT_TIMEOUT', { revision: '7', hosts: ['h1'] }));
  using late = await serve((_, response) =>
    response.writeHead(problem.status, { 'content-type': 'application/problem+json' }).end(JSON.stringify(problem)),
  );
  const env = { HEDDLE_CONTROLLER: `unix:${late.socket}`, HEDDLE_AGENT: late.socket, HEDDLE_TENANT: 'acme' };
  const attach = await heddle(['attach', 'netns', 'w1', '--network', 'web'], env);
  assert.equal(attach.code, 3);
  assert.match(attach.stderr, /hint: it was undone/);
  assert.doesNotMatch(attach.stderr, /will be applied/);
  const write = await heddle(['network', 'create', 'web', '--wait', '1'], env);
  assert.match(write.stderr, /hint: it is stored and will be applied/);
});
