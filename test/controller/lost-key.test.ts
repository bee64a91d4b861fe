/** What becomes of an installation whose key is not there any more. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { pino } from 'pino';
import { credentialsOf } from '../../src/agent/identity.ts';
import { joinController } from '../../src/agent/join.ts';
import { openClient } from '../../src/client/client.ts';
import { startController } from '../../src/controller/main.ts';
import { parseBundle, pinOf } from '../../src/trust/bundle.ts';

/** What was logged of an authority in the place of another. */
const lines: string[] = [];
const log = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
const warnings = (): object[] =>
  lines.flatMap((line) => {
    const { pin, hosts, msg } = JSON.parse(line) as { pin?: string; hosts?: number; msg: string };
    return /^another authority .*all hosts join/.test(msg) ? [{ pin, hosts }] : [];
  });

it('does not start without it and makes none in its place; begins anew if told that it is lost, with all but who joined', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'heddle-lost-key-'));
  try {
    const [db, file, stateDir] = [join(dir, 'db'), join(dir, 'db.secret.key'), join(dir, 'agent')];
    const listen = [{ unix: join(dir, 'socket') }, { tcp: '127.0.0.1:0' }];
    const start = (isAuthorityLost = false) => startController({ db, listen, log, isAuthorityLost });
    const joined = async (root: ReturnType<typeof openClient>, controller: string) => {
      const { token } = await root.createHostToken({ name: 'h1' });
      return joinController({ controller, token, vtep: '198.18.0.1', stateDir });
    };
    const before = await start();
    const root = openClient(before.addresses[0]!);
    const old = await joined(root, before.addresses[1]!);
    await root.create('tenant', { name: 'acme' });
    await before[Symbol.asyncDispose]();

    rmSync(file);
    await assert.rejects(start(), { code: 'STORE_BROKEN', message: /is missing.*--new-authority/ });
    assert.equal(existsSync(file), false);
    writeFileSync(file, `${Buffer.alloc(32).toString('base64')}\n`, { mode: 0o600 });
    await assert.rejects(start(), { code: 'STORE_BROKEN', message: /another key.*--new-authority/ });

    // As a full disk leaves it.
    writeFileSync(file, '', { mode: 0o600 });
    await assert.rejects(start(), { code: 'STORE_BROKEN', message: /it is no key.*--new-authority/ });
    assert.deepEqual(warnings(), []);
    {
      await using anew = await start(true);
      const [, address = ''] = anew.addresses;
      assert.deepEqual(
        (await root.list('tenant')).map(({ name }) => name),
        ['acme'],
      );
      const { ca } = await root.authority();
      assert.deepEqual(warnings(), [{ pin: pinOf(parseBundle(ca)[0]!), hosts: 1 }]);
      const asBefore = openClient(address, { ...credentialsOf(old), ca });
      await assert.rejects(asBefore.list('host'), { code: 'CERTIFICATE_INVALID' });
      await assert.rejects(openClient(address, credentialsOf(old)).list('host'), { code: 'CONTROLLER_UNREACHABLE' });
      const again = await joined(root, address);
      assert.deepEqual(again.host, old.host);
      assert.equal((await openClient(address, credentialsOf(again)).list('host')).length, 1);
    }
    await assert.rejects(start(true), { code: 'USAGE', message: /not lost/ });
    await (await start())[Symbol.asyncDispose]();
  } finally {
    rmSync(dir, { recursive: true });
  }
});
