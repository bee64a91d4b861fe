/** Nothing hostile leaves a workload in the first moment after it is plugged in, and nothing at all after it is unplugged. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { hasErrno } from '../../src/kernel/libc.ts';
import { until } from '../../src/lab/processes.ts';
import { eth, ip4, mac, udp } from '../datapath/frames.ts';
import { contains, openPackets, type Packets } from './packets.ts';
import { openStage, type Stage, type Station } from './stage.ts';

let stage: Stage;
let beside: Station;
let remote: Station;
let stranger: Station;
const own = { mac: '02:00:00:00:00:99', ip4: '10.10.0.99' };
const marks = { legal: 'this is a legal frame', spoofed: 'this is a spoofed frame' };
const rounds = 5;

before(async () => {
  stage = await openStage(2);
  for (const tenant of ['t', 'u']) await stage.network(tenant, 'net', ['10.10.0.0/24']);
  beside = await stage.attach({ tenant: 't', network: 'net', host: 0, addresses: ['10.10.0.11'] });
  remote = await stage.attach({ tenant: 't', network: 'net', host: 1, addresses: ['10.10.0.12'] });
  stranger = await stage.attach({ tenant: 'u', network: 'net', host: 0, addresses: ['10.10.0.11'], mac: beside.mac });
  await stage.settled(remote);
});
after(() => stage?.[Symbol.asyncDispose]());

const frames = (to: Station): Uint8Array[] => [
  eth(mac(to.mac), mac(own.mac), 0x800, ip4({ src: own.ip4, dst: to.ip4 }, udp(1, 2, Buffer.from(marks.legal)))),
  eth(mac(to.mac), mac(own.mac), 0x800, ip4({ src: '10.10.0.1', dst: to.ip4 }, udp(1, 2, Buffer.from(marks.spoofed)))),
];

/** Not up yet; the host's end not up yet; gone again. */
const notNow = ['ENETDOWN', 'ENOBUFS', 'ENXIO', 'ENODEV'];

/** Sends without a pause from inside the namespace, beginning before its device is there, until told to stop. */
async function flood(netns: string, state: { stop: boolean; sent: number; refused: number }): Promise<void> {
  const burst = [beside, remote].flatMap(frames);
  let device: Packets | undefined;
  try {
    for (; !state.stop; await turn()) {
      try {
        device ??= openPackets(netns, 'eth0');
        for (const frame of burst) device.send(frame);
        state.sent += burst.length;
      } catch (e) {
        if (!(e as Error).message.includes('has no eth0') && !notNow.some((n) => hasErrno(e, n))) throw e;
        state.refused++;
      }
    }
  } finally {
    device?.[Symbol.dispose]();
  }
}

test('a workload that sends without a pause while it is plugged in and out never sends as somebody else', async () => {
  using atBeside = openPackets(beside.netns, beside.ifname);
  using atRemote = openPackets(remote.netns, remote.ifname);
  using atStranger = openPackets(stranger.netns, stranger.ifname);
  for (let round = 0; round < rounds; round++) {
    const workload = `plugged${round}`;
    const netns = await stage.lab.addWorkload(workload);
    const state = { stop: false, sent: 0, refused: 0 };
    const flooding = flood(netns, state);
    const plugged = await stage.attachTo(workload, netns, {
      tenant: 't',
      network: 'net',
      host: 0,
      addresses: [own.ip4],
      mac: own.mac,
    });
    const seen = await until('legal frames at both neighbours', 10_000, () => {
      const at = [atBeside, atRemote].map((tap) => tap.received());
      for (const frame of at.flat()) assert.ok(!contains(frame, marks.spoofed));
      return at.every((some) => some.some((frame) => contains(frame, marks.legal))) ? at : undefined;
    });
    assert.ok(seen.length === 2 && state.sent > 0 && state.refused > 0);
    assert.ok((await stage.count(plugged, 'src_ip4')) > 0);

    await stage.detach(plugged);
    const last = [atBeside, atRemote].flatMap((tap) => tap.received());
    for (const frame of last) assert.ok(!contains(frame, marks.spoofed));
    const { sent, refused } = state;
    await until('more attempts to send', 10_000, () => (state.refused > refused + 20 ? true : undefined));
    assert.ok(state.sent <= sent + 4, 'no frame is taken any more');
    state.stop = true;
    await flooding;
    const late = [atBeside, atRemote].flatMap((tap) => tap.received()).filter((frame) => contains(frame, marks.legal));
    assert.deepEqual(late, []);
    await stage.lab.removeWorkload(workload);
  }
  assert.deepEqual(atStranger.received(), []);
});
