/** Frames to everybody and to groups, for the fuzzer. */
import { type Bytes, ip, join, mac, read16 } from './frames.ts';
import type { Random } from './random.ts';

const groups4 = [
  ['ff:ff:ff:ff:ff:ff', '255.255.255.255'],
  ['ff:ff:ff:ff:ff:ff', '10.0.0.255'],
  ['ff:ff:ff:ff:ff:ff', '10.0.0.2'],
  ['ff:ff:ff:ff:ff:ff', '224.0.0.251'],
  ['01:00:5e:00:00:fb', '224.0.0.251'],
  ['01:00:5e:00:00:fb', '239.128.0.251'],
  ['01:00:5e:00:00:fb', '224.1.0.251'],
  ['01:00:5e:00:00:02', '10.0.0.2'],
] as const;
const groups6 = [
  ['33:33:00:00:00:fb', 'ff02::fb'],
  ['33:33:00:00:00:fb', 'ff02::fc'],
  ['33:33:00:00:00:02', 'fd00::2'],
  ['ff:ff:ff:ff:ff:ff', 'ff02::fb'],
] as const;

/** The same packet, to a group; sometimes of another MAC than its address. */
export function toGroup(r: Random, frame: Uint8Array): Bytes {
  const six = read16(frame, 12) === 0x86dd;
  const at = six ? 38 : 30;
  const [to, address] = six ? r.pick(groups6) : r.pick(groups4);
  const bytes = ip(address);
  if (frame.length < at + bytes.length) return join(mac(to), frame.subarray(6));
  return join(mac(to), frame.subarray(6, at), bytes, frame.subarray(at + bytes.length));
}
