import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BEGUN_WORDS, begunKey, type MapName } from '../datapath/layouts.ts';
import { DatapathMaps } from './datapath-maps.ts';

test('the next owner of a slot has none of its connections, and those of other slots are neither touched nor read', () => {
  const rows = new Set([7, 8].flatMap((slot) => [0, BEGUN_WORDS - 1].map((word) => `${slot}/${word}`)));
  const begun = {
    entries: () => assert.fail('a walk through what all slots have'),
    delete(key: Uint8Array) {
      const { slot, word } = begunKey.decode(key);
      return rows.delete(`${slot}/${word}`);
    },
  };
  const other = { entries: () => [], update() {}, delete: () => false, zeroPerCpu() {} };
  const maps = new DatapathMaps({ map: (name: MapName) => (name === 'begun' ? begun : other) } as never);
  maps.resetCounters(7);
  assert.deepEqual([...rows], ['8/0', `8/${BEGUN_WORDS - 1}`]);
});

test('says how full maps are, without a call for each row', () => {
  const rows = [[new Uint8Array(8), new Uint8Array(8)]];
  const tally = { entries: () => [...rows, ...rows], keys: () => assert.fail('a call for each key') };
  const other = { entries: () => [] };
  const maps = new DatapathMaps({ map: (name: MapName) => (name === 'tally' ? tally : other) } as never);
  assert.equal(maps.fill().find(({ name }) => name === 'tally')?.entries, 2);
});
