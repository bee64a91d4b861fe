import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { largestThatFits, sizesBetween } from './search.ts';

test('the largest size that arrives is found, whatever it is, in few rounds', () =>
  fc.assert(
    fc.asyncProperty(fc.integer({ min: 98, max: 9_000 }), fc.integer({ min: 0, max: 9_100 }), async (whole, limit) => {
      let rounds = 0;
      const found = await largestThatFits(98, whole, async (sizes) => {
        rounds++;
        return new Set(sizes.filter((size) => size <= limit));
      });
      assert.equal(found, limit < 98 ? 0 : Math.min(limit, whole));
      assert.ok(rounds <= 5, `${rounds} rounds`);
    }),
  ));

test('one that is lost on the way makes the answer smaller, and never larger or endless', () =>
  fc.assert(
    fc.asyncProperty(fc.integer({ min: 200, max: 1_499 }), fc.func(fc.boolean()), async (limit, lost) => {
      const found = await largestThatFits(
        98,
        1_500,
        async (sizes) => new Set(sizes.filter((size) => size <= limit && !lost(size))),
      );
      assert.ok(found <= limit);
    }),
  ));

test('sizes of a round lie between, ascending, each once', () =>
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9_000 }), fc.integer({ min: 2, max: 9_000 }), (low, more) => {
      const sizes = sizesBetween(low, low + more);
      assert.ok(sizes.length > 0);
      assert.deepEqual(
        sizes,
        [...new Set(sizes)].sort((a, b) => a - b),
      );
      assert.ok(sizes.every((size) => size > low && size < low + more));
    }),
  ));
