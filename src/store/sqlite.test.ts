import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { it } from 'node:test';
import { hasCode } from '../model/errors.ts';
import { auditContract } from './audit-suite.ts';
import { storeContract } from './contract-suite.ts';
import { openSqlite } from './sqlite.ts';

storeContract('sqlite', (now) => openSqlite(':memory:', now));
auditContract('sqlite', (now) => openSqlite(':memory:', now));

/** A folder that goes with the test. */
function scratch(): Disposable & { file(name: string): string } {
  const dir = mkdtempSync(join(tmpdir(), 'heddle-store-'));
  return { file: (name) => join(dir, name), [Symbol.dispose]: () => rmSync(dir, { recursive: true }) };
}
const put = { put: { key: '/a', value: '1' } };

it('keeps its content, revision and compaction over a restart', async () => {
  using dir = scratch();
  {
    await using store = await openSqlite(dir.file('db'));
    await store.txn({ ops: [put] });
    await store.txn({ ops: [put] });
    await store.compact(2n);
  }
  await using store = await openSqlite(dir.file('db'));
  assert.equal((await store.get('/a'))?.modRevision, 2n);
  await assert.rejects(store.range('/', { revision: 1n }), (e) => hasCode(e, 'COMPACTED'));
  assert.deepEqual(await store.txn({ ops: [put] }), { committed: true, revision: 3n });
});

it('goes on with the file of a program that kept no times', async () => {
  using dir = scratch();
  {
    using db = new DatabaseSync(dir.file('db'));
    db.exec(`
      CREATE TABLE entry (key TEXT PRIMARY KEY, value TEXT NOT NULL, created INTEGER NOT NULL, modified INTEGER NOT NULL) WITHOUT ROWID;
      CREATE TABLE log (revision INTEGER NOT NULL, key TEXT NOT NULL, value TEXT, created INTEGER NOT NULL, PRIMARY KEY (revision, key)) WITHOUT ROWID;
      CREATE INDEX log_key ON log (key, revision);
      CREATE TABLE counter (revision INTEGER NOT NULL, oldest INTEGER NOT NULL);
      INSERT INTO counter VALUES (2, 0);
      INSERT INTO entry VALUES ('/a', '22', 1, 2);
      INSERT INTO log VALUES (1, '/a', '1', 1), (2, '/a', '22', 1);
      PRAGMA user_version = 1;`);
  }
  await using store = await openSqlite(dir.file('db'), () => 500);
  assert.deepEqual(await store.extent(), { revision: 2n, oldest: 0n, oldestAtMs: undefined, pastBytes: 3 });
  await store.txn({ ops: [put] });
  assert.deepEqual(
    (await store.versions('/a')).map((v) => v.atMs),
    [500, undefined, undefined],
  );
  assert.deepEqual(await Promise.all([499, 500].map((ms) => store.revisionAt(ms))), [undefined, 3n]);
  await store.compact(2n);
  assert.equal((await store.extent()).pastBytes, 4);
});

it('keeps its audit log over a restart: rows, numbers, times and what was forgotten', async () => {
  using dir = scratch();
  const audit = (record: string, refused = false) => [{ refused, who: 'controller', inside: false, record }];
  const tell = () => audit('told')[0]!;
  let before: unknown;
  {
    await using store = await openSqlite(dir.file('db'), () => 100);
    await store.txn({ ops: [put], audit: audit('1') });
    for (const text of ['2', '3']) await store.audit.append(audit(text, true));
    await store.audit.forget({ refused: true, tenant: undefined, olderThanMs: 0, bytes: 170, upTo: 9 }, tell);
    before = await store.audit.extent();
  }
  await using store = await openSqlite(dir.file('db'), () => 50);
  assert.deepEqual(await store.audit.extent(), before);
  await store.txn({ ops: [put], audit: audit('5') });
  const { entries } = await store.audit.read({}, { limit: 9, after: 0 });
  assert.deepEqual(
    entries.map(({ id, atMs, revision, record }) => [id, atMs, revision, record]),
    [
      [1, 100, 1n, '1'],
      [3, 100, undefined, '3'],
      [4, 100, undefined, 'told'],
      [5, 100, 2n, '5'],
    ],
  );
});

it('begins an audit log in the file of a program that had none', async () => {
  using dir = scratch();
  {
    await using store = await openSqlite(dir.file('db'));
    await store.txn({ ops: [put] });
  }
  {
    using db = new DatabaseSync(dir.file('db'));
    db.exec('DROP TABLE audit; DROP TABLE audit_sort; DROP TABLE audit_began; PRAGMA user_version = 2;');
  }
  await using store = await openSqlite(dir.file('db'));
  assert.equal((await store.get('/a'))?.value, '1');
  assert.deepEqual((await store.audit.read({}, { limit: 9 })).entries, []);
  await store.audit.append([{ refused: true, who: 'controller', inside: false, record: '1' }]);
  assert.equal((await store.audit.extent()).last, 1);
});

it('refuses a file that another store has open, and says so', async () => {
  using dir = scratch();
  await using _first = await openSqlite(dir.file('db'));
  await assert.rejects(openSqlite(dir.file('db')), (e) => hasCode(e, 'STORE_BROKEN') && /in use/.test(e.message));
});

it('refuses a file that is no database, is cut off or overwritten, with what to do', async () => {
  using dir = scratch();
  {
    await using store = await openSqlite(dir.file('good'));
    for (let i = 0; i < 200; i++) await store.txn({ ops: [{ put: { key: `/k/${i}`, value: 'x'.repeat(400) } }] });
  }
  const good = readFileSync(dir.file('good'));
  const damaged = {
    noise: Buffer.from('this is no database'.repeat(100)),
    truncated: good.subarray(0, Math.floor(good.length / 2)),
    overwritten: Buffer.concat([good.subarray(0, 8192), Buffer.alloc(good.length - 8192, 0x5a)]),
  };
  for (const [name, bytes] of Object.entries(damaged)) {
    writeFileSync(dir.file(name), bytes);
    await assert.rejects(
      openSqlite(dir.file(name)),
      (e) => hasCode(e, 'STORE_BROKEN') && /damaged.*restore/.test(e.message),
      name,
    );
    assert.deepEqual(readFileSync(dir.file(name)), bytes, `${name} is left as it was`);
  }
});

it('refuses a file of a newer schema and a folder that does not exist', async () => {
  using dir = scratch();
  const db = new DatabaseSync(dir.file('newer'));
  db.exec('PRAGMA user_version = 99');
  db.close();
  await assert.rejects(openSqlite(dir.file('newer')), (e) => hasCode(e, 'STORE_BROKEN') && /schema 99/.test(e.message));
  await assert.rejects(openSqlite(dir.file('no/db')), (e) => hasCode(e, 'STORE_BROKEN') && /opened/.test(e.message));
});

it('A21: is for its owner alone, whatever the process’s mask and the mode that an older program gave it', async () => {
  using dir = scratch();
  const modes = () => ['db', 'db-wal'].map((name) => statSync(dir.file(name)).mode & 0o777);
  const mask = process.umask(0);
  try {
    for (const before of [undefined, 0o644]) {
      if (before !== undefined) chmodSync(dir.file('db'), before);
      await using store = await openSqlite(dir.file('db'));
      await store.txn({ ops: [put] });
      assert.deepEqual(modes(), [0o600, 0o600]);
    }
  } finally {
    process.umask(mask);
  }
});

it('opens a copy that was taken while the store was in use with its log', async () => {
  using dir = scratch();
  await using store = await openSqlite(dir.file('db'));
  await store.txn({ ops: [put] });
  for (const end of ['', '-wal']) copyFileSync(dir.file(`db${end}`), dir.file(`copy${end}`));
  await using copy = await openSqlite(dir.file('copy'));
  assert.equal((await copy.get('/a'))?.value, '1');
});
