/**
 * What the datapath must do with a packet, written from its specification and not from the C: the verdict, the counts, and
 * for what passes the bytes. Slow and plain on purpose.
 */
import type { ReasonName } from '../../src/datapath/reasons.ts';
import { flooded, groupMatches, groupReceived, isKept } from './flood-model.ts';
import { hex, ip, mac, read16 } from './frames.ts';
import type { ProgramName } from './harness.ts';
import { clamped } from './mss-model.ts';
import type { Outcome } from './outcome.ts';
import {
  beganElsewhere,
  isOrigin,
  maySend,
  placeOf,
  shareWire,
  type Whose,
  whereNow,
  whoseFrame,
  whoseOnSegment,
} from './places-model.ts';
import { type Service, service4, service6, solicits } from './service-model.ts';
import { translated } from './translation-model.ts';
import { macs, type PortSpec, type RouteSpec, type StationSpec, type World } from './world.ts';

export interface Context {
  readonly ifindex?: number;
  readonly mark?: number;
  readonly gsoSize?: number;
}
const MARK = 0x48656464;
const UNDERLAY_HEADERS = 50;
const pass: Outcome = { verdict: 'pass', counts: [] };
const dropped = (slot: number, reason: ReasonName): Outcome => ({ verdict: 'drop', counts: [[slot, reason]] });
const answered = (slot: number, ...reasons: ReasonName[]): Outcome => ({
  verdict: 'redirect',
  counts: reasons.map((r) => [slot, r] as const),
});

/** Byte positions of a packet; reading behind the end gives zeros, so lengths are checked first. */
const text = (b: Uint8Array, at: number, n: number): string => hex(b.subarray(at, at + n));
const macAt = (b: Uint8Array, at: number): string => text(b, at, 6);
const remembered = (f: (s: string) => string): ((s: string) => string) => {
  const known = new Map<string, string>();
  return (s) => {
    const value = known.get(s) ?? f(s);
    known.set(s, value);
    return value;
  };
};
const own = remembered((address) => hex(ip(address)));
const macHex = remembered((m) => hex(mac(m)));

const byIp = (w: World, vni: number, address: string): StationSpec | undefined =>
  whereNow(
    w,
    w.stations.find((s) => s.vni === vni && s.ips.some((a) => own(a) === address)),
  );
const byMac = (w: World, vni: number, m: string): StationSpec | undefined =>
  whereNow(
    w,
    w.stations.find((s) => s.vni === vni && macHex(s.mac) === m),
  );
const ZERO4 = '00000000';
const ZERO6 = '0'.repeat(32);

/** The program's outcome for a frame of at least 14 bytes. */
export function decide(w: World, program: ProgramName, b: Uint8Array, ctx: Context = {}): Outcome {
  switch (program) {
    case 'from_port':
      return ofDevice(w, whoseFrame(w, b, ctx.ifindex), ctx);
    case 'from_segment':
      return ofDevice(w, whoseOnSegment(w, b, ctx.ifindex), ctx);
    case 'to_host':
      return toHost(w, b, ctx);
    case 'from_underlay':
      return fromUnderlay(w, b, ctx.gsoSize ?? 0);
    case 'to_underlay':
      return toUnderlay(w, b, ctx.mark ?? 0);
    case 'from_vxlan':
      return dropped(0, 'vxlan_malformed'); // a test run cannot carry tunnel metadata
  }
}

function ofDevice(w: World, whose: Whose, ctx: Context): Outcome {
  if (whose === 'pass') return pass;
  if ('slot' in whose) return whose.reason ? dropped(whose.slot, whose.reason) : { verdict: 'drop', counts: [] };
  return fromPort(w, whose.port, whose.frame, ctx);
}

function fromPort(w: World, port: PortSpec, b: Uint8Array, ctx: Context): Outcome {
  const type = read16(b, 12);
  if (type === 0x0806) return arp(w, port, b);
  if (type === 0x0800) return ip4(w, port, b, ctx.gsoSize ?? 0);
  if (type === 0x86dd) return ip6(w, port, b, ctx.gsoSize ?? 0);
  return dropped(port.slot, 'ethertype');
}

function toHost(w: World, b: Uint8Array, ctx: Context): Outcome {
  const port = w.ports.find((p) => p.ifindex === ctx.ifindex && !p.behind && !p.segment);
  if (!port) return dropped(0, 'port_unknown');
  const type = read16(b, 12);
  const [at, size] = type === 0x0800 ? [30, 4] : [38, 16];
  const isHis = port.router || owns(w, port, text(b, at, size));
  const fits = type === 0x0806 || ((type === 0x0800 || type === 0x86dd) && b.length >= at + size && isHis);
  return fits && tunnelPort(b) !== w.udpPort ? pass : dropped(port.slot, 'not_host');
}

function owns(w: World, port: PortSpec, address: string): boolean {
  if (address === ZERO4 || address === ZERO6) return false;
  if (!(address.length === 8 ? port.ip4 : port.ip6)) return false;
  const who = byIp(w, port.vni, address);
  return who !== undefined && who.mac === port.mac;
}
/** The router's longest prefix that has the address. */
function routeTo(w: World, domain: number | undefined, address: string): RouteSpec | undefined {
  const width = address.length * 4;
  const number = BigInt(`0x${address}`);
  const fitting = w.routes.filter((r) => {
    const { bits, length, wide } = prefixOf(r.prefix);
    return r.domain === domain && wide === width && (bits ^ number) >> BigInt(width - length) === 0n;
  });
  return fitting.sort((a, b) => prefixOf(b.prefix).length - prefixOf(a.prefix).length)[0];
}
const prefixes = new Map<string, { bits: bigint; length: number; wide: number }>();
function prefixOf(text: string): { bits: bigint; length: number; wide: number } {
  const known = prefixes.get(text);
  if (known) return known;
  const [address = '', length] = text.split('/');
  const made = { bits: BigInt(`0x${own(address)}`), length: Number(length), wide: own(address).length * 4 };
  prefixes.set(text, made);
  return made;
}
/** Who has the address by the router's word: itself, or who forwards to it. */
function endOf(w: World, route: RouteSpec | undefined, address: string): StationSpec | undefined {
  if (route?.action === 'CONNECTED' || route?.action === 'PEER') return byIp(w, route.vni!, address);
  if (route?.action === 'TRANSLATED') return byIp(w, route.vni!, under(route, address));
  return route?.action === 'VIA' ? byIp(w, route.vni!, own(route.ip!)) : undefined;
}
/** The address with the same last bits in the prefix that the route's has on the other side. */
function under({ as }: RouteSpec, address: string): string {
  if (!as) return address;
  const { bits, length, wide } = prefixOf(as);
  const rest = (1n << BigInt(wide - length)) - 1n;
  return (bits | (BigInt(`0x${address}`) & rest)).toString(16).padStart(address.length, '0');
}
function isNeverRouted(address: string): boolean {
  const [a = 0, b = 0] = Buffer.from(address, 'hex');
  if (address.length === 8) return a === 0 || a === 127 || a >= 224 || (a === 169 && b === 254);
  return address.startsWith('0'.repeat(16)) || a === 0xff || (a === 0xfe && b >> 6 === 2);
}
/** What is reached through a port may send through it; but no port's address, and none that is never forwarded. */
function speaksFor(w: World, port: PortSpec, address: string): boolean {
  const not = port.domain === undefined || isNeverRouted(address) || byIp(w, port.vni, address);
  const route = not ? undefined : routeTo(w, port.domain, address);
  return route?.action === 'VIA' && route.vni === port.vni && endOf(w, route, address)?.mac === port.mac;
}
/** The router forwards what comes from its subnets; what comes from elsewhere, through a port of one, is checked before. */
function isRouted(w: World, port: PortSpec, source: string): boolean {
  const from = routeTo(w, port.domain, source);
  return !owns(w, port, source) || (from?.vni === port.vni && from.action === 'CONNECTED');
}

/** A gateway forwards, so it sends as anybody. */
const maySendAs = (w: World, port: PortSpec, address: string): boolean =>
  port.router ? address !== ZERO4 && address !== ZERO6 : owns(w, port, address);

function arp(w: World, port: PortSpec, b: Uint8Array): Outcome {
  const no = (reason: ReasonName) => dropped(port.slot, reason);
  if (b.length < 42) return no('truncated');
  const op = read16(b, 20);
  if (text(b, 14, 6) !== '000108000604' || (op !== 1 && op !== 2)) return no('arp_malformed');
  const sender = text(b, 28, 4);
  if (!port.ip4 || macAt(b, 22) !== macHex(port.mac)) return no('arp_spoof');
  const own = maySendAs(w, port, sender);
  if (sender !== ZERO4 && !own && !speaksFor(w, port, sender)) return no('arp_spoof');
  const target = text(b, 38, 4);
  if (op === 2 || owns(w, port, target)) return no('arp_gratuitous');
  if (!byIp(w, port.vni, target) && macAt(b, 0) === 'ffffffffffff' && own)
    return flooded(w, port, b.length, b.length - 14, 'arp_unknown');
  return answer(w, port, target, 'arp_answered', 'arp_unknown');
}

function ip4(w: World, port: PortSpec, b: Uint8Array, gso: number): Outcome {
  if (b.length < 34) return dropped(port.slot, 'truncated');
  if (!ip4Sound(b, 14)) return dropped(port.slot, 'ip4_header');
  const service = port.router ? undefined : service4(b, port.ip4 !== undefined, (a) => owns(w, port, a));
  if (service) return ofService(w, port, b, service);
  if (isForged4(w, port, b)) return dropped(port.slot, 'icmp_forged');
  const source = text(b, 26, 4);
  if (!maySendAs(w, port, source) && !speaksFor(w, port, source)) return dropped(port.slot, 'src_ip4');
  return forward(w, port, b, { gso, proto: b[23]!, l4: 14 + (b[14]! & 15) * 4, tos: b[15]! });
}
/** It may complain of a packet to this address, which came to it. */
const mayComplain = (w: World, port: PortSpec, to: string): boolean => maySendAs(w, port, to) || speaksFor(w, port, to);
/** An ICMP error that is a fragment, does not quote a header, or quotes a packet to somebody else. */
function isForged4(w: World, port: PortSpec, b: Uint8Array): boolean {
  const at = 14 + (b[14]! & 15) * 4;
  if (b[23] !== 1 || (read16(b, 20) & 0x1fff) !== 0 || ![3, 4, 5, 11, 12].includes(b[at] ?? -1)) return false;
  return (read16(b, 20) & 0x3fff) !== 0 || b.length < at + 28 || !mayComplain(w, port, text(b, at + 24, 4));
}
function ip4Sound(b: Uint8Array, at: number): boolean {
  const header = (b[at]! & 15) * 4;
  const total = read16(b, at + 2);
  return b[at]! >> 4 === 4 && header >= 20 && total >= header && at + total <= b.length;
}
const ip6Sound = (b: Uint8Array, at: number): boolean => b[at]! >> 4 === 6 && at + 40 + read16(b, at + 4) <= b.length;

function ip6(w: World, port: PortSpec, b: Uint8Array, gso: number): Outcome {
  if (b.length < 54) return dropped(port.slot, 'truncated');
  if (!ip6Sound(b, 14)) return dropped(port.slot, 'ip6_header');
  if (!port.ip6) return dropped(port.slot, 'src_ip6');
  const chain = chainEnd(b);
  if (chain === 'broken') return dropped(port.slot, 'ip6_header');
  if (chain.proto === 58) {
    if (chain.at + 4 > chain.end) return dropped(port.slot, 'ip6_header');
    const type = b[chain.at]!;
    if (type >= 133 && type <= 137) {
      if (chain.headers > 0) return dropped(port.slot, 'nd_malformed');
      if (type === 135) return solicitation(w, port, b);
      if (type === 133 && !port.router) return routersSolicited(w, port, b);
      if (type !== 134 || !port.router) return dropped(port.slot, 'nd_forbidden');
    }
  }
  if (chain.proto === 17 && !port.router) {
    const service = service6(b, chain.at, chain.headers > 0, (a) => owns(w, port, a));
    if (service) return ofService(w, port, b, service);
  }
  const isError = chain.proto === 58 && b[chain.at]! < 128;
  if (isError && (b.length < chain.at + 48 || !mayComplain(w, port, text(b, chain.at + 32, 16))))
    return dropped(port.slot, 'icmp_forged');
  const source = text(b, 22, 16);
  if (!maySendAs(w, port, source) && !speaksFor(w, port, source)) return dropped(port.slot, 'src_ip6');
  return forward(w, port, b, { gso, proto: chain.proto, l4: chain.at, tos: (read16(b, 14) >> 4) & 255 });
}

/** To the host's own service: the gateway that is here. */
function ofService(w: World, port: PortSpec, b: Uint8Array, service: NonNullable<Service>): Outcome {
  if (service === 'serves') return dropped(port.slot, 'dhcp_server');
  const gateway = byMac(w, port.vni, macHex(macs.gateway));
  if (gateway?.slot === undefined) return dropped(port.slot, 'service_none');
  const counts = [[port.slot, 'service_request']] as const;
  return { verdict: 'redirect', counts, tx: [port.slot, b.length], rx: [gateway.slot, b.length], frame: b };
}
function routersSolicited(w: World, port: PortSpec, b: Uint8Array): Outcome {
  const verdict = solicits(b, (a) => owns(w, port, a));
  return verdict === 'asks' ? ofService(w, port, b, verdict) : dropped(port.slot, verdict);
}

/** Where the extension headers end; proto 44 for a later fragment. */
function chainEnd(b: Uint8Array): 'broken' | { at: number; proto: number; headers: number; end: number } {
  const end = 54 + read16(b, 18);
  const extensions = new Set([0, 43, 44, 60]);
  let at = 54;
  let proto = b[20]!;
  let headers = 0;
  for (; extensions.has(proto); headers++) {
    if (headers === 6 || at + 8 > end) return 'broken';
    const fragment = proto === 44;
    if (fragment && read16(b, at + 2) >> 3 !== 0) return { at, proto: 44, headers, end };
    proto = b[at]!;
    // What is behind another header, a later fragment could change or bring.
    if (fragment && extensions.has(proto)) return 'broken';
    at += fragment ? 8 : (b[at + 1]! + 1) * 8;
    if (at > end) return 'broken';
  }
  if (headers > 0 && [6, 17, 132].includes(proto) && at + 8 > end) return 'broken';
  return { at, proto, headers, end };
}

function solicitation(w: World, port: PortSpec, b: Uint8Array): Outcome {
  const no = (reason: ReasonName) => dropped(port.slot, reason);
  const length = read16(b, 18);
  const dad = text(b, 22, 16) === ZERO6;
  const target = text(b, 62, 16);
  if (b[21] !== 255 || length < 24 || length > 88 || length % 8 !== 0 || b[55] !== 0) return no('nd_malformed');
  if (icmp6Sum(b, length) !== 0xffff || target.startsWith('ff')) return no('nd_malformed');
  if (dad && text(b, 38, 16) !== `ff0200000000000000000001ff${target.slice(26)}`) return no('nd_malformed');
  let spoofed = !dad && !maySendAs(w, port, text(b, 22, 16));
  for (let at = 78; at < 54 + length; at += b[at + 1]! * 8) {
    if (b[at + 1] === 0 || at + b[at + 1]! * 8 > 54 + length) return no('nd_malformed');
    if (b[at] !== 1) continue;
    if (dad || b[at + 1] !== 1) return no('nd_malformed');
    if (macAt(b, at + 2) !== macHex(port.mac)) spoofed = true;
  }
  if (spoofed) return no('nd_spoof');
  if (owns(w, port, target)) return no(dad ? 'nd_dad' : 'to_self');
  if (!byIp(w, port.vni, target) && !dad && groupMatches(b, () => false))
    return flooded(w, port, b.length, b.length - 14, 'nd_unknown');
  return answer(w, port, target, 'nd_answered', 'nd_unknown');
}
/** For the port that has the address, if the asker does not hear that one itself. */
function answer(w: World, port: PortSpec, target: string, known: ReasonName, unknown: ReasonName): Outcome {
  const station = byIp(w, port.vni, target);
  if (!station) return dropped(port.slot, unknown);
  return shareWire(port, station) ? dropped(port.slot, 'same_segment') : answered(port.slot, known);
}
function icmp6Sum(b: Uint8Array, length: number): number {
  let sum = length + 58;
  for (let at = 22; at < 54 + length; at += 2) sum += read16(b, at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

interface Flow {
  readonly gso: number;
  readonly proto: number;
  readonly l4: number;
  readonly tos: number;
}
function forward(w: World, port: PortSpec, b: Uint8Array, flow: Flow): Outcome {
  const no = (reason: ReasonName) => dropped(port.slot, reason);
  const to = macAt(b, 0);
  if (b[0]! & 1) return forwardGroup(w, port, b, flow);
  if (to === macHex(port.mac)) return no('to_self');
  const hop = port.domain !== undefined && to === macHex(macs.gateway) ? route(w, port, b, flow) : undefined;
  if (hop && 'verdict' in hop) return hop;
  const { vni, mac: next, mtu, frame: passed } = hop ?? { vni: port.vni, mac: to, mtu: port.mtu, frame: b };
  const station = byMac(w, vni, next);
  if (!station) return no('unknown_unicast');
  const fitted = (most: number) =>
    typeof passed !== 'string' && (port.clamp || station.clamp) ? clamped(passed, flow, most) : passed;
  const size = wireSize(b, flow);
  if (size > mtu) return refused(port, b, 'too_big');
  if (!hop && shareWire(port, station)) return no('same_segment');
  const tx = [port.slot, b.length] as const;
  const receiver = read16(b, 12) === 0x800 ? text(b, 30, 4) : text(b, 38, 16);
  const known = byIp(w, port.vni, receiver) !== undefined;
  const elsewhere = !hop && to === macHex(macs.gateway) && beganElsewhere(port, b, flow, known);
  const origin = elsewhere ? port.origin : undefined;
  const toOrigin = origin === undefined ? [] : [[port.slot, 'to_origin'] as const];
  if (station.slot !== undefined && origin === undefined) {
    const frame = fitted(mtu);
    return typeof frame === 'string'
      ? no(frame)
      : { verdict: 'redirect', counts: [], tx, rx: [station.slot, b.length], frame };
  }
  const vtep = w.vteps.find((v) => v.host === (origin ?? station.host));
  if (!vtep) return no('vtep_unknown');
  if (size > vtep.mtu) return counted(toOrigin, refused(port, b, 'too_big'));
  const frame = fitted(Math.min(mtu, vtep.mtu));
  if (typeof frame === 'string') return counted(toOrigin, no(frame));
  // The kernel widens unsegmented packets only of TCP and UDP, and a test run cannot say that one is: the VXLAN device's.
  if (vtep.fast && flow.gso === 0) return { verdict: 'redirect', counts: toOrigin, tx, frame, host: vtep.host, vni };
  return { verdict: 'redirect', counts: [...toOrigin, [port.slot, 'slow_tx']], tx, frame };
}

const counted = (counts: Outcome['counts'], outcome: Outcome): Outcome => ({
  ...outcome,
  counts: [...counts, ...outcome.counts],
});

/** To all others in the network, what the port sends as itself. */
function forwardGroup(w: World, port: PortSpec, b: Uint8Array, flow: Flow): Outcome {
  const reason = macAt(b, 0) === 'ffffffffffff' ? 'broadcast' : 'multicast';
  const itself = !port.router && owns(w, port, read16(b, 12) === 0x86dd ? text(b, 22, 16) : text(b, 26, 4));
  const isPorts = (address: string) => byIp(w, port.vni, address) !== undefined;
  if (!itself || !groupMatches(b, isPorts) || isKept(b, flow.proto, flow.l4)) return dropped(port.slot, reason);
  return flooded(w, port, b.length, wireSize(b, flow), reason);
}

interface Hop {
  readonly vni: number;
  readonly mac: string;
  readonly mtu: number;
  /** As the router sends it on, or why it does not. */
  readonly frame: Uint8Array | ReasonName;
}
/** What the router does with a packet that was sent to its MAC; undefined: it leaves that to the gateway. */
function route(w: World, port: PortSpec, b: Uint8Array, flow: Flow): Outcome | Hop | undefined {
  const six = read16(b, 12) === 0x86dd;
  const destination = six ? text(b, 38, 16) : text(b, 30, 4);
  const found = routeTo(w, port.domain, destination);
  const source = six ? text(b, 22, 16) : text(b, 26, 4);
  if (!found || found.action === 'LOCAL' || isNeverRouted(destination)) return undefined;
  if (!isRouted(w, port, source)) return undefined;
  const isPeers = found.action === 'PEER' || found.action === 'TRANSLATED';
  if (isPeers && !owns(w, port, source)) return dropped(port.slot, six ? 'src_ip6' : 'src_ip4');
  if (found.action === 'BLACKHOLE') return dropped(port.slot, 'blackhole');
  if (b[six ? 21 : 22]! <= 1) return refused(port, b, 'ttl_expired');
  const end = endOf(w, found, destination);
  if (!end) return refused(port, b, 'no_neighbour');
  if (end.vni === port.vni && end.mac === port.mac) return dropped(port.slot, 'to_self');
  const sent = sentOn(b, end.mac, six);
  const ends = { source: under(routeTo(w, port.domain, source)!, source), destination: under(found, destination) };
  const frame = found.action === 'TRANSLATED' ? translated(sent, six, flow, ends) : sent;
  return { vni: end.vni, mac: macHex(end.mac), mtu: Math.min(port.mtu, found.mtu!), frame };
}
/** From the router's MAC to `to`, with one hop less. */
function sentOn(b: Uint8Array, to: string, six: boolean): Uint8Array {
  const frame = Uint8Array.from(b);
  frame.set(mac(to), 0);
  frame.set(mac(macs.gateway), 6);
  const at = six ? 21 : 22;
  frame[at] = b[at]! - 1;
  if (six) return frame;
  const sum = onesAdd(onesAdd(~read16(b, 24) & 0xffff, ~read16(b, 22) & 0xffff), read16(frame, 22)); // RFC 1624, equation 3
  frame[24] = (~sum >> 8) & 255;
  frame[25] = ~sum & 255;
  return frame;
}

/** The IP packet's size on the wire; of a packet still to be segmented, that of a segment. */
function wireSize(b: Uint8Array, { gso, proto, l4 }: Flow): number {
  if (gso === 0) return b.length - 14;
  if (proto !== 6) return l4 - 14 + 8 + gso;
  return l4 + 12 < b.length ? l4 - 14 + (b[l4 + 12]! >> 4) * 4 + gso : Number.POSITIVE_INFINITY;
}

/** Dropped; the sender is told if it may be. */
function refused(port: PortSpec, b: Uint8Array, reason: 'too_big' | 'ttl_expired' | 'no_neighbour'): Outcome {
  return told(b)
    ? answered(port.slot, reason, reason === 'too_big' ? 'too_big_told' : 'icmp_told')
    : dropped(port.slot, reason);
}
function told(b: Uint8Array): boolean {
  if (read16(b, 12) === 0x800) {
    const type = b[14 + (b[14]! & 15) * 4];
    const icmpError = b[23] === 1 && (type === undefined || [3, 4, 5, 11, 12].includes(type));
    return (read16(b, 20) & 0x1fff) === 0 && b[30]! < 224 && !icmpError;
  }
  const chain = chainEnd(b);
  if (chain === 'broken' || chain.proto === 44 || b[38] === 0xff) return false;
  return chain.proto !== 58 || (b[chain.at] ?? 0) >= 128;
}

function fromUnderlay(w: World, b: Uint8Array, gso: number): Outcome {
  const tunnel = b.length >= 42 && read16(b, 12) === 0x800 && b[14] === 0x45 && b[23] === 17;
  if (!tunnel || (read16(b, 20) & 0x3fff) !== 0) return pass;
  if (read16(b, 36) !== w.udpPort || text(b, 30, 4) !== own(w.vtep)) return pass;
  const total = read16(b, 16);
  const lengths = total >= UNDERLAY_HEADERS && 14 + total <= b.length && 20 + read16(b, 38) === total;
  if (b.length < 64 || (gso === 0 && !lengths) || text(b, 42, 4) !== '08000000' || b[49] !== 0)
    return dropped(0, 'vxlan_malformed');
  if (vniOf(b) === 0 && read16(b, 62) === 0x88b6) return pass;
  const from = text(b, 26, 4);
  if (b[50]! & 1)
    return groupReceived(
      w,
      vniOf(b),
      w.vteps.some((v) => own(v.remote) === from),
    );
  const refused = innerRefused(w, b, from);
  if (refused) return dropped(0, w.vteps.some((v) => own(v.remote) === from) ? refused : 'vxlan_source');
  const to = placeOf(w, byMac(w, vniOf(b), macAt(b, 50)), from);
  if (!to) return dropped(0, 'inner_unknown');
  if (to.on !== undefined) return sentOnto(w, b, to.slot, to.on, gso);
  const frame = withMark(b);
  if (!frame) return dropped(to.slot, 'ecn');
  // Nor does it narrow others.
  if (gso !== 0) return pass;
  return { verdict: 'redirect', counts: [], rx: [to.slot, frame.length], frame };
}
/** To the host where the port is now, as it came. */
function sentOnto(w: World, b: Uint8Array, slot: number, host: number, gso: number): Outcome {
  // It was sent on already.
  if (b[22]! <= 32) return dropped(0, 'inner_unknown');
  const vtep = w.vteps.find((v) => v.host === host);
  if (!vtep) return dropped(slot, 'vtep_unknown');
  const six = read16(b, 62) === 0x86dd;
  const l4 = 64 + (six ? 40 : (b[64]! & 15) * 4);
  if (wireSize(b, { gso, proto: b[six ? 70 : 73]!, l4, tos: 0 }) - UNDERLAY_HEADERS > vtep.mtu)
    return dropped(slot, 'too_big');
  if (!vtep.fast) return pass;
  const frame = b.subarray(UNDERLAY_HEADERS);
  return { verdict: 'redirect', counts: [[slot, 'relayed']], frame, host, vni: vniOf(b), outer: b };
}
const vniOf = (b: Uint8Array): number => read16(b, 46) * 256 + b[48]!;

function innerRefused(w: World, b: Uint8Array, from: string): ReasonName | undefined {
  const type = read16(b, 62);
  const six = type === 0x86dd;
  if ((type !== 0x800 && !six) || b.length < 64 + (six ? 40 : 20)) return 'inner_malformed';
  if (!(six ? ip6Sound(b, 64) : ip4Sound(b, 64))) return 'inner_malformed';
  const address = six ? text(b, 72, 16) : text(b, 76, 4);
  const direct = byIp(w, vniOf(b), address);
  const route = direct ? undefined : routeTo(w, byMac(w, vniOf(b), macAt(b, 50))?.domain, address);
  const source = direct ?? endOf(w, route, address);
  const fromOrigin = isOrigin(w, byMac(w, vniOf(b), macAt(b, 50)), from) && macAt(b, 56) === macHex(macs.gateway);
  if (!source) return fromOrigin ? undefined : 'inner_source';
  const itself = direct !== undefined || (route?.action === 'VIA' && route.vni === vniOf(b));
  const sender = macAt(b, 56);
  if (!(itself && sender === macHex(source.mac)) && sender !== macHex(macs.gateway)) return 'inner_mac';
  return maySend(w, source, byMac(w, vniOf(b), macAt(b, 50)), from) ? undefined : 'inner_vtep';
}

/** The inner frame with the congestion mark of RFC 6040 figure 4; undefined: drop. */
function withMark(b: Uint8Array): Uint8Array | undefined {
  const frame = b.slice(UNDERLAY_HEADERS);
  const six = read16(frame, 12) === 0x86dd;
  const [NOT, ECT1, ECT0, CE] = [0, 1, 2, 3];
  const outer = b[15]! & 3;
  const inner = six ? (frame[15]! >> 4) & 3 : frame[15]! & 3;
  if (inner === NOT && outer === CE) return undefined;
  const mark = outer === CE ? (inner === NOT ? NOT : CE) : inner === ECT0 && outer === ECT1 ? ECT1 : inner;
  if (mark === inner) return frame;
  if (six) {
    frame[15] = (frame[15]! & 0xcf) | (mark << 4);
    return frame;
  }
  const old = read16(frame, 14);
  const now = (old & ~3) | mark;
  const sum = onesAdd(onesAdd(~read16(frame, 24) & 0xffff, ~old & 0xffff), now); // RFC 1624, equation 3
  frame[15] = now & 255;
  frame[24] = (~sum >> 8) & 255;
  frame[25] = ~sum & 255;
  return frame;
}
const onesAdd = (a: number, b: number): number => ((a + b) & 0xffff) + ((a + b) >>> 16);

function toUnderlay(w: World, b: Uint8Array, mark: number): Outcome {
  if (mark === MARK) return pass;
  return tunnelPort(b) === w.udpPort ? dropped(0, 'unmarked') : pass;
}

/** The UDP destination port of an IP packet behind at most two VLAN tags. */
function tunnelPort(b: Uint8Array): number | undefined {
  let at = 14;
  for (let tags = 0; tags < 2 && [0x8100, 0x88a8].includes(read16(b, at - 2)); tags++) at += 4;
  const type = at <= b.length ? read16(b, at - 2) : 0;
  const port = (l4: number) => (l4 + 4 <= b.length ? read16(b, l4 + 2) : undefined);
  if (type === 0x800) {
    const first = at + 10 <= b.length && b[at + 9] === 17 && (read16(b, at + 6) & 0x1fff) === 0;
    return first ? port(at + (b[at]! & 15) * 4) : undefined;
  }
  if (type !== 0x86dd) return undefined;
  let next = b[at + 6];
  at += 40;
  for (let headers = 0; headers < 6 && next !== undefined && [0, 43, 44, 60].includes(next); headers++) {
    if (at + 4 > b.length) return undefined;
    if (next === 44 && read16(b, at + 2) >> 3 !== 0) return undefined;
    const length = next === 44 ? 8 : (b[at + 1]! + 1) * 8;
    next = b[at];
    at += length;
  }
  return next === 17 ? port(at) : undefined;
}
