import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { asUserWhile } from '../kernel/test-user.ts';
import { groupId, groupName, userId } from './accounts.ts';
import { agentRequest } from './agent-request.ts';

const folder = mkdtempSync(join(tmpdir(), 'heddle-cli-'));
chmodSync(folder, 0o711);
after(() => rmSync(folder, { recursive: true }));

const nobody = { uid: 65_534 };
const nogroup = groupId('nogroup', '--group');
/** An agent's socket, for whom its mode says, in a folder of a mode; it answers whoever gets in. */
async function open(mode: number, folderMode = 0o711) {
  const place = mkdtempSync(join(folder, 'run-'));
  const socket = join(place, 'agent.sock');
  const server = createServer((_, response) => response.end('{"synced":true}'));
  server.listen(socket);
  await once(server, 'listening');
  for (const [path, its] of [
    [socket, mode],
    [place, folderMode],
  ] as const) {
    chownSync(path, -1, nogroup);
    chmodSync(path, its);
  }
  const close = async () => {
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  };
  return { socket, [Symbol.asyncDispose]: close };
}

const ask = (agent: string, groups: readonly number[] = []) =>
  asUserWhile({ ...nobody, gid: 65_533, groups }, () => agentRequest({ agent }, 'GET', '/v1/status'));

const onlyRoot = /may not open the agent's socket \S+agent\.sock: be root; or have root start .* --socket-group/;
const members = /: be root, or a member of group nogroup \(usermod --append --groups nogroup <user>/;

test('a user whom the agent’s socket does not let in is told which group may, or that only root may', async () => {
  for (const [socketMode, folderMode, why] of [
    [0o600, 0o711, onlyRoot],
    [0o660, 0o711, members],
    [0o660, 0o710, members],
    [0o600, 0o700, onlyRoot],
  ] as const) {
    await using agent = await open(socketMode, folderMode);
    await assert.rejects(ask(agent.socket), { code: 'FORBIDDEN', message: why });
    if (why === members) assert.deepEqual(await ask(agent.socket, [nogroup]), { synced: true });
  }
  await assert.rejects(ask(join(folder, 'none.sock')), { code: 'AGENT_UNREACHABLE' });
});

test('users and groups are known by name and by number', () => {
  assert.deepEqual([userId('nobody', '--owner'), userId('4711', '--owner')], [65_534, 4711]);
  assert.deepEqual([groupId('nogroup', '-g'), groupId('4711', '-g')], [65_534, 4711]);
  assert.deepEqual([groupName(65_534), groupName(4_000_000)], ['nogroup', '4000000']);
  for (const [find, why] of [
    [() => userId('no-such-user', '--owner'), /--owner no-such-user: there is no such user/],
    [
      () => groupId('no-such-group', '-g'),
      /-g no-such-group: there is no such group \(groupadd --system no-such-group\)/,
    ],
    [() => groupId('4294967295', '-g'), /group numbers end at 4294967294/],
    [() => userId('4294967295', '--owner'), /user numbers end at 4294967294/],
  ] as const)
    assert.throws(find, { code: 'USAGE', message: why });
});
