import { type Ip, parseHostAddress } from './address.ts';
import { HeddleError } from './errors.ts';
import type { Publish } from './port-schema.ts';

/** A port of a host at which a workload is reached, as text: "tcp 8080", or "udp 53 192.0.2.1" on one of its addresses only. */
export type PublishedPlace = `${Publish['protocol']} ${number}${'' | ` ${string}`}`;

export const publishedPlace = ({ protocol, hostPort, hostAddress }: Omit<Publish, 'port'>): PublishedPlace =>
  hostAddress === undefined ? `${protocol} ${hostPort}` : `${protocol} ${hostPort} ${hostAddress}`;

/** The parts of one; without an address: every one of the host. */
export function partsOfPlace(place: PublishedPlace): { protocol: string; hostPort: string; hostAddress?: Ip } {
  const [protocol, hostPort, hostAddress] = place.split(' ') as [string, string, Ip?];
  return { protocol, hostPort, ...(hostAddress !== undefined && { hostAddress }) };
}

/** @throws INVALID, ADDRESS_INVALID */
export function parsePlace(text: string): PublishedPlace {
  const [, protocol, port, address] = /^(tcp|udp) ([1-9]\d{0,4})(?: (.+))?$/.exec(text) ?? [];
  const hostPort = Number(port);
  if (!protocol || hostPort > 65_535)
    throw new HeddleError('INVALID', { field: 'held', problem: 'no place of a host' });
  const at = address === undefined ? {} : { hostAddress: parseHostAddress(address) };
  return publishedPlace({ protocol: protocol as Publish['protocol'], hostPort, ...at });
}
