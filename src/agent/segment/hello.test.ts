import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type HostNumber, type NetworkId, newId, type PortId } from '../../model/ids.ts';
import { type Hello, helloFrame, helloKey, readHello } from './hello.ts';

const key = helloKey(newId<NetworkId>());
const hello: Hello = {
  port: newId<PortId>(),
  host: 513 as HostNumber,
  vlan: 120,
  ifindex: 70_000,
  active: true,
  chosen: true,
  connected: false,
  revision: 1n << 40n,
  sequence: 1_795_272_000_000_000n,
};

test('a hello is read as it was said', () => {
  const frame = helloFrame(hello, key);
  assert.deepEqual(readHello(frame, key), hello);
  assert.equal(frame[0]! & 1, 1, 'it goes to a group');
  assert.deepEqual([...frame.subarray(6, 14)], [2, 0x68, 0x67, 1, 2, 1, 0x88, 0xb5]);
  for (const [active, chosen, connected] of [
    [false, true, true],
    [true, false, true],
    [false, false, false],
  ] as const) {
    const other = { ...hello, active, chosen, connected };
    assert.deepEqual(readHello(helloFrame(other, key), key), other);
  }
});

test('a hello of which one bit was changed, that was cut, or of another network is none', () => {
  const frame = helloFrame(hello, key);
  for (let bit = 14 * 8; bit < frame.length * 8; bit++) {
    // Three bytes beside the flags mean nothing yet, and are signed like the rest.
    const changed = Uint8Array.from(frame);
    changed[bit >> 3]! ^= 1 << (bit & 7);
    assert.equal(readHello(changed, key), undefined, `bit ${bit}`);
  }
  for (let n = 0; n < frame.length; n++) assert.equal(readHello(frame.subarray(0, n), key), undefined);
  assert.equal(readHello(frame, helloKey(newId<NetworkId>())), undefined);
});

test('a hello that was padded on its way is one, and does not have the id of its network in it', () => {
  const network = newId<NetworkId>();
  const frame = helloFrame(hello, helloKey(network));
  const padded = new Uint8Array(frame.length + 20);
  padded.set(frame);
  assert.deepEqual(readHello(padded, helloKey(network)), hello);
  assert.ok(!Buffer.from(frame).includes(Buffer.from(network.replaceAll('-', ''), 'hex')));
});
