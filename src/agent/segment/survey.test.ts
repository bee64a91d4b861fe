import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gatewayMac, type Ip, ipBytes, ipText, type Mac, macText } from '../../model/address.ts';
import type { NetworkItem } from '../../model/host-state.ts';
import { Survey } from './survey.ts';
import { sweepPace } from './sweep.ts';

const [own, router] = ['02:00:00:00:00:0a', '02:00:00:00:00:0b'] as [Mac, Mac];
const [gw4, gw6] = ['10.0.0.1', 'fd00::1'] as [Ip, Ip];
const four = { cidr: '10.0.0.0/24', gateway: gw4 };
const six = { cidr: 'fd00::/64', gateway: gw6 };
const BEAT = 300;

/** A frame as whoever hears it takes it. */
interface Said {
  readonly mac: Mac;
  /** ARP's sender, or the packet's; absent: nobody. */
  readonly ip?: Ip;
  /** Absent: everybody is asked. */
  readonly target?: Ip;
}

function said(frame: Uint8Array): Said {
  const mac = macText(frame.subarray(6, 12));
  if (frame[12] === 8) {
    const sender = frame.subarray(28, 32);
    return { mac, target: ipText(frame.subarray(38, 42)), ...(sender.some((b) => b > 0) && { ip: ipText(sender) }) };
  }
  const ip = ipText(frame.subarray(22, 38));
  return { mac, ip, ...(frame[54] === 135 && { target: ipText(frame.subarray(62, 78)) }) };
}
const inItsName = ({ mac, ip }: Said): boolean => mac === gatewayMac || ip === gw4 || ip === gw6;

/** A segment's survey in a network; others have the addresses `others`. */
function fresh(subnets: NetworkItem['subnets'] = [four, six], others: readonly Ip[] = []) {
  const sent: Said[] = [];
  const network = {
    subnets,
    has: () => false,
    holderOf: (ip: Ip) => (network.subnets.some(({ gateway }) => gateway === ip) ? ('gateway' as const) : undefined),
    others: () => others,
  };
  const survey = new Survey({
    network,
    mac: own,
    everyMs: () => 300_000,
    isTold: () => true,
    send: (frame) => sent.push(said(frame)),
  });
  survey.begin(0);
  let now = 0;
  /** What is said in so many milliseconds, `answer` being heard at once. */
  const run = (ms: number, answer: (question: Said) => void = () => {}): Said[] => {
    const all: Said[] = [];
    for (const end = now + ms; now < end; now += BEAT) {
      survey.tick(now);
      for (const question of sent.splice(0)) {
        all.push(question);
        answer(question);
      }
    }
    return all;
  };
  const hear = (ip: Ip): void => survey.heard({ mac: router, ip }, now);
  return { survey, network, run, hear };
}

test('nobody but the gateways is asked for, and by nobody, until they have had time to answer', () => {
  const { run } = fresh();
  const first = run(700);
  assert.ok(first.length > 0);
  for (const question of first) assert.ok([gw4, gw6].includes(question.target!) && !inItsName(question));
  const then = run(3_000).filter(inItsName);
  assert.ok(then.some(({ target }) => target === '10.0.0.2') && then.some(({ target }) => !target));
});

test('a LAN’s own router at the gateway’s address: nothing is ever said in its name, and everybody is asked all the same', () => {
  const { run, hear, survey } = fresh();
  const all = run(100_000, ({ target }) => (target === gw4 || target === gw6) && hear(target));
  assert.deepEqual(all.filter(inItsName), []);
  assert.deepEqual(survey.contests.all.map(({ address }) => address).toSorted(), [gw4, gw6]);
  assert.ok(all.some(({ target }) => target === '10.0.0.254') && all.some(({ target }) => !target));
});

test('one that comes later, in the middle of a sweep, is no more spoken for either, nor one of a subnet that is new', () => {
  const { run, hear, network } = fresh([four]);
  assert.ok(run(2_000).some(inItsName));
  hear(gw4);
  assert.deepEqual(run(60_000, ({ target }) => target === gw4 && hear(gw4)).filter(inItsName), []);
  network.subnets = [six];
  assert.deepEqual(run(700).filter(inItsName), []);
  assert.ok(run(3_000).some(inItsName));
});

test('one that is silent for long is there no more', () => {
  const { run, hear } = fresh([four]);
  hear(gw4);
  assert.deepEqual(run(99_000).filter(inItsName), []);
  assert.ok(run(500_000).some(inItsName));
});

test('an IPv6 subnet of two addresses has none to ask from but the gateway’s', () => {
  const { run, hear } = fresh([{ cidr: 'fd00::/127', gateway: gw6 }]);
  const all = run(60_000, ({ target }) => target === gw6 && hear(gw6));
  assert.deepEqual(all.filter(inItsName), []);
});

test('who could not be learned so fast is asked for once more when the round is over', () => {
  const { run, survey } = fresh([{ cidr: '10.0.0.0/29' }]);
  const late = '10.0.0.3' as Ip;
  const times = (questions: readonly Said[]) => questions.filter(({ target }) => target === late).length;
  assert.equal(times(run(2_000, ({ target }) => target === late && survey.missed(late))), 2);
  assert.equal(times(run(200_000)), 0, 'and no more');
});

test('of many ports elsewhere so many are asked for in a round as of a subnet', () => {
  const ports = Array.from({ length: 3 * sweepPace.most }, (_, n) =>
    ipText(
      ipBytes('10.8.0.0' as Ip)
        .with(2, n >> 8)
        .with(3, n & 255),
    ),
  );
  const { run, survey } = fresh([{ cidr: '10.0.0.0/29' }], ports);
  survey.came({ addresses: ['10.9.0.1' as Ip] });
  const asked = (ms: number) => run(ms).filter(({ target }) => target?.startsWith('10.8.')).length;
  const first = asked(200_000);
  // The round is short: at its end a few more find room.
  assert.ok(sweepPace.most <= first && first < 1.1 * sweepPace.most, `${first}`);
  assert.equal(asked(300_000), sweepPace.most);
});
