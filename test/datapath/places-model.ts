/** The reference of `station.h` and `relay.h`: whose a frame is that others share the device with, and who may send for whom. */
import type { ReasonName } from '../../src/datapath/reasons.ts';
import { helloGroup } from '../../src/model/address.ts';
import { PLACE_FIRST } from '../../src/model/ids.ts';
import { hex, ip, join, mac, read16 } from './frames.ts';
import type { PortSpec, StationSpec, World } from './world.ts';

const TAGS = [0x8100, 0x88a8, 0x9100, 0x9200];
const isTagged = (b: Uint8Array): boolean => TAGS.includes(read16(b, 12));
const sameMac = (b: Uint8Array, m: string): boolean => hex(b.subarray(6, 12)) === hex(mac(m));

/** A frame's tag: undefined for none that a port could have. */
function vlanOf(b: Uint8Array): number | undefined {
  if (!isTagged(b)) return 0;
  return read16(b, 12) === 0x8100 && b.length >= 16 ? read16(b, 14) & 0xfff : undefined;
}
/** Without its tag, which is the only one. */
function untagged(b: Uint8Array): Uint8Array | undefined {
  if (!isTagged(b)) return b;
  const frame = join(b.subarray(0, 12), b.subarray(16));
  return frame.length < 14 || isTagged(frame) ? undefined : frame;
}

/** Whose a frame is, and how it goes on; or why it is dropped. `pass`: it is the host's own. */
export type Whose = { port: PortSpec; frame: Uint8Array } | { slot: number; reason?: ReasonName } | 'pass';

const behind = (w: World, ifindex: number | undefined, vlan: number, b: Uint8Array): PortSpec | undefined =>
  w.ports.find((p) => p.behind && p.ifindex === ifindex && (p.vlan ?? 0) === vlan && sameMac(b, p.mac));

/** Of a frame that comes by a port's device. */
export function whoseFrame(w: World, b: Uint8Array, ifindex: number | undefined): Whose {
  const port = w.ports.find((p) => p.ifindex === ifindex && !p.behind && !p.segment);
  if (!port) return { slot: 0, reason: 'port_unknown' };
  const tagged = isTagged(b);
  if (!tagged && sameMac(b, port.mac)) return { port, frame: b };
  const vlan = vlanOf(b);
  if (!port.trunk || vlan === undefined || (tagged && vlan === 0))
    return { slot: port.slot, reason: tagged ? 'vlan' : 'src_mac' };
  const station = behind(w, ifindex, vlan, b);
  if (!station) return { slot: port.slot, reason: tagged ? 'station' : 'src_mac' };
  const frame = untagged(b);
  return frame ? { port: station, frame } : { slot: port.slot, reason: 'vlan' };
}

/** Of a frame that comes by a NIC with segments. */
export function whoseOnSegment(w: World, b: Uint8Array, ifindex: number | undefined): Whose {
  const vlan = vlanOf(b);
  const segment = w.ports.find((p) => p.segment && p.ifindex === ifindex && (p.vlan ?? 0) === vlan);
  if (!segment) return 'pass';
  const { slot } = segment;
  if (hex(b.subarray(0, 6)) === helloGroup.replaceAll(':', '')) return { slot };
  if (segment.standsBy) return { slot, reason: 'standby' };
  if (hex(b.subarray(6, 12)) === '000000000000') return { slot, reason: 'src_mac' };
  const frame = untagged(b);
  if (!frame) return { slot, reason: 'vlan' };
  const port = behind(w, ifindex, vlan!, b);
  return port ? { port, frame } : { slot, reason: 'src_mac' };
}

/** A station as it is now: of a machine on a segment, what its place says. */
export function whereNow(w: World, station: StationSpec | undefined): StationSpec | undefined {
  if (!station || station.host < PLACE_FIRST) return station;
  const { relay, other: _, ...rest } = station;
  const place = w.places?.find((p) => p.number === station.host);
  const { host = 0, other, ifindex } = place ?? {};
  const now = { ...rest, host, ...(other !== undefined && { other }) };
  return ifindex !== undefined && typeof relay === 'object'
    ? { ...now, ...relay }
    : { ...now, ...(relay && { relay }) };
}

/** Both hear each other without us. */
export const shareWire = (port: PortSpec, to: StationSpec): boolean =>
  Boolean(port.trunk || port.behind) &&
  (to.ifindex ?? (typeof to.relay === 'object' ? to.relay.ifindex : undefined)) === port.ifindex &&
  (to.vlan ?? 0) === (port.vlan ?? 0);

const vtepOf = (w: World, host: number | undefined, from: string): boolean =>
  host !== w.self && w.vteps.some((v) => v.host === host && hex(ip(v.remote)) === from);

/** The VTEP is of the host that the receiver has come from. */
export const isOrigin = (w: World, to: StationSpec | undefined, from: string): boolean => vtepOf(w, to?.origin, from);

/**
 * A packet of a port for its gateway is of a connection that another host's gateway knows: TCP, and no SYN of it was seen here; or
 * UDP right behind the IP header, to what the network does not have (`known`), but names. On a host to which the port has just
 * come, and where nothing of it was seen.
 */
export function beganElsewhere(
  port: PortSpec,
  b: Uint8Array,
  { proto, l4 }: { proto: number; l4: number },
  known: boolean,
): boolean {
  const six = read16(b, 12) === 0x86dd;
  if (!port.origin || (!six && (read16(b, 20) & 0x3fff) !== 0)) return false;
  if (proto === 17) return (!six || b[20] === 17) && b.length >= l4 + 4 && !known && read16(b, l4 + 2) !== 53;
  return proto === 6 && b.length >= l4 + 14 && (b[l4 + 13]! & 2) === 0;
}

/** The VTEP is of the source's host, of its standby, or of the host that the receiver has come from, or is about to. */
export function maySend(w: World, source: StationSpec, to: StationSpec | undefined, from: string): boolean {
  if (vtepOf(w, source.host, from) || vtepOf(w, source.other, from) || isOrigin(w, to, from)) return true;
  if (to?.slot !== undefined) return vtepOf(w, to.other, from);
  return to?.relay !== undefined && to.relay !== true && vtepOf(w, to.host, from);
}

/** What becomes of a frame that may be for this station: its slot here, the host it goes on to, or nothing. */
export function placeOf(
  w: World,
  to: StationSpec | undefined,
  from: string,
): { slot: number; on?: number } | undefined {
  if (to?.slot !== undefined) return { slot: to.slot };
  if (!to?.relay) return undefined;
  const wired = to.relay === true ? undefined : to.relay;
  if (vtepOf(w, to.host, from)) return wired;
  return { slot: wired?.slot ?? 0, on: to.host };
}
