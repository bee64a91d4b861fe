/** Ports that are not alone on their device, and ports that two hosts have: added to the standard world. */
import { PLACE_FIRST } from '../../src/model/ids.ts';
import {
  A,
  B,
  D,
  linkLocal,
  macs,
  type PortSpec,
  routerOfA,
  routerOfB,
  type StationSpec,
  type World,
} from './world.ts';

/** Slots of what is added, by device. */
export const placeSlots = {
  trunk: 20,
  tagged: 21,
  segment: 22,
  other: 23,
  standby: 24,
  guest: 25,
  came: 26,
  settled: 27,
};

/** Of the segment that is forwarded for here, of the one that is not, of one elsewhere, and of one that nobody has. */
const [here, standby, elsewhere, lost] = [0, 1, 2, 3].map((n) => PLACE_FIRST + n) as [number, number, number, number];

/** Where they are in the world's list of ports. */
export const placeIndex = { trunk: 8, guest: 9, came: 10, nested: 11, machine: 15, standby: 20, settled: 22 };

/** `devices`: a trunk, a NIC with two segments, one with a segment whose frames another host takes in, and three taps. */
export function withPlaces(w: World, devices: readonly number[]): World {
  const [trunk = 0, nic = 0, still = 0, tap = 0, home = 0, fresh = 0] = devices;
  const behind: PortSpec[] = [
    { ...at(trunk, 'trunk', A, macs.nested, 21), behind: true, domain: routerOfA },
    { ...at(trunk, 'tagged', D, macs.trunk, 22, 1), behind: true, vlan: 10, domain: routerOfA, mtu: 1300 },
    { ...at(trunk, 'trunk', A, macs.tagged, 23), behind: true, vlan: 20, domain: routerOfA },
    { ...at(trunk, 'trunk', A, macs.twin, 24), behind: true, vlan: 20 },
    { ...at(nic, 'segment', A, macs.machine, 31), behind: true, domain: routerOfA },
    { ...at(nic, 'segment', A, macs.printer, 32), behind: true },
    { ...at(nic, 'other', B, macs.machine, 31), behind: true, vlan: 30, domain: routerOfB },
  ];
  const alone: PortSpec[] = [
    { ...at(trunk, 'trunk', A, macs.trunk, 20), trunk: true, domain: routerOfA },
    { ...at(tap, 'guest', A, macs.guest, 40), standsBy: true, origin: 2 },
    at(home, 'came', A, macs.came, 42),
  ];
  const segments: PortSpec[] = [
    { ifindex: nic, slot: placeSlots.segment, vni: A, mac: macs.segment, mtu: 1450, segment: true },
    { ifindex: nic, slot: placeSlots.other, vni: B, mac: macs.segment, mtu: 1450, segment: true, vlan: 30 },
    { ifindex: still, slot: placeSlots.standby, vni: A, mac: macs.segment, mtu: 1450, segment: true, standsBy: true },
  ];
  const idle: PortSpec = { ...at(still, 'standby', A, macs.idle, 50), behind: true };
  const settled: PortSpec = { ...at(fresh, 'settled', A, macs.settled, 46), origin: 2 };
  const isMachine = (p: PortSpec): boolean => p.ifindex === nic && p.vni === A;
  const local = [...behind, ...alone.filter((p) => !p.standsBy), settled].map((p) => ({
    ...(isMachine(p) ? atPlace(p, here) : { ...p, host: w.self, ips: ipsOf(p) }),
    ...(p.mac === macs.came && { other: 3 }),
  }));
  return {
    ...w,
    ports: [...w.ports, ...alone, ...behind, ...segments, idle, settled],
    stations: [
      ...w.stations,
      ...local,
      atPlace(idle, standby),
      ...twice(w.self, tap),
      moved(macs.away, 51, { host: elsewhere }),
      moved(macs.nowhere, 52, { host: lost }),
    ],
    places: [
      { number: here, host: w.self, other: 3, ifindex: nic },
      { number: standby, host: 2, other: w.self },
      { number: elsewhere, host: 3 },
    ],
  };
}

/** Its device is what it is wired to, whichever host forwards. */
const atPlace = ({ ifindex, slot, ...port }: PortSpec, host: number): StationSpec => ({
  ...port,
  ...{ host, ips: ipsOf(port), relay: { ifindex, slot } },
});
const ipsOf = ({ ip4, ip6 }: Pick<PortSpec, 'ip4' | 'ip6'>): string[] => [
  ip4!,
  ip6!,
  linkLocal(Number(ip4!.split('.')[3])),
];

const at = (ifindex: number, place: keyof typeof placeSlots, vni: number, mac: string, n: number, net = 0) => ({
  ...{ ifindex, slot: placeSlots[place], vni, mac, mtu: 1450 },
  ip4: `10.${net}.0.${n}`,
  ip6: `fd0${net}::${n}`,
});

/** Ports of other hosts, most of which this one is the standby of. */
const twice = (self: number, tap: number): StationSpec[] => [
  moved(macs.guest, 40, { host: 2, other: self, origin: 2, relay: { ifindex: tap, slot: placeSlots.guest } }),
  moved(macs.gone, 41, { host: 2, other: self, relay: true }),
  moved(macs.slow, 43, { host: 3, other: self, relay: true }),
  moved(macs.lost, 44, { host: 4, other: self, relay: true }),
  moved(macs.abroad, 45, { host: 2, other: 3 }),
];
const moved = (
  mac: string,
  n: number,
  more: Pick<StationSpec, 'host' | 'other' | 'origin' | 'relay'>,
): StationSpec => ({
  ...{ vni: A, mac, ips: [`10.0.0.${n}`, `fd00::${n}`, linkLocal(n)] },
  ...more,
});
