/**
 * One's complement sum of a VTEP row's outer IPv4 header without total length and TOS: what goes into `csum` of `vtepRow`.
 * A number: 16-bit words read in network order, added and folded to 16 bits, not complemented (RFC 1071).
 * @param local this host's VTEP address, of which the first 4 bytes count
 * @param remote the other host's
 */
export function outerIp4Sum(local: Uint8Array, remote: Uint8Array): number {
  // Version 4, header of 5 words; id 0 and DF; TTL 64, UDP.
  let sum = 0x4500 + 0x0000 + 0x4000 + 0x4011;
  for (const ip of [local, remote]) sum += ((ip[0]! << 8) | ip[1]!) + ((ip[2]! << 8) | ip[3]!);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}
