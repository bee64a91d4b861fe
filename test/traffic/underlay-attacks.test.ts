/** What a stranger on the underlay, or a user of a host, may try with VXLAN. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import type { ReasonName } from '../../src/datapath/reasons.ts';
import { netnsPath } from '../../src/lab/plan.ts';
import { until } from '../../src/lab/processes.ts';
import { be16, encapsulated, eth, ip4, join, mac, type Outer, patch, read16, udp } from '../datapath/frames.ts';
import { contains, openPackets, type Packets } from './packets.ts';
import { openStage, type Stage, type Station } from './stage.ts';

let stage: Stage;
/** On the first host: the victim and a sibling; its peers on the second and the third; a port of another tenant beside it. */
let victim: Station;
let sibling: Station;
let second: Station;
let third: Station;
let foreign: Station;
let vni: number;
let foreignVni: number;
/** The cable of the first host, at its far end; and everything that a workload of that host may receive. */
let cable: Packets;
let taps: Packets[];
let hostMac: string;

before(async () => {
  stage = await openStage(3);
  ({ vni } = await stage.network('t', 'net', ['10.13.0.0/24']));
  ({ vni: foreignVni } = await stage.network('u', 'net', ['10.13.0.0/24']));
  const attach = (tenant: string, host: number) => stage.attach({ tenant, network: 'net', host });
  victim = await attach('t', 0);
  sibling = await attach('t', 0);
  second = await attach('t', 1);
  third = await attach('t', 2);
  foreign = await attach('u', 0);
  await stage.settled(victim);
  await stage.settled(foreign);
  cable = openPackets(netnsPath(stage.lab.plan.netns), 'h1');
  taps = [victim, sibling, foreign].map((s) => openPackets(s.netns, s.ifname));
  const link = await stage.lab.hosts[0]!.exec(['ip', '-j', 'link', 'show', 'eth0']);
  hostMac = (JSON.parse(link.stdout) as { address: string }[])[0]!.address;
});
after(async () => {
  for (const tap of [cable, ...(taps ?? [])]) tap?.[Symbol.dispose]();
  await stage?.[Symbol.asyncDispose]();
});

/** How an encapsulated datagram differs from one that the second host's port sends to the victim. */
interface Lie extends Partial<Outer> {
  readonly innerSrc?: string;
  readonly innerSrcMac?: string;
  readonly innerDst?: string;
  readonly innerDstMac?: string;
  readonly innerType?: number;
  readonly outerMac?: string;
}
function frame(mark: Uint8Array, lie: Lie = {}): Uint8Array {
  const { innerSrc, innerSrcMac, innerDst, innerDstMac, innerType, outerMac, ...outer } = lie;
  const datagram = ip4({ src: innerSrc ?? second.ip4, dst: innerDst ?? victim.ip4 }, udp(1, 9, mark));
  const inner = eth(mac(innerDstMac ?? victim.mac), mac(innerSrcMac ?? second.mac), innerType ?? 0x800, datagram);
  const whole = encapsulated({ src: second.host.vtep, dst: victim.host.vtep, vni, ...outer }, inner);
  return patch(whole, 0, ...mac(outerMac ?? hostMac));
}

/** Sends the legal frame and resolves with all that the taps saw until it was there. */
async function legal(): Promise<Uint8Array[]> {
  const mark = randomBytes(16);
  const seen: Uint8Array[] = [];
  cable.send(frame(mark));
  await until('the arrival of a legal frame', 5000, () => {
    seen.push(...taps.flatMap((tap) => tap.received()));
    return seen.some((f) => contains(f, mark)) ? true : undefined;
  });
  return seen;
}

async function refused(mark: Uint8Array, hostile: Uint8Array, reason: ReasonName | undefined): Promise<void> {
  await legal();
  const before = await stage.hostReasons(0);
  cable.send(hostile);
  const seen = await legal();
  const after = await stage.hostReasons(0);
  const counted = Object.keys(after).filter((name) => after[name] !== before[name]);
  assert.deepEqual(counted, reason ? [reason] : []);
  if (reason) assert.equal(after[reason]! - (before[reason] ?? 0), 1);
  assert.ok(seen.every((f) => !contains(f, mark)));
}

const lies = (): [string, Lie, ReasonName][] => [
  ['an unknown host', { src: '203.0.113.9' }, 'vxlan_source'],
  ['the underlay’s router', { src: '198.18.0.254' }, 'vxlan_source'],
  ['the host itself', { src: victim.host.vtep }, 'vxlan_source'],
  ['a host that does not have the inner source', { src: third.host.vtep }, 'inner_vtep'],
  ['a host that claims a port of the receiver', { innerSrc: sibling.ip4, innerSrcMac: sibling.mac }, 'inner_vtep'],
  ['a host with a VNI of which it has no port', { vni: foreignVni }, 'inner_source'],
  ['a host with a VNI that nobody has', { vni: 0xabcdef }, 'inner_source'],
  ['a host with an inner source that nobody has', { innerSrc: '10.13.0.200' }, 'inner_source'],
  ['a host with another MAC than the inner source’s', { innerSrcMac: third.mac }, 'inner_mac'],
  ['a host, to a MAC that no port has', { innerDstMac: '02:00:00:00:00:77' }, 'inner_unknown'],
  ['a host, to another tenant’s MAC', { innerDstMac: foreign.mac }, 'inner_unknown'],
  ['a host, to everybody', { innerDstMac: 'ff:ff:ff:ff:ff:ff' }, 'inner_malformed'],
  ['a host, to a group', { innerDstMac: '01:00:5e:00:00:fb' }, 'inner_malformed'],
  ['a host, as ARP', { innerType: 0x806 }, 'inner_malformed'],
];
test('VXLAN is refused that does not come from a host that has the inner source', async (t) => {
  for (const [from, lie, reason] of lies())
    await t.test(`from ${from}`, () => {
      const mark = randomBytes(16);
      return refused(mark, frame(mark, lie), reason);
    });
});

test('VXLAN with wrong flags, reserved bits or lengths is refused', async () => {
  const mark = randomBytes(16);
  const whole = frame(mark);
  const broken = [
    patch(whole, 42, 0x00),
    patch(whole, 42, 0x0c),
    patch(whole, 42, 0x08, 0x01),
    patch(whole, 49, 0x01),
    patch(whole, 38, 0, 12),
  ];
  for (const hostile of broken) await refused(mark, hostile, 'vxlan_malformed');
});

test('VXLAN with a VLAN tag is not the underlay’s, whose own tags are taken off before', async () => {
  const mark = randomBytes(16);
  const whole = frame(mark);
  await refused(mark, join(whole.subarray(0, 12), be16(0x8100), be16(120), whole.subarray(12)), undefined);
});

test('VXLAN to a broadcast or multicast address reaches no workload', async () => {
  const group = { dst: '224.0.0.1', outerMac: '01:00:5e:00:00:01' };
  const everybody = { dst: '198.18.0.255', outerMac: 'ff:ff:ff:ff:ff:ff' };
  const limited = { dst: '255.255.255.255', outerMac: 'ff:ff:ff:ff:ff:ff' };
  for (const lie of [group, everybody, limited]) {
    const mark = randomBytes(16);
    await refused(mark, frame(mark, lie), 'vxlan_malformed');
    // That way goes through the kernel's UDP, which may take longer.
    await stage.ping(second, victim.ip4);
    assert.ok((await legal()).every((f) => !contains(f, mark)));
  }
});

test('VXLAN with IP options, which the fast path leaves to the kernel’s device, arrives and is counted', async () => {
  const mark = randomBytes(16);
  const before = await stage.count(victim, 'slow_rx');
  cable.send(frame(mark, { options: [1, 1, 1, 0] }));
  await until('the arrival of the frame', 5000, () =>
    taps[0]!.received().some((f) => contains(f, mark)) ? true : undefined,
  );
  assert.equal((await stage.count(victim, 'slow_rx')) - before, 1);
});

test('a local program’s own UDP to the VXLAN port never leaves the host', async () => {
  const [host, peer] = [stage.lab.hosts[0]!, stage.lab.hosts[1]!];
  const isUdp = (f: Uint8Array, port: number) => f[23] === 17 && read16(f, 36) === port;
  const users = [[], ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups']];
  for (const user of users) {
    const before = (await stage.hostReasons(0)).unmarked ?? 0;
    cable.received();
    for (const port of [4789, 4790])
      await host.exec([...user, 'bash', '-c', `echo forged > /dev/udp/${peer.vtep}/${port}`]);
    const seen: Uint8Array[] = [];
    await until('the datagram to the port beside it', 5000, () => {
      seen.push(...cable.received());
      return seen.some((f) => isUdp(f, 4790) && contains(f, 'forged')) ? true : undefined;
    });
    assert.ok(seen.every((f) => !isUdp(f, 4789)));
    assert.equal((await stage.hostReasons(0)).unmarked! - before, 1);
  }
  cable.received();
  await stage.ping(victim, second.ip4);
  assert.ok(cable.received().some((f) => isUdp(f, 4789)));
});
