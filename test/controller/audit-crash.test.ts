import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { openSqlite } from '../../src/store/sqlite.ts';
import { linesUntilKilled } from './until-killed.ts';

const RUNS = 8;

it('has the record of every write that happened and of every refusal that was recorded, and no other, after kill −9', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'heddle-audit-crash-'));
  try {
    const file = join(dir, 'db');
    let answered = 0;
    for (let run = 0; run < RUNS; run++) {
      const answers = await linesUntilKilled('audit-writer.ts', [file, String(run)]);
      answered += answers.length;
      await using store = await openSqlite(file);
      const { revision } = await store.extent();
      const { entries } = await store.audit.read({}, { limit: 1e6, after: 0 });
      const revisions = entries.flatMap((entry) => entry.revision ?? []);
      assert.deepEqual(
        revisions,
        Array.from({ length: Number(revision) }, (_, i) => BigInt(i + 1)),
        `run ${run}: a record for each revision, in order`,
      );
      const requests = new Set(entries.map(({ record }) => (JSON.parse(record) as { requestId?: string }).requestId));
      for (const id of answers) assert.ok(requests.has(id), `run ${run}: ${id} was answered`);
      const ids = entries.map(({ id }) => id);
      assert.deepEqual(
        ids,
        Array.from({ length: ids.length }, (_, i) => i + 1),
        'nothing is missing in between',
      );
    }
    assert.ok(answered > RUNS, `only ${answered} requests were answered`);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
