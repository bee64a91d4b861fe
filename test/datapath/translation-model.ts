/** What a router does to the addresses of a packet for a peer that sees its subnets under other prefixes. */
import { hex, read16 } from './frames.ts';

/** In hexadecimal. */
interface Ends {
  readonly source: string;
  readonly destination: string;
}

/** Adds in one's complement. */
const plus = (a: number, b: number): number => ((a + b) & 0xffff) + ((a + b) >>> 16);

/** RFC 1624, equation 3, for a sum at `at`. */
function mend(b: Uint8Array, at: number, was: Uint8Array, is: Uint8Array): void {
  let sum = ~read16(b, at) & 0xffff;
  for (let i = 0; i < was.length; i += 2) sum = plus(plus(sum, ~read16(was, i) & 0xffff), read16(is, i));
  b[at] = (~sum >> 8) & 255;
  b[at + 1] = ~sum & 255;
}

/** Why a packet is not translated. */
type Refused = 'truncated' | 'icmp_forged';

/** The packet with other ends; or why not. */
export function translated(
  frame: Uint8Array,
  six: boolean,
  { l4, proto }: { l4: number; proto: number },
  { source, destination }: Ends,
): Uint8Array | Refused {
  const b = Uint8Array.from(frame);
  const [at, half] = six ? [22, 16] : [26, 4];
  const was = frame.slice(at, at + 2 * half);
  const is = Uint8Array.from(Buffer.from(source + destination, 'hex'));
  b.set(is, at);
  if (!six) mend(b, 24, was, is);
  if (!six && (read16(b, 20) & 0x1fff) !== 0) return b;
  const icmp = six ? 58 : 1;
  if (proto === icmp && isError(b[l4], six) && !translateQuote(b, six, l4, was, is)) return 'icmp_forged';
  const sum = { 6: 16, 17: 6, ...(six && { 58: 2 }) }[proto];
  if (sum === undefined) return b;
  if (l4 + sum + 2 > b.length) return 'truncated';
  // UDP without a sum stays without.
  if (proto === 17 && read16(b, l4 + sum) === 0) return b;
  mend(b, l4 + sum, was, is);
  if (proto === 17 && read16(b, l4 + sum) === 0) b.fill(0xff, l4 + sum, l4 + sum + 2);
  return b;
}

const isError = (type: number | undefined, six: boolean): boolean =>
  type !== undefined && (six ? type < 128 : [3, 4, 5, 11, 12].includes(type));

/** False if the quoted packet did not go the other way. */
function translateQuote(b: Uint8Array, six: boolean, l4: number, was: Uint8Array, is: Uint8Array): boolean {
  const half = was.length / 2;
  const back = (ends: Uint8Array) => Uint8Array.of(...ends.subarray(half), ...ends.subarray(0, half));
  const at = l4 + 8 + (six ? 8 : 12);
  if (hex(b.subarray(at, at + 2 * half)) !== hex(back(was))) return false;
  b.set(back(is), at);
  if (six) mend(b, l4 + 2, back(was), back(is));
  else mend(b, l4 + 18, back(was), back(is));
  return true;
}
