import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Ip, ipNumber } from '../model/address.ts';
import { isKept, linkAddresses, linkIndexOf, linksMax } from './link-addresses.ts';

test('both ends of a link differ in the last bit, and the last link is the end of the range', () => {
  assert.deepEqual(linkAddresses(0), {
    host4: '169.254.128.0',
    gateway4: '169.254.128.1',
    host6: 'fd68:6564:646c::',
    gateway6: 'fd68:6564:646c::1',
  });
  const last = linkAddresses(linksMax - 1);
  assert.equal(last.gateway4, '169.254.255.255');
  assert.equal(ipNumber(last.gateway6) - ipNumber(last.host6), 1n);
});

test('no link has an address where clouds serve their own machines', () => {
  const kept = Array.from({ length: linksMax }, (_, i) => i).filter(isKept);
  assert.deepEqual([kept[0], kept.at(-1), kept.length], [5248, 5375, 128]);
  assert.equal(linkAddresses(5375).host4, '169.254.169.254');
});

test('a link is known by its host’s end, and by nothing else', () => {
  for (const index of [0, 1, 777, linksMax - 1]) assert.equal(linkIndexOf(linkAddresses(index).host4), index);
  for (const ip of ['169.254.128.1', '169.254.127.254', '10.0.0.1', 'fd68:6564:646c::'])
    assert.equal(linkIndexOf(ip as Ip), undefined, ip);
});
