import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  fdbKey,
  indexKey,
  type MapName,
  maps,
  neigh4Key,
  portRow,
  route4Key,
  routeRow,
  tallyKey,
} from '../../src/datapath/layouts.ts';
import { HeddleError } from '../../src/model/errors.ts';
import { be32, encapsulated, eth, ip4, join, mac, udp } from './frames.ts';
import { type Datapath, openDatapath } from './harness.ts';
import { A, macs } from './world.ts';

const one = mac(macs.one);
/** Fills a map to its last row with keys made from numbers that nothing else uses. */
function fillUp(d: Datapath, name: MapName, key: (n: number) => Uint8Array): void {
  const value = new Uint8Array(maps[name].value.size);
  for (let n = 0; n <= maps[name].max; n++) {
    try {
      d.bpf.map(name).update(key(n), value);
    } catch (e) {
      assert.ok(e instanceof HeddleError && e.code === 'KERNEL_MAP_FULL', String(e));
      return;
    }
  }
  assert.fail(`${name} is never full`);
}
const toUnknown = eth(mac('02:bb:00:00:00:01'), one, 0x800, ip4({ src: '10.0.0.1', dst: '10.0.0.9' }, udp(1, 2)));
const toTwo = (src: string) => eth(mac(macs.two), one, 0x800, ip4({ src, dst: '10.0.0.2' }, udp(1, 2)));
const verdict = (d: Datapath, frame: Uint8Array, ifindex = d.world.ports[0]!.ifindex): number =>
  d.inside(() => d.run('from_port', frame, { ifindex }).retval);

test('with a full table of ports a device without a row stays closed, and the others work', () => {
  using d = openDatapath();
  fillUp(d, 'ports', (n) => indexKey.encode({ index: 1_000_000 + n }));
  const row = portRow.encode({
    slot: 9,
    vni: A,
    mac: one,
    flags: 3,
    mtu: 1450,
    domain: 0,
    ip4: new Uint8Array(4),
    ip6: new Uint8Array(16),
    vlan: 0,
    origin: 0,
  });
  assert.throws(() => d.bpf.map('ports').update(indexKey.encode({ index: d.strayIfindex }), row), {
    code: 'KERNEL_MAP_FULL',
  });
  assert.equal(verdict(d, toTwo('10.0.0.1'), d.strayIfindex), 2);
  assert.equal(verdict(d, toTwo('10.0.0.1')), 7);
});

test('with full tables of MACs and addresses an unknown destination or source is still refused', () => {
  using d = openDatapath();
  fillUp(d, 'fdb', (n) => fdbKey.encode({ vni: 0x777777, mac: join([2, 0], be32(n)), pad: 0 }));
  fillUp(d, 'neigh4', (n) => neigh4Key.encode({ vni: 0x777777, ip: Uint8Array.from(be32(n)) }));
  const inside = eth(one, mac(macs.three), 0x800, ip4({ src: '10.0.0.99', dst: '10.0.0.1' }, udp(1, 2)));
  assert.equal(verdict(d, toUnknown), 2);
  assert.equal(verdict(d, toTwo('10.0.0.99')), 2);
  assert.equal(
    d.inside(() => d.run('from_underlay', encapsulated({ src: '192.0.2.2', dst: '192.0.2.1', vni: A }, inside)).retval),
    2,
  );
  assert.equal(verdict(d, toTwo('10.0.0.1')), 7);
});

test('a full table of counters loses counts and no verdict', () => {
  using d = openDatapath();
  fillUp(d, 'tally', (n) => tallyKey.encode({ slot: 1_000_000 + n, reason: 0 }));
  assert.equal(verdict(d, toUnknown), 2);
  assert.equal(verdict(d, toTwo('10.0.0.99')), 2);
  assert.equal(verdict(d, toTwo('10.0.0.1')), 7);
  assert.equal(d.tallied(1, 'unknown_unicast'), 0, 'there was no room to count it');
});

test('a trie’s rows are listed, read and removed one by one, also prefixes within prefixes', () => {
  using d = openDatapath();
  const trie = d.bpf.map('routes4');
  const key = (length: number, last: number) =>
    route4Key.encode({ prefixlen: 32 + length, domain: 0x777777, ip: Uint8Array.of(10, 0, 0, last) });
  const keys = [key(0, 0), key(24, 0), key(25, 128), key(32, 129), key(32, 0)];
  const value = (mtu: number) =>
    routeRow.encode({ action: 1, vni: 1, mtu, bits: 0, ip: new Uint8Array(16), as: new Uint8Array(16) });
  const before = trie.entries().length;
  for (const [i, k] of keys.entries()) trie.update(k, value(i));
  const rows = new Map(trie.entries().map(([k, v]) => [Buffer.from(k).toString('hex'), routeRow.decode(v).mtu]));
  assert.equal(rows.size, before + keys.length);
  for (const [i, k] of keys.entries()) assert.equal(rows.get(Buffer.from(k).toString('hex')), i);
  for (const k of keys) assert.ok(trie.delete(k));
  assert.equal(trie.delete(keys[1]!), false);
  assert.equal(trie.entries().length, before);
});
