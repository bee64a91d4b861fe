/** The reference of `flood.h`: what is copied to everybody, and what is not. */
import type { ReasonName } from '../../src/datapath/reasons.ts';
import { hex, read16 } from './frames.ts';
import type { Outcome } from './outcome.ts';
import type { PortSpec, World } from './world.ts';

const everybody = 'ffffffffffff';
const isListed = (w: World, vni: number): boolean => w.lists?.some((l) => l.vni === vni) ?? false;

/** A frame for everybody in the port's network, of so many bytes of IP on the wire; `reason`: why it is dropped without a list. */
export function flooded(w: World, port: PortSpec, bytes: number, size: number, reason: ReasonName): Outcome {
  const dropped = (...reasons: ReasonName[]) => reasons.map((r) => [port.slot, r] as const);
  const list = w.lists?.find((l) => l.vni === port.vni);
  const { slot, vlan: tag = 0 } = port;
  const may = list?.senders?.some((s) => s.slot === slot && (s.vlan ?? 0) === tag) ?? true;
  if (!list || !may) return { verdict: 'drop', counts: dropped(reason) };
  if (size > port.mtu) return { verdict: 'drop', counts: dropped('too_big') };
  const missed = list.hosts.flatMap((host): ReasonName[] => {
    const vtep = w.vteps.find((v) => v.host === host);
    if (!vtep) return ['vtep_unknown'];
    return size > vtep.mtu ? ['too_big'] : [];
  });
  return { verdict: 'drop', counts: dropped(...missed, 'flooded'), tx: [port.slot, bytes] };
}

/** Whether a frame's group or broadcast MAC is that of its address. */
export function groupMatches(b: Uint8Array, isPorts: (address: string) => boolean): boolean {
  const to = hex(b.subarray(0, 6));
  if (read16(b, 12) === 0x86dd)
    return ![0, 43, 60].includes(b[20]!) && b[38] === 0xff && to === `3333${hex(b.subarray(50, 54))}`;
  const address = hex(b.subarray(30, 34));
  if (to === everybody) return address === 'ffffffff' || (b[30]! < 224 && !isPorts(address));
  const [, second = 0, ...rest] = b.subarray(30, 34);
  return b[30]! >> 4 === 14 && to === `01005e${hex(Uint8Array.from([second & 0x7f, ...rest]))}`;
}

/** IGMP, MLD, DHCP and what routers say: between a port and its host. `l4`: offset of the upper layer, `proto`: which it is. */
export function isKept(b: Uint8Array, proto: number, l4: number): boolean {
  const six = read16(b, 12) === 0x86dd;
  if (!six && proto === 2) return true;
  if ((!six && read16(b, 20) & 0x1fff) || l4 + 4 > b.length) return false;
  if (proto === 17) return (six ? [546, 547] : [67, 68]).includes(read16(b, l4 + 2));
  return six && proto === 58 && [130, 131, 132, 133, 134, 136, 137, 143].includes(b[l4]!);
}

/** What comes in VXLAN for a group: the slow path's, where there is a list. */
export function groupReceived(w: World, vni: number, isPeer: boolean): Outcome {
  if (!isPeer) return { verdict: 'drop', counts: [[0, 'vxlan_source']] };
  return isListed(w, vni) ? { verdict: 'pass', counts: [] } : { verdict: 'drop', counts: [[0, 'inner_malformed']] };
}
