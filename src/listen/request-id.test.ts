import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestIdOf } from './request-id.ts';

const idOf = (given: string | undefined) =>
  requestIdOf({ headers: given === undefined ? {} : { 'x-request-id': given } });

test('a client’s well-formed id is kept', () => {
  for (const id of ['a', 'req-1.2_3:4', '0192f0c1-7d2e-7abc-8def-0123456789ab', 'x'.repeat(64)])
    assert.equal(idOf(id), id);
});

test('what could break a log line or is too long is replaced by an id of our own', () => {
  for (const id of [undefined, '', '-a', 'a b', 'a\nb', 'ä', '"', '{}', 'x'.repeat(65)])
    assert.match(idOf(id), /^[0-9a-f]{8}-[0-9a-f]{4}-4/);
});

test('a token that somebody sends as an id is in no log', () => {
  const token = 'hdt_0123456789abcdef_c2VjcmV0';
  assert.notEqual(idOf(token), token);
});
