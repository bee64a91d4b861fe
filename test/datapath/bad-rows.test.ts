/** Rows that the agent should never write must not open anything either. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { indexKey, neigh4Key, neighRow, portFlags, portRow } from '../../src/datapath/layouts.ts';
import { encapsulated, eth, ip, ip4, ip6, mac, udp } from './frames.ts';
import { openDatapath } from './harness.ts';
import { A, macs } from './world.ts';

const one = mac(macs.one);
const two = mac(macs.two);

test('a VTEP row for the host itself does not let the underlay send as a local port', () => {
  using d = openDatapath();
  d.fill({
    ...d.world,
    vteps: [...d.world.vteps, { host: d.world.self, remote: d.world.vtep, fast: true, mtu: 1450 }],
  });
  const inner = eth(one, two, 0x800, ip4({ src: '10.0.0.2', dst: '10.0.0.1' }, udp(1, 2)));
  const frame = encapsulated({ src: d.world.vtep, dst: d.world.vtep, vni: A }, inner);
  assert.equal(d.inside(() => d.run('from_underlay', frame)).retval, 2);
  assert.equal(d.tallied(0, 'inner_vtep'), 1);
});

test('a port row with families but no address sends from no address', () => {
  using d = openDatapath();
  const ifindex = d.strayIfindex;
  const row = {
    slot: 9,
    vni: A,
    mac: one,
    flags: portFlags.IP4 | portFlags.IP6,
    mtu: 1450,
    domain: 0,
    ip4: new Uint8Array(4),
    ip6: new Uint8Array(16),
    vlan: 0,
    origin: 0,
  };
  d.bpf.map('ports').update(indexKey.encode({ index: ifindex }), portRow.encode(row));
  d.bpf
    .map('neigh4')
    .update(neigh4Key.encode({ vni: A, ip: ip('0.0.0.0') }), neighRow.encode({ mac: one, host: 1, other: 0 }));
  const four = eth(two, one, 0x800, ip4({ src: '0.0.0.0', dst: '10.0.0.2' }, udp(1, 2)));
  const six = eth(two, one, 0x86dd, ip6({ src: '::', dst: 'fd00::2' }, udp(1, 2)));
  for (const frame of [four, six]) assert.equal(d.inside(() => d.run('from_port', frame, { ifindex })).retval, 2);
  assert.equal(d.tallied(9, 'src_ip4'), 1);
  assert.equal(d.tallied(9, 'src_ip6'), 1);
});

test('a port row without an MTU sends nothing', () => {
  using d = openDatapath();
  const { ports } = d.world;
  d.fill({ ...d.world, ports: ports.map((p) => ({ ...p, mtu: 0 })) });
  const frame = eth(two, one, 0x800, ip4({ src: '10.0.0.1', dst: '10.0.0.2' }, udp(1, 2)));
  assert.equal(d.inside(() => d.run('from_port', frame, { ifindex: ports[0]!.ifindex })).retval, 2);
});
