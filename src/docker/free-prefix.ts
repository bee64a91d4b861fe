/** A prefix for a network that nobody chose one for. Pure. */
import { ipOfNumber, overlap, type Prefix, parsePrefix } from '../model/address.ts';

/** Bytes that only chance has. */
type Random = (size: number) => Uint8Array;

/** Length of the IPv4 prefixes that are given. */
const length4 = 24;

/**
 * A /24 of the pool that overlaps none of those used; undefined if there is none. Begins anywhere, so that two engines that
 * choose at the same time hardly choose the same.
 */
export function freePrefix4(pool: Prefix, used: readonly Prefix[], random: Random): Prefix | undefined {
  const size = 1n << BigInt(32 - length4);
  const count = (pool.last - pool.first + 1n) / size;
  if (count < 1n) return undefined;
  const from = Buffer.from(random(4)).readUInt32BE();
  for (let i = 0n; i < count; i++) {
    const first = pool.first + ((BigInt(from) + i) % count) * size;
    const prefix = parsePrefix(`${ipOfNumber(first, 4)}/${length4}`);
    if (!used.some((u) => overlap(u, prefix))) return prefix;
  }
  return undefined;
}

/** A unique local /64 (RFC 4193 §3.2.2): 56 random bits are free. */
export function freePrefix6(random: Random): Prefix {
  const bytes = Uint8Array.from([0xfd, ...random(7), 0, 0, 0, 0, 0, 0, 0, 0]);
  return parsePrefix(`${ipOfNumber(BigInt(`0x${Buffer.from(bytes).toString('hex')}`), 6)}/64`);
}
