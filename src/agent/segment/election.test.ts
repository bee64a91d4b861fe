import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type HostNumber, newId, type PortId } from '../../model/ids.ts';
import { beat, Election, type Role } from './election.ts';
import type { Hello } from './hello.ts';

const [older, port, newer] = [newId<PortId>(), newId<PortId>(), newId<PortId>()];
const [one, two] = [1, 2] as HostNumber[] as [HostNumber, HostNumber];
const fine = { carrier: true, connected: true, has: () => false };
const role = (over: Partial<Role> = {}): Role => ({
  port,
  self: two,
  role: 'standby',
  paired: true,
  revision: 5n,
  ...over,
});
let sequence = 0n;
const hello = (over: Partial<Hello> = {}): Hello => ({
  ...{ port, host: one, vlan: 120, ifindex: 3, active: true, chosen: true, connected: true, revision: 5n },
  sequence: ++sequence,
  ...over,
});

test('a standby is silent, and asks for the segment when one that was active is not heard for two seconds', () => {
  const e = new Election(role(), 0, false);
  assert.deepEqual(e.verdict(900, fine), { held: 'standby', takeOver: false });
  assert.equal(e.heard(hello(), 1_000), true);
  assert.deepEqual(e.verdict(3_000, fine), { held: 'standby', takeOver: false });
  assert.deepEqual(e.verdict(3_001, fine), { held: 'standby', takeOver: 'silent' });
  // What is not active does not count as one, and without carrier or controller there is nothing to ask for.
  e.heard(hello({ active: false }), 3_001);
  assert.equal(e.verdict(3_001, fine).takeOver, 'silent');
  assert.equal(e.verdict(3_001, { ...fine, connected: false }).takeOver, false);
  assert.deepEqual(e.verdict(3_001, { ...fine, carrier: false }), { held: 'no_carrier', takeOver: false });
  e.heard(hello(), 3_002);
  assert.equal(e.verdict(3_003, fine).takeOver, false);
});

test('a standby that never heard the active one since it stands by says so', () => {
  const e = new Election(role(), 0, false);
  assert.equal(e.verdict(beat.silence, fine).takeOver, false);
  assert.equal(e.verdict(beat.silence + 1, fine).takeOver, 'unheard');
  e.heard(hello({ active: false }), 2_500);
  assert.equal(e.verdict(2_600, fine).takeOver, 'unheard');
  e.heard(hello(), 3_000);
  assert.equal(e.verdict(6_000, fine).takeOver, 'silent');
  // What it heard before it was the active one itself says nothing of now.
  e.told(role({ role: 'active' }), 6_000);
  e.told(role(), 7_000);
  assert.equal(e.verdict(7_001 + beat.silence, fine).takeOver, 'unheard');
});

test('an active host forwards until it has no carrier, or hears one that the controller chose later', () => {
  const e = new Election(role({ self: one, role: 'active' }), 0, true);
  assert.deepEqual(e.verdict(0, fine), { takeOver: false });
  assert.deepEqual(e.verdict(0, { ...fine, connected: false }), { takeOver: false });
  assert.deepEqual(e.verdict(0, { ...fine, carrier: false }), { held: 'no_carrier', takeOver: false });
  e.heard(hello({ host: two, revision: 6n, active: false, chosen: false }), 20);
  assert.deepEqual(e.verdict(20, fine), { takeOver: false }, 'the other one stands by');
  // It need not forward yet: it waits for this one to stop.
  for (const active of [false, true]) {
    const at = active ? 10_000 : 30;
    e.heard(hello({ host: two, revision: 6n, active }), at);
    assert.deepEqual(e.verdict(at, fine), { held: 'other_active', takeOver: false });
    assert.deepEqual(e.verdict(at + beat.silence, fine), { takeOver: false });
  }
});

test('one that is chosen waits until the other one says that it has stopped, or can have no lease any more', () => {
  const e = new Election(role(), 0, true);
  e.heard(hello(), 1_000);
  e.told(role({ role: 'active', revision: 6n }), 1_100);
  assert.deepEqual(e.verdict(1_100, fine), { held: 'waiting', takeOver: false });
  e.heard(hello({ active: false, chosen: false }), 1_110);
  assert.deepEqual(e.verdict(1_110, fine), { takeOver: false });
  e.heard(hello(), 1_200);
  assert.deepEqual(e.verdict(1_200 + beat.lease, fine), { held: 'waiting', takeOver: false });
  assert.deepEqual(e.verdict(1_200 + beat.silence, fine), { takeOver: false });
  // The other one does not hear this one: it would never stop.
  const late = 1_100 + beat.patience;
  e.heard(hello(), late);
  assert.deepEqual(e.verdict(late, fine), { takeOver: false });
});

test('one that is new listens before it forwards, for a pair without the controller longer; one that forwarded goes on', () => {
  const alone = { ...fine, connected: false };
  const begin = (over: Partial<Role> = {}, open = false) =>
    new Election(role({ self: one, role: 'active', ...over }), 0, open);
  const listens = { held: 'listening', takeOver: false };
  for (const paired of [true, false]) {
    const e = begin({ paired });
    assert.deepEqual(e.verdict(beat.listen - 1, fine), listens);
    assert.deepEqual(e.verdict(beat.listen, fine), { takeOver: false });
    assert.deepEqual(e.verdict(beat.listen, alone), paired ? listens : { takeOver: false });
    assert.deepEqual(e.verdict(beat.silence, alone), { takeOver: false });
    assert.deepEqual(begin({ paired }, true).verdict(0, alone), { takeOver: false });
  }
  const late = begin();
  late.heard(hello({ host: two, revision: 6n }), 300);
  assert.deepEqual(late.verdict(beat.silence, alone), { held: 'other_active', takeOver: false });
});

test('a standby takes over from one that lost the controller, but not at once: it may be restarting', () => {
  const e = new Election(role(), 0, false);
  for (let now = 0; now <= beat.deaf; now += beat.hello) {
    e.heard(hello({ connected: false }), now);
    assert.equal(e.verdict(now, fine).takeOver, false);
  }
  const late = beat.deaf + 1;
  e.heard(hello({ connected: false }), late);
  assert.equal(e.verdict(late, fine).takeOver, 'silent');
  assert.equal(e.verdict(late, { ...fine, connected: false }).takeOver, false, 'nobody has it');
});

test('two that cannot hear each other change places ever more seldom, until they do', () => {
  const e = new Election(role(), 0, false);
  let now = 0;
  for (const silence of [2_000, 4_000, 8_000, 16_000]) {
    assert.equal(e.verdict(now + silence, fine).takeOver, false);
    assert.equal(e.verdict(now + silence + 1, fine).takeOver, 'unheard');
    e.tookOver();
    e.told(role({ role: 'active' }), now + silence + 1);
    now += silence + 500;
    e.told(role(), now); // the other one took it back
  }
  e.heard(hello(), now);
  assert.equal(e.verdict(now + 2_001, fine).takeOver, 'silent');
});

test('of two segments of one network on one wire the later one is held down, until the other was silent for long', () => {
  const e = new Election(role({ self: one, role: 'active', paired: false }), 0, true);
  e.heard(hello({ port: newer, host: two }), 10);
  assert.deepEqual(e.verdict(10, fine), { takeOver: false });
  // The other segment may be this host's own, on another device or tag.
  for (const host of [one, two]) {
    const at = host * 100_000;
    e.heard(hello({ port: older, host, active: false }), at);
    assert.deepEqual(e.verdict(at + beat.loop - 1, fine), { held: 'loop', takeOver: false });
    assert.deepEqual(e.verdict(at + beat.loop, fine), { takeOver: false });
    // Its agent may be restarting, while its kernel forwards.
    const there = { ...fine, has: (segment: PortId) => segment === older };
    assert.deepEqual(e.verdict(at + beat.lastingLoop - 1, there), { held: 'loop', takeOver: false });
    assert.deepEqual(e.verdict(at + beat.lastingLoop, there), { takeOver: false });
  }
});

test('a hello that is heard again, or comes back to who said it, says nothing', () => {
  const e = new Election(role(), 0, false);
  const said = hello();
  assert.equal(e.heard(said, 0), true);
  assert.equal(e.heard(said, 900), false);
  assert.equal(e.heard(hello({ sequence: said.sequence - 1n }), 900), false);
  assert.equal(e.heard(hello({ host: two }), 900), false);
  assert.equal(e.verdict(2_001, fine).takeOver, 'silent');
});
