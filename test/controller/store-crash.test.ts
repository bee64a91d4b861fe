import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { openSqlite } from '../../src/store/sqlite.ts';

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

/** Runs the writer, and kills it a random while after its first acknowledgement. @returns what it acknowledged */
async function writeUntilKilled(file: string, run: number): Promise<[n: string, revision: string][]> {
  const writer = join(import.meta.dirname, 'store-writer.ts');
  const child = spawn(process.execPath, [writer, file, String(run)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    if (text === '') setTimeout(() => child.kill('SIGKILL'), Math.random() * 30);
    text += chunk;
  });
  const [code, signal] = await once(child, 'close');
  assert.deepEqual([code, signal], [null, 'SIGKILL']);
  const lines = text.split('\n').slice(0, -1);
  return lines.map((line) => line.split(' ') as [string, string]);
}
