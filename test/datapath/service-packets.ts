/** Requests to the host's services, and what only servers send, for the fuzzer: mostly sound. */
import { type Bytes, eth, icmp6, ip4, ip6, join, mac, udp } from './frames.ts';
import type { Random } from './random.ts';
import { linkLocal, macs } from './world.ts';

const gateway = mac(macs.gateway);
const groups = ['33:33:00:01:00:02', '33:33:00:00:00:02', 'ff:ff:ff:ff:ff:ff', '33:33:00:00:00:01'].map(mac);
const sources6 = ['::', 'fd00::1', 'fd00::2', linkLocal(1), linkLocal(2), 'fe80::9', 'fe81::9'];

/** A frame from a station with this MAC. */
export function servicePacket(r: Random, own: Uint8Array): Bytes {
  const to = r.pick([gateway, mac(macs.two), ...groups]);
  const payload = r.bytes(r.pick([0, 4, 240, 300]));
  const src = r.pick(sources6);
  switch (r.below(3)) {
    case 0: {
      const ends = [r.pick([68, 68, 68, 67, 1]), r.pick([67, 67, 67, 68, 1])] as const;
      const way = {
        src: r.pick(['0.0.0.0', '10.0.0.1', '10.0.0.11', '10.0.0.2']),
        dst: r.pick(['255.255.255.255', '255.255.255.255', '10.0.0.9', '10.0.0.255']),
      };
      const fragment = r.pick([0, 0x4000, 0x4000, 0x2000, 5]);
      const options = r.below(5) === 0 ? [1, 1, 1, 1] : [];
      return eth(r.pick([to, groups[2]!]), own, 0x800, ip4({ ...way, fragment, options }, udp(...ends, payload)));
    }
    case 1: {
      const ends = [r.pick([546, 546, 546, 547, 1]), r.pick([547, 547, 547, 546, 1])] as const;
      const dst = r.pick(['ff02::1:2', 'ff02::1:2', 'ff02::2', 'fd00::9']);
      const bytes = udp(...ends, payload);
      if (r.below(4) === 0)
        return eth(to, own, 0x86dd, ip6({ src, dst, next: 60 }, join([17, 0, 0, 0, 0, 0, 0, 0], bytes)));
      return eth(r.pick([to, groups[0]!]), own, 0x86dd, ip6({ src, dst, next: 17 }, bytes));
    }
    default: {
      const dst = r.pick(['ff02::2', 'ff02::2', 'ff02::1', 'fd00::9']);
      const message = icmp6(src, dst, 133, 0, new Uint8Array(4));
      return eth(
        r.pick([to, groups[1]!]),
        own,
        0x86dd,
        ip6({ src, dst, next: 58, hops: r.pick([255, 255, 64]) }, message),
      );
    }
  }
}
