import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { openSqlite } from '../../src/store/sqlite.ts';
import { linesUntilKilled } from './until-killed.ts';

const RUNS = 25;

it('has every acknowledged write, and no half of one, after each of many kill −9', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'heddle-crash-'));
  try {
    const file = join(dir, 'db');
    let acknowledged = 0;
    for (let run = 0; run < RUNS; run++) {
      const acks = await writeUntilKilled(file, run);
      acknowledged += acks.length;
      await using store = await openSqlite(file);
      const { entries } = await store.range(`/run/${run}/`);
      assert.equal(entries.length % 3, 0, 'transactions are whole');
      const revisions = new Map(entries.map((e) => [e.key, e.modRevision]));
      for (const [n, revision] of acks)
        assert.equal(revisions.get(`/run/${run}/${n.padStart(6, '0')}/0`), BigInt(revision), `run ${run}, write ${n}`);
    }
    assert.ok(acknowledged > RUNS, `only ${acknowledged} writes were acknowledged`);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

/** @returns what the writer acknowledged before it was killed */
async function writeUntilKilled(file: string, run: number): Promise<[n: string, revision: string][]> {
  const lines = await linesUntilKilled('store-writer.ts', [file, String(run)]);
  return lines.map((line) => line.split(' ') as [string, string]);
}
