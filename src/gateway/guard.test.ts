import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ip } from '../model/address.ts';
import type { ServerItem } from '../model/host-state.ts';
import type { HostId } from '../model/ids.ts';
import { Guard } from './guard.ts';

const server = (id: string, addresses: string[], reached: ServerItem['reached'] = []): ServerItem => ({
  kind: 'server',
  id: id as HostId,
  addresses: addresses as Ip[],
  reached,
});
const h2 = server('h2', ['198.18.0.2', '2001:db8::2'], ['tcp 8080', 'udp 53 198.18.0.2']);
const h3 = server('h3', ['198.18.0.3', '203.0.113.1']);
/** Two that share an address. */
const h4 = server('h4', ['198.18.0.4', '203.0.113.1'], ['tcp 80', 'tcp 22']);
const h5 = server('h5', ['198.18.0.5', '203.0.113.1'], ['tcp 80', 'tcp 443 203.0.113.1']);

test('every host’s addresses are closed, each once, but for what is published on them', () => {
  const guard = new Guard();
  for (const item of [h2, h3]) guard.heed(item.id, item);
  assert.deepEqual(guard.rules.collections, [
    '  set hosts4 { type ipv4_addr; elements = { 198.18.0.2, 198.18.0.3, 203.0.113.1 } }',
    '  set open4 { type ipv4_addr . inet_proto . inet_service; elements = { 198.18.0.2 . tcp . 8080, 198.18.0.2 . udp . 53 } }',
    '  set hosts6 { type ipv6_addr; elements = { 2001:db8::2 } }',
    '  set open6 { type ipv6_addr . inet_proto . inet_service; elements = { 2001:db8::2 . tcp . 8080 } }',
  ]);
  assert.deepEqual(guard.rules.first, ['jump closed']);
});

test('A31: an address that several hosts name is closed, but for what all of them hold: none opens what is another’s', () => {
  const guard = new Guard();
  for (const item of [h4, h5]) guard.heed(item.id, item);
  const openSet = () =>
    guard.rules.collections.find((text) => text.includes('open4'))?.match(/203\.0\.113\.1 . \w+ . \d+/g);
  assert.deepEqual(openSet(), ['203.0.113.1 . tcp . 80']);
  guard.heed(h3.id, h3);
  assert.equal(openSet(), null);
  for (const { id } of [h3, h4]) guard.heed(id, undefined);
  assert.deepEqual(openSet(), ['203.0.113.1 . tcp . 443', '203.0.113.1 . tcp . 80']);
});

test('the rules do not depend on the order in which hosts became known', () => {
  const [one, other] = [new Guard(), new Guard()];
  for (const item of [h3, h4, h5]) one.heed(item.id, item);
  for (const item of [h5, h4, h3]) other.heed(item.id, item);
  assert.deepEqual(one.rules, other.rules);
});

test('a change of a host is told, and nothing is when it is as it was', () => {
  const guard = new Guard();
  let changes = 0;
  guard.onChange = () => changes++;
  guard.heed('h2', h2);
  guard.heed('h2', h2);
  assert.equal(changes, 1);
  guard.heed('h2', undefined);
  guard.heed('h2', undefined);
  assert.equal(changes, 2);
  assert.deepEqual(guard.rules, { collections: [], chains: [], first: [] });
});

test('"none" leaves hosts open, and prefixes that are named closed', () => {
  const guard = new Guard(['none', '192.0.2.0/24']);
  guard.heed('h2', h2);
  const { collections, chains, first } = guard.rules;
  assert.deepEqual([collections, first], [[], ['jump closed']]);
  assert.match(
    chains.join(),
    /\{\s+ct direction reply return\s.* ct state related return\s+ip daddr 192\.0\.2\.0\/24 drop\s+\}/,
  );
  assert.throws(() => new Guard(['nobody']), { code: 'PREFIX_INVALID' });
});
