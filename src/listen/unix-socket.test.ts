import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { hasCode } from '../model/errors.ts';
import { inTheWay, listenUnix } from './unix-socket.ts';

const modeOf = (path: string): number => statSync(path).mode & 0o777;
const folder = mkdtempSync(join(tmpdir(), 'heddle-listen-'));
after(() => rmSync(folder, { recursive: true }));

test('A21: a socket is made with its folder, for its owner alone, and nobody else gets it', async () => {
  const path = join(folder, 'inner', 'one.sock');
  const [first, second] = [createServer(), createServer()];
  assert.equal(await inTheWay(path), undefined);
  await listenUnix(first, path);
  assert.deepEqual([modeOf(path), modeOf(dirname(path))], [0o600, 0o711]);
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

test('A21: a socket of a group is for root and its members alone, who may pass its folder', async () => {
  const group = 4711;
  const server = createServer();
  const path = join(folder, 'shared', 'one.sock');
  await listenUnix(server, path, { group });
  assert.deepEqual([modeOf(path), statSync(path).gid], [0o660, group]);
  assert.deepEqual([modeOf(dirname(path)), statSync(dirname(path)).gid], [0o711, 0]);
  server.close();
  // Without the group it is root's again.
  await listenUnix(server, path);
  assert.deepEqual([modeOf(path), statSync(path).gid], [0o600, 0]);
  server.close();
});

test('A21: a folder that is there is opened no further than need be; that of another group stays that one’s', async () => {
  const group = 4711;
  for (const [mode, gid, after] of [
    [0o755, 0, [0o755, 0]],
    [0o770, 0, [0o710, group]],
    [0o700, 4712, [0o710, group]],
    [0o770, group, [0o770, group]],
    [0o750, 4712, undefined],
  ] as const) {
    const place = join(folder, `${mode.toString(8)}-${gid}`);
    mkdirSync(place);
    chownSync(place, -1, gid);
    chmodSync(place, mode);
    const server = createServer();
    const listening = listenUnix(server, join(place, 'a.sock'), { group });
    if (after) await listening;
    else await assert.rejects(listening, /members of group 4711 cannot get to .* which is group 4712's/);
    assert.deepEqual([modeOf(place), statSync(place).gid], after ?? [mode, gid]);
    assert.equal(server.listening, after !== undefined);
    server.close();
  }
});
