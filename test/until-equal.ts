import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { until } from '../src/lab/processes.ts';
import { hasCode } from '../src/model/errors.ts';

/** Resolves when what is read is this; else the difference is shown, which says more than the deadline. */
export async function untilEqual<T>(want: T, deadlineMs: number, read: () => Promise<T> | T): Promise<void> {
  let have: T | undefined;
  try {
    await until('what is wanted', deadlineMs, async () => {
      have = await read();
      return isDeepStrictEqual(have, want) ? true : undefined;
    });
  } catch (e) {
    if (hasCode(e, 'LAB_FAILED')) assert.deepEqual(have, want);
    throw e;
  }
}
