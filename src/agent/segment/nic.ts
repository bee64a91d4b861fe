/** A NIC, or one VLAN on it, as a physical segment: taken as it is, never made nor renamed, and left as it was. */
import { addressList } from '../../kernel/address.ts';
import type { BpfProgram } from '../../kernel/bpf.ts';
import { hasErrno } from '../../kernel/libc.ts';
import { type Link, linkByName, linkList, linkSet } from '../../kernel/link.ts';
import { type Netlink, openNetlink } from '../../kernel/netlink.ts';
import { ownNetns } from '../../kernel/netns.ts';
import { ensureClsact, ensureFilter, handles, listFilters, removeFilter } from '../../kernel/tc.ts';
import { HeddleError } from '../../model/errors.ts';
import type { Attachment, AttachRequest, DeviceAttachment, NicBefore } from '../../model/local-api.ts';
import { madeAlias } from '../device-alias.ts';
import type { WorkloadEnd } from '../workload-end.ts';

export type DeviceRequest = Extract<AttachRequest, { kind: 'device' }>;

/** The attachment is on this NIC and VLAN. */
export const isOn = (a: Attachment, ifname: string, vlan: number | undefined): a is DeviceAttachment =>
  a.kind === 'device' && a.ifname === ifname && a.vlan === vlan;

/** How a NIC is that a request may take. @throws INVALID, NOT_FOUND */
export function nicBefore({ ifname, vlan, addresses }: DeviceRequest): NicBefore {
  if (addresses)
    throw new HeddleError('INVALID', { field: 'addresses', problem: 'a segment has none: its machines do' });
  using own = ownNetns();
  using nl = openNetlink(own);
  const link = linkByName(nl, ifname);
  if (!link) throw new HeddleError('NOT_FOUND', { kind: 'NIC', name: ifname });
  refuseUnfit(link);
  if (vlan === undefined) refuseAddressed(nl, link);
  else refuseVlanDevice(nl, link, vlan);
  return { up: link.up, promiscuous: link.promiscuous };
}

const unfit = (field: 'ifname' | 'vlan', problem: string) => new HeddleError('INVALID', { field, problem });

/** @throws INVALID */
function refuseUnfit({ name, mac, master, alias }: Link): void {
  if (mac === undefined || name === 'lo') throw unfit('ifname', `${name} is no Ethernet device`);
  if (alias?.startsWith(madeAlias('' as never))) throw unfit('ifname', `${name} is Heddle’s own`);
  if (master !== undefined)
    throw unfit(
      'ifname',
      `${name} is in a bridge or bond: take that one, or take it out (ip link set ${name} nomaster)`,
    );
}

/** What comes without a tag would no longer come to the host. @throws INVALID */
function refuseAddressed(nl: Netlink, { ifindex, name }: Link): void {
  const address = addressList(nl).find((a) => a.ifindex === ifindex && !a.ip.startsWith('fe80:'));
  if (address)
    throw unfit('ifname', `${name} has address ${address.ip} of this host’s: take a VLAN of it, or another NIC`);
}

/** @throws INVALID */
function refuseVlanDevice(nl: Netlink, { ifindex, name }: Link, vlan: number): void {
  const other = linkList(nl).find((l) => l.vlan === vlan && l.peerIfindex === ifindex && l.peerNetnsId === undefined);
  if (other) throw unfit('vlan', `VLAN ${vlan} of ${name} is this host’s own by ${other.name}: delete that first`);
}

/** Programs and promiscuous mode are set when it is ensured; see {@link keepNic}. */
export const deviceEnd: WorkloadEnd<DeviceAttachment> = {
  make(nl, { attachment: { ifname, before } }) {
    const link = linkByName(nl, ifname);
    if (!link) throw new HeddleError('NIC_GONE', { ifname });
    refuseUnfit(link);
    return {
      link,
      redirectPeer: false,
      complete: () => linkSet(nl, link.ifindex, { up: true }),
      undo: () => leaveNic(nl, link.ifindex, before),
      [Symbol.dispose]: () => undefined,
    };
  },
  setMtu(nl, { attachment: { ifname }, mtuBytes }) {
    const link = linkByName(nl, ifname);
    if (!link) return `${ifname} is gone`;
    return link.mtuBytes < mtuBytes ? `it has ${link.mtuBytes}, the network ${mtuBytes}` : undefined;
  },
};

/** The program, beside that of an underlay, and frames for all MACs. @throws KERNEL */
export function keepNic(nl: Netlink, ifindex: number, program: BpfProgram): void {
  ensureClsact(nl, ifindex);
  ensureFilter(nl, ifindex, 'ingress', program, handles.second);
  linkSet(nl, ifindex, { promiscuous: true });
}

/** Whether it was taken by an agent: the mark of a NIC is the program on it. */
export const isTakenNic = (nl: Netlink, ifindex: number): boolean =>
  listFilters(nl, ifindex, 'ingress').some(({ name }) => name === 'heddle:from_segment');

/** Makes a NIC what it was before; one that is gone is fine. Of which nothing is known, that stays up. @throws KERNEL */
export function leaveNic(nl: Netlink, ifindex: number, before: NicBefore | undefined): void {
  const { up = true, promiscuous = false } = before ?? {};
  try {
    if (!promiscuous) linkSet(nl, ifindex, { promiscuous });
    if (!up) linkSet(nl, ifindex, { up });
    removeFilter(nl, ifindex, 'ingress', handles.second);
  } catch (e) {
    if (!hasErrno(e, 'ENODEV')) throw e;
  }
}
