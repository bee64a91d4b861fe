import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '../model/errors.ts';
import { sealed, unsealed } from './sealed.ts';
import { newSealingKey, openSealingKey } from './sealing-key.ts';

const key = newSealingKey();
const isBroken = (e: unknown) => hasCode(e, 'STORE_BROKEN');

it('A34: what is sealed opens with the key and for the purpose, and says nothing before', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (text, purpose) => {
      const closed = sealed(key, purpose, text);
      assert.equal(unsealed(key, purpose, closed), text);
      assert.match(closed, /^s1\.[A-Za-z0-9_-]+$/);
    }),
  );
  assert.notEqual(sealed(key, 'a', 'x'), sealed(key, 'a', 'x'), 'no two are alike');
  assert.ok(
    !sealed(key, 'a', 'a secret in plain words').includes(Buffer.from('secret').toString('base64url').slice(1, 6)),
  );
});

it('A34: with another key, for another purpose, or changed in any place, it does not open', () => {
  const closed = sealed(key, '/trust/ca', 'private');
  assert.throws(() => unsealed(newSealingKey(), '/trust/ca', closed), isBroken);
  assert.throws(() => unsealed(key, '/trust/other', closed), isBroken);
  const bytes = Buffer.from(closed.slice(3), 'base64url');
  for (let i = 0; i < bytes.length; i++) {
    const changed = Buffer.from(bytes);
    changed[i]! ^= 1;
    assert.throws(() => unsealed(key, '/trust/ca', `s1.${changed.toString('base64url')}`), isBroken, `byte ${i}`);
  }
  for (const text of ['', 's1.', closed.slice(0, -6), closed.slice(3), 's1.AAAA'])
    assert.throws(() => unsealed(key, '/trust/ca', text), isBroken, text);
});

it('A34: the key’s file is made once, for its owner alone, and is the same ever after', () => {
  const dir = mkdtempSync(join(tmpdir(), 'heddle-seal-'));
  try {
    const path = join(dir, 'secret.key');
    const made = openSealingKey(path);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(dir), ['secret.key'], 'nothing else is left');
    assert.deepEqual(openSealingKey(path), made);
    assert.equal(readFileSync(path, 'utf8'), `${made.toString('base64')}\n`);
    chmodSync(path, 0o640);
    assert.throws(
      () => openSealingKey(path),
      (e) => hasCode(e, 'STORE_BROKEN') && /chmod 600/.test(e.message),
    );
    chmodSync(path, 0o600);
    writeFileSync(path, 'short\n');
    for (const without of ['make', 'refuse'] as const)
      assert.throws(
        () => openSealingKey(path, without),
        (e) => isBroken(e) && /it is no key.*--new-authority/.test((e as Error).message),
      );
    assert.equal(readFileSync(path, 'utf8'), 'short\n', 'it is never made anew over one that is there');
    const anew = openSealingKey(path, 'replace');
    const [, kept = ''] = readdirSync(dir).sort();
    assert.equal(readFileSync(join(dir, kept), 'utf8'), 'short\n', 'what was there is kept');
    assert.deepEqual([openSealingKey(path, 'replace'), openSealingKey(path, 'refuse')], [anew, anew]);
    assert.equal(readdirSync(dir).length, 2);
    rmSync(path);
    assert.throws(() => openSealingKey(path, 'refuse'), isBroken);
    assert.notDeepEqual(openSealingKey(path, 'replace'), anew);
    assert.throws(() => openSealingKey(join(dir, 'no', 'secret.key')), isBroken);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
