import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  BEGUN_WORDS,
  fdbKey,
  layout,
  layoutHash,
  maps,
  OLDER_FLOWS,
  portRow,
  SLOTS_MAX,
  trafficRow,
  vtepRow,
} from './layouts.ts';

test('a row that is encoded and decoded is the same', () => {
  const mac = Uint8Array.of(2, 0, 0, 0, 0, 7);
  const port = {
    slot: 7,
    vni: 0xabcdef,
    mac,
    flags: 3,
    mtu: 1450,
    domain: 0,
    ip4: Uint8Array.of(10, 0, 0, 7),
    ip6: new Uint8Array(16).fill(9),
    vlan: 4094,
    origin: 0,
  };
  assert.deepEqual(portRow.decode(portRow.encode(port)), port);
  const traffic = { tx_packets: 2n ** 63n, tx_bytes: 1n, rx_packets: 0n, rx_bytes: 2n };
  assert.deepEqual(trafficRow.decode(trafficRow.encode(traffic)), traffic);
});

test('integers are little endian and addresses are as on the wire', () => {
  const key = fdbKey.encode({ vni: 0x010203, mac: Uint8Array.of(1, 2, 3, 4, 5, 6), pad: 0 });
  assert.equal(Buffer.from(key).toString('hex'), '030201000102030405060000');
});

test('the MACs of a VTEP row lie side by side, destination first, as in an Ethernet header', () => {
  assert.equal(vtepRow.offsets.get('src_mac'), vtepRow.offsets.get('dst_mac')! + 6);
});

test('a layout that C would pad is refused', () => {
  const u16 = { size: 2, align: 2, c: (n: string) => `__u16 ${n};`, write: () => undefined, read: () => 0 };
  const u32 = { ...u16, size: 4, align: 4 };
  assert.throws(() => layout('hole', { a: u16, b: u32 }), /not aligned/);
  assert.throws(() => layout('tail', { a: u32, b: u16 }), /not a multiple/);
});

test('every map has a layout of its own, and the pin directory’s name tells them apart', () => {
  assert.match(layoutHash, /^[0-9a-f]{12}$/);
  for (const m of Object.values(maps)) assert.ok(m.key.size > 0 && m.value.size > 0 && m.max > 0);
});

test('no port’s connections take the room of another’s: what began, and what is older, has its rows for every slot', () => {
  assert.ok(maps.begun.max >= SLOTS_MAX * BEGUN_WORDS);
  assert.ok(maps.older.max >= SLOTS_MAX * (OLDER_FLOWS + 1));
});
