/** Valid packets of every kind, and ways to break them, for the fuzzer. */

import { toGroup } from './flood-packets.ts';
import {
  arp,
  type Bytes,
  be16,
  be32,
  encapsulated,
  eth,
  icmp6,
  ip4,
  ip6,
  join,
  mac,
  patch,
  solicit,
  solicitedMac,
  sourceMacOption,
  tcp,
  udp,
} from './frames.ts';
import type { Context } from './model.ts';
import type { Random } from './random.ts';
import { servicePacket } from './service-packets.ts';
import { A, B, C, D, linkLocal, macs, P, type PortSpec, type World } from './world.ts';

const MAC = Object.values(macs).map(mac);
const gateway = mac(macs.gateway);
const broadcast = mac('ff:ff:ff:ff:ff:ff');
const numbers = [1, 2, 3, 4, 5, 6, 9, 11, ...[20, 21, 23, 24, 31, 32, 40, 41, 42, 43, 44, 45]] as const;
const v4 = (r: Random): string => (r.below(4) === 0 ? r.pick(elsewhere4) : `10.0.0.${r.pick(numbers)}`);
function v6(r: Random): string {
  if (r.below(4) === 0) return r.pick(elsewhere6);
  return r.below(3) === 0 ? linkLocal(r.pick(numbers)) : `fd00::${r.pick(numbers)}`;
}
/** What routers know besides, and what they do not. */
const behind4 = ['16', '17', '18', '19', '20', '21'].map((n) => `172.${n}.0.1`);
const elsewhere4 = [
  ...['10.3.0.9', '10.4.0.9', '10.5.0.10', '10.6.0.10', '10.7.0.11', '10.7.0.12', '169.254.1.1', '224.0.0.1'],
  ...['100.64.1.1', '100.64.1.3', '100.64.2.1', '100.64.2.3', '100.64.2.99'],
  '172.16.0.4',
  '10.1.0.7',
  '10.1.0.8',
  '10.1.0.9',
  '10.1.0.99',
  ...behind4,
  '172.20.1.1',
  '192.0.2.77',
];
const elsewhere6 = [
  ...['fd01::7', 'fd01::8', 'fd01::9', 'fd01::99', 'fd10::1', 'fd18::1', 'fd20::1', '2001:db8:9::1'],
  ...['fd64:1::1', 'fd64:1::3', 'fd64:2::1', 'fd64:2::3', 'fd64:2::99'],
  ...['fd03::9', 'fd04::9', 'fd05::10', 'fd06::10', 'fd07::11', 'fd07::12', 'fe80::99', 'ff02::99'],
];
/** Few hops more often than they occur. */
const hops = (r: Random): number => r.pick([64, 64, 255, 2, 1, 0]);

/** What an ICMP error may be about: a packet to whoever sends it, or not. */
const quoted = (r: Random, data: Uint8Array): Uint8Array =>
  r.pick([data, ip4({ src: v4(r), dst: r.pick(['10.0.0.1', '172.16.0.1', v4(r)]) }, data)]);
const quoted6 = (r: Random, data: Uint8Array): Uint8Array =>
  r.pick([data, ip6({ src: v6(r), dst: r.pick(['fd00::1', 'fd10::1', v6(r)]) }, data)]);

/** A segment that opens a connection, or answers one that does, with options whole and broken. */
function syn(r: Random): Bytes {
  const mss = () => join([2, r.pick([4, 4, 4, 4, 3, 0])], be16(r.pick([536, 1240, 1360, 1390, 1410, 1460, 8960])));
  const option = () =>
    r.pick([mss(), mss(), [1], [1], [3, 3, 7], [4, 2], [8, 10, 0, 0, 0, 1, 0, 0, 0, 0], [0], [9, 0], [9, 1]]);
  const some = join(...Array.from({ length: r.below(6) }, option)).subarray(0, 40);
  const options = join(some, new Uint8Array(-some.length & 3));
  const words = r.below(6) === 0 ? r.below(16) : 5 + options.length / 4;
  const header = join(
    be16(r.below(65_536)),
    be16(80),
    be32(1),
    be32(0),
    [words << 4, r.pick([2, 2, 18, 16])],
    r.bytes(6),
  );
  return join(header, options, new Uint8Array(r.pick([0, 0, 20])));
}

function payload(r: Random): { proto: number; bytes: Bytes } {
  const n = r.pick([0, 1, 20, 100, 1240, 1372, 1392, 1400, 1402, 1412, 1422, 1424, 1460, 3000]);
  const data = new Uint8Array(n);
  switch (r.below(5)) {
    case 0:
      return { proto: 6, bytes: r.pick([tcp(r.below(65_536), 80, data), syn(r)]) };
    case 1:
      return { proto: 1, bytes: join([r.pick([8, 0, 3, 11]), 0, 0, 0, 0, 0, 0, 0], quoted(r, data)) };
    case 2:
      return {
        proto: 58,
        bytes: join([r.pick([128, 129, 1, 2, 133, 134, 135, 136, 137, 143]), 0, 0, 0, 0, 0, 0, 0], quoted6(r, data)),
      };
    default:
      return { proto: 17, bytes: udp(r.below(65_536), r.pick([53, 4789]), data) };
  }
}

function options(r: Random): Uint8Array {
  return r.below(4) === 0 ? r.bytes(r.pick([4, 8, 40])) : new Uint8Array();
}
function ip4Packet(r: Random, src: string, dst: string): Bytes {
  const { proto, bytes } = payload(r);
  const fragment = r.pick([0x4000, 0, 0x2000, 0x2001, 0x1fff, 0x4000, 0x4000]);
  return ip4(
    { src, dst, proto, tos: r.below(256), id: r.below(65_536), fragment, ttl: hops(r), options: options(r) },
    bytes,
  );
}

/** A chain of extension headers before an upper layer; sometimes too long or with wrong lengths. */
function extended(r: Random, next: number, upper: Uint8Array): { next: number; bytes: Bytes } {
  let bytes = join(upper);
  let type = next;
  for (let n = r.pick([0, 0, 0, 1, 1, 2, 3, 5, 6, 7]); n > 0; n--) {
    const kind = r.pick([0, 43, 60, 44]);
    const words = kind === 44 ? 0 : r.pick([0, 0, 0, 1, 3, 200]);
    const size = words === 200 && r.below(2) === 0 ? 8 : (words + 1) * 8;
    const body = kind === 44 ? join(be16(r.pick([0, 1, 8, 9])), be32(7)) : new Uint8Array(size - 2);
    bytes = join([type, words], body, bytes);
    type = kind;
  }
  return { next: type, bytes };
}
function ip6Packet(r: Random, src: string, dst: string): Bytes {
  const { proto, bytes } = payload(r);
  const chain = extended(r, proto, bytes);
  return ip6({ src, dst, next: chain.next, class: r.below(256), hops: hops(r) }, chain.bytes);
}

function solicitation(r: Random, own: Uint8Array): Bytes {
  const target = v6(r);
  const src = r.pick([v6(r), 'fd00::1', linkLocal(1), '::']);
  const given = r.pick([
    new Uint8Array(),
    sourceMacOption(own),
    sourceMacOption(r.pick(MAC)),
    join([14, 1], r.bytes(6)),
    join([1, 2], r.bytes(14)),
    join([5, 1], r.bytes(6), sourceMacOption(own)),
  ]);
  const packet = solicit({
    src,
    target,
    hops: r.pick([255, 255, 255, 64]),
    code: r.pick([0, 0, 0, 1]),
    options: given,
  });
  return eth(solicitedMac(target), own, 0x86dd, packet);
}
function arpFrame(r: Random, own: Uint8Array): Bytes {
  const senderIp = r.pick([v4(r), '10.0.0.1', '0.0.0.0']);
  const senderMac = r.pick([own, own, own, r.pick(MAC)]);
  return eth(broadcast, own, 0x806, arp({ op: r.pick([1, 1, 1, 2, 3]), senderMac, senderIp, targetIp: v4(r) }));
}

/** What a port may send, or not. */
function fromPort(r: Random, station: PortSpec): Bytes {
  const own = mac(station.mac);
  const { ip4: own4 = '10.0.0.1', ip6: own6 = 'fd00::1' } = station;
  const to = r.pick([
    ...MAC,
    ...MAC,
    ...MAC.map(() => gateway),
    broadcast,
    mac('33:33:00:00:00:01'),
    mac('02:aa:00:00:00:00'),
  ]);
  const from = r.below(8) === 0 ? r.pick(MAC) : own;
  switch (r.below(9)) {
    case 0:
      return arpFrame(r, own);
    case 1:
      return solicitation(r, own);
    case 8:
      return servicePacket(r, own);
    case 2: {
      const src = v6(r);
      return eth(
        to,
        from,
        0x86dd,
        ip6(
          { src, dst: 'ff02::1', next: 58, hops: 255 },
          icmp6(src, 'ff02::1', r.pick([133, 134, 136, 137]), 0, r.bytes(20)),
        ),
      );
    }
    case 3:
      return eth(
        to,
        from,
        r.pick([0x8100, 0x88a8, 0x9100, 0x88cc, 0x8847]),
        join(be16(5), be16(0x800), ip4Packet(r, '10.0.0.1', v4(r))),
      );
    case 4:
    case 5:
      return eth(
        to,
        from,
        0x86dd,
        ip6Packet(r, r.pick([v6(r), own6, own6, linkLocal(1), linkLocal(9), 'fd10::1', '::', '::1', 'ff02::1']), v6(r)),
      );
    default:
      return eth(
        to,
        from,
        0x800,
        ip4Packet(
          r,
          r.pick([v4(r), own4, own4, '10.0.0.11', '172.16.0.1', '0.0.0.0', '127.0.0.1', '224.0.0.1']),
          v4(r),
        ),
      );
  }
}

/** Last numbers of addresses, and MACs. */
const senders = [
  ...[macs.one, macs.two, macs.three, macs.four, macs.five, macs.six].map((m, i) => [i + 1, m] as const),
  ...([
    [40, macs.guest],
    [42, macs.came],
    [45, macs.abroad],
    [46, macs.settled],
  ] as const),
];
/** Of ports that have two hosts, and of some behind others. */
const moved = [macs.guest, macs.gone, macs.came, macs.slow, macs.lost, macs.tagged, macs.machine, macs.settled].map(
  mac,
);

function fromUnderlay(r: Random): Bytes {
  const [n, its] = r.pick(senders);
  const who = r.below(6) === 0 ? r.pick(MAC) : r.below(3) === 0 ? gateway : mac(its);
  const to = r.pick([
    ...[MAC[0]!, MAC[0]!, MAC[0]!, MAC[1]!, MAC[6]!, mac(macs.eleven), r.pick(MAC), broadcast],
    ...moved,
  ]);
  const six = r.below(2) === 0;
  const own = r.below(4) > 0;
  const packet = six
    ? ip6Packet(r, own ? `fd00::${n}` : v6(r), v6(r))
    : ip4Packet(r, own ? `10.0.0.${n}` : v4(r), v4(r));
  const inner = eth(
    to,
    who,
    r.pick([six ? 0x86dd : 0x800, six ? 0x86dd : 0x800, six ? 0x86dd : 0x800, 0x806, 0x8100]),
    packet,
  );
  const src = r.pick(['192.0.2.2', '192.0.2.2', '192.0.2.3', '192.0.2.4', '192.0.2.1', '203.0.113.9']);
  const frame = encapsulated(
    {
      src,
      dst: r.pick(['192.0.2.1', '192.0.2.1', '192.0.2.1', '192.0.2.7']),
      vni: r.pick([A, A, A, A, B, C, D, D, P, 7]),
      tos: r.below(4),
      dport: r.pick([4789, 4789, 4789, 53]),
      fragment: r.pick([0x4000, 0x4000, 0x4000, 0x2000]),
    },
    inner,
  );
  return r.below(10) === 0 ? patch(frame, r.pick([42, 43, 44, 45, 49]), r.below(256)) : frame;
}

function toUnderlay(r: Random): Bytes {
  const packet = r.below(2) === 0 ? ip4Packet(r, '192.0.2.1', '192.0.2.2') : ip6Packet(r, '2001:db8::1', '2001:db8::5');
  const frame = eth(MAC[1]!, MAC[0]!, packet[0]! >> 4 === 4 ? 0x800 : 0x86dd, packet);
  if (r.below(4) > 0) return frame;
  const tags = Array.from({ length: 1 + r.below(3) }, () => join(be16(r.pick([0x8100, 0x88a8])), be16(5)));
  return join(frame.subarray(0, 12), ...tags, frame.subarray(12));
}

/** Bytes that headers mean something by. */
const telling = [0, 1, 2, 4, 6, 17, 43, 44, 58, 60, 0x40, 0x44, 0x45, 0x46, 0x4f, 0x60, 0x7f, 0x80, 0xff];
/** A random frame of at least 14 bytes: as it was, cut, grown, with bytes changed, or noise. */
export function mutate(r: Random, frame: Uint8Array): Uint8Array {
  let b = Uint8Array.from(frame);
  switch (r.below(8)) {
    case 0:
      return b.slice(0, 14 + r.below(b.length - 13));
    case 1:
      return join(b, r.bytes(r.below(64)));
    case 2:
      for (let n = 1 + r.below(3); n > 0; n--) b[r.below(Math.min(b.length, 130))] = r.pick(telling);
      return b;
    case 3:
      for (let n = 1 + r.below(3); n > 0; n--) b[r.below(Math.min(b.length, 130))] = r.below(256);
      return b;
    case 4:
      if (r.below(10) === 0) b = join(b.subarray(0, 14), r.bytes(r.below(200)));
      return b;
    default:
      return b;
  }
}

export interface Shot {
  readonly program: 'from_port' | 'from_segment' | 'to_host' | 'from_underlay' | 'to_underlay';
  readonly frame: Uint8Array;
  readonly ctx: Context;
}
const workloads = (r: Random, station: PortSpec): Bytes => onDevice(r, fromPort(r, station), station);
/** Frames that BPF_PROG_TEST_RUN takes: it refuses more than a page. */
const FRAME_MAX = 3500;

/** As the port's device has it: with its tag, or with another, or two. */
export function tagged(frame: Uint8Array, ...vlans: readonly number[]): Bytes {
  return join(frame.subarray(0, 12), ...vlans.map((vlan) => [...be16(0x8100), ...be16(vlan)]), frame.subarray(12));
}
function onDevice(r: Random, frame: Uint8Array, { vlan = 0 }: PortSpec): Bytes {
  const other = r.below(8) === 0 ? r.pick([0, 10, 20, 30, 0x2014, 0x8000, 4095]) : vlan;
  const tags = other === 0 && r.below(20) > 0 ? [] : [other];
  return r.below(30) === 0 ? tagged(frame, ...tags, 20) : tagged(frame, ...tags);
}

/** A random packet for a random program. */
export function shoot(r: Random, world: World, stray: number): Shot {
  const kind = r.pick([
    'from_port',
    'from_port',
    'from_port',
    'from_place',
    'to_host',
    'from_underlay',
    'from_underlay',
    'to_underlay',
  ] as const);
  const first = world.ports[0]!;
  const routers = world.ports.filter((p) => p.router || p.origin);
  const places = world.ports.filter((p) => p.behind || p.segment || p.trunk);
  const station =
    kind === 'from_place' ? r.pick(places) : r.below(3) === 0 ? r.pick([...world.ports, ...routers]) : first;
  const nic = world.ports.some((p) => p.segment && p.ifindex === station.ifindex);
  const program = kind === 'from_port' || kind === 'from_place' ? (nic ? 'from_segment' : 'from_port') : kind;
  const ifindex = r.below(40) === 0 ? stray : station.ifindex;
  const build = {
    from_port: workloads,
    from_segment: workloads,
    to_host: fromPort,
    from_underlay: fromUnderlay,
    to_underlay: toUnderlay,
  }[program];
  const built = build(r, station);
  const frame = mutate(r, r.below(8) === 0 && program === 'from_port' ? toGroup(r, built) : built).slice(0, FRAME_MAX);
  const gsoSize = r.below(6) === 0 ? r.pick([500, 1348, 1390, 1398, 1410, 1448, 2000]) : 0;
  if (program === 'from_underlay') return { program, frame, ctx: gsoSize ? { gsoSize } : {} };
  if (program === 'to_underlay') return { program, frame, ctx: r.below(8) === 0 ? { mark: 0x48656464 } : {} };
  return { program, frame, ctx: gsoSize ? { ifindex, gsoSize } : { ifindex } };
}
