/** A11: TCP that begins in the middle, to the outside and to a published port; and segments in the names of a connection's ends. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { linkByName } from '../../src/kernel/link.ts';
import { openNetlink } from '../../src/kernel/netlink.ts';
import { openNetns } from '../../src/kernel/netns.ts';
import { until } from '../../src/lab/processes.ts';
import { be16, ip, mac, patch, tcp, upperChecksum } from '../datapath/frames.ts';
import { serve } from '../gateway/server.ts';
import { hostAddress, outside } from '../gateway/town.ts';
import { contains, openPackets } from '../traffic/packets.ts';
import type { Station } from '../traffic/stage.ts';
import { four, six } from './attack.ts';
import type { Leg } from './attacker.ts';
import { connectionOf } from './connections.ts';
import { staysHere } from './hosts.ts';
import { gateway, type Scene } from './scene.ts';
import { ACK, FIN, isIp6, RST, SYN, segmentTo, somePort, sourceOf } from './through-gateway.ts';

const own = hostAddress(1);
const port = { server: 7140, published: 7141 };
/** Of all that a connection says, what is not its beginning. */
const headless = [ACK, SYN | ACK, FIN | ACK, FIN, RST, RST | ACK, 0];
/** With data behind them by which they are found. */
const segments = (from: Leg, to: string, dport: number, data: Uint8Array): Uint8Array[] =>
  headless.map((flags) => segmentTo(from, to, dport, { sport: somePort(), flags, data }));

async function mustBegin(scene: Scene, from: Leg): Promise<void> {
  await staysHere(scene, from, (mark) =>
    [outside.v4, outside.v6].flatMap((server) => segments(from, server, port.server, mark)),
  );
}

/** The first neighbour's twin, who listens to nobody, is published at its host. */
async function published(scene: Scene): Promise<Station> {
  const [twin] = scene.twins as [Station];
  await scene.town.publish(twin, [{ protocol: 'tcp', port: port.server, hostPort: port.published }]);
  using _four = serve(twin.netns, 'tcp', '0.0.0.0', port.server, 'twin');
  using _six = serve(twin.netns, 'tcp', '::', port.server, 'twin');
  for (const address of [own.v4, own.v6])
    await scene.town.becomes(/^ok twin/, scene.town.outside, 'tcp', address, port.published);
  return twin;
}

/** Somebody outside, whose frames come by the wire to the attackers' host. */
function stranger(scene: Scene): Leg {
  const [host] = scene.stage.lab.hosts;
  using ns = openNetns(host!.netns);
  using nl = openNetlink(ns);
  const wire = openPackets(scene.town.outside, 'h1');
  const away = mac(linkByName(nl, 'eth0')!.mac!);
  const send = async (...frames: readonly Uint8Array[]) => {
    for (const frame of frames) wire.send(patch(frame, 0, ...away));
  };
  return {
    mac: '02:00:00:00:99:99',
    ip4: outside.v4,
    ip6: outside.v6,
    send,
    [Symbol.dispose]: wire[Symbol.dispose],
  } as unknown as Leg;
}

/** Nothing but the beginning of a connection comes to who is published. */
async function mustBeginInwards(scene: Scene, from: Leg): Promise<void> {
  const twin = await published(scene);
  const marks = { hostile: randomBytes(12), legal: randomBytes(12) };
  const hosts = [own.v4, own.v6];
  await from.send(...hosts.flatMap((host) => segments(from, host, port.published, marks.hostile)));
  const seen = scene.seen();
  await from.send(
    ...hosts.map((host) => segmentTo(from, host, port.published, { sport: somePort(), data: marks.legal })),
  );
  const got = (mark: Uint8Array) => seen.filter(({ by, frame }) => by === twin && contains(frame, mark)).length;
  await until('connections that begin come to who is published', 5_000, () => {
    seen.push(...scene.seen());
    return got(marks.legal) >= 2 ? true : undefined;
  });
  assert.equal(got(marks.hostile), 0);
}

/** A neighbour's connection goes on, whatever is said in its ends' names. */
async function speaksForNobody(scene: Scene, from: Leg): Promise<void> {
  const [victim] = scene.neighbours as [Station];
  for (const server of [outside.v4, outside.v6]) {
    const isSix = isIp6(server);
    const reason = isSix ? 'src_ip6' : 'src_ip4';
    using _service = serve(scene.town.outside, 'tcp', isSix ? '::' : '0.0.0.0', port.server, 'server…');
    const connection = await connectionOf(scene, victim, server, port.server);
    const theirs = isSix ? victim.ip6 : victim.ip4;
    const mark = randomBytes(12);
    const say = (src: string, dst: string, ports: readonly [number, number], macs: readonly [string, string]) =>
      [RST, RST | ACK, ACK].map((flags) => {
        const bare = patch(tcp(...ports, mark), 13, flags);
        const segment = patch(bare, 16, ...be16(upperChecksum(ip(src), ip(dst), 6, bare)));
        return isSix
          ? six(from, victim, segment, { macs, header: { src, dst, next: 6 } })
          : four(from, victim, segment, { macs, header: { src, dst, proto: 6 } });
      });
    const inTheServersName = [server, theirs, [port.server, connection.port]] as const;
    // A machine on a LAN would mislead the LAN's own switches with the gateway's MAC.
    const asGateway = from.front?.counts === 'src_mac' ? [] : say(...inTheServersName, [victim.mac, gateway.mac]);
    const before = { address: await scene.count(from, reason), mac: await scene.count(from, 'src_mac') };
    const seen = scene.seen();
    await from.send(
      ...say(...inTheServersName, [victim.mac, from.mac]),
      ...asGateway,
      ...say(theirs, server, [connection.port, port.server], [gateway.mac, from.mac]),
    );
    // The control: its own segment, of no connection either, is told so by the gateway.
    const sport = somePort();
    from.received();
    await from.send(segmentTo(from, server, port.server, { sport, flags: ACK }));
    await until('the gateway tells it that there is no such connection', 5_000, () => {
      seen.push(...scene.seen());
      return from.received().some((frame) => isReset(frame, sourceOf(from, server), sport)) ? true : undefined;
    });
    assert.equal((await scene.count(from, reason)) - before.address, 6);
    assert.equal((await scene.count(from, 'src_mac')) - before.mac, asGateway.length);
    assert.deepEqual(
      seen.filter(({ frame }) => contains(frame, mark)),
      [],
    );
    assert.ok((await connection.end()) > 0, 'the connection goes on');
  }
}

/** The frame ends a connection to this port of an address. */
function isReset(frame: Uint8Array, to: string, sport: number): boolean {
  const at = isIp6(to) ? 54 : 34;
  const isToPort = contains(frame.subarray(at + 2, at + 4), Uint8Array.from(be16(sport)));
  return contains(frame, ip(to)) && isToPort && (frame[at + 13]! & RST) !== 0;
}

export function headlessTests(scene: Scene): void {
  for (const { what, legs } of scene.attackers) {
    test(`A11: what does not begin as connections do leaves no host (from ${what})`, () => mustBegin(scene, legs.web));
    test(`A11: nor comes to a published port (from ${what})`, () => mustBeginInwards(scene, legs.web));
    test(`A11: nobody speaks in the name of a connection’s ends (from ${what})`, () =>
      speaksForNobody(scene, legs.web));
  }
  test('A11: nor does it come to a published port from the outside', async () => {
    using leg = stranger(scene);
    await mustBeginInwards(scene, leg);
  });
}
