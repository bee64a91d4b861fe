// exclusive: it measures times, and 10,000 machines take what a machine has
/**
 * A segment of 10,000 machines, some of them learned from what they say on the wire, whose active host goes in every way: the
 * other one has all of them in less than three seconds, nothing comes twice, and no agent stands still for so long that it
 * would give the segment away.
 * HEDDLE_LEARN: how many are learned, at most 100 a second; the others are told. Default: 1,500.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { beat } from '../../src/agent/segment/election.ts';
import { until } from '../../src/lab/processes.ts';
import { limits } from '../../src/model/fields.ts';
import type { HostNumber } from '../../src/model/ids.ts';
import { Rig } from '../agent/rig.ts';
import type { Workload } from '../agent/workload.ts';
import { arp, be16, eth, ip4, mac, udp } from '../datapath/frames.ts';
import { openPackets, type Packets } from '../traffic/packets.ts';
import { Pair } from './pair.ts';

const network = 'plant';
const vlan = 120;
const heard = Number(process.env.HEDDLE_LEARN ?? 1_500);
/** One more is told with its device. */
const machines = limits.portsBehind - 1;
const atOnce = 16;
let rig: Rig;
let pair: Pair;
/** All machines but that one, on one device. */
let crowd: Workload;

const ipOf = (n: number): string => `10.64.${n >> 8}.${n & 255}`;
const macOf = (n: number): string =>
  `52:54:00:01:${be16(n)
    .map((b) => b.toString(16).padStart(2, '0'))
    .join(':')}`;

before(async () => {
  rig = await Rig.open({ hosts: 3 });
  await rig.client.create('network', { name: network }, { tenant: rig.tenant });
  const subnet = { name: 'plant4', network, cidr: '10.64.0.0/16', gateway: '10.64.255.254' };
  const pools = [{ first: '10.64.200.1', last: '10.64.200.100' }];
  await rig.client.create('subnet', { ...subnet, pools }, { tenant: rig.tenant });
  pair = await Pair.open(rig, { network, vlan, addresses: ['10.64.220.1/16'], learn: limits.portsBehind });
  // Nobody answers for most of them when they are asked whether they are still there.
  const segment = { learn: limits.portsBehind, ageSeconds: 86_400 };
  await rig.client.update('port', 'plant', { segment }, { tenant: rig.tenant });
  crowd = await pair.lan.machine({ vlan, addresses: [] });
});
after(() => rig?.[Symbol.asyncDispose]());

const learned = async (): Promise<number> =>
  Math.max(...(await Promise.all(['h1', 'h2'].map(async (host) => (await pair.segment(host))?.learned ?? 0))));
const numberOf = async (host: string): Promise<HostNumber> => (await rig.client.get('host', host)).number as HostNumber;

/** Each says ARP, again and again, until all are ports. */
async function speak(count: number): Promise<void> {
  using wire = openPackets(crowd.path, 'eth0');
  const asks = (n: number) =>
    eth(
      mac('ff:ff:ff:ff:ff:ff'),
      mac(macOf(n)),
      0x806,
      arp({ senderMac: mac(macOf(n)), senderIp: ipOf(n), targetIp: '10.64.255.254' }),
    );
  let next = 0;
  const timer = setInterval(() => {
    for (let i = 0; i < 12; i++) wire.send(asks(1 + (next++ % count)));
  }, 100);
  try {
    await until(`${count} are learned`, 300_000, async () => ((await learned()) === count ? true : undefined));
  } finally {
    clearInterval(timer);
  }
}

/** Others are told of, several at a time, as if they had been learned. */
async function tell(from: number): Promise<void> {
  let last = from;
  const worker = async (): Promise<void> => {
    while (last < machines) {
      const n = ++last;
      const body = { network, behind: 'plant', mac: macOf(n), addresses: [ipOf(n)], ephemeral: true };
      await rig.client.create('port', body, { tenant: rig.tenant });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

/**
 * Some of the crowd hear the workload and are heard by it. Each says it until it is heard: the hosts of the segment know of a
 * machine, or of who forwards, before the workload's host does, and a switch before it has heard all announcements does not.
 */
async function reached(): Promise<void> {
  using atCrowd = openPackets(crowd.path, 'eth0');
  using atFar = openPackets(pair.far.path, 'eth0');
  const { mac: far, addresses } = pair.there.port;
  for (const n of new Set([1, heard, Math.min(heard + 1, machines), machines])) {
    const text = Buffer.from(`heddle crowd ${crypto.randomUUID()}`);
    const out = eth(
      mac(macOf(n)),
      mac(far),
      0x800,
      ip4({ src: addresses[0]!, dst: ipOf(n), proto: 17 }, udp(7, 7, text)),
    );
    const back = eth(
      mac(far),
      mac(macOf(n)),
      0x800,
      ip4({ src: ipOf(n), dst: addresses[0]!, proto: 17 }, udp(7, 7, text)),
    );
    const says = async (what: string, from: Packets, frame: Uint8Array, at: Packets): Promise<void> => {
      await until(what, 5_000, async () => {
        from.send(frame);
        return at.received().some((f) => Buffer.from(f).includes(text)) ? true : undefined;
      });
    };
    await says(`machine ${n} hears the workload`, atFar, out, atCrowd);
    await says(`the workload hears machine ${n}`, atCrowd, back, atFar);
  }
}

test(`${machines} machines are ports, ${heard} of them because they spoke`, async (t) => {
  const began = performance.now();
  const seconds = () => ((performance.now() - began) / 1_000).toFixed(0);
  const silentMs = await pair.longestSilence(await numberOf('h1'), async () => {
    await speak(heard);
    t.diagnostic(`${heard} learned after ${seconds()} s`);
    await tell(heard);
    await until('the hosts know all', 60_000, async () => ((await learned()) === machines ? true : undefined));
  });
  // Not judged: the machine is full of those who make the ports.
  t.diagnostic(`all are ports after ${seconds()} s; no hello of h1 for ${silentMs} ms at most`);
  await reached();
});

test('with all of them, when the active host is gone the other takes over in less than three seconds, and nothing comes twice', (t) =>
  pair.outlives(t, {
    taken: reached,
    async returning(t, active, back) {
      const silentMs = await pair.longestSilence(await numberOf(active), back);
      t.diagnostic(`no hello of ${active} for ${silentMs} ms at most while the other came back`);
      assert.ok(silentMs < beat.lease, `${silentMs} ms`);
    },
  }));

test('all hosts have applied a change of places soon after it was asked for', async (t) => {
  for (const host of ['h1', 'h2']) {
    const began = performance.now();
    await rig.client.update('port', 'plant', { host }, { tenant: rig.tenant, waitMs: 20_000 });
    const ms = performance.now() - began;
    t.diagnostic(`to ${host}: ${ms.toFixed(0)} ms`);
    assert.ok(ms < 1_500, `${ms} ms`);
  }
});
