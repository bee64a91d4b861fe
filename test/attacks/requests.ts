/** A5: what a workload asks the host's own services in bad faith: as many clients, and with broken lengths. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { encode } from 'dns-packet';
import { clientFrames } from '../../src/agent/dhcp/test-clients.ts';
import { until } from '../../src/lab/processes.ts';
import { be16, eth, ip, ip6, join, mac, patch, read16 } from '../datapath/frames.ts';
import { contains } from '../traffic/packets.ts';
import type { Leg } from './attacker.ts';
import { gateway, type Scene } from './scene.ts';
import { datagramTo } from './through-gateway.ts';

/** Where things are in a frame with a DHCP message: behind Ethernet, IPv4 and UDP. */
const dhcpAt = 42;
const at = {
  udpLength: 38,
  udpSum: 40,
  hardware: dhcpAt + 2,
  yourAddress: dhcpAt + 16,
  client: dhcpAt + 28,
  cookie: dhcpAt + 236,
};
const optionsAt = at.cookie + 4;

/** A whole DISCOVER of the leg's; `client`: the hardware address that it says it has. */
const discover = (from: Leg, client = mac(from.mac)): Uint8Array => {
  const frame = Uint8Array.from(clientFrames.udhcpcDiscover);
  frame.set(mac(from.mac), 6);
  frame.set(client, at.client);
  const id = Buffer.from(frame).indexOf(Buffer.from('3d0701020000000007', 'hex'));
  frame.set(client, id + 3);
  return patch(frame, at.udpSum, 0, 0);
};
/** The address that an answer of a DHCP server gives; undefined: the frame is none. */
const offered = (frame: Uint8Array): Uint8Array | undefined =>
  frame.length > optionsAt && frame[23] === 17 && read16(frame, 34) === 67 && read16(frame, 36) === 68
    ? frame.subarray(at.yourAddress, at.yourAddress + 4)
    : undefined;

/** Resolves with the addresses that were offered, until a whole request was answered with the leg's own. */
async function offers(from: Leg): Promise<string[]> {
  const own = Buffer.from(ip(from.ip4)).toString('hex');
  const given: string[] = [];
  await until('an offer of its own address', 15_000, async () => {
    await from.send(discover(from));
    // The agent answers, and takes its time; more often than this the datapath lets nobody ask.
    await delay(150);
    given.push(...from.received().flatMap((frame) => Buffer.from(offered(frame) ?? []).toString('hex') || []));
    return given.includes(own) ? true : undefined;
  });
  return given;
}

/** As twenty clients it is given one address, its own, or none. */
async function cannotStarve(_scene: Scene, from: Leg): Promise<void> {
  from.received();
  await from.send(...Array.from({ length: 20 }, (_, n) => discover(from, mac(`02:66:00:00:00:${10 + n}`))));
  const given = new Set(await offers(from));
  given.delete('00000000');
  assert.deepEqual([...given], [Buffer.from(ip(from.ip4)).toString('hex')]);
}

/** DHCP messages with lengths that are wrong. */
function brokenDhcp(from: Leg): Uint8Array[] {
  const whole = discover(from);
  const options = (...bytes: number[]): Uint8Array => patch(whole, optionsAt, ...bytes);
  return [
    options(53, 200),
    options(53, 0, 255),
    options(53, 1, 1, 82, 255, 1),
    options(53, 1, 1, 52, 1, 3, 61, 0, 55, 0),
    options(12, 255, ...Array(50).fill(65)),
    options(...Array(60).fill(0)),
    patch(whole, at.hardware, 255),
    patch(whole, at.cookie, 0, 0, 0, 0),
    patch(whole, dhcpAt, 2),
    patch(whole, at.udpLength, ...be16(8)),
    patch(whole, at.udpLength, ...be16(7)),
    patch(whole, at.udpLength, ...be16(0xffff)),
  ];
}
/** And of DHCPv6. */
function brokenDhcp6(from: Leg): Uint8Array[] {
  const macs = ['33:33:00:01:00:02', from.mac] as const;
  const ask = (bytes: readonly number[]): Uint8Array => {
    const udp = join(be16(546), be16(547), be16(8 + bytes.length), [0, 0], bytes);
    return eth(mac(macs[0]), mac(macs[1]), 0x86dd, ip6({ src: from.ip6, dst: 'ff02::1:2' }, udp));
  };
  return [
    ask([]),
    ask([1, 0, 0, 0, 0, 1, 0xff, 0xff]),
    ask([1, 0, 0, 0, 0, 1, 0, 0]),
    ask([1, 0, 0, 0, 0, 3, 0, 40, ...Array(12).fill(0), 0, 5, 0xff, 0xff]),
    ask([12, ...Array(33).fill(0), 0, 9, 0, 200]),
    ask([1, 0, 0, 0, ...Array(200).fill(0xff)]),
  ];
}
/** Questions of DNS that end too early, or never. */
function brokenDns(from: Leg, to: string): Uint8Array[] {
  const header = (questions: number): number[] => [0, 9, 1, 0, ...be16(questions), 0, 0, 0, 0, 0, 0];
  return [
    [],
    header(1).slice(0, 11),
    header(1),
    header(0xffff),
    [...header(1), 63, 65],
    [...header(1), 0xc0, 12, 0, 1, 0, 1],
    [...header(1), 0xc0, 0xff, 0, 1, 0, 1],
    [...header(1), 0x80, 1, 0, 0, 1, 0, 1],
    [...header(1), ...Array(300).fill([1, 65]).flat(), 0, 0, 1, 0, 1],
    Array(600).fill(0xff),
  ].map((message) => datagramTo(from, to, 53, Uint8Array.from(message)));
}

/** A whole question about a neighbour is answered. */
async function resolves(scene: Scene, from: Leg, to: string): Promise<void> {
  const { port, ip4 } = scene.neighbours[0]!;
  const id = 0x4242;
  const query = encode({ type: 'query', id, questions: [{ name: port.name, type: 'A' }] });
  from.received();
  await from.send(datagramTo(from, to, 53, query));
  await until(`${port.name} is resolved`, 10_000, () =>
    from.received().some((f) => contains(f, Uint8Array.from(be16(id))) && contains(f, ip(ip4))) ? true : undefined,
  );
}

/** Broken lengths are nobody's end: whole requests are answered afterwards, by the same agent. */
async function cannotBreak(scene: Scene, from: Leg): Promise<void> {
  const { lab } = scene.stage;
  const agent = lab.pid('h1');
  for (const some of [brokenDhcp(from), brokenDhcp6(from)]) {
    await from.send(...some);
    await offers(from);
  }
  for (const server of [gateway.ip4, gateway.ip6]) {
    await from.send(...brokenDns(from, server));
    await resolves(scene, from, server);
  }
  assert.equal(lab.pid('h1'), agent);
}

export function requestTests(scene: Scene): void {
  for (const { what, legs } of scene.attackers) {
    test(`A5: who asks as many clients is given its own address (from ${what})`, () => cannotStarve(scene, legs.web));
    test(`A5: requests with broken lengths are no service’s end (from ${what})`, () => cannotBreak(scene, legs.web));
  }
}
