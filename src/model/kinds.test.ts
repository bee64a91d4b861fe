import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type Kind, kinds, referentsFirst } from './kinds.ts';

it('orders the kinds so that referents come first, each once', () => {
  assert.deepEqual([...referentsFirst].sort(), Object.keys(kinds).sort());
  const at = (kind: Kind) => referentsFirst.indexOf(kind);
  for (const kind of referentsFirst) {
    if (kinds[kind].scope === 'tenant') assert.ok(at('tenant') < at(kind), kind);
    for (const to of Object.values(kinds[kind].refersTo)) assert.ok(at(to) <= at(kind), `${kind} refers to ${to}`);
  }
});
