/** What a workload with all rights in its own namespace may try, and what becomes of it. Every case has a legal twin that passes. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import type { ReasonName } from '../../src/datapath/reasons.ts';
import { until } from '../../src/lab/processes.ts';
import {
  arp,
  be16,
  be32,
  eth,
  icmp6,
  ip,
  ip4,
  ip6,
  join,
  mac,
  solicit,
  sourceMacOption,
  udp,
} from '../datapath/frames.ts';
import { contains, openPackets, type Packets } from './packets.ts';
import { openStage, type Stage, type Station } from './stage.ts';

let stage: Stage;
/** All on `dual`: the attacker and a neighbour on one host, another neighbour elsewhere. */
let attacker: Station;
let beside: Station;
let remote: Station;
/** On `four`, which has no IPv6. */
let attacker4: Station;
let remote4: Station;
const taps = new Map<Station, Packets>();
const gateway = { v4: '10.8.0.1', v6: 'fd08::1' };
const linkLocal = 'fe80::8';

before(async () => {
  stage = await openStage(2);
  await stage.network('t', 'dual', ['10.8.0.0/24', 'fd08::/64']);
  await stage.network('t', 'four', ['10.9.0.0/24']);
  const attach = (network: string, host: number) => stage.attach({ tenant: 't', network, host });
  attacker = await attach('dual', 0);
  beside = await attach('dual', 0);
  remote = await attach('dual', 1);
  attacker4 = await attach('four', 0);
  remote4 = await attach('four', 1);
  await stage.settled(remote);
  await stage.settled(remote4);
  for (const station of [attacker, beside, remote, attacker4, remote4])
    taps.set(station, openPackets(station.netns, station.ifname));
});
after(async () => {
  for (const tap of taps.values()) tap[Symbol.dispose]();
  await stage?.[Symbol.asyncDispose]();
});

const tap = (station: Station): Packets => taps.get(station)!;
const broadcast = mac('ff:ff:ff:ff:ff:ff');
const group = mac('33:33:00:00:00:01');

/** A UDP datagram from `from` to `to`, with a mark to find it by, and what differs from the truth. */
interface Lie {
  readonly src?: string;
  readonly dst?: string;
  readonly srcMac?: string;
  readonly dstMac?: string;
}
function datagram(from: Station, to: Station, mark: Uint8Array, lie: Lie = {}): Uint8Array {
  const macs = [mac(lie.dstMac ?? to.mac), mac(lie.srcMac ?? from.mac)] as const;
  if ((lie.src ?? lie.dst ?? to.ip4).includes(':'))
    return eth(...macs, 0x86dd, ip6({ src: lie.src ?? from.ip6, dst: lie.dst ?? to.ip6 }, udp(1000, 2000, mark)));
  return eth(...macs, 0x800, ip4({ src: lie.src ?? from.ip4, dst: lie.dst ?? to.ip4 }, udp(1000, 2000, mark)));
}

/** Sends a legal datagram and resolves when it has arrived: what was sent before it has been decided by then. */
async function legal(from: Station, to: Station, lie: Lie = {}): Promise<Uint8Array[]> {
  const mark = randomBytes(16);
  const seen: Uint8Array[] = [];
  tap(from).send(datagram(from, to, mark, lie));
  await until('the arrival of a legal datagram', 5000, () => {
    seen.push(...tap(to).received());
    return seen.some((frame) => contains(frame, mark)) ? true : undefined;
  });
  return seen;
}

/** The frame is dropped for the reason, once, and nobody sees it; legal ones before and after it pass. */
async function refused(from: Station, to: Station, frame: Uint8Array, reason: ReasonName): Promise<void> {
  await legal(from, to);
  for (const t of taps.values()) t.received();
  const before = await stage.count(from, reason);
  tap(from).send(frame);
  const seen = await legal(from, to);
  const counted = (await stage.count(from, reason)) - before;
  // The workload's own kernel multicasts now and then, to join groups.
  assert.ok(counted === 1 || (reason === 'multicast' && counted > 1), `${counted} counted as ${reason}`);
  const part = frame.subarray(14);
  for (const t of taps.values()) seen.push(...t.received());
  assert.deepEqual(
    seen.filter((s) => contains(s, part)),
    [],
  );
}

const lies = (): [string, Lie, ReasonName][] => [
  ['another port’s IPv4 source', { src: beside.ip4 }, 'src_ip4'],
  ['the gateway’s IPv4 source', { src: gateway.v4 }, 'src_ip4'],
  ['the host’s IPv4 source', { src: attacker.host.vtep }, 'src_ip4'],
  ['a loopback IPv4 source', { src: '127.0.0.1' }, 'src_ip4'],
  ['a multicast IPv4 source', { src: '224.0.0.1' }, 'src_ip4'],
  ['the broadcast IPv4 source', { src: '255.255.255.255' }, 'src_ip4'],
  ['no IPv4 source', { src: '0.0.0.0' }, 'src_ip4'],
  ['another port’s IPv6 source', { src: beside.ip6 }, 'src_ip6'],
  ['the gateway’s IPv6 source', { src: gateway.v6 }, 'src_ip6'],
  ['a loopback IPv6 source', { src: '::1' }, 'src_ip6'],
  ['a multicast IPv6 source', { src: 'ff02::1' }, 'src_ip6'],
  ['no IPv6 source', { src: '::' }, 'src_ip6'],
  ['an invented link-local source', { src: linkLocal }, 'src_ip6'],
  ['another port’s MAC', { srcMac: beside.mac }, 'src_mac'],
  ['a multicast source MAC', { srcMac: '01:00:5e:00:00:01' }, 'src_mac'],
  ['a broadcast destination', { dst: '10.8.0.255', dstMac: 'ff:ff:ff:ff:ff:ff' }, 'broadcast'],
  ['a multicast destination', { dst: '224.0.0.251', dstMac: '01:00:5e:00:00:fb' }, 'multicast'],
  ['the MAC of a port of another network', { dst: remote4.ip4, dstMac: remote4.mac }, 'unknown_unicast'],
];
test('a datagram is refused when its source is not the sender’s or its destination no port of the network', async (t) => {
  for (const [what, lie, reason] of lies())
    await t.test(what, async () => {
      for (const to of [remote, beside])
        if (to.mac !== lie.srcMac) await refused(attacker, to, datagram(attacker, to, randomBytes(16), lie), reason);
    });
});
test('the same datagrams pass with the sender’s own IPv4, IPv6 and link-local addresses', async () => {
  const own = (await stage.exec(attacker, 'ip', '-6', '-o', 'address', 'show', 'scope', 'link')).match(
    /fe80::\S+(?=\/)/,
  );
  for (const to of [remote, beside]) {
    await legal(attacker, to);
    await legal(attacker, to, { src: attacker.ip6 });
    await legal(attacker, to, { src: own![0] });
  }
});

type ArpLie = Partial<Parameters<typeof arp>[0]>;
const arpFrame = (lie: ArpLie): Uint8Array =>
  eth(
    broadcast,
    mac(attacker.mac),
    0x806,
    arp({ senderMac: mac(attacker.mac), senderIp: attacker.ip4, targetIp: remote.ip4, ...lie }),
  );
const arpLies = (): [string, ArpLie, ReasonName][] => [
  ['a gratuitous reply', { op: 2, targetIp: attacker.ip4 }, 'arp_gratuitous'],
  ['an announcement', { targetIp: attacker.ip4 }, 'arp_gratuitous'],
  ['an unasked reply', { op: 2 }, 'arp_gratuitous'],
  ['a reply for the gateway', { op: 2, senderIp: gateway.v4 }, 'arp_spoof'],
  ['a reply for a neighbour', { op: 2, senderIp: beside.ip4 }, 'arp_spoof'],
  ['a request as a neighbour', { senderIp: beside.ip4 }, 'arp_spoof'],
  ['a request with another’s MAC inside', { senderMac: mac(beside.mac) }, 'arp_spoof'],
];
test('ARP is refused when it does not ask as the sender itself', async (t) => {
  for (const [what, lie, reason] of arpLies())
    await t.test(what, () => refused(attacker, beside, arpFrame(lie), reason));
});

const nd = (type: number, src: string, body: ArrayLike<number>): Uint8Array =>
  eth(
    group,
    mac(attacker.mac),
    0x86dd,
    ip6({ src, dst: 'ff02::1', next: 58, hops: 255 }, icmp6(src, 'ff02::1', type, 0, body)),
  );
const targetMac = (): Uint8Array => join([2, 1], mac(attacker.mac));
const solicitation = (src: string, options: Uint8Array): Uint8Array =>
  eth(group, mac(attacker.mac), 0x86dd, solicit({ src, target: remote.ip6, options }));
const ndLies = (): [string, Uint8Array, ReasonName][] => [
  [
    'an advertisement for itself',
    nd(136, attacker.ip6, join(be32(0x20000000), ip(attacker.ip6), targetMac())),
    'nd_forbidden',
  ],
  [
    'an advertisement for a neighbour',
    nd(136, beside.ip6, join(be32(0x20000000), ip(beside.ip6), targetMac())),
    'nd_forbidden',
  ],
  ['a router’s advertisement', nd(134, attacker.ip6, join([64, 0], be16(1800), be32(0), be32(0))), 'nd_forbidden'],
  ['a search for routers', nd(133, attacker.ip6, be32(0)), 'nd_forbidden'],
  ['a redirect', nd(137, gateway.v6, join(be32(0), ip(attacker.ip6), ip(remote.ip6))), 'nd_forbidden'],
  ['a question as a neighbour', solicitation(beside.ip6, sourceMacOption(mac(attacker.mac))), 'nd_spoof'],
  ['a question with another’s MAC inside', solicitation(attacker.ip6, sourceMacOption(mac(beside.mac))), 'nd_spoof'],
];
test('neighbour discovery is refused when it does not ask as the sender itself', async (t) => {
  for (const [what, frame, reason] of ndLies()) await t.test(what, () => refused(attacker, beside, frame, reason));
});
test('ARP and neighbour discovery that ask as the sender are answered with the neighbour’s MAC', async () => {
  for (const frame of [arpFrame({}), solicitation(attacker.ip6, sourceMacOption(mac(attacker.mac)))]) {
    tap(attacker).received();
    tap(attacker).send(frame);
    const answer = await until('the answer', 5000, () => tap(attacker).received()[0]);
    assert.deepEqual(answer.subarray(6, 12), mac(remote.mac));
  }
});

test('a network without IPv6 carries none', async () => {
  const mark = randomBytes(16);
  const [src, dst] = ['fd08::4', 'fd08::5'];
  const macs = [mac(remote4.mac), mac(attacker4.mac)] as const;
  await refused(attacker4, remote4, eth(...macs, 0x86dd, ip6({ src, dst }, udp(1, 2, mark))), 'src_ip6');
  const advertised = icmp6(linkLocal, 'ff02::1', 134, 0, join([64, 0], be16(1800), be32(0), be32(0)));
  const rogue = ip6({ src: linkLocal, dst: 'ff02::1', next: 58, hops: 255 }, advertised);
  await refused(attacker4, remote4, eth(group, mac(attacker4.mac), 0x86dd, rogue), 'src_ip6');
  assert.doesNotMatch(
    await stage.exec(attacker4, 'ip', '-6', '-o', 'address', 'show', 'dev', attacker4.ifname),
    /inet6/,
  );
});

const foreign = (): [string, Uint8Array, ReasonName][] => [
  [
    'a VLAN tag',
    eth(mac(remote.mac), mac(attacker.mac), 0x8100, join(be16(7), be16(0x800), new Uint8Array(50))),
    'vlan',
  ],
  ['LLDP', eth(mac('01:80:c2:00:00:0e'), mac(attacker.mac), 0x88cc, new Uint8Array(50)), 'ethertype'],
  ['spanning tree', eth(mac('01:80:c2:00:00:00'), mac(attacker.mac), 38, new Uint8Array(50)), 'ethertype'],
];
test('frames for bridges and switches are refused', async (t) => {
  for (const [what, frame, reason] of foreign()) await t.test(what, () => refused(attacker, beside, frame, reason));
});
