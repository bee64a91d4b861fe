import { chmodSync, closeSync, existsSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { HeddleError } from '../model/errors.ts';

/** Bumped on a change of the tables that an older program cannot read. */
const SCHEMA = 3;

/**
 * `entry` is the present, `log` the history since `oldest`: for every kept revision the keys it wrote. Below `oldest` the
 * log keeps the one version of each key that was then current, so that reads at any revision ≥ `oldest` are complete.
 * `at` is when a revision was written, milliseconds since 1970, and never less than that of the one before; null before
 * schema 2. `past` counts the bytes of keys and values in the log that are not in `entry`.
 */
const objects = `
  CREATE TABLE entry (key TEXT PRIMARY KEY, value TEXT NOT NULL, created INTEGER NOT NULL, modified INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE log (revision INTEGER NOT NULL, key TEXT NOT NULL, value TEXT, created INTEGER NOT NULL, at INTEGER, PRIMARY KEY (revision, key)) WITHOUT ROWID;
  CREATE INDEX log_key ON log (key, revision);
  CREATE TABLE counter (revision INTEGER NOT NULL, oldest INTEGER NOT NULL, past INTEGER NOT NULL, oldest_at INTEGER);
  INSERT INTO counter VALUES (0, 0, 0, 0);
`;

/**
 * The audit log; a row of no tenant has '-'. `audit_sort` counts what is kept, and what was forgotten, of each tenant's rows,
 * of refusals (refused: 1) apart; `audit_began` is when the first row was appended. An earlier program does not know it, and
 * may not write without it.
 */
const audit = `
  CREATE TABLE audit (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, revision INTEGER, refused INTEGER NOT NULL, tenant TEXT NOT NULL, who TEXT NOT NULL, inside INTEGER NOT NULL, kind TEXT, object TEXT, name TEXT, request TEXT, record TEXT NOT NULL);
  CREATE INDEX audit_tenant ON audit (tenant, id);
  CREATE INDEX audit_refused ON audit (id) WHERE refused = 1;
  CREATE TABLE audit_sort (refused INTEGER NOT NULL, tenant TEXT NOT NULL, bytes INTEGER NOT NULL, forgotten INTEGER NOT NULL, forgotten_id INTEGER NOT NULL, forgotten_at INTEGER NOT NULL, PRIMARY KEY (refused, tenant)) WITHOUT ROWID;
  CREATE TABLE audit_began (at INTEGER NOT NULL);
  PRAGMA user_version = ${SCHEMA};
`;

/** From schema 1, which had no times. */
const fromFirst = `
  ALTER TABLE log ADD COLUMN at INTEGER;
  ALTER TABLE counter ADD COLUMN past INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE counter ADD COLUMN oldest_at INTEGER;
  UPDATE counter SET past =
    (SELECT coalesce(sum(octet_length(key) + coalesce(octet_length(value), 0)), 0) FROM log) -
    (SELECT coalesce(sum(octet_length(key) + octet_length(value)), 0) FROM entry);
`;

/**
 * Opens the file (":memory:" for none), takes its lock for the life of the connection and makes the tables if it is new.
 * WAL with synchronous FULL: each commit is on the disk before it is answered. A file of an earlier program is brought up to
 * this one's schema.
 * @throws STORE_BROKEN if another process has it, if it is damaged, or if a newer program wrote it
 */
export function openDatabase(path: string): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    if (path !== ':memory:') closeToOthers(path);
    db = new DatabaseSync(path, { timeout: 0 });
    // In exclusive mode the lock is taken by the first write transaction and kept until the process ends, however it ends.
    db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
    db.exec('BEGIN IMMEDIATE');
    const version = Number(db.prepare('PRAGMA user_version').get()?.user_version);
    if (version === 0) db.exec(objects + audit);
    else if (version > SCHEMA)
      throw broken(`${path} has schema ${version}, this program knows ${SCHEMA}: run the program that wrote it`);
    const check = db.prepare('PRAGMA quick_check(1)').get()?.quick_check;
    if (check !== 'ok') throw broken(`${path} is damaged (${String(check).split('\n').at(-1)}): ${remedy}`);
    if (version === 1) db.exec(fromFirst);
    if (version === 1 || version === 2) db.exec(audit);
    db.exec('COMMIT');
    return db;
  } catch (cause) {
    if (db?.isOpen) db.close();
    throw explain(cause, path);
  }
}

/**
 * Whoever may read it reads all tenants' objects. What SQLite puts beside it gets the same mode. One that is there is not
 * opened for that: closing it would give up this process's lock of it.
 */
function closeToOthers(path: string): void {
  try {
    if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600));
    for (const file of [path, `${path}-wal`, `${path}-shm`]) if (existsSync(file)) chmodSync(file, 0o600);
  } catch (cause) {
    throw broken(`${path} cannot be opened: ${(cause as Error).message}`, cause);
  }
}

const remedy = 'move it away and restore a copy of it, or begin with an empty one';
const broken = (problem: string, cause?: unknown) => new HeddleError('STORE_BROKEN', { problem }, cause);

/** A SQLite failure as STORE_BROKEN with what to do; other errors pass unchanged. Codes: sqlite.org/rescode.html. */
export function explain(cause: unknown, path: string): unknown {
  if (cause instanceof HeddleError) return cause;
  const code = (cause as { errcode?: unknown }).errcode;
  if (typeof code !== 'number') return cause;
  const text = (cause as Error).message;
  switch (code & 0xff) {
    case 5: // SQLITE_BUSY
    case 6: // SQLITE_LOCKED
      return broken(`${path} is in use by another process, probably a second controller: stop that one`, cause);
    case 11: // SQLITE_CORRUPT
    case 26: // SQLITE_NOTADB
      return broken(`${path} is damaged (${text}): ${remedy}`, cause);
    case 13: // SQLITE_FULL
      return broken(`the disk of ${path} is full: make room; nothing was written`, cause);
    case 14: // SQLITE_CANTOPEN
      return broken(`${path} cannot be opened: see that its directory exists and can be written`, cause);
    default:
      return broken(`${path}: ${text}`, cause);
  }
}
