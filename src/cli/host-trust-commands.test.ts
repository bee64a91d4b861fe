/** What is said beside a token, on standard error. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { pino } from 'pino';
import { openClient } from '../client/client.ts';
import { startController } from '../controller/main.ts';
import { buildProgram } from './program.ts';

it('whom it is for, until when, that no tenant is given, and what to do with it, without an address that is made up', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'heddle-host-token-'));
  try {
    const listen = [{ unix: join(dir, 'socket') }];
    const options = { db: join(dir, 'db'), listen, log: pino({ level: 'silent' }), announce: () => undefined };
    await using controller = await startController(options);
    const [address = ''] = controller.addresses;
    await openClient(address).create('tenant', { name: 'acme' });
    const create = async (...words: string[]) => {
      const [out, err]: [string[], string[]] = [[], []];
      const io = {
        ...{ out: (text: string) => void out.push(text), err: (text: string) => void err.push(text) },
        ...{ colour: false, signal: new AbortController().signal },
      };
      const all = ['host', 'token', 'create', ...words, '--controller', address];
      await buildProgram(io).parseAsync(all, { from: 'user' });
      const token = out.join('').trim();
      return err.join('').replaceAll(token, '<token>');
    };
    const none = await create();
    assert.match(none, /^its users may attach in no tenant: say --tenants/);
    assert.match(none, /^until \S+, for one host; there, as root:$/m);
    assert.match(none, /^ {2}heddle agent join https:\/\/<controller’s address>:<port> <token> --install$/m);
    const named = await create('--name', 'h1', '--tenants', 'acme');
    assert.match(named, /^until \S+, for host h1; there/);
    assert.match(await create('--uses', '3', '--tenants', '*'), /^until \S+, for 3 hosts; there/);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
