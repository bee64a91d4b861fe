import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pino } from 'pino';
import { HeddleError, hasCode } from '../../model/errors.ts';
import { parseUsers, UsersFile } from './users.ts';

const log = pino({ level: 'silent' });

test('a file is YAML or JSON, and says each user’s tenants', () => {
  const want = new Map([
    ['alice', ['acme']],
    ['bob@globex', ['globex', 'shared']],
    ['', ['*']],
  ]);
  assert.deepEqual(
    parseUsers('users:\n  alice: [acme]\n  bob@globex:\n    - globex\n    - shared\n  "": ["*"]\n'),
    want,
  );
  assert.deepEqual(parseUsers(JSON.stringify({ users: Object.fromEntries(want) })), want);
  assert.deepEqual(parseUsers('users: {}'), new Map());
});

test('what cannot be what was meant is refused', () => {
  for (const text of [
    '',
    'alice: [acme]',
    'users: [alice]',
    'users: {alice: acme}',
    'users: {alice: [1]}',
    'users: {alice: [""]}',
    'users: {alice: [acme], alice: [globex]}',
    'users: {alice: [acme]}\nothers: {}',
    'users: {alice: &a [acme], bob: *a}',
    'users: {alice: [acme]}\n---\nusers: {}',
    'users: {alice: [acme]',
  ])
    assert.throws(() => parseUsers(text), HeddleError, text);
});

test('a file is read again when it has changed, and one that is broken changes nothing', () => {
  const dir = mkdtempSync(join(tmpdir(), 'heddle-users-'));
  try {
    const path = join(dir, 'users.yaml');
    const tenants = (file: UsersFile) => file.now().get('alice');
    assert.throws(
      () => new UsersFile(path, log),
      (e) => hasCode(e, 'USAGE'),
    );
    writeFileSync(path, 'users: {alice: [acme]}');
    const file = new UsersFile(path, log);
    assert.deepEqual(tenants(file), ['acme']);
    writeFileSync(`${path}.new`, 'users: {alice: [corp]}');
    renameSync(`${path}.new`, path);
    assert.deepEqual(tenants(file), ['corp']);
    writeFileSync(path, 'users: {alice: [acme, globex]');
    assert.deepEqual(tenants(file), ['corp']);
    rmSync(path);
    assert.deepEqual(tenants(file), ['corp']);
    writeFileSync(path, 'users: {}');
    assert.equal(tenants(file), undefined);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
