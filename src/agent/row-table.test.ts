import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type MapRow, rowKey } from '../compile/map-row.ts';
import type { ItemKey } from '../model/host-state.ts';
import { type RowSink, RowTable } from './row-table.ts';

const row = (key: number, value: number): MapRow => ({
  map: 'fdb',
  key: Uint8Array.of(key),
  value: Uint8Array.of(value),
});
const owner = (n: number): ItemKey => `port/${n}`;

/** A map in memory, with room for `limit` rows. */
function memory(limit = Number.POSITIVE_INFINITY): RowSink & { rows: Map<string, MapRow>; writes: number } {
  const rows = new Map<string, MapRow>();
  return {
    rows,
    writes: 0,
    put(r) {
      const key = rowKey(r.map, r.key);
      if (!rows.has(key) && rows.size >= limit) throw new Error('full');
      this.writes++;
      rows.set(key, r);
    },
    remove(map, key) {
      this.writes++;
      rows.delete(rowKey(map, key));
    },
  };
}
const values = (sink: { rows: Map<string, MapRow> }) =>
  [...sink.rows.values()].map((r) => [r.key[0], r.value[0]]).toSorted();

test('rows that an earlier agent left are kept until the state is whole', () => {
  const sink = memory();
  for (const r of [row(1, 1), row(2, 2)]) sink.put(r);
  const table = new RowTable();
  table.adopt(sink.rows.values());
  table.state(owner(1), [row(1, 1)]);
  table.apply(sink, { whole: false });
  assert.deepEqual(values(sink), [
    [1, 1],
    [2, 2],
  ]);
  table.apply(sink, { whole: true });
  assert.deepEqual(values(sink), [[1, 1]]);
});

test('rows that this process made go as soon as nobody states them, whole or not', () => {
  const sink = memory();
  const table = new RowTable();
  table.state(owner(1), [row(1, 1)]);
  table.apply(sink, { whole: false });
  table.state(owner(1), []);
  table.apply(sink, { whole: false });
  assert.deepEqual(values(sink), []);
});

test('a row that already holds is not written again', () => {
  const sink = memory();
  const table = new RowTable();
  table.state(owner(1), [row(1, 1)]);
  table.apply(sink, { whole: true });
  const { writes } = sink;
  table.state(owner(1), [row(1, 1)]);
  table.apply(sink, { whole: true });
  assert.equal(sink.writes, writes);
});

test('a full map fails the owners of what does not fit, and they succeed once there is room', () => {
  const sink = memory(1);
  const table = new RowTable();
  table.state(owner(1), [row(1, 1)]);
  table.state(owner(2), [row(2, 2)]);
  assert.deepEqual([...table.apply(sink, { whole: true }).keys()], [owner(2)]);
  table.state(owner(1), []);
  assert.equal(table.apply(sink, { whole: true }).size, 0);
  assert.deepEqual(values(sink), [[2, 2]]);
});

test('a row that passes from one owner to another in one step stays', () => {
  const sink = memory();
  const table = new RowTable();
  table.state(owner(1), [row(1, 1)]);
  table.apply(sink, { whole: true });
  table.state(owner(2), [row(1, 2)]);
  table.state(owner(1), []);
  table.apply(sink, { whole: true });
  assert.deepEqual(values(sink), [[1, 2]]);
});

test('drift is counted and mended: rows lost, changed and foreign', () => {
  const sink = memory();
  const table = new RowTable();
  table.state(owner(1), [row(1, 1), row(2, 2)]);
  table.apply(sink, { whole: true });
  sink.rows.delete(rowKey('fdb', Uint8Array.of(1)));
  sink.put(row(2, 9));
  sink.put(row(3, 3));
  assert.equal(table.adopt(sink.rows.values()), 3);
  table.apply(sink, { whole: true });
  assert.deepEqual(values(sink), [
    [1, 1],
    [2, 2],
  ]);
});

test('after any edits the maps hold what a table from scratch would put there', () => {
  const edit = fc.record({
    owner: fc.nat(4),
    keys: fc.uniqueArray(fc.nat(6), { maxLength: 4 }),
    value: fc.nat(3),
    apply: fc.boolean(),
    restart: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 30 }), (edits) => {
      const sink = memory();
      let table = new RowTable();
      const stated = new Map<number, MapRow[]>();
      for (const e of edits) {
        // Owners have disjoint keys, as items have.
        stated.set(
          e.owner,
          e.keys.map((k) => row(e.owner * 10 + k, e.value)),
        );
        table.state(owner(e.owner), stated.get(e.owner)!);
        if (e.apply) table.apply(sink, { whole: true });
        if (!e.restart) continue;
        table = new RowTable();
        table.adopt(sink.rows.values());
        for (const [n, rows] of stated) table.state(owner(n), rows);
      }
      table.apply(sink, { whole: true });
      const scratch = memory();
      for (const rows of stated.values()) for (const r of rows) scratch.put(r);
      assert.deepEqual(values(sink), values(scratch));
    }),
  );
});
