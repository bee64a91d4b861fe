import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { depthOf } from './json-body.ts';

const deep = (v: unknown): number =>
  typeof v === 'object' && v !== null ? 1 + Math.max(0, ...Object.values(v).map(deep)) : 0;

it('finds the depth of every JSON text as it is once it is read', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 8 }), fc.constantFrom(undefined, 2), (value, space) => {
      assert.equal(depthOf(JSON.stringify(value, undefined, space)), deep(value));
    }),
  );
});

it('is not misled by brackets and quotes within text', () => {
  for (const text of ['"[[["', '"\\"[["', '{"a\\\\":"[{"}', '["\\u005b["]'])
    assert.equal(depthOf(text), deep(JSON.parse(text)), text);
});

it('takes no stack and no memory for what is no JSON at all', () => {
  assert.equal(depthOf('['.repeat(1 << 20)), 1 << 20);
  assert.equal(depthOf(']'.repeat(1 << 20)), 0);
});
