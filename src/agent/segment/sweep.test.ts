import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ip, Mac } from '../../model/address.ts';
import type { NetworkItem } from '../../model/host-state.ts';
import { askerIn, type Question, Sweep, sweepPace } from './sweep.ts';

type Subnet = NetworkItem['subnets'][number];

const every = 300_000;
const gateway = '10.0.0.1' as Ip;
const small: Subnet = { cidr: '10.0.0.0/29', gateway };
const ip = (question: Question | undefined): string | undefined =>
  question && ('ip' in question ? question.ip : question.everybodyOf.cidr);

/** A network whose ports have these addresses. */
function sweepOf(subnets: readonly Subnet[], taken: readonly string[] = []) {
  const network = { subnets, has: (address: Ip) => taken.includes(address) };
  return { network, sweep: new Sweep(network) };
}
/** Asks at each tenth of a second, until there is nothing to ask. */
function asked(sweep: Sweep, from = 0): string[] {
  const all: string[] = [];
  for (let now = from; ; now += 100) {
    const questions = sweep.due(now, every);
    if (questions.length === 0) return all;
    all.push(...questions.map((q) => ip(q)!));
  }
}

test('each address that nobody has is asked for, those of pools first, as they are given', () => {
  const pools = [{ first: '10.0.0.5' as Ip, last: '10.0.0.6' as Ip }];
  const { sweep } = sweepOf([{ ...small, pools }], ['10.0.0.3']);
  assert.deepEqual(asked(sweep), ['10.0.0.5', '10.0.0.6', '10.0.0.2', '10.0.0.4']);
  assert.deepEqual(sweep.progress, { asked: 4, rounds: 1 });
  assert.deepEqual(asked(sweep, every - 1), []);
  assert.equal(asked(sweep, every).length, 4);
});

test('the gateway asks, as long as it is not its own address that is asked for', () => {
  const { sweep } = sweepOf([small]);
  sweep.also(gateway);
  const [own, other] = sweep.due(0, every);
  assert.deepEqual(own, { ip: gateway });
  assert.deepEqual(other, { ip: '10.0.0.2', gateway });
});

test('everybody of an IPv6 subnet is asked at once, from an address that nobody has if there is no gateway', () => {
  const mac = '02:00:00:00:00:0a' as Mac;
  const six: Subnet = { cidr: 'fd00::/64' };
  assert.deepEqual(sweepOf([small, six]).sweep.due(0, every)[0], { everybodyOf: six });
  assert.equal(askerIn(six.cidr, mac), 'fd00::200:0:b');
  assert.equal(askerIn('fd00::/127', mac), 'fd00::1');
});

test('of a large subnet the lowest are asked for that nobody has, and no more', () => {
  const pools = [{ first: '10.1.0.0' as Ip, last: '10.1.255.255' as Ip }];
  const all = asked(sweepOf([{ cidr: '10.0.0.0/8', pools }], ['10.1.0.0']).sweep);
  assert.equal(all.length, sweepPace.most);
  assert.deepEqual([all[0], all.at(-1)], ['10.1.0.1', '10.1.16.0']);
});

test('what ports have is passed over, a part of it at a time', () => {
  const taken = Array.from({ length: 2 * sweepPace.lookedAt + 1 }, (_, n) => `10.0.${n >> 8}.${n & 255}`);
  const { sweep } = sweepOf([{ cidr: '10.0.0.0/16' }], taken);
  for (const turn of [0, 1]) assert.deepEqual(sweep.due(turn, every), []);
  assert.equal(ip(sweep.due(2, every)[0]), '10.0.7.209');
});

test('no more are asked for at once, nor in a second, than machines can be learned', () => {
  const { sweep } = sweepOf([{ cidr: '10.0.0.0/16' }]);
  assert.equal(sweep.due(0, every).length, sweepPace.burst);
  assert.equal(sweep.due(100, every).length, sweepPace.perSecond / 10);
  assert.equal(sweep.due(60_000, every).length, sweepPace.burst);
});

test('a subnet or pool that is new is asked for at once, also in the middle of a sweep', () => {
  const { sweep, network } = sweepOf([small]);
  sweep.due(0, every);
  network.subnets = [{ ...small }];
  assert.deepEqual(sweep.due(1_000, every), [], 'the same');
  const added: Subnet = { cidr: '10.1.0.0/30' };
  network.subnets = [small, added];
  assert.equal(asked(sweep, 2_000).length, 5 + 2);
});

test('without sweeps, what is new is asked for all the same, and with them by turns', () => {
  const { sweep } = sweepOf([small]);
  sweep.also('10.0.0.6' as Ip);
  assert.deepEqual(sweep.due(0, 0).map(ip), ['10.0.0.6']);
  for (const n of [4, 5]) sweep.also(`10.0.0.${n}` as Ip);
  const [a, b, c] = sweep.due(1_000, every).map(ip);
  assert.ok([a, b, c].includes('10.0.0.2') && [a, b, c].includes('10.0.0.4'));
});
