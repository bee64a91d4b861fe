import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { hasErrno } from './libc.ts';
import { type Peer, peerOf } from './peer.ts';
import { asUser } from './test-user.ts';

const folder = mkdtempSync(join(tmpdir(), 'heddle-peer-'));
chmodSync(folder, 0o711);
after(() => rmSync(folder, { recursive: true }));

const descriptor = (socket: Socket): number => (socket as unknown as { _handle: { fd: number } })._handle.fd;

async function listening(where: object): Promise<Server & Disposable> {
  const server = createServer();
  server.listen(where);
  await once(server, 'listening');
  return Object.assign(server, { [Symbol.dispose]: () => void server.close() });
}

/** Whom the server sees when this connects. */
async function seen(server: Server, come: () => Socket): Promise<Peer> {
  const connected = once(server, 'connection') as Promise<[Socket]>;
  const client = come();
  const [socket] = await connected;
  try {
    return peerOf(descriptor(socket));
  } finally {
    socket.destroy();
    client.destroy();
  }
}

test('A21: who has connected is known by process, user and all groups, also with more groups than most have', async () => {
  const path = join(folder, 'a.sock');
  using server = await listening({ path });
  chmodSync(path, 0o666);
  const { pid } = process;
  for (const groups of [[], [4711, 4712], Array.from({ length: 300 }, (_, i) => 70_000 + i)]) {
    const peer = await seen(server, () => asUser({ uid: 65_533, gid: 65_534, groups }, () => connect(path)));
    assert.deepEqual(peer, { pid, uid: 65_533, groups: new Set([65_534, ...groups]) });
  }
  assert.equal((await seen(server, () => connect(path))).uid, 0);
});

test('A21: a connection that is no unix socket’s is nobody’s', async () => {
  using server = await listening({ host: '127.0.0.1', port: 0 });
  const { port } = server.address() as { port: number };
  await assert.rejects(
    seen(server, () => connect(port, '127.0.0.1')),
    (e) => hasErrno(e, 'ENODATA'),
  );
  assert.throws(
    () => peerOf(-1),
    (e) => hasErrno(e, 'EBADF'),
  );
});
