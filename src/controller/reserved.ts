import { type Ip, ipNumber, type Prefix, prefixHas } from '../model/address.ts';
import { metadataAddresses } from '../model/metadata.ts';

/**
 * Addresses that no port can have whatever the pools: network and broadcast of IPv4 (not in a /31, RFC 3021), the
 * subnet-router anycast address of IPv6 (RFC 4291 §2.6.1; not in a /127, RFC 6164), the gateway, and where workloads ask
 * about themselves.
 */
export function reserved(prefix: Prefix, gateway: Ip | undefined): Map<bigint, string> {
  const out = new Map<bigint, string>();
  if (prefix.family === 4 && prefix.length < 31) {
    out.set(prefix.first, 'it is the network address');
    out.set(prefix.last, 'it is the broadcast address');
  }
  if (prefix.family === 6 && prefix.length < 127) out.set(prefix.first, 'it is the subnet-router anycast address');
  for (const ip of metadataAddresses)
    if (prefixHas(prefix, ip)) out.set(ipNumber(ip), 'workloads ask there about themselves');
  if (gateway) out.set(ipNumber(gateway), 'it is the gateway');
  return out;
}

/** The first and last address that a port could have. */
export function usable(prefix: Prefix): { first: bigint; last: bigint } {
  const not = reserved(prefix, undefined);
  return {
    first: prefix.first + (not.has(prefix.first) ? 1n : 0n),
    last: prefix.last - (not.has(prefix.last) ? 1n : 0n),
  };
}
