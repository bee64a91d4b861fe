/** Router solicitations and what answers them (RFC 4861 §4.1, §4.2, RFC 8106). Pure. */
import { gatewayMac, type Ip, ipBytes, ipFamily, ipOfNumber, type Mac, macBytes } from '../../model/address.ts';
import { icmp6Sound, type Read } from './frame.ts';
import { addressBytes, be16, be32, domainBytes, joined } from './options.ts';
import type { Settings6 } from './settings.ts';

const SOLICITATION = 133;
const ADVERTISEMENT = 134;
const option = { sourceMac: 1, prefix: 3, mtu: 5, dns: 25, search: 31 } as const;

/** What a port hears of its router: nothing, what is on the link and how it comes by addresses, or all. */
export type Hears = 'nothing' | 'link' | 'router';

/** Seconds that a workload keeps what it was told: RFC 4861's longest for a router; for a prefix what it recommends. */
const lifetimes = { router: 9_000, prefix: 2_592_000, preferred: 604_800 } as const;
/** No neighbour has hops left, or ports behind it; so far may a packet go. */
const HOPS = 64;
const [MANAGED, OTHER] = [0x80, 0x40];
const [ON_LINK, AUTONOMOUS] = [0x80, 0x40];

/** True if a packet is a sound solicitation of the station with this MAC. */
export function isSolicitation(packet: Read, mac: Mac): boolean {
  const { payload, hops, from } = packet;
  if (packet.protocol !== 'icmp6' || payload[0] !== SOLICITATION || payload[1] !== 0 || hops !== 255) return false;
  if (payload.length < 8 || !icmp6Sound(packet, payload)) return false;
  for (let at = 8; at < payload.length; at += 8 * payload[at + 1]!) {
    const words = payload[at + 1];
    if (!words || at + 8 * words > payload.length) return false;
    if (payload[at] !== option.sourceMac) continue;
    if (from.ip === '::' || words !== 1 || macBytes(mac).some((b, i) => payload[at + 2 + i] !== b)) return false;
  }
  return true;
}

/**
 * The message, without its checksum. Prefixes are on the link; where the port's address is made of its MAC, stations make
 * theirs. DHCPv6 has addresses if any is given by it, and all else in any case. Who hears of the link alone gets no default
 * route, no DNS servers, and no MTU: those are another router's to tell.
 */
export function advertisement(settings: Settings6, hears: Exclude<Hears, 'nothing'>): Uint8Array {
  const { isManaged, prefixes, mtuBytes, dns, domain } = settings;
  const isRouter = hears === 'router';
  return joined(
    [ADVERTISEMENT, 0, 0, 0, HOPS, (isManaged ? MANAGED : 0) | (isRouter ? OTHER : 0)],
    be16(isRouter ? lifetimes.router : 0),
    be32(0),
    be32(0),
    joined([option.sourceMac, 1], macBytes(gatewayMac)),
    isRouter ? joined([option.mtu, 1, 0, 0], be32(mtuBytes)) : [],
    ...prefixes.map((p) =>
      joined(
        [option.prefix, 4, p.length, ON_LINK | (p.isMade ? AUTONOMOUS : 0)],
        be32(lifetimes.prefix),
        be32(lifetimes.preferred),
        be32(0),
        ipBytes(ipOfNumber(p.first, 6)),
      ),
    ),
    ...(isRouter ? [dnsOption(dns.filter((ip) => ipFamily(ip) === 6)), searchOption(domain)] : []),
  );
}

const dnsOption = (servers: readonly Ip[]): Uint8Array =>
  servers.length === 0
    ? new Uint8Array()
    : joined([option.dns, 1 + 2 * servers.length, 0, 0], be32(lifetimes.router), addressBytes(servers));

function searchOption(domain: string): Uint8Array {
  const name = domainBytes(domain);
  if (name.length === 0) return name;
  const words = Math.ceil((8 + name.length) / 8);
  const padding = new Uint8Array(8 * words - 8 - name.length);
  return joined([option.search, words, 0, 0], be32(lifetimes.router), name, padding);
}
