/** A11, A12: connections of others through the gateway, which remembers them: cut, slowed down or crowded out. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { until } from '../../src/lab/processes.ts';
import { be16, checksum, eth, icmp6, ip4, ip6, join, mac, patch, tcp, udp } from '../datapath/frames.ts';
import { serve } from '../gateway/server.ts';
import { outside } from '../gateway/town.ts';
import { contains } from '../traffic/packets.ts';
import type { Station } from '../traffic/stage.ts';
import type { Leg } from './attacker.ts';
import { gateway, type Scene } from './scene.ts';
import { ACK, datagramTo, isIp6, RST, segmentTo } from './through-gateway.ts';

const serverPort = 7110;

/** One end of a connection. */
interface End {
  readonly ip: string;
  readonly port: number;
}
/** A packet of a connection as an ICMP error quotes it, with a mark behind its headers. */
const quote = (from: End, to: End, protocol: 6 | 17, mark: Uint8Array): Uint8Array => {
  const upper = protocol === 6 ? tcp(from.port, to.port, mark) : udp(from.port, to.port, mark);
  return isIp6(to.ip)
    ? ip6({ src: from.ip, dst: to.ip, next: protocol }, upper)
    : ip4({ src: from.ip, dst: to.ip, proto: protocol }, upper);
};
/** Types and codes: host and port unreachable, too big, time exceeded. */
const errors = {
  4: [
    [3, 1],
    [3, 3],
    [3, 4],
    [11, 0],
  ],
  6: [
    [1, 0],
    [1, 4],
    [2, 0],
    [3, 0],
  ],
} as const;

/** ICMP errors of every kind about a packet, to somebody on the network by its MAC, or to the outside by the gateway's. */
function complaints(from: Leg, to: { readonly ip: string; readonly mac?: string }, quoted: Uint8Array): Uint8Array[] {
  const macs = [mac(to.mac ?? gateway.mac), mac(from.mac)] as const;
  // For "too big": 576, or 1,280.
  if (isIp6(to.ip))
    return errors[6].map(([type, code]) => {
      const message = icmp6(from.ip6, to.ip, type, code, join([0, 0, 5, 0], quoted));
      return eth(...macs, 0x86dd, ip6({ src: from.ip6, dst: to.ip, next: 58 }, message));
    });
  return errors[4].map(([type, code]) => {
    const message = join([type, code, 0, 0, 0, 0, 2, 64], quoted);
    const whole = patch(message, 2, ...be16(checksum(message)));
    return eth(...macs, 0x800, ip4({ src: from.ip4, dst: to.ip, proto: 1 }, whole));
  });
}

/** A victim's connection to a server outside, while it lasts. */
export async function connectionOf(
  scene: Scene,
  victim: Station,
  server: string,
  serverPort: number,
): Promise<{ port: number; end(): Promise<number> }> {
  const end = await scene.town.keep(victim.netns, server, serverPort);
  const listed = await scene.stage.exec(victim, 'ss', '-Htn', 'dport', '=', `${serverPort}`);
  return { port: Number(new RegExp(`:(\\d+)\\s+\\S+:${serverPort}\\b`).exec(listed)?.[1]), end };
}

async function cannotDisturb(scene: Scene, from: Leg): Promise<void> {
  const [victim] = scene.neighbours as [Station];
  for (const server of [outside.v4, outside.v6]) {
    const six = isIp6(server);
    using _service = serve(scene.town.outside, 'tcp', six ? '::' : '0.0.0.0', serverPort, 'server…');
    const connection = await connectionOf(scene, victim, server, serverPort);
    const theirs: End = { ip: six ? victim.ip6 : victim.ip4, port: connection.port };
    const ours: End = { ip: six ? from.ip6 : from.ip4, port: 6767 };
    const there: End = { ip: server, port: serverPort };
    const marks = { hostile: randomBytes(12), legal: randomBytes(12), near: randomBytes(12) };
    const before = await scene.count(from, 'icmp_forged');
    const seen = scene.seen();
    // A datagram of its own, so that it may complain of an answer.
    await from.send(datagramTo(from, server, 9, new Uint8Array(), ours.port));
    const forged = [
      ...complaints(from, { ip: server }, quote(there, theirs, 6, marks.hostile)),
      ...complaints(from, { ip: theirs.ip, mac: victim.mac }, quote(theirs, there, 6, marks.hostile)),
    ];
    await from.send(
      ...[RST, RST | ACK].map((flags) => segmentTo(from, server, serverPort, { sport: theirs.port, flags })),
      ...forged,
      ...complaints(from, { ip: theirs.ip, mac: victim.mac }, quote(theirs, ours, 17, marks.near)),
      ...complaints(from, { ip: server }, quote({ ...there, port: 9 }, ours, 17, marks.legal)),
    );
    const has = (by: Station | 'wire', mark: Uint8Array): boolean =>
      seen.some((one) => one.by === by && contains(one.frame, mark));
    await until('complaints of what came to the sender itself', 5_000, () => {
      seen.push(...scene.seen());
      return has('wire', marks.legal) && has(victim, marks.near) ? true : undefined;
    });
    assert.deepEqual(
      seen.filter(({ frame }) => contains(frame, marks.hostile)).map(({ by }) => by),
      [],
    );
    assert.equal((await scene.count(from, 'icmp_forged')) - before, forged.length);
    assert.ok((await connection.end()) > 0, 'the connection goes on');
  }
}

export function connectionTests(scene: Scene): void {
  for (const { what, legs } of scene.attackers)
    test(`A11: nobody cuts or slows down a neighbour’s connection (from ${what})`, () =>
      cannotDisturb(scene, legs.web));
}
