/** What a workload sends to its gateway's MAC, as whole packets with right checksums, and what of it arrives where. */
import { randomBytes } from 'node:crypto';
import { until } from '../../src/lab/processes.ts';
import { be16, eth, ip, ip4, ip6, join, mac, patch, read16, tcp, udp, upperChecksum } from '../datapath/frames.ts';
import type { Leg } from './attacker.ts';
import { gateway } from './scene.ts';

export const isIp6 = (address: string): boolean => address.includes(':');
export const sourceOf = (from: Leg, to: string): string => (isIp6(to) ? from.ip6 : from.ip4);

/** A packet of any protocol, by the gateway. */
export const packet = (from: Leg, to: string, protocol: number, payload: ArrayLike<number>, ttl = 64): Uint8Array => {
  const macs = [mac(gateway.mac), mac(from.mac)] as const;
  const ends = { src: sourceOf(from, to), dst: to };
  return isIp6(to)
    ? eth(...macs, 0x86dd, ip6({ ...ends, next: protocol, hops: ttl }, payload))
    : eth(...macs, 0x800, ip4({ ...ends, proto: protocol, ttl }, payload));
};

/** An upper-layer message with its checksum, `at` so many bytes into it. */
const summed = (from: Leg, to: string, protocol: number, at: number, message: Uint8Array): Uint8Array =>
  packet(
    from,
    to,
    protocol,
    patch(message, at, ...be16(upperChecksum(ip(sourceOf(from, to)), ip(to), protocol, message))),
  );

export const datagramTo = (from: Leg, to: string, port: number, mark: Uint8Array, sport = 6767): Uint8Array =>
  summed(from, to, 17, 6, udp(sport, port, mark));

export const FIN = 0x01;
export const SYN = 0x02;
export const RST = 0x04;
export const ACK = 0x10;
/** A segment, without data unless it is given some. */
export const segmentTo = (
  from: Leg,
  to: string,
  port: number,
  { sport, flags = SYN, data = [] }: { sport: number; flags?: number; data?: ArrayLike<number> },
) => summed(from, to, 6, 16, patch(tcp(sport, port, data), 13, flags));

/** A source port that nothing else uses. */
export const somePort = (): number => 20_000 + (read16(randomBytes(2), 0) % 10_000);

/** The frame is an answer to a segment: TCP with SYN and ACK, from this port to that. */
export function isAccepted(frame: Uint8Array, port: number, sport: number): boolean {
  const at = read16(frame, 12) === 0x800 ? 34 : 54;
  const isTcp = frame[at === 34 ? 23 : 20] === 6;
  return isTcp && read16(frame, at) === port && read16(frame, at + 2) === sport && (frame[at + 13]! & 0x12) === 0x12;
}

/** Resolves with what the attacker was given until the outside has accepted a connection of its. */
export async function untilAccepted(from: Leg, to: string, port: number): Promise<Uint8Array[]> {
  const sport = somePort();
  const given = from.received();
  // What is published becomes reachable from other hosts in about a second.
  await until(`a connection to ${to} is accepted`, 20_000, async () => {
    await from.send(segmentTo(from, to, port, { sport }));
    given.push(...from.received());
    return given.some((frame) => isAccepted(frame, port, sport)) ? true : undefined;
  });
  return given;
}

/** Two fragments of IPv4, the second with the mark; `ports` are in the first. */
export const piecesTo = (from: Leg, to: string, port: number, mark: Uint8Array): Uint8Array[] => {
  const whole = udp(6767, port, join(new Uint8Array(8), mark));
  const macs = [mac(gateway.mac), mac(from.mac)] as const;
  const ends = { src: from.ip4, dst: to, id: 77 };
  return [
    eth(...macs, 0x800, ip4({ ...ends, fragment: 0x2000 }, whole.subarray(0, 16))),
    eth(...macs, 0x800, ip4({ ...ends, fragment: 2 }, whole.subarray(16))),
  ];
};
