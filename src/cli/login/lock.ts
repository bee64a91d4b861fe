import { setTimeout as delay } from 'node:timers/promises';
import { HeddleError } from '../../model/errors.ts';

/** A login is renewed under the lock, and its provider may take ten seconds. */
const WAIT_MS = 30_000;
const STEP_MS = 20;
/** SQLITE_BUSY */
const BUSY = 5;

/**
 * Does something while no other process does it: one after the other. The lock is one of SQLite's on an empty file, so that the
 * kernel gives it back whatever becomes of the process; nothing is left that somebody would have to clear away.
 * @throws CONTEXTS_UNREADABLE if another one keeps it for 30 s, or the file cannot be made
 */
export async function withLock<T>(file: string, deed: () => T | Promise<T>): Promise<T> {
  const { DatabaseSync } = await import('node:sqlite');
  const refuse = (problem: string, cause?: unknown) => new HeddleError('CONTEXTS_UNREADABLE', { file, problem }, cause);
  const open = () => {
    try {
      return new DatabaseSync(file, { timeout: 0 });
    } catch (cause) {
      throw refuse(`it cannot be made: ${(cause as Error).message}`, cause);
    }
  };
  using lock = open();
  const until = performance.now() + WAIT_MS;
  for (;;) {
    try {
      lock.exec('BEGIN EXCLUSIVE');
      break;
    } catch (cause) {
      if ((cause as { errcode?: number }).errcode !== BUSY)
        throw refuse(`it cannot be locked: ${(cause as Error).message}`, cause);
      if (performance.now() > until) throw refuse('another process has kept it for 30 s', cause);
      await delay(STEP_MS);
    }
  }
  return await deed();
}
