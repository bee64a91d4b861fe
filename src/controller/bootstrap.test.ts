import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { pino } from 'pino';
import { openSqlite } from '../store/sqlite.ts';
import { startController } from './main.ts';
import { openTestApi } from './test-api.ts';

it('says on the log that nobody may all, of a store without an admin, and only of such a one', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'heddle-bootstrap-'));
  try {
    const db = join(dir, 'heddle.db');
    const warned = async () => {
      const lines: string[] = [];
      const log = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
      await (await startController({ db, listen: [], log, announce: () => undefined }))[Symbol.asyncDispose]();
      return lines.join('');
    };
    const write = async (method: 'POST' | 'DELETE', path: string, body?: object) => {
      await using store = await openSqlite(db);
      await using api = await openTestApi({ store });
      await api.ok(method, path, body);
    };
    assert.equal(await warned(), '', 'the first start makes one');
    await write('DELETE', '/v1/grants/admin');
    assert.match(await warned(), /heddle grant create admin --subject user:admin --role admin/);
    await write('POST', '/v1/grants', { name: 'ops', subject: 'group:ops', role: 'operator' });
    assert.match(await warned(), /heddle grant create admin/);
    await write('POST', '/v1/grants', { name: 'boss', subject: 'user:ada', role: 'admin' });
    assert.equal(await warned(), '');
  } finally {
    rmSync(dir, { recursive: true });
  }
});

it('makes somebody who may all at the first start alone, tells it once, and keeps it from the log', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'heddle-bootstrap-'));
  try {
    const db = join(dir, 'heddle.db');
    const told: string[] = [];
    const logged: string[] = [];
    const log = pino({ level: 'trace' }, { write: (line: string) => void logged.push(line) });
    const start = () => startController({ db, listen: [], log, announce: (text) => void told.push(text) });
    await (await start())[Symbol.asyncDispose]();
    const file = `${db}.admin-token`;
    const token = readFileSync(file, 'utf8').trim();
    assert.match(token, /^hdt_[0-9a-f]{16}_[\w-]{43}$/);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal(told.length, 1);
    assert.ok(told[0]!.includes(token) && told[0]!.includes(file));
    assert.ok(!logged.join('').includes(token.slice(-43)), 'no log has it');
    assert.ok(logged.join('').includes(file));
    rmSync(file);
    await (await start())[Symbol.asyncDispose]();
    assert.equal(told.length, 1, 'the second start tells nothing');
    assert.equal(statSync(file, { throwIfNoEntry: false }), undefined);
    for (const name of readdirSync(dir))
      assert.ok(!readFileSync(join(dir, name), 'latin1').includes(token.slice(-43)), `${name} does not have the token`);

    await using store = await openSqlite(db);
    await using api = await openTestApi({ store });
    const answer = await api.request('GET', '/v1/grants', undefined, { authorization: `Bearer ${token}` });
    assert.deepEqual(
      answer.body.items.map((grant: { subject: string; role: string }) => [grant.subject, grant.role]),
      [['user:admin', 'admin']],
    );
  } finally {
    rmSync(dir, { recursive: true });
  }
});

it('keeps the secrets of each store under its name, also where several lie in one folder', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'heddle-bootstrap-'));
  try {
    for (const db of ['a.db', 'b.db']) {
      const options = { db: join(dir, db), listen: [], log: pino({ level: 'silent' }), announce: () => undefined };
      await (await startController(options))[Symbol.asyncDispose]();
    }
    const secrets = ['a.db.admin-token', 'a.db.secret.key', 'b.db.admin-token', 'b.db.secret.key'];
    assert.deepEqual(
      readdirSync(dir).filter((name) => /key|token/.test(name)),
      secrets,
    );
    assert.equal(new Set(secrets.map((name) => readFileSync(join(dir, name), 'utf8'))).size, 4);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

it('finds the key where it was before it had the store’s name, and leaves it there for the older program', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'heddle-bootstrap-'));
  const start = async (name: string) => {
    const options = { db: join(dir, name), log: pino({ level: 'silent' }), announce: () => undefined };
    await (await startController({ ...options, listen: [{ tcp: '127.0.0.1:0' }] }))[Symbol.asyncDispose]();
    return readFileSync(join(dir, `${name}.secret.key`), 'utf8');
  };
  try {
    const older = await start('a.db');
    renameSync(join(dir, 'a.db.secret.key'), join(dir, 'secret.key'));
    const another = await start('b.db');
    assert.notEqual(another, older, 'a new store has its own');
    assert.equal(await start('a.db'), older);
    assert.equal(readFileSync(join(dir, 'secret.key'), 'utf8'), older);
    // Whoever writes over the one has the other still.
    assert.equal(statSync(join(dir, 'secret.key')).nlink, 1);
    assert.equal(await start('b.db'), another);
    rmSync(join(dir, 'secret.key'));
    assert.equal(await start('a.db'), older);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

it('says which file it cannot make, and has made nobody then', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'heddle-bootstrap-'));
  const start = (db: string) =>
    startController({ db, listen: [], log: pino({ level: 'silent' }), announce: () => undefined });
  try {
    const db = join(dir, 'new/folder/heddle.db');
    mkdirSync(join(`${db}.admin-token`, 'in the way'), { recursive: true });
    await assert.rejects(start(db), { code: 'STORE_BROKEN', message: /heddle\.db\.admin-token: / });
    rmSync(`${db}.admin-token`, { recursive: true });
    await (await start(db))[Symbol.asyncDispose]();
    assert.match(readFileSync(`${db}.admin-token`, 'utf8'), /^hdt_/);
    await assert.rejects(start(join(db, 'below/a/file.db')), { code: 'STORE_BROKEN', message: /below\/a: ENOTDIR/ });
  } finally {
    rmSync(dir, { recursive: true });
  }
});
