/** What a router makes of packets to a peer whose subnet it sees under another prefix, byte for byte. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { route4Key, route6Key, routeActions, routeRow } from '../../src/datapath/layouts.ts';
import {
  be16,
  checksum,
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
  tcp,
  udp,
  upperChecksum,
} from './frames.ts';
import { type Datapath, openDatapath, verdicts } from './harness.ts';
import { B, macs } from './world.ts';

let d: Datapath;
before(() => {
  d = openDatapath();
});
after(() => d[Symbol.dispose]());
const [one, three, gateway] = [mac(macs.one), mac(macs.three), mac(macs.gateway)];
const data = Uint8Array.from({ length: 33 }, (_, i) => i * 7);

type Upper = (src: string, dst: string) => Uint8Array;
/** An upper-layer message with its right checksum at `at`. */
const summed = (proto: number, at: number, message: Uint8Array): Upper => {
  return (src, dst) => patch(message, at, ...be16(upperChecksum(ip(src), ip(dst), proto, message)));
};
const packet = (src: string, dst: string, proto: number, upper: Upper, ttl = 64): Uint8Array =>
  src.includes(':')
    ? ip6({ src, dst, next: proto, hops: ttl }, upper(src, dst))
    : ip4({ src, dst, proto, ttl }, upper(src, dst));
const framed = (to: Uint8Array, from: Uint8Array, p: Uint8Array) => eth(to, from, p[0]! >> 4 === 4 ? 0x800 : 0x86dd, p);
const send = (p: Uint8Array): string =>
  hex(d.inside(() => d.run('from_port', framed(gateway, one, p), { ifindex: d.world.ports[0]!.ifindex }).dataOut));

const verdictOf = (p: Uint8Array) =>
  verdicts.get(
    d.inside(() => d.run('from_port', framed(gateway, one, p), { ifindex: d.world.ports[0]!.ifindex }).retval) as 2,
  );

/** From one as it is to B’s one as it sees it; and what B’s one must get. */
const ends = [
  [
    ['10.0.0.1', '100.64.2.1'],
    ['100.64.1.1', '10.0.0.1'],
  ],
  [
    ['fd00::1', 'fd64:2::1'],
    ['fd64:1::1', 'fd00::1'],
  ],
] as const;
const icmp4 = (type: number, body: ArrayLike<number>): Upper => {
  const message = join([type, 0, 0, 0], body);
  return () => patch(message, 2, ...be16(checksum(message)));
};
const uppers = {
  TCP: [6, summed(6, 16, tcp(1, 2, data))],
  UDP: [17, summed(17, 6, udp(1, 2, data))],
  'UDP without a checksum': [17, () => udp(1, 2, data)],
  'a protocol without a checksum over addresses': [132, () => data],
} as const;

for (const [name, [proto, upper]] of Object.entries(uppers))
  test(`${name} arrives with the addresses of the other side, and right checksums`, () => {
    for (const [[src, dst], [theirSrc, theirDst]] of ends)
      assert.equal(
        send(packet(src, dst, proto, upper)),
        hex(framed(one, gateway, packet(theirSrc, theirDst, proto, upper, 63))),
      );
  });

test('a ping is translated, and so is one that is a later fragment', () => {
  const [[[src, dst], [theirSrc, theirDst]], [[src6, dst6], [theirSrc6, theirDst6]]] = ends;
  const echo = icmp4(8, data);
  assert.equal(send(packet(src, dst, 1, echo)), hex(framed(one, gateway, packet(theirSrc, theirDst, 1, echo, 63))));
  const echo6: Upper = (s, t) => icmp6(s, t, 128, 0, data);
  const want6 = framed(one, gateway, packet(theirSrc6, theirDst6, 58, echo6, 63));
  assert.equal(send(packet(src6, dst6, 58, echo6)), hex(want6));
  const later = (s: string, t: string, ttl: number) => ip4({ src: s, dst: t, proto: 17, fragment: 5, ttl }, data);
  assert.equal(send(later(src, dst, 64)), hex(framed(one, gateway, later(theirSrc, theirDst, 63))));
});

test('an ICMP error quotes what its receiver sent; one about anything else is forged, and dropped', () => {
  const [[[src, dst], [theirSrc, theirDst]], [[src6, dst6], [theirSrc6, theirDst6]]] = ends;
  const unused = [0, 0, 0, 0];
  // What came to one from B’s one, as one has it and as B’s one sent it.
  const got = packet(dst, src, 17, uppers.UDP[1]);
  const sent = patch(packet(theirDst, theirSrc, 17, uppers.UDP[1]), 20, ...got.subarray(20));
  const out = packet(theirSrc, theirDst, 1, icmp4(3, join(unused, sent)), 63);
  assert.equal(send(packet(src, dst, 1, icmp4(3, join(unused, got)))), hex(framed(one, gateway, out)));
  const got6 = packet(dst6, src6, 17, uppers.UDP[1]);
  const sent6 = patch(packet(theirDst6, theirSrc6, 17, uppers.UDP[1]), 40, ...got6.subarray(40));
  const error6 =
    (quoted: Uint8Array): Upper =>
    (s, t) =>
      icmp6(s, t, 1, 4, join(unused, quoted));
  const out6 = packet(theirSrc6, theirDst6, 58, error6(sent6), 63);
  assert.equal(send(packet(src6, dst6, 58, error6(got6))), hex(framed(one, gateway, out6)));

  // Of addresses that the receiver has in its own network: its traffic with a neighbour there, whom the sender is not.
  const before = d.tallied(1, 'icmp_forged');
  const forged = [
    packet(src, dst, 1, icmp4(3, join(unused, packet('10.0.0.7', src, 17, uppers.UDP[1])))),
    packet(src, dst, 1, icmp4(3, join(unused, packet(dst, '10.0.0.11', 17, uppers.UDP[1])))),
    packet(src6, dst6, 58, error6(packet('fd00::7', src6, 17, uppers.UDP[1]))),
  ];
  for (const p of forged) assert.equal(verdictOf(p), 'drop');
  assert.equal(d.tallied(1, 'icmp_forged'), before + forged.length);
});

test('the checksum of a quoted IPv4 header is right too', () => {
  const [[src, dst]] = ends[0];
  const out = send(packet(src, dst, 1, icmp4(11, join([0, 0, 0, 0], packet(dst, src, 17, uppers.UDP[1])))));
  assert.equal(checksum(Buffer.from(out, 'hex').subarray(42, 62)), 0);
});

test('what goes to another host has the other side’s addresses in its network', () => {
  const out = Buffer.from(send(packet('10.0.0.1', '100.64.2.3', 17, uppers.UDP[1])), 'hex');
  assert.equal(read16(out, 46) * 256 + out[48]!, B);
  const want = framed(three, gateway, packet('100.64.1.1', '10.0.0.3', 17, uppers.UDP[1], 63));
  assert.equal(hex(out.subarray(50)), hex(want));
});

test('as many bits as the prefix is long are the other side’s, whatever its length', () => {
  const domain = d.world.ports[0]!.domain!;
  const [peer, own] = ['203.0.113.254', '2001:db8:1234:5678:9abc:def0:1357:9bdf'].map((a) => ip(a)) as [
    Uint8Array,
    Uint8Array,
  ];
  const common = { vni: B, mtu: 1450, ip: new Uint8Array(16) };
  for (const [width, all, target] of [
    [32, peer, '10.0.0.1'],
    [128, own, 'fd00::1'],
  ] as const)
    for (let bits = 1; bits <= width; bits++) {
      // The one address of the route, which differs from the target in all of the first bits.
      const there = ip(target);
      const mask = (i: number) => (256 - 2 ** Math.min(Math.max(8 - (bits - 8 * i), 0), 8)) & 255;
      const here = all.map((byte, i) => (byte & mask(i)) | (there[i]! & ~mask(i)));
      const key = { prefixlen: 32 + width, domain, ip: here };
      const as = join(there, new Uint8Array(16 - there.length)).map((byte, i) => byte & mask(i));
      const row = routeRow.encode({ ...common, action: routeActions.TRANSLATED, bits, as });
      const [map, k] =
        width === 32 ? (['routes4', route4Key.encode(key)] as const) : (['routes6', route6Key.encode(key)] as const);
      d.bpf.map(map).update(k, row);
      const p = width === 32 ? four(here) : six(here);
      const out = Buffer.from(send(p), 'hex');
      assert.equal(
        hex(width === 32 ? out.subarray(30, 34) : out.subarray(38, 54)),
        hex(there),
        `${bits} bits of ${width}`,
      );
      d.bpf.map(map).delete(k);
    }
});
const four = (dst: Uint8Array) => patch(ip4({ src: '10.0.0.1', dst: '0.0.0.0', proto: 132 }, data), 16, ...dst);
const six = (dst: Uint8Array) => patch(ip6({ src: 'fd00::1', dst: '::', next: 132 }, data), 24, ...dst);
