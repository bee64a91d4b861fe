import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCores } from './cores.ts';

test('a list of cores may name single ones and ranges', () => {
  assert.deepEqual(parseCores('0-2,5'), [0, 1, 2, 5]);
  assert.deepEqual(parseCores('7'), [7]);
});
