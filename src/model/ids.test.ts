import assert from 'node:assert/strict';
import { it } from 'node:test';
import { isUuid, newId } from './ids.ts';

it('makes ids that sort in the order in which they were made, however fast', () => {
  const ids = Array.from({ length: 5000 }, () => newId());
  assert.ok(ids.every(isUuid));
  assert.equal(new Set(ids).size, ids.length);
  assert.deepEqual(ids.toSorted(), ids);
});
