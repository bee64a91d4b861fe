/** The reference of `mss.h`: the size of segments that a SYN asks for, lowered to what fits. */
import { read16 } from './frames.ts';

const onesAdd = (a: number, b: number): number => ((a + b) & 0xffff) + ((a + b) >>> 16);

/** Where the value of a SYN's MSS option is; undefined: it has none, or its options are broken before it. */
function valueAt(b: Uint8Array, l4: number): number | undefined {
  const end = Math.min(l4 + (b[l4 + 12]! >> 4) * 4, b.length);
  for (let at = l4 + 20; at + 4 <= end; ) {
    const [kind = 0, length = 0] = b.subarray(at, at + 2);
    if (kind === 0) return undefined;
    if (kind === 2) return length === 4 ? at + 2 : undefined;
    if (kind !== 1 && length < 2) return undefined;
    at += kind === 1 ? 1 : length;
  }
  return undefined;
}

/** The frame, whose layer-4 header is at `l4`, as it goes on to where packets of `mtu` bytes fit. */
export function clamped(b: Uint8Array, { proto, l4 }: { proto: number; l4: number }, mtu: number): Uint8Array {
  const six = read16(b, 12) === 0x86dd;
  const isSyn = proto === 6 && l4 + 14 <= b.length && (b[l4 + 13]! & 2) !== 0;
  if (!isSyn || (!six && (read16(b, 20) & 0x1fff) !== 0)) return b;
  const at = valueAt(b, l4);
  const most = mtu - (six ? 60 : 40);
  if (at === undefined || read16(b, at) <= most) return b;
  const frame = Uint8Array.from(b);
  frame.set([most >> 8, most & 255], at);
  const swap = (x: number): number => ((x & 255) << 8) | (x >> 8);
  const counted = (at - l4) % 2 === 1 ? swap : (x: number) => x;
  const was = ~counted(read16(b, at)) & 0xffff;
  const sum = onesAdd(onesAdd(~read16(b, l4 + 16) & 0xffff, was), counted(most)); // RFC 1624, equation 3
  frame.set([(~sum >> 8) & 255, ~sum & 255], l4 + 16);
  return frame;
}
