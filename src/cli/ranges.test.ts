import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rangesText } from './ranges.ts';

test('neighbouring addresses are one range, of each family for itself', () => {
  const addresses = [
    '10.0.0.10',
    'fd00::9',
    '10.0.0.2',
    '10.0.0.3',
    'fd00::a',
    '10.0.0.255',
    '10.0.1.0',
    '0.0.0.1',
    '::2',
  ];
  assert.equal(
    rangesText(addresses),
    '0.0.0.1, 10.0.0.2-10.0.0.3, 10.0.0.10, 10.0.0.255-10.0.1.0, ::2, fd00::9-fd00::a',
  );
  assert.equal(rangesText([]), '');
});
