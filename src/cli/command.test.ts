import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../model/errors.ts';
import { duration } from './command.ts';

test('a duration has a unit, and is never nothing', () => {
  assert.deepEqual(
    ['500ms', '90s', '10m', '12h', '30d'].map(duration),
    [500, 90_000, 600_000, 43_200_000, 2_592_000_000],
  );
  for (const bad of ['', '30', '0s', '-1s', '1.5h', '1w', '1 d'])
    assert.throws(
      () => duration(bad),
      (e) => hasCode(e, 'USAGE'),
      bad,
    );
});
