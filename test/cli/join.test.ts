import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as path } from 'node:path';
import { test } from 'node:test';
import { pino } from 'pino';
import { joinController } from '../../src/agent/join.ts';
import { openClient } from '../../src/client/client.ts';
import { startController } from '../../src/controller/main.ts';
import { run } from '../../src/lab/run.ts';
import { launcher } from './heddle.ts';

test('who has joined and joins again by what is no token has not, and is told so', async () => {
  await using stack = new AsyncDisposableStack();
  const dir = await mkdtemp(path(tmpdir(), 'heddle-join-'));
  stack.defer(() => rm(dir, { recursive: true }));
  const listen = [{ unix: path(dir, 'socket') }, { tcp: '127.0.0.1:0' }];
  const { addresses } = stack.use(
    await startController({ db: path(dir, 'db'), listen, log: pino({ level: 'silent' }) }),
  );
  const [local = '', controller = ''] = addresses;
  const { token } = await openClient(local).createHostToken({});
  const stateDir = path(dir, 'h1');
  await joinController({ controller, token, name: 'h1', vtep: '198.18.0.1', stateDir });
  for (const [input, exit, problem] of [
    [token.slice(0, -1), 1, 'TOKEN_INVALID'],
    ['', 2, 'this is no token'],
  ] as const) {
    const argv = [launcher, 'agent', 'join', controller, '-', '--state-dir', stateDir, '--json'];
    const { code, stdout, stderr } = await run(argv, { input });
    assert.equal(code, exit, stdout + stderr);
    assert.ok((stdout + stderr).includes(problem), stdout + stderr);
  }
});
