import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Rising } from './rising.ts';

test('a sum of which a part goes does not take the counter back, and counts on from there', () => {
  const rising = new Rising();
  assert.deepEqual(
    [5, 7, 2, 3].map((sum) => rising.of(sum)),
    [5, 7, 7, 8],
  );
});
