/** The kinds whose workload has the one end of a veth pair: network namespaces, integrations' pairs, the host itself. */
import { hasErrno } from '../kernel/libc.ts';
import {
  changeToOperational,
  ensureNoLink,
  type Link,
  linkAddVeth,
  linkByName,
  linkChange,
  linkSet,
} from '../kernel/link.ts';
import { type Netlink, openNetlink } from '../kernel/netlink.ts';
import { lastingIdentity, type Netns, openNetns, ownNetns } from '../kernel/netns.ts';
import { sysctlWrite } from '../kernel/sysctl.ts';
import { ipFamily, macBytes, macText } from '../model/address.ts';
import { HeddleError, hasCode } from '../model/errors.ts';
import type { PortItem } from '../model/host-state.ts';
import type { Attachment, HostAttachment, InNetns, NetnsAttachment, PairAttachment } from '../model/local-api.ts';
import { refuseCollision, routesBeyond } from './host-routes.ts';
import { serverNetnsIfThere } from './server-namespaces.ts';
import { type DeviceWant, deviceName, type Making, peerName, type WorkloadEnd } from './workload-end.ts';
import { configureWorkload, defaultRoutes } from './workload-netns.ts';

/** A host-side device takes frames of any size, so that `from_port` sees those that are too big and can say so. */
const hostSideMtuBytes = 65_535;

/** Where the workload's end of a pair goes. */
interface Place<A extends Attachment> {
  /** The namespace to make it in. @throws NETNS_NOT_FOUND, DEVICE_GONE, HOST_ROUTE_TAKEN */
  open(want: DeviceWant<A>, how: Making): Netns;
  name(want: DeviceWant<A>): string;
  /** Whether the end is, or will soon be, in another namespace than ours. */
  isElsewhere(netns: Netns): boolean;
  /** Addresses, routes and the like; absent: not ours to set up. */
  configure?(netns: Netns, want: DeviceWant<A>, ifindex: number): void;
  /** As {@link WorkloadEnd.guarded}. */
  readonly guarded?: boolean;
  /** As {@link WorkloadEnd.setMtu}. */
  setMtu(want: DeviceWant<A>): string | undefined;
}

const vethEnd = <A extends Attachment>(place: Place<A>): WorkloadEnd<A> => ({
  guarded: place.guarded ?? false,
  make(nl, want, how) {
    using opened = new DisposableStack();
    const netns = opened.use(place.open(want, how));
    const link = addVeth(nl, want, { name: place.name(want), netns });
    const open = opened.move();
    return {
      link,
      redirectPeer: place.isElsewhere(netns),
      complete() {
        const mark = linkChange(link.ifindex, { alias: how.alias });
        if (!place.configure) return void nl.batch([mark]);
        place.configure(netns, want, link.peerIfindex!);
        changeToOperational(nl, link.ifindex, [mark]);
      },
      undo: () => ensureNoLink(nl, link.ifindex),
      [Symbol.dispose]: () => open.dispose(),
    };
  },
  setMtu: (_nl, want) => place.setMtu(want),
});

/** The agent makes the interface in a network namespace, and sets it up. */
export const netnsEnd = vethEnd<NetnsAttachment>({
  open: ({ attachment }) => openTarget(attachment),
  name: ({ attachment }) => attachment.ifname,
  isElsewhere(netns) {
    using own = ownNetns();
    return own.identity !== netns.identity;
  },
  configure(netns, { attachment: { ifname }, port, network }, ifindex) {
    configureWorkload(netns, { ifname, ifindex, port, network, routes: defaultRoutes(port, network) });
  },
  setMtu({ attachment, mtuBytes }) {
    using netns = openTargetIfThere(attachment);
    if (!netns) return `${attachment.target.path} is gone`;
    setMtuIn(netns, attachment.ifname, mtuBytes); // one that the workload renamed or removed is the workload's
    return undefined;
  },
});

const workloadHasIt = 'its workload has the interface';

/** An integration moves the end from our namespace into its workload, and sets it up there. */
const movedEnd = vethEnd<PairAttachment>({
  open(want) {
    refuseAnother(want);
    return ownNetns();
  },
  name: ({ port }) => peerName(port.id),
  isElsewhere: () => true,
  setMtu({ attachment, port, mtuBytes }) {
    if (attachment.plug?.mtuBytes === mtuBytes) return undefined;
    using own = ownNetns();
    return setMtuIn(own, peerName(port.id), mtuBytes) ? undefined : workloadHasIt;
  },
});

/** The integration's workload runs already: the end is made there, and set up but for its routes, which are the integration's. */
const insideEnd = vethEnd<PairAttachment>({
  open(want) {
    refuseAnother(want);
    return openTarget(placeIn(want));
  },
  name: (want) => placeIn(want).ifname,
  isElsewhere: () => true,
  configure(netns, want, ifindex) {
    const { port, network } = want;
    configureWorkload(netns, { ifname: placeIn(want).ifname, ifindex, port, network, routes: [] });
    // By it the workload reaches itself. Elsewhere the namespace is somebody's who has set it as they want it; a container's is its
    // engine's, which turns IPv6 off in it, and on with the first interface that it moves there.
    if (port.addresses.some((ip) => ipFamily(ip) === 6)) sysctlWrite(netns, ['ipv6', 'conf', 'lo', 'disable_ipv6'], 0);
  },
  // The namespace's path leads through the integration's process, which may be another by now.
  setMtu: ({ attachment: { plug }, mtuBytes }) => (plug?.mtuBytes === mtuBytes ? undefined : workloadHasIt),
});

/** Where an integration's pair has its other end. */
export const pairEndOf = ({ plug }: PairAttachment): WorkloadEnd<PairAttachment> =>
  plug?.inside ? insideEnd : movedEnd;

const placeIn = ({ attachment }: DeviceWant<PairAttachment>): InNetns => attachment.plug!.inside!;

/** A workload whose pair is gone does not get another behind its integration's back. @throws DEVICE_GONE */
function refuseAnother({ attachment: { plug, owner }, port }: DeviceWant<PairAttachment>): void {
  if (plug?.state === 'made') throw new HeddleError('DEVICE_GONE', { device: deviceName(port.id), owner });
}

/**
 * The host itself: an interface beside its others, which loses no route to it; or in a namespace for the server's programs,
 * where the network is also the way outside. Both are filtered: a kernel that forwards, or takes packets for any of its
 * addresses by any interface, is no way from one network to another.
 */
export const hostEnd = vethEnd<HostAttachment>({
  guarded: true,
  open(want, { underlay, servers }) {
    using opened = new DisposableStack();
    const { netns: name } = want.attachment;
    const netns = opened.use(name === undefined ? ownNetns() : servers.ensure(name));
    refuseCollision(netns, want, name === undefined ? underlay() : []);
    opened.move();
    return netns;
  },
  name: ({ attachment }) => attachment.ifname,
  // What is put straight into a namespace does not pass the filter.
  isElsewhere: () => false,
  configure(netns, { attachment, port, network }, ifindex) {
    const outside = attachment.netns === undefined ? [] : defaultRoutes(port, network);
    const routes = [...outside, ...routesBeyond(attachment, port, network)];
    configureWorkload(netns, { ifname: attachment.ifname, ifindex, port, network, routes });
  },
  setMtu({ attachment: { netns: name, ifname }, mtuBytes }) {
    using netns = name === undefined ? ownNetns() : serverNetnsIfThere(name);
    return netns && setMtuIn(netns, ifname, mtuBytes) ? undefined : `${ifname} is gone`;
  },
});

/** @throws IFNAME_TAKEN if it is the workload's side that has the name already */
function addVeth(nl: Netlink, { port, mtuBytes }: DeviceWant, peer: { name: string; netns: Netns }): Link {
  const name = deviceName(port.id);
  try {
    return linkAddVeth(nl, {
      name,
      mac: hostSideMac(port),
      mtuBytes: hostSideMtuBytes,
      peer: { ...peer, mac: port.mac, mtuBytes },
    });
  } catch (cause) {
    if (!hasErrno(cause, 'EEXIST') || linkByName(nl, name)) throw cause;
    throw new HeddleError('IFNAME_TAKEN', { ifname: peer.name, netns: peer.netns.path }, cause);
  }
}

/** A MAC for the host's end, different from the port's: nobody addresses it. */
function hostSideMac(port: PortItem) {
  const mac = macBytes(port.mac);
  mac[0] = (mac[0]! ^ 0x40) | 0x02;
  return macText(mac);
}

/** False if there is no such interface. */
function setMtuIn(netns: Netns, ifname: string, mtuBytes: number): boolean {
  using nl = openNetlink(netns);
  const link = linkByName(nl, ifname);
  if (link && link.mtuBytes !== mtuBytes) linkSet(nl, link.ifindex, { mtuBytes });
  return link !== undefined;
}

/** The workload's namespace, which must be the one that was attached. @throws NETNS_NOT_FOUND */
function openTarget({ target }: Pick<InNetns, 'target'>): Netns {
  const netns = openNetns(target.path);
  if (lastingIdentity(netns) === target.identity) return netns;
  netns[Symbol.dispose]();
  throw new HeddleError('NETNS_NOT_FOUND', { path: `${target.path} (as it was when attached)` });
}

function openTargetIfThere(place: Pick<InNetns, 'target'>): Netns | undefined {
  try {
    return openTarget(place);
  } catch (e) {
    if (hasCode(e, 'NETNS_NOT_FOUND')) return undefined;
    throw e;
  }
}
