/** Where a network wants it, no larger segments are agreed on than fit; elsewhere nothing is touched. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Bytes, be16, be32, eth, ip, ip4, ip6, join, mac, patch, read16, upperChecksum } from './frames.ts';
import { type Datapath, openDatapath } from './harness.ts';
import { macs } from './world.ts';

let d: Datapath;
before(() => {
  d = openDatapath();
});
after(() => d[Symbol.dispose]());

const SYN = 0x02;
const ACK = 0x10;
const mss = (value: number): number[] => [2, 4, ...be16(value)];
interface Sent {
  readonly src: string;
  readonly dst: string;
  readonly flags?: number;
  readonly options?: readonly number[];
  /** IPv4: flags and offset of a fragment. */
  readonly fragment?: number;
}
/** A segment with its right sum. */
function segment({ src, dst, flags = SYN, options = mss(9000) }: Sent): Bytes {
  const words = 5 + options.length / 4;
  const header = join(
    be16(40_000),
    be16(80),
    be32(7),
    be32(0),
    [words << 4, flags],
    be16(64_000),
    [0, 0, 0, 0],
    options,
  );
  return patch(header, 16, ...be16(upperChecksum(ip(src), ip(dst), 6, header)));
}
function frame(sent: Sent, macOf: string, from: string = macs.one): Bytes {
  const macs2 = [mac(macOf), mac(from)] as const;
  const tcp = segment(sent);
  return sent.dst.includes(':')
    ? eth(...macs2, 0x86dd, ip6({ src: sent.src, dst: sent.dst, next: 6 }, tcp))
    : eth(...macs2, 0x800, ip4({ src: sent.src, dst: sent.dst, proto: 6, fragment: sent.fragment ?? 0x4000 }, tcp));
}
/** The TCP header as it leaves; its sum must be right. */
function passed(bytes: Uint8Array, dst: string, port = 0): Uint8Array {
  const { dataOut } = d.inside(() => d.run('from_port', bytes, { ifindex: d.world.ports[port]!.ifindex }));
  const at = dst.includes(':') ? 54 : 34;
  const tcp = dataOut.subarray(dataOut.length - (bytes.length - at));
  const src = dataOut
    .subarray(dataOut.length - bytes.length + (dst.includes(':') ? 22 : 26))
    .subarray(0, ip(dst).length);
  assert.equal(upperChecksum(src, ip(dst), 6, tcp), 0, 'its sum is right');
  return tcp;
}
const two = { src: '10.0.0.1', dst: '10.0.0.2' };
const two6 = { src: 'fd00::1', dst: 'fd00::2' };
const agreed = (sent: Sent, macOf: string): number => read16(passed(frame(sent, macOf), sent.dst), 22);

test('a SYN and its answer ask for no more than fits the network, by IPv4 and IPv6', () => {
  for (const flags of [SYN, SYN | ACK]) {
    assert.equal(agreed({ ...two, flags }, macs.two), 1410);
    assert.equal(agreed({ ...two6, flags }, macs.two), 1390);
  }
});

test('nor than fits the way to another host, and the network behind a router', () => {
  assert.equal(agreed({ src: '10.0.0.1', dst: '10.0.0.3' }, macs.three), 1410);
  assert.equal(agreed({ src: '10.0.0.1', dst: '10.0.0.4' }, macs.four), 1360);
  assert.equal(agreed({ src: 'fd00::1', dst: 'fd00::4' }, macs.four), 1340);
  assert.equal(agreed({ src: '10.0.0.1', dst: '10.1.0.7' }, macs.gateway), 1260);
});

test('what asks for less, or for nothing, or is no SYN, goes on as it is', () => {
  for (const sent of [
    { ...two, options: mss(1410) },
    { ...two, options: mss(536) },
    { ...two, options: [] },
    { ...two, flags: ACK },
    { ...two6, options: mss(1390) },
    { ...two6, flags: ACK },
  ])
    assert.deepEqual(passed(frame(sent, macs.two), sent.dst), segment(sent));
});

test('the option is found wherever it is, also across two words', () => {
  const before = [[], [1], [1, 1], [1, 1, 1], [4, 2], [3, 3, 7], [8, 10, 0, 0, 0, 1, 0, 0, 0, 0], Array(36).fill(1)];
  for (const options of before) {
    const rest = Array(-options.length & 3).fill(0);
    const sent = { ...two, options: [...options, ...mss(9000), ...rest] };
    const wanted = { ...two, options: [...options, ...mss(1410), ...rest] };
    assert.deepEqual(passed(frame(sent, macs.two), two.dst), segment(wanted), `behind ${options}`);
  }
});

test('broken options are left alone', () => {
  const broken = [
    [3, 0, ...mss(9000), 0, 0],
    [3, 1, ...mss(9000), 0, 0],
    [3, 9, ...mss(9000), 0, 0],
    [0, 1, ...mss(9000), 0, 0],
    [2, 3, 0x23, 0x28],
    [2, 5, 0x23, 0x28, 0, 0, 0, 0],
    [1, 2, 4, 0x23],
  ];
  for (const options of broken)
    assert.deepEqual(passed(frame({ ...two, options }, macs.two), two.dst), segment({ ...two, options }), `${options}`);
});

test('what is behind the header’s end, and a later fragment, are no options', () => {
  const short = patch(frame(two, macs.two), 34 + 12, 0x50);
  const out = d.inside(() => d.run('from_port', short, { ifindex: d.world.ports[0]!.ifindex }).dataOut);
  assert.deepEqual(out, short);
  const later = frame({ ...two, fragment: 4 }, macs.two);
  assert.deepEqual(
    d.inside(() => d.run('from_port', later, { ifindex: d.world.ports[0]!.ifindex }).dataOut),
    later,
  );
});

test('from a network that does not want it, only what goes to one that does is lowered', () => {
  const near = { src: '10.0.0.2', dst: '10.0.0.3' };
  assert.equal(read16(passed(frame(near, macs.three, macs.two), near.dst, 1), 22), 9000);
  const far = { src: '10.0.0.2', dst: '10.1.0.7' };
  assert.equal(read16(passed(frame(far, macs.gateway, macs.two), far.dst, 1), 22), 1260);
});
