/** Writes transactions into a store without end, and says on standard output which were acknowledged. */
import { writeSync } from 'node:fs';
import { openSqlite } from '../../src/store/sqlite.ts';

const [file = '', run = ''] = process.argv.slice(2);
await using store = await openSqlite(file);
for (let n = 0; ; n++) {
  const value = 'x'.repeat(n % 900);
  const ops = [0, 1, 2].map((part) => ({ put: { key: `/run/${run}/${String(n).padStart(6, '0')}/${part}`, value } }));
  const { revision } = await store.txn({ ops });
  writeSync(1, `${n} ${revision}\n`);
}
