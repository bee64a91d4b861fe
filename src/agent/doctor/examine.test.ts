import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../../model/errors.ts';
import { checkAtStart } from './at-start.ts';
import { makeCheck } from './check.ts';
import { examine } from './examine.ts';
import { type Finding, fail, ok, refuse, unknown, warn } from './finding.ts';
import type { Site } from './site.ts';

/** Checks that look at nothing need no host. */
const site = {} as Site;
const never = new AbortController().signal;
const finds = (gather: () => Promise<number> | number) =>
  makeCheck({ name: 'it', about: 'it', gather, judge: (n) => [ok('one'), ...(n > 1 ? [fail('two', 'less')] : [])] });

test('the worst finding is the check’s grade', async () => {
  assert.deepEqual(
    await examine(
      finds(() => 1),
      site,
      never,
    ),
    {
      check: 'it',
      grade: 'ok',
      findings: [{ grade: 'ok', text: 'one' }],
    },
  );
  assert.equal(
    (
      await examine(
        finds(async () => 2),
        site,
        never,
      )
    ).grade,
    'fail',
  );
});

test('what cannot be looked at is unknown, and says why', async () => {
  const broken = finds(() => Promise.reject(new Error('EPERM')));
  assert.deepEqual((await examine(broken, site, never)).findings, [
    { grade: 'unknown', text: 'this could not be looked at: EPERM' },
  ]);
});

test('what takes too long is not waited for', async (t) => {
  const late = AbortSignal.abort(new Error('late'));
  t.mock.method(AbortSignal, 'timeout', () => late);
  const slow = makeCheck({
    name: 'slow',
    about: 'it',
    gather: async (_: Site, signal: AbortSignal) => signal.throwIfAborted(),
    judge: () => [warn('', '')],
  });
  const { grade, findings } = await examine(slow, site, never);
  assert.equal(grade, 'unknown');
  assert.match(findings[0]!.text, /longer than 60 s/);
});

test('an interrupt is no finding', async () => {
  const stop = new AbortController();
  const check = finds(() => {
    stop.abort(new Error('enough'));
    throw new Error('cut off');
  });
  await assert.rejects(examine(check, site, stop.signal), /enough/);
});

test('an agent that starts refuses with what it cannot work with, logs what else is wrong, and minds nothing else', async () => {
  const said: unknown[] = [];
  const log = { warn: (details: object, text: string) => void said.push([text, details]) };
  const check = (name: string, findings: Finding[]) =>
    makeCheck({ name, about: name, gather: () => findings, judge: (found) => found });
  const bearable = [check('a', [ok('well'), warn('low', 'more')]), check('b', [unknown('dark'), fail('torn', 'mend')])];
  const warnings = await checkAtStart(site, log, bearable);
  assert.deepEqual(said, [
    ['low', { check: 'a', advice: 'more' }],
    ['torn', { check: 'b', advice: 'mend' }],
  ]);
  assert.deepEqual(warnings, [
    { check: 'a', text: 'low', advice: 'more' },
    { check: 'b', text: 'torn', advice: 'mend' },
  ]);
  await assert.rejects(
    checkAtStart(site, log, [...bearable, check('c', [refuse('old', 'new one')]), check('d', [refuse('x', 'y')])]),
    (e) => hasCode(e, 'HOST_UNFIT') && /old \(new one\); x \(y\)/.test(e.message),
  );
});
