import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quantile, significant, summarize } from './statistics.ts';

test('the median of an odd number of samples is the middle one, whatever their order', () => {
  assert.deepEqual(summarize([9, 1, 5]), { median: 5, min: 1, max: 9 });
});

test('the median of an even number of samples lies between the middle two', () => {
  assert.equal(quantile([4, 1, 3, 2], 0.5), 2.5);
});

test('a high quantile interpolates towards the greatest sample', () => {
  const samples = Array.from({ length: 101 }, (_, i) => i);
  assert.equal(quantile(samples, 0.99), 99);
  assert.equal(quantile([0, 10], 0.99), 9.9);
});

test('one sample is its own summary', () => {
  assert.deepEqual(summarize([7]), { median: 7, min: 7, max: 7 });
});

test('samples are not reordered in place', () => {
  const samples = [3, 1, 2];
  summarize(samples);
  assert.deepEqual(samples, [3, 1, 2]);
});

test('no samples have no summary', () => {
  assert.throws(() => summarize([]), RangeError);
});

test('figures keep four digits', () => {
  assert.equal(significant(469_123.4), 469_100);
  assert.equal(significant(5.65432), 5.654);
});
