/** What is said of an authority and a controller's certificate, by what time it is. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pino } from 'pino';
import { crossSign, makeAuthority } from '../trust/authority-certificate.ts';
import { issueServer } from '../trust/issue.ts';
import { startController } from './main.ts';
import { troublesOfTrust } from './trust-condition.ts';

const dayMs = 86_400_000;
const yearMs = 365 * dayMs;
const start = Date.UTC(2026, 0, 1);
const at = (ms: number) => new Date(start + ms);
const [before, made] = [await makeAuthority(at(-dayMs)), await makeAuthority(at(0))];
const current = { certificate: made.certificate, key: 'sealed' };
const older = { certificate: before.certificate, cross: await crossSign(made.certificate, before, at(0)) };
const server = (ms: number) => issueServer(made, [], at(ms)).then(({ certificate }) => certificate);
const first = await server(0);

for (const [what, trust, problems] of [
  ['no authority', { authority: undefined, certificate: undefined, now: at(0) }, []],
  ['what was just made', { authority: { current }, certificate: first, now: at(0) }, []],
  ['clocks that differ by minutes', { authority: { current }, certificate: first, now: at(-240_000) }, []],
  ['a clock of before', { authority: { current }, certificate: undefined, now: at(-dayMs) }, ['AUTHORITY_INVALID']],
  [
    'one that has ended',
    { authority: { current }, certificate: undefined, now: at(11 * yearMs) },
    ['AUTHORITY_INVALID'],
  ],
  ['its last year', { authority: { current }, certificate: undefined, now: at(9.1 * yearMs) }, ['AUTHORITY_ENDS']],
  ['the years before', { authority: { current }, certificate: undefined, now: at(8.9 * yearMs) }, []],
  ['a rotation under way', { authority: { current, older }, certificate: first, now: at(dayMs) }, []],
  [
    'a rotation of long ago',
    { authority: { current, older }, certificate: await server(3.5 * dayMs), now: at(4 * dayMs) },
    ['ROTATION_UNFINISHED'],
  ],
  [
    'a certificate that is not renewed',
    { authority: { current }, certificate: first, now: at(2.1 * dayMs) },
    ['CERTIFICATE_ENDS'],
  ],
] as const)
  test(`of ${what}: ${problems.join() || 'nothing'}`, () => {
    const found = [...troublesOfTrust(trust)];
    assert.deepEqual(
      found.map(({ problem }) => problem),
      problems,
    );
    for (const { text, next } of found) assert.ok(text.length < 700 && next !== '');
  });

test('an authority that was made while the clock was wrong is warned of at the start, with what to do', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'heddle-trust-'));
  const warned = async (now: Date) => {
    const lines: string[] = [];
    const log = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
    const options = { db: join(dir, 'db'), listen: [{ tcp: '127.0.0.1:0' }], announce: () => undefined };
    await (await startController({ ...options, log, now: () => now }))[Symbol.asyncDispose]();
    return lines.join('');
  };
  try {
    assert.equal(await warned(at(10 * yearMs)), '', 'nothing is wrong by the wrong clock');
    assert.match(await warned(at(0)), /heddle ca rotate.*the authority holds from 2035/);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
