/** What a router sends, byte for byte. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { be16, checksum, eth, hex, icmp6, ip4, ip6, join, mac, patch, read16, udp } from './frames.ts';
import { type Datapath, openDatapath } from './harness.ts';
import { D, macs } from './world.ts';

let d: Datapath;
before(() => {
  d = openDatapath();
});
after(() => d[Symbol.dispose]());
const one = mac(macs.one);
const gateway = mac(macs.gateway);
const send = (frame: Uint8Array): Uint8Array =>
  d.inside(() => d.run('from_port', frame, { ifindex: d.world.ports[0]!.ifindex }).dataOut);
const four = (h: Partial<Parameters<typeof ip4>[0]>, n = 4) =>
  ip4({ src: '10.0.0.1', dst: '10.1.0.7', ...h }, udp(1, 2, new Uint8Array(n).fill(7)));
const six = (h: Partial<Parameters<typeof ip6>[0]>, n = 4) =>
  ip6({ src: 'fd00::1', dst: 'fd01::7', next: 17, ...h }, udp(1, 2, new Uint8Array(n).fill(7)));
const toRouter = (packet: Uint8Array) => eth(gateway, one, packet[0]! >> 4 === 4 ? 0x800 : 0x86dd, packet);

test('a routed packet has the router’s MAC as source, the target’s as destination, and one hop less', () => {
  const seven = mac(macs.seven);
  assert.equal(hex(send(toRouter(four({ ttl: 64 })))), hex(eth(seven, gateway, 0x800, four({ ttl: 63 }))));
  assert.equal(hex(send(toRouter(six({ hops: 2 })))), hex(eth(seven, gateway, 0x86dd, six({ hops: 1 }))));
});

test('every TTL and many checksums are counted down right', () => {
  for (let ttl = 2; ttl < 256; ttl++)
    for (let id = 0; id < 0x10000; id += 7919) {
      const out = send(toRouter(four({ ttl, id })));
      assert.equal(out[22], ttl - 1);
      assert.equal(checksum(out.subarray(14, 34)), 0, `TTL ${ttl}, id ${id}`);
    }
});

test('what is routed to another host is encapsulated with the target’s VNI', () => {
  const out = send(toRouter(four({ dst: '10.1.0.8' })));
  assert.equal(read16(out, 46) * 256 + out[48]!, D);
  assert.equal(hex(out.subarray(50)), hex(eth(mac(macs.eight), gateway, 0x800, four({ dst: '10.1.0.8', ttl: 63 }))));
});

const sizes = [0, 1, 7, 25, 40, 41, 100, 1000];
/** The answer to `packet`, from the router, that quotes as much as it may. */
function answer4(packet: Uint8Array, type: number, code: number, dst = '10.0.0.1'): Uint8Array {
  const message = join([type, code, 0, 0, 0, 0, 0, 0], packet.subarray(0, 68));
  const icmp = patch(message, 2, ...be16(checksum(message)));
  return eth(one, gateway, 0x800, ip4({ src: '10.0.0.9', dst, proto: 1, tos: 0xc0 }, icmp));
}
function answer6(packet: Uint8Array, type: number, code: number, dst = 'fd00::1'): Uint8Array {
  const body = join([0, 0, 0, 0], packet.subarray(0, 1232));
  return eth(one, gateway, 0x86dd, ip6({ src: 'fd00::9', dst, next: 58 }, icmp6('fd00::9', dst, type, code, body)));
}

test('whose packet ends at the router is told so by the router’s address in its own subnet, whatever the packet’s size', () => {
  for (const n of sizes) {
    const last = four({ ttl: 1 }, n);
    assert.equal(hex(send(toRouter(last))), hex(answer4(last, 11, 0)), `${n} bytes`);
    const last6 = six({ hops: 1 }, n);
    assert.equal(hex(send(toRouter(last6))), hex(answer6(last6, 3, 0)), `${n} bytes`);
  }
});

test('who sends to nobody is told so', () => {
  for (const n of sizes) {
    const lost = four({ dst: '10.1.0.99' }, n);
    assert.equal(hex(send(toRouter(lost))), hex(answer4(lost, 3, 1)), `${n} bytes`);
    const lost6 = six({ dst: 'fd01::99' }, n);
    assert.equal(hex(send(toRouter(lost6))), hex(answer6(lost6, 1, 3)), `${n} bytes`);
  }
});

test('what fills up a short frame is not quoted', () => {
  const last = four({ ttl: 1 }, 0);
  assert.equal(hex(send(join(toRouter(last), new Uint8Array(18)))), hex(answer4(last, 11, 0)));
  const last6 = six({ hops: 1 }, 0);
  assert.equal(hex(send(join(toRouter(last6), new Uint8Array(6)))), hex(answer6(last6, 3, 0)));
});

test('what is larger than the target’s network is answered by the router, with that network’s MTU', () => {
  const big = four({}, 1300);
  const want = patch(answer4(big, 3, 4), 40, ...be16(1300));
  assert.equal(hex(send(toRouter(big))), hex(patch(want, 36, ...be16((read16(want, 36) - 1300) & 0xffff))));
  const big6 = six({}, 1300);
  const told = send(toRouter(big6));
  assert.deepEqual([told[54], told[55], read16(told, 60)], [2, 0, 1300]);
  assert.equal(hex(told.subarray(22, 38)), hex(answer6(big6, 2, 0).subarray(22, 38)), 'from the router');
});

test('who is behind a port is told by the router’s address in the port’s subnet', () => {
  const last = four({ src: '172.16.0.1', ttl: 1 });
  assert.equal(hex(send(toRouter(last))), hex(answer4(last, 11, 0, '172.16.0.1')));
  const last6 = six({ src: 'fd10::1', hops: 1 });
  assert.equal(hex(send(toRouter(last6))), hex(answer6(last6, 3, 0, 'fd10::1')));
});
