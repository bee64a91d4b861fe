import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import * as nla from './attributes.ts';

const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(/\s/g, ''), 'hex'));

/** `ip link add hd0 mtu 1400 type veth` of iproute2 6.1, from `strace -e write=all`. */
const captured = bytes(`
  3c000000 1000 0506 8f04016b 00000000
  00000000 00000000 00000000 00000000
  0800 0400 78050000
  0800 0300 68643000
  0c00 1200 0800 0100 76657468`);
const seq = 0x6b01048f;

test('a request is encoded byte for byte as iproute2 does', () => {
  const body = nla.concat([
    new Uint8Array(16),
    nla.encodeAttributes([
      nla.u32(4, 1400),
      nla.text(3, 'hd0'),
      nla.raw(18, nla.encodeAttributes([nla.raw(1, new TextEncoder().encode('veth'))])), // iproute2 leaves out the nested flag
    ]),
  ]);
  assert.deepEqual(nla.encodeMessage({ type: 16, flags: 0x605, seq, pid: 0, body }), captured);
});

test('a captured request is read back', () => {
  const [message, ...rest] = nla.decodeMessages(captured);
  assert.deepEqual(rest, []);
  assert.deepEqual([message!.type, message!.flags, message!.seq, message!.pid], [16, 0x605, seq, 0]);
  const a = nla.decodeAttributes(message!.body.subarray(16));
  assert.equal(nla.readNumber(a.get(4)), 1400);
  assert.equal(nla.readText(a.get(3)), 'hd0');
  assert.equal(nla.readText(nla.decodeAttributes(a.get(18)!).get(1)), 'veth');
});

test('nested attributes carry their flag, which is no part of the type', () => {
  const encoded = nla.encodeAttributes([nla.nested(18, [nla.u8(1, 7)], Uint8Array.of(1, 2, 3, 4))]);
  assert.deepEqual(encoded, bytes('1000 1280 01020304 0500 0100 07000000'));
  assert.deepEqual([...nla.decodeAttributes(encoded).keys()], [18]);
});

test('several messages of one datagram are found, each padded to four bytes', () => {
  const one = nla.encodeMessage({ type: 1, flags: 0, seq: 1, pid: 0, body: Uint8Array.of(1, 2, 3, 4) });
  const two = nla.encodeMessage({ type: 2, flags: 0, seq: 2, pid: 0, body: Uint8Array.of(5) });
  assert.deepEqual(
    nla.decodeMessages(nla.concat([two, new Uint8Array(3), one])).map((m) => [m.type, ...m.body]),
    [
      [2, 5],
      [1, 1, 2, 3, 4],
    ],
  );
});

test('a body is a copy, so that the receive buffer can be used again', () => {
  const buffer = nla.encodeMessage({ type: 1, flags: 0, seq: 1, pid: 0, body: Uint8Array.of(1, 2, 3, 4) });
  const [m] = nla.decodeMessages(buffer);
  buffer.fill(0);
  assert.deepEqual([...m!.body], [1, 2, 3, 4]);
});

test('lengths that do not fit are refused', () => {
  for (const hex of ['0300 0100', '0900 0100 00000000', '0000 0000'])
    assert.throws(() => nla.decodeAttributes(bytes(hex)), { code: 'INTERNAL' }, hex);
  for (const length of [0, 15, 17, 0xffff_ffff]) {
    const wrong = new Uint8Array(16);
    new DataView(wrong.buffer).setUint32(0, length, true);
    assert.throws(() => nla.decodeMessages(wrong), { code: 'INTERNAL' }, `${length}`);
  }
});

test('numbers and texts of every width are read', () => {
  const read = (a: nla.Attribute) => nla.readNumber(a.value);
  assert.deepEqual(
    [read(nla.u8(1, 200)), read(nla.u16(1, 0xfedc)), read(nla.u32(1, 0xfedcba98))],
    [200, 0xfedc, 0xfedcba98],
  );
  assert.deepEqual([...nla.be16(1, 4789).value], [0x12, 0xb5]);
  assert.deepEqual([nla.readNumber(undefined), nla.readText(undefined)], [undefined, undefined]);
  assert.equal(nla.readText(bytes('616200ff')), 'ab');
  assert.equal(nla.readText(bytes('6162')), 'ab');
});

test('whatever attributes are encoded come back', () => {
  const attribute = fc.record({ type: fc.integer({ min: 0, max: 0x3fff }), value: fc.uint8Array({ maxLength: 40 }) });
  fc.assert(
    fc.property(fc.uniqueArray(attribute, { selector: (a) => a.type }), (attributes) => {
      const back = nla.decodeAttributes(nla.encodeAttributes(attributes));
      assert.deepEqual(
        [...back].map(([type, value]) => ({ type, value: [...value] })),
        attributes.map((a) => ({ type: a.type, value: [...a.value] })),
      );
    }),
  );
});

test('random bytes are read or refused, never read beyond', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
      for (const decode of [nla.decodeAttributes, nla.decodeMessages])
        try {
          decode(noise);
        } catch (e) {
          assert.equal((e as { code: string }).code, 'INTERNAL');
        }
    }),
  );
});
