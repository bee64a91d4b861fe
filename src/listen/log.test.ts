import assert from 'node:assert/strict';
import { it } from 'node:test';
import { openLog } from './log.ts';

it('A37: has no secret of a token, in whatever of a line that is, also of its children', () => {
  const secret = 'A_b-'.repeat(11).slice(0, 43);
  const token = `hdt_0123456789abcdef_${secret}`;
  const login = `eyJhbGciOi.${secret}.x`;
  const lines: string[] = [];
  const log = openLog('info', { write: (line) => void lines.push(line) });
  const err = new Error(`no user has ${token}`, { cause: new Error(`by\n${login}`) });
  log.error({ err, code: 'INTERNAL' }, `it failed for ${token}`);
  log
    .child({ requestId: 'r' })
    .info({ path: `/v1/tokens/${token.replaceAll('_', '%5F')}?by=${login}`, nested: [{ token }] }, 'x');
  log.debug('not this');
  const [failed, asked] = lines.map((line) => JSON.parse(line));
  assert.equal(lines.length, 2);
  assert.ok(!lines.join('').includes(secret.slice(0, 8)), lines.join(''));
  assert.deepEqual(
    [failed.msg, failed.err.message.split(':')[0]],
    ['it failed for hdt_0123456789abcdef_…', 'no user has hdt_0123456789abcdef_…'],
  );
  assert.deepEqual([asked.requestId, asked.path], ['r', '/v1/tokens/hdt%5F0123456789abcdef%5F…?by=eyJ…']);
});
