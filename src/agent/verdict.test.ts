import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errors, HeddleError } from '../model/errors.ts';
import { notNow } from './test-refusals.ts';
import { verdictOf } from './verdict.ts';

test('who is not let in is as away: every refusal of status 401', () => {
  const codes = Object.keys(errors) as (keyof typeof errors)[];
  for (const code of codes.filter((c) => errors[c].status === 401))
    assert.equal(verdictOf(new HeddleError(code, {} as never)), 'away', code);
  assert.deepEqual(
    notNow.map((cause) => verdictOf(cause)),
    ['away', 'away', 'away', 'away', 'later', 'later'],
  );
});

test('what is missing besides a tenant, or taken, is of what was told', () => {
  const other = [
    new HeddleError('NOT_FOUND', { kind: 'network', name: 'n' }),
    new HeddleError('ADDRESS_TAKEN', { address: '10.0.0.1', port: 'q' }),
    new HeddleError('INTERNAL', { problem: 'x' }),
    new Error('x'),
  ];
  assert.deepEqual(other.map(verdictOf), ['refused', 'refused', 'broken', 'broken']);
});
