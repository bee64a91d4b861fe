/** A tap in the host's own namespace: whoever opens it, a virtual machine say, is the workload. */
import { present } from '../kernel/attributes.ts';
import { hasErrno } from '../kernel/libc.ts';
import { ensureNoLink, type Link, linkByName, linkSet } from '../kernel/link.ts';
import type { Netlink } from '../kernel/netlink.ts';
import { disableIpv6 } from '../kernel/sysctl.ts';
import { makeTap } from '../kernel/tap.ts';
import { removeFilter } from '../kernel/tc.ts';
import { HeddleError } from '../model/errors.ts';
import type { TapAttachment, TapBefore } from '../model/local-api.ts';
import { portOfAlias, takenAlias } from './device-alias.ts';
import { type DeviceWant, deviceName, type NewDevice, type WorkloadEnd } from './workload-end.ts';

export const tapEnd: WorkloadEnd<TapAttachment> = {
  make: (nl, want, { alias }) => (want.attachment.taken ? take(nl, want) : make(nl, want, alias)),
  setMtu(nl, { attachment, mtuBytes }) {
    const link = linkByName(nl, attachment.ifname);
    if (!link) return `${attachment.ifname} is gone`;
    if (link.mtuBytes !== mtuBytes) linkSet(nl, link.ifindex, { mtuBytes });
    return undefined;
  },
};

/**
 * It gets the name that was asked for when it is whole: a half-made one has a name by which a restarted agent knows it.
 * Its MTU is the network's, where hypervisors look for the guest's; the kernel holds nobody who opens it to that.
 */
function make(nl: Netlink, { attachment, port, mtuBytes }: DeviceWant<TapAttachment>, alias: string): NewDevice {
  const { ifname, uid: owner, queues } = attachment;
  const name = deviceName(port.id);
  const link = makeTap(nl, { name, owner, multiQueue: queues > 1 });
  const undo = () => ensureNoLink(nl, link.ifindex);
  const complete = () => {
    linkSet(nl, link.ifindex, { mtuBytes });
    nl.within(() => disableIpv6(undefined, name)); // or a host that forwards reports its groups (MLD) to the guest
    linkSet(nl, link.ifindex, { alias });
    if (ifname !== name) rename(nl, link.ifindex, ifname);
    linkSet(nl, link.ifindex, { up: true });
  };
  return { link: { ...link, name: ifname }, redirectPeer: false, complete, undo, [Symbol.dispose]: () => undefined };
}

/** @throws IFNAME_TAKEN */
function rename(nl: Netlink, ifindex: number, name: string): void {
  try {
    linkSet(nl, ifindex, { name });
  } catch (cause) {
    if (!hasErrno(cause, 'EEXIST')) throw cause;
    throw new HeddleError('IFNAME_TAKEN', { ifname: name, netns: 'this host' }, cause);
  }
}

/** The mark comes first: whatever happens from now on, a restarted agent knows that it is to be left, not removed. */
function take(nl: Netlink, { attachment, port, mtuBytes }: DeviceWant<TapAttachment>): NewDevice {
  const { ifname, before, uid } = attachment;
  const link = linkByName(nl, ifname);
  if (!link?.tap) throw new HeddleError('TAP_GONE', { ifname });
  const other = portOfAlias(link.alias);
  // Another's tap that has come in the place of the one that was taken stays that one's.
  const isOthers = uid !== undefined && link.tap.owner !== uid;
  if ((other && other !== port.id) || isOthers) throw new HeddleError('IFNAME_TAKEN', { ifname, netns: 'this host' });
  refuseMaster(link);
  linkSet(nl, link.ifindex, { alias: takenAlias(port.id) });
  return {
    link,
    redirectPeer: false,
    complete: () => linkSet(nl, link.ifindex, { mtuBytes, up: true }),
    undo: () => leaveTap(nl, link.ifindex, before),
    [Symbol.dispose]: () => undefined,
  };
}

/** What a bridge or bond gets of a tap, it would get no more: the program comes first. @throws INVALID */
export function refuseMaster({ name, master }: Link): void {
  if (master === undefined) return;
  throw new HeddleError('INVALID', {
    field: 'ifname',
    problem: `${name} is in a bridge or bond: take it out first (ip link set ${name} nomaster)`,
  });
}

/**
 * Makes a tap that was taken what it was before; one that is gone is fine. One that was down is down before its program goes,
 * and so is one of which nothing is known (the record is lost). The mark goes last: should we die before, it is done again.
 * @throws KERNEL
 */
export function leaveTap(nl: Netlink, ifindex: number, before: TapBefore | undefined): void {
  const { up = false, mtuBytes, alias = '', addrGenMode } = before ?? {};
  try {
    if (!up) linkSet(nl, ifindex, { up });
    linkSet(nl, ifindex, present({ mtuBytes, addrGenMode }));
    removeFilter(nl, ifindex, 'ingress');
    linkSet(nl, ifindex, { alias });
  } catch (e) {
    if (!hasErrno(e, 'ENODEV')) throw e;
  }
}
