import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { pino } from 'pino';
import type { Ip } from '../../../model/address.ts';
import { ProbeAnswers } from './answers.ts';
import { leastProbeBytes, type Probe, parseProbe, probePayload } from './probe-frame.ts';

const [one, two, three] = ['198.18.0.1', '198.18.0.2', '198.18.0.4'] as Ip[] as [Ip, Ip, Ip];
const VXLAN_BYTES = 8;
const question: Probe = { kind: 'question', bytes: 1500, run: 0xdead_beef, asker: one, asked: two };
/** As the agent's socket gets it: the outer headers are gone. */
const frameOf = (payload: Uint8Array) => payload.subarray(VXLAN_BYTES);
const open = (now = () => 0) =>
  new ProbeAnswers({
    vtep: two,
    udpPort: 4789,
    isHost: (ip) => ip === one || ip === three,
    log: pino({ level: 'silent' }),
    now,
  });

test('a probe is read as it was written, and its packet has the size that was asked for', () => {
  for (const [asker, asked, headers] of [
    [one, two, 28],
    ['2001:db8::1' as Ip, '2001:db8::2' as Ip, 48],
  ] as const) {
    const probe: Probe = { ...question, asker, asked };
    const payload = probePayload(probe, 1500);
    assert.equal(payload.length + headers, 1500);
    assert.deepEqual(parseProbe(frameOf(payload)), probe);
    assert.equal(probePayload(probe).length + headers, leastProbeBytes(asked));
  }
});

test('what is no probe is read as none, whatever it is', () =>
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => parseProbe(bytes) === undefined)));

test('a question of another host to this one is answered, with as few bytes as can be', () => {
  using answers = open();
  const answer = answers.answerTo(frameOf(probePayload(question, 1500)));
  assert.equal(answer?.ip, one);
  assert.equal(answer.payload.length, leastProbeBytes(one) - 28);
  assert.deepEqual(parseProbe(frameOf(answer.payload)), { ...question, kind: 'answer' });
});

test('nobody else is answered: no stranger, no answer, no question to another one', () => {
  using answers = open();
  for (const probe of [
    { ...question, asker: '203.0.113.9' as Ip },
    { ...question, kind: 'answer' as const },
    { ...question, asked: '198.18.0.3' as Ip },
  ])
    assert.equal(answers.answerTo(frameOf(probePayload(probe))), undefined);
});

test('however often a host asks, it is answered no more than some hundreds of times a second, and others are all the same', () => {
  let now = 0;
  using answers = open(() => now);
  const frame = frameOf(probePayload(question));
  const answered = (times: number) =>
    Array.from({ length: times }, () => answers.answerTo(frame)).filter(Boolean).length;
  assert.equal(answered(1_000), 500);
  assert.ok(answers.answerTo(frameOf(probePayload({ ...question, asker: three }))));
  now = 1_000;
  assert.equal(answered(1_000), 200);
});
