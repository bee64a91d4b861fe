import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { hasCode } from '../model/errors.ts';
import { inTheWay, listenUnix } from './unix-socket.ts';

const folder = mkdtempSync(join(tmpdir(), 'heddle-listen-'));
after(() => rmSync(folder, { recursive: true }));

test('a socket is made with its folder, for its owner alone, and nobody else gets it', async () => {
  const path = join(folder, 'inner', 'one.sock');
  const [first, second] = [createServer(), createServer()];
  assert.equal(await inTheWay(path), undefined);
  await listenUnix(first, path);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  await assert.rejects(
    listenUnix(second, path),
    (e) => hasCode(e, 'USAGE') && e.message.includes(`another process listens on ${path}`),
  );
  first.close();
  await listenUnix(second, path);
  second.close();
});

test('what a killed process has left is replaced', async () => {
  const path = join(folder, 'stale.sock');
  const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['--eval', script]);
  assert.ok(statSync(path).isSocket());
  const server = createServer();
  await listenUnix(server, path);
  server.close();
});

test('a file that is no socket stays, and is named', async () => {
  const path = join(folder, 'file');
  writeFileSync(path, 'precious');
  await assert.rejects(listenUnix(createServer(), path), /file is in the way: it is no socket/);
  assert.equal(statSync(path).size, 8);
});
