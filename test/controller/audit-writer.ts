/** A controller that is asked for writes and refusals without end; says on standard output which writes were answered, and which refusals are recorded. */
import { writeSync } from 'node:fs';
import { pino } from 'pino';
import { assemble } from '../../src/controller/assemble.ts';
import { openSqlite } from '../../src/store/sqlite.ts';

const [file = '', run = ''] = process.argv.slice(2);
await using store = await openSqlite(file);
const onFatal = (cause: unknown) => {
  throw cause;
};
await using controller = await assemble(store, { log: pino({ level: 'silent' }), onFatal });
const post = (name: string, id: string) =>
  controller.app.inject({
    method: 'POST',
    url: '/v1/tenants',
    payload: { name },
    headers: { 'x-request-id': id },
  });
for (let n = 0; ; n++) {
  const [made, refused] = [`t${run}-${n}`, `t${run}-0`];
  // Side by side, so that one may be under way when the other is answered.
  const refusal = n > 0 && n < 150 ? post(refused, `again-${made}`) : undefined;
  await post(made, made);
  writeSync(1, `${made}\n`);
  if (!refusal) continue;
  await refusal;
  await controller.audit.settled();
  writeSync(1, `again-${made}\n`);
}
