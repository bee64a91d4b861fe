/** Who attacks: a namespace with all rights in it, a Docker container, or a real guest; each sends whatever bytes it likes. */
import type { ReasonName } from '../../src/datapath/reasons.ts';
import type { Port } from '../../src/model/kinds.ts';
import { join, mac } from '../datapath/frames.ts';
import { contains, openPackets, type Packets } from '../traffic/packets.ts';
import type { Station } from '../traffic/stage.ts';
import type { Guest } from '../vm/guest.ts';
import type { Tap } from '../vm/taps.ts';
import type { Container } from './container.ts';

/** One interface of an attacker. */
export interface Leg extends Disposable {
  readonly tenant: string;
  readonly port: Port;
  readonly mac: string;
  readonly ip4: string;
  readonly ip6: string;
  /** The port that it is behind, for which a MAC is counted that nobody has there, and as what. */
  readonly front?: { readonly port: Port; readonly counts: ReasonName };
  /** Sends whole frames, in this order; resolves when all have left. */
  send(...frames: readonly Uint8Array[]): Promise<void>;
  /** Sends a frame so many times, each time with the next number in the two bytes at an offset. */
  flood(frame: Uint8Array, times: number, at: number): Promise<void>;
  /** What it was given since the last call. */
  received(): Uint8Array[];
}

/** By the name of the network that each leg is on. */
export interface Attacker {
  readonly what: string;
  readonly legs: Readonly<Record<'web' | 'four', Leg>>;
}

const identity = ({ tenant, port, mac, ip4, ip6 }: Station | Tap) => ({ tenant, port, mac, ip4, ip6 });

/** The interface of a namespace. */
export function namespaceLeg(station: Station): Leg {
  const packets = openPackets(station.netns, station.ifname);
  return {
    ...identity(station),
    async send(...frames) {
      for (const frame of frames) packets.send(frame);
    },
    async flood(frame, times, at) {
      const copy = Uint8Array.from(frame);
      const view = new DataView(copy.buffer);
      for (let n = 0; n < times; n++) {
        view.setUint16(at, (view.getUint16(at) + 1) & 0xffff);
        packets.send(copy);
      }
    },
    received: () => packets.received(),
    [Symbol.dispose]: () => packets[Symbol.dispose](),
  };
}

const tagAt = 12;
/** A sub-port of a trunk: what goes by its parent's leg with its tag. */
export function trunkLeg(parent: Leg, port: Port): Leg {
  const tag = Uint8Array.from([0x81, 0, (port.vlan ?? 0) >> 8, (port.vlan ?? 0) & 255]);
  const tagged = (frame: Uint8Array) => join(frame.subarray(0, tagAt), tag, frame.subarray(tagAt));
  return {
    ...{ tenant: parent.tenant, port, mac: port.mac, front: { port: parent.port, counts: 'station' } },
    ip4: port.addresses.find((a) => a.includes('.')) ?? '',
    ip6: port.addresses.find((a) => a.includes(':')) ?? '',
    flood: (frame, times, at) => parent.flood(tagged(frame), times, at + tag.length),
    send: (...frames) => parent.send(...frames.map(tagged)),
    // The kernel has taken the tag off.
    received: () => parent.received().filter((frame) => contains(frame.subarray(0, 6), mac(port.mac))),
    [Symbol.dispose]: () => undefined,
  };
}

/** The name of a guest's device is known by its MAC alone. */
export const deviceOf = (mac: string): string => `$(grep -l ${mac} /sys/class/net/*/address | cut -d/ -f5)`;
/** A script for a guest or a container: its program `frames` with these, by a device. */
export const sendingScript = (device: string, frames: readonly Uint8Array[], how = ''): string =>
  [`frames ${device} ${how} <<END`, ...frames.map((f) => Buffer.from(f).toString('hex')), 'END'].join('\n');

/** What runs scripts where an attacker is. */
interface Shell {
  must(script: string, seconds?: number): Promise<string>;
}

/** A device where the program `frames` is; `received`: what it was given. */
function scriptedLeg(shell: Shell, who: Station | Tap, packets: Packets, received: () => Uint8Array[]): Leg {
  return {
    ...identity(who),
    flood: async (frame, times, at) =>
      void (await shell.must(sendingScript(deviceOf(who.mac), [frame], `${times} ${at}`), 60)),
    send: async (...frames) => void (await shell.must(sendingScript(deviceOf(who.mac), frames))),
    received,
    [Symbol.dispose]: () => packets[Symbol.dispose](),
  };
}

/** The device of a guest; what it is given is looked at on its host's tap. */
export function guestLeg(guest: Guest, tap: Tap): Leg {
  const packets = openPackets(tap.host.netns, tap.ifname, { outgoing: true });
  const received = () => packets.received().filter((frame) => !contains(frame.subarray(6, 12), mac(tap.mac)));
  return scriptedLeg(guest, tap, packets, received);
}

/** A device of a container. */
export function containerLeg(container: Container, station: Station): Leg {
  const packets = openPackets(station.netns, station.ifname);
  return scriptedLeg(container, station, packets, () => packets.received());
}
