/** A12: connections without end fill no table that others need. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LabHost } from '../../src/lab/lab.ts';
import { until } from '../../src/lab/processes.ts';
import { be16, checksum, join, patch, udp } from '../datapath/frames.ts';
import { serve } from '../gateway/server.ts';
import { outside } from '../gateway/town.ts';
import type { Station } from '../traffic/stage.ts';
import type { Leg } from './attacker.ts';
import { gateway4, type Scene } from './scene.ts';
import { packet } from './through-gateway.ts';

const serverPort = 7120;
/** Where a datagram's source port is in its frame. */
const sourcePortAt = 34;
const times = 60_000;
const rounds = 10;

const { v4 } = outside;

/** How many connections a namespace tracks, or may. */
const known = async (scene: Scene, netns: string, what: 'count' | 'max'): Promise<number> =>
  Number(await scene.town.in(netns, 'cat', `/proc/sys/net/netfilter/nf_conntrack_${what}`));

/** What one port may have: two networks of the tenant have gateways here. */
const shareOf = async (scene: Scene, host: LabHost): Promise<number> =>
  (await known(scene, host.netns, 'max')) / 4 / 2 / 4;

/** Opens more connections than one port may have; the host tracks no more than that, and all others have theirs. */
async function crowdsNobodyOut(scene: Scene, from: Leg): Promise<void> {
  const { town } = scene;
  const [host] = scene.stage.lab.hosts as [LabHost];
  const sent = async () => Number((await scene.stage.counters(from as Leg & Station)).txPackets);
  const share = await shareOf(scene, host);
  const tracks = () => known(scene, host.netns, 'count');
  // What the attacker before this one has left goes by itself.
  await until('the host has forgotten others’', 90_000, async () => ((await tracks()) < share / 2 ? true : undefined));
  const before = { sent: await sent(), tracked: await tracks() };
  let [arrived, tracked] = [0, 0];
  // What is sent faster than it is taken does not count, nor what the host has forgotten by now.
  for (let round = 0; round < rounds && (arrived < 4 * share || tracked < 0.8 * share); round++) {
    await from.flood(packet(from, v4, 17, udp(1, 9)), times, sourcePortAt);
    arrived = (await sent()) - before.sent;
    tracked = await tracks();
  }
  assert.ok(arrived >= 4 * share, `the control: ${arrived} arrived, its share is ${share}`);
  assert.ok(tracked >= 0.8 * share, `it has its share: ${tracked} of ${share}`);
  assert.ok(tracked - before.tracked < share * 1.1, `${tracked - before.tracked} of at most ${share}`);
  using _service = serve(town.outside, 'tcp', '0.0.0.0', serverPort, 'server');
  const [twin] = scene.twins as [Station];
  assert.match(await town.ask(twin.netns, 'tcp', v4, serverPort), /^ok server/);
  // Of the network's own share most is left.
  const [neighbour] = scene.neighbours as [Station];
  await town.becomes(/^ok server/, neighbour.netns, 'tcp', v4, serverPort);
}

/** A ping of its own number to the gateway. */
function pingOf(from: Leg, id: number): Uint8Array {
  const message = join([8, 0, 0, 0], be16(id), [0, 1]);
  return packet(from, gateway4, 1, patch(message, 2, ...be16(checksum(message))));
}

/** A gateway answers pings, and remembers no more of them than a port may have connections. */
async function cannotFillGateway(scene: Scene, from: Leg): Promise<void> {
  const [host] = scene.stage.lab.hosts as [LabHost];
  const netns = `${scene.stage.lab.plan.dir}/${host.name}/netns/${from.port.network}`;
  const share = await shareOf(scene, host);
  const before = await known(scene, netns, 'count');
  from.received();
  const pings = Math.ceil(share * 1.5);
  for (let id = 0; id < pings; id += 500)
    await from.send(...Array.from({ length: Math.min(500, pings - id) }, (_, n) => pingOf(from, id + n)));
  assert.ok(from.received().length > share / 2, 'the control: it answers pings');
  const tracked = (await known(scene, netns, 'count')) - before;
  assert.ok(tracked < share * 1.1, `${tracked} of at most ${share}`);
  const [neighbour] = scene.neighbours4 as [Station];
  await scene.stage.ping(neighbour, gateway4);
}

/** These are the last: what they leave in the tables goes by itself, in half a minute. */
export function crowdTests(scene: Scene): void {
  // Four together would have the network's whole share.
  for (const { what, legs } of scene.attackers.filter((one) => !one.legs.web.front))
    test(`A12: who opens connections without end crowds out nobody, of its own network neither (from ${what})`, () =>
      crowdsNobodyOut(scene, legs.web));
  const [one] = scene.attackers as [Scene['attackers'][number]];
  test(`A12: nor does who pings the gateway without end (from ${one.what})`, () =>
    cannotFillGateway(scene, one.legs.four));
}
