import assert from 'node:assert/strict';
import { test } from 'node:test';
import { outerIp4Sum } from './template.ts';

test('the template’s sum with total length and TOS added gives the header’s checksum', () => {
  // 192.0.2.1 to 192.0.2.2, total length 0x51, TOS 0xb9; checksum worked out by hand from RFC 791.
  const words = [0x45b9, 0x0051, 0x0000, 0x4000, 0x4011, 0xc000, 0x0201, 0xc000, 0x0202];
  let plain = words.reduce((n, w) => n + w, 0);
  while (plain > 0xffff) plain = (plain & 0xffff) + (plain >>> 16);
  let sum = outerIp4Sum(Uint8Array.of(192, 0, 2, 1), Uint8Array.of(192, 0, 2, 2)) + 0x51 + 0xb9;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  assert.equal(sum, plain);
});

test('a sum that overflows 16 bits is folded', () => {
  const ones = Uint8Array.of(255, 255, 255, 255);
  assert.ok(outerIp4Sum(ones, ones) <= 0xffff);
});
