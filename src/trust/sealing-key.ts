import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { HeddleError } from '../model/errors.ts';
import { lostKey, SEALING_KEY_BYTES, type SealingKey } from './sealed.ts';

/** One that is nowhere but here, for a store in memory. */
export const newSealingKey = (): SealingKey => randomBytes(SEALING_KEY_BYTES) as SealingKey;

/** What is done where there is no key in the file. */
type WithoutKey =
  /** One is made; but not in the place of something else. */
  | 'make'
  /** Something is sealed with it already: none is made. */
  | 'refuse'
  /** What was sealed with it is lost: what is in its place is kept beside it, and one is made. */
  | 'replace';

/**
 * The key in a file: base64, mode 0600. The file appears whole or not at all.
 * @throws STORE_BROKEN if it cannot be read or made, is needed and not there, is no key, or others than its owner may read it
 */
export function openSealingKey(path: string, without: WithoutKey = 'make'): SealingKey {
  try {
    if (without !== 'refuse') ensureFile(path);
    else if (!existsSync(path)) throw new Error(`it is missing, and the store is sealed with it: ${lostKey}`);
    if ((statSync(path).mode & 0o077) !== 0) throw new Error('others than its owner may read it: chmod 600');
    const key = readKey(path);
    if (key) return key;
    if (without !== 'replace') throw new Error(`it is no key: ${lostKey}`);
    renameSync(path, `${path}.${Date.now()}`);
    ensureFile(path);
    return readKey(path)!;
  } catch (cause) {
    throw new HeddleError('STORE_BROKEN', { problem: `${path}: ${(cause as Error).message}` }, cause);
  }
}

/**
 * Copies the key of an older program's file to the name of now, if nothing has that. The old one stays: that program may be started
 * again, and other stores of its folder share the key.
 * @throws STORE_BROKEN
 */
export function adoptSealingKey(older: string, path: string): void {
  if (existsSync(path) || !existsSync(older)) return;
  try {
    ensureFile(path, readFileSync(older, 'utf8'));
  } catch (cause) {
    throw new HeddleError('STORE_BROKEN', { problem: `${path}: ${(cause as Error).message}` }, cause);
  }
}

/** Undefined if the file has something else. */
function readKey(path: string): SealingKey | undefined {
  const key = Buffer.from(readFileSync(path, 'utf8').trim(), 'base64');
  return key.length === SEALING_KEY_BYTES ? (key as SealingKey) : undefined;
}

function ensureFile(path: string, text = `${newSealingKey().toString('base64')}\n`): void {
  if (statSync(path, { throwIfNoEntry: false })) return;
  const draft = `${path}.${process.pid}`;
  const file = openSync(draft, 'wx', 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
    // Unlike a rename it takes nobody's place.
    linkSync(draft, path);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code !== 'EEXIST') throw e;
  } finally {
    closeSync(file);
    rmSync(draft);
  }
}
