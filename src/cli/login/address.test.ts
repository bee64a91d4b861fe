import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../../model/errors.ts';
import { parseName } from '../../model/ids.ts';
import { nameFor, parseAddress } from './address.ts';

test('an address may be typed short', () => {
  for (const [typed, address, name] of [
    ['ctl.example.org', 'https://ctl.example.org:7470', 'ctl.example.org'],
    ['192.0.2.1:7471', 'https://192.0.2.1:7471', '192.0.2.1'],
    ['https://ctl:443', 'https://ctl:443', 'ctl'],
    ['https://CTL/', 'https://ctl:7470', 'ctl'],
    ['[2001:db8::1]', 'https://[2001:db8::1]:7470', '2001-db8--1'],
    ['https://[::1]:7', 'https://[::1]:7', '1'],
    ['https://01a1fbe3-73c1-7595-93b3-860e40bdeaf6', 'https://01a1fbe3-73c1-7595-93b3-860e40bdeaf6:7470', 'default'],
  ] as const) {
    assert.equal(parseAddress(typed), address);
    assert.equal(nameFor(address), name);
    assert.equal(parseName(name), name);
  }
});

test('a token is not taken for an address, and not repeated', () => {
  for (const token of ['hdt_0123456789abcdef_x', 'hdj_x', 'eyJhbGciOi.x.y'])
    assert.throws(
      () => parseAddress(token),
      (e: Error) => hasCode(e, 'USAGE') && !e.message.includes(token),
    );
});

test('what is no address by TLS is refused', () => {
  for (const bad of ['', 'http://x', 'unix:/x', 'x/y', 'x?y', 'u@x', 'x:99999', 'a b', 'https://', 'file:///x'])
    assert.throws(
      () => parseAddress(bad),
      (e) => hasCode(e, 'USAGE'),
      bad,
    );
});
