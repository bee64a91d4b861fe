import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { overlap, parsePrefix } from '../model/address.ts';
import { hasCode } from '../model/errors.ts';
import { freePrefix4, freePrefix6 } from './free-prefix.ts';
import { ends, firstHost, tryIp, wholePrefix } from './prefixes.ts';

test('a prefix may have host bits, as Docker allows; its family is the one asked for', () => {
  assert.equal(wholePrefix('10.9.1.7/16', false).cidr, '10.9.0.0/16');
  assert.equal(wholePrefix('FD00:1::7/64', true).cidr, 'fd00:1::/64');
  for (const [text, v6] of [
    ['10.0.0.0/24', true],
    ['fd00::/64', false],
    ['10.0.0.0', false],
    ['10.0.0.0/33', false],
    ['127.0.0.0/24', false],
    ['x/24', false],
    ['10.0.0.0/2', false],
  ] as const)
    assert.throws(
      () => wholePrefix(text, v6),
      (e) => hasCode(e, 'PREFIX_INVALID'),
      text,
    );
});

test('the ends of a prefix, and its first host', () => {
  assert.deepEqual(ends('10.9.8.0/24'), { first: '10.9.8.0', last: '10.9.8.255' });
  assert.equal(firstHost(parsePrefix('10.9.8.0/24')), '10.9.8.1');
  assert.equal(firstHost(parsePrefix('10.9.8.0/31')), '10.9.8.0');
  assert.equal(tryIp('10.0.0.5/24'), '10.0.0.5');
  assert.equal(tryIp('0.0.0.0'), undefined);
});

test('a free /24 overlaps nothing that is used, and is found to the last', () => {
  const pool = parsePrefix('10.128.0.0/20');
  const bytes = fc.uint8Array({ minLength: 4, maxLength: 4 });
  fc.assert(
    fc.property(bytes, fc.uniqueArray(fc.nat(15), { maxLength: 16 }), (random, taken) => {
      const used = taken.map((n) => parsePrefix(`10.128.${n}.0/25`));
      const found = freePrefix4(pool, used, () => random);
      assert.equal(found === undefined, used.length === 16);
      if (!found) return;
      assert.match(found.cidr, /^10\.128\.\d+\.0\/24$/);
      assert.ok(overlap(found, pool) && !used.some((u) => overlap(u, found)));
    }),
  );
  assert.equal(
    freePrefix4(parsePrefix('10.128.0.0/25'), [], () => new Uint8Array(4)),
    undefined,
  );
});

test('an IPv6 prefix is unique local, with all the chance it may have', () => {
  const random = Uint8Array.from([1, 2, 3, 4, 5, 6, 7]);
  assert.equal(freePrefix6(() => random).cidr, 'fd01:203:405:607::/64');
});
