import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  arp,
  be16,
  checksum,
  encapsulated,
  eth,
  hex,
  icmp6,
  ip,
  ip4,
  ip6,
  join,
  mac,
  patch,
  read16,
  solicit,
  solicitedMac,
  sourceMacOption,
  tcp,
  udp,
  upperChecksum,
} from './frames.ts';
import { type Datapath, openDatapath } from './harness.ts';
import { A, linkLocal, macs } from './world.ts';

let d: Datapath;
before(() => {
  d = openDatapath();
});
after(() => d[Symbol.dispose]());
const one = mac(macs.one);
const two = mac(macs.two);
const three = mac(macs.three);
const send = (frame: Uint8Array, ifindex = d.world.ports[0]!.ifindex): Uint8Array =>
  d.inside(() => d.run('from_port', frame, { ifindex }).dataOut);
const receive = (frame: Uint8Array) => d.inside(() => d.run('from_underlay', frame));

test('an encapsulated packet is byte for byte the golden one, its outer checksum right', () => {
  const frame = eth(three, one, 0x800, ip4({ src: '10.0.0.1', dst: '10.0.0.3', tos: 0xb9 }, udp(1, 2, [1, 2, 3])));
  const out = send(frame);
  const outer = [
    '0200000001020200000001010800', // Ethernet, from the template
    '45b90051000040004011b5dfc0000201c0000202', // IPv4: TOS of the inner packet, DF, TTL 64
    'af1112b5003d0000', // UDP: port by the flow's hash, 4789, no checksum
    '0800000000100100', // VXLAN: VNI 0x1001
  ].join('');
  assert.equal(hex(out), outer + hex(frame));
  assert.equal(checksum(out.subarray(14, 34)), 0);
});

test('the outer source port depends on the flow alone, and fragments of a packet share it', () => {
  const sport = (frame: Uint8Array): number => read16(send(frame), 34);
  const flow = (src: number, more: object = {}, n = 4) =>
    eth(three, one, 0x800, ip4({ src: '10.0.0.1', dst: '10.0.0.3', ...more }, udp(src, 80, new Uint8Array(n))));
  assert.equal(sport(flow(1)), sport(flow(1, { id: 7 }, 100)));
  assert.ok(new Set(Array.from({ length: 100 }, (_, i) => sport(flow(i)))).size > 90);
  assert.equal(sport(flow(5, { fragment: 0x2000 })), sport(flow(9, { fragment: 5 })));
  const six = (src: number) => eth(three, one, 0x86dd, ip6({ src: 'fd00::1', dst: 'fd00::3', next: 6 }, tcp(src, 80)));
  assert.ok(new Set(Array.from({ length: 100 }, (_, i) => sport(six(i)))).size > 90);
});

test('an ARP question is answered with the neighbour’s MAC', () => {
  const question = eth(
    mac('ff:ff:ff:ff:ff:ff'),
    one,
    0x806,
    arp({ senderMac: one, senderIp: '10.0.0.1', targetIp: '10.0.0.3' }),
  );
  const answer = eth(
    one,
    three,
    0x806,
    arp({ op: 2, senderMac: three, senderIp: '10.0.0.3', targetMac: one, targetIp: '10.0.0.1' }),
  );
  assert.equal(hex(send(question)), hex(answer));
  assert.equal(hex(send(join(question, new Uint8Array(18)))), hex(join(answer, new Uint8Array(18))), 'padding stays');
});

const advertisement = (target: string, dst: string, dstMac: Uint8Array, m: Uint8Array, flags: number) =>
  eth(
    dstMac,
    m,
    0x86dd,
    ip6(
      { src: target, dst, next: 58, hops: 255 },
      icmp6(target, dst, 136, 0, join([flags, 0, 0, 0], ip(target), [2, 1], m)),
    ),
  );

test('a neighbour solicitation is answered with a solicited advertisement', () => {
  for (const [src, target] of [
    ['fd00::1', 'fd00::3'],
    [linkLocal(1), linkLocal(3)],
  ] as const) {
    const question = eth(solicitedMac(target), one, 0x86dd, solicit({ src, target, options: sourceMacOption(one) }));
    assert.equal(hex(send(question)), hex(advertisement(target, src, one, three, 0x60)));
  }
});

test('a probe for another port’s address is answered to all nodes', () => {
  const question = eth(
    solicitedMac('fd00::2'),
    one,
    0x86dd,
    solicit({ src: '::', target: 'fd00::2', options: [14, 1, 1, 2, 3, 4, 5, 6] }),
  );
  assert.equal(hex(send(question)), hex(advertisement('fd00::2', 'ff02::1', mac('33:33:00:00:00:01'), two, 0x20)));
});

test('a too large IPv4 packet is answered with its size limit, from its destination', () => {
  const packet = ip4({ src: '10.0.0.1', dst: '10.0.0.2', proto: 6 }, tcp(1, 80, new Uint8Array(1420).fill(7)));
  const message = join([3, 4, 0, 0, 0, 0], be16(1450), packet.subarray(0, 68));
  const icmp = patch(message, 2, ...be16(checksum(message)));
  assert.equal(
    hex(send(eth(two, one, 0x800, packet))),
    hex(eth(one, two, 0x800, ip4({ src: '10.0.0.2', dst: '10.0.0.1', proto: 1, tos: 0xc0 }, icmp))),
  );
});

test('a too large IPv6 packet is answered with as much of it as fits 1280 bytes', () => {
  const packet = ip6({ src: 'fd00::1', dst: 'fd00::2', next: 17 }, udp(1, 80, new Uint8Array(1450).fill(7)));
  const body = join([0, 0], be16(1450), packet.subarray(0, 1232));
  const answer = ip6({ src: 'fd00::2', dst: 'fd00::1', next: 58 }, icmp6('fd00::2', 'fd00::1', 2, 0, body));
  assert.equal(answer.length, 1280);
  assert.equal(upperChecksum(ip('fd00::2'), ip('fd00::1'), 58, answer.subarray(40)), 0);
  assert.equal(hex(send(eth(two, one, 0x86dd, packet))), hex(eth(one, two, 0x86dd, answer)));
});

test('the way to another host may be narrower than the network', () => {
  const big = (n: number) =>
    eth(mac(macs.four), one, 0x800, ip4({ src: '10.0.0.1', dst: '10.0.0.4' }, new Uint8Array(n - 20)));
  assert.equal(send(big(1400)).length, 1414);
  assert.equal(read16(send(big(1401)), 40), 1400, 'the MTU told is the way’s');
});

/** RFC 6040 figure 4: inner mark (row) and outer mark (column, 0 Not-ECT, 1 ECT(1), 2 ECT(0), 3 CE); x: dropped. */
const marks: readonly (readonly (number | 'x')[])[] = [
  [0, 0, 0, 'x'],
  [1, 1, 1, 3],
  [2, 1, 2, 3],
  [3, 3, 3, 3],
];
test('congestion marks at the tunnel’s end follow RFC 6040, and the checksum with them', () => {
  for (const [inner, row] of marks.entries()) {
    for (const [outer, want] of row.entries()) {
      const four = eth(one, three, 0x800, ip4({ src: '10.0.0.3', dst: '10.0.0.1', tos: 0xb8 | inner }, udp(1, 2)));
      const six = eth(one, three, 0x86dd, ip6({ src: 'fd00::3', dst: 'fd00::1', class: 0xb8 | inner }, udp(1, 2)));
      for (const frame of [four, six]) {
        const { retval, dataOut } = receive(
          encapsulated({ src: '192.0.2.2', dst: '192.0.2.1', vni: A, tos: outer }, frame),
        );
        assert.equal(retval, want === 'x' ? 2 : 7, `inner ${inner}, outer ${outer}`);
        if (want === 'x') continue;
        const tos = frame === four ? dataOut[15]! : (read16(dataOut, 14) >> 4) & 255;
        assert.equal(tos, 0xb8 | want, `inner ${inner}, outer ${outer}`);
        if (frame === four) assert.equal(checksum(dataOut.subarray(14, 34)), 0);
      }
    }
  }
});
