/** The place that an attach names: a network namespace, a tap, the host itself, or a NIC. */
import { present } from '../kernel/attributes.ts';
import { type Link, linkByName, linkList } from '../kernel/link.ts';
import { openNetlink } from '../kernel/netlink.ts';
import { lastingIdentity, type Netns, openNetns, ownNetns } from '../kernel/netns.ts';
import { parseDestination } from '../model/address.ts';
import { HeddleError } from '../model/errors.ts';
import type { PortId } from '../model/ids.ts';
import type {
  Attachment,
  AttachRequest,
  HostAttachment,
  PlacedAttachment,
  TapAttachment,
  TapBefore,
} from '../model/local-api.ts';
import { portOfAlias } from './device-alias.ts';
import { shortest } from './host-routes.ts';
import { type DeviceRequest, isOn, nicBefore } from './segment/nic.ts';
import { serverNetnsIfThere } from './server-namespaces.ts';
import { refuseMaster } from './tap-end.ts';
import { deviceName } from './workload-end.ts';
import { freeIfname, parseIfname } from './workload-netns.ts';

type Kind = AttachRequest['kind'];
type Request<K extends Kind> = Extract<AttachRequest, { kind: K }>;
/** What a record says only of its kind. */
type Own<A> = A extends PlacedAttachment ? Omit<A, Exclude<keyof PlacedAttachment, 'kind' | 'ifname'>> : never;

/** A field that a repeated request has otherwise, in words. */
export interface Difference {
  readonly field: string;
  readonly have: string;
  readonly want: string;
}

/** A place, open until the workload's end is made. */
export interface Site extends Disposable {
  /** The attachment is there. */
  has(attachment: Attachment): boolean;
  /** Ifindexes of the host-side devices of the interfaces there; others may be among them. */
  readonly devices: () => ReadonlySet<number>;
  /** The attachment was there, perhaps before another workload came under the same name. */
  had(attachment: Attachment): boolean;
  /** A request that names neither interface nor port means the one attachment there that is on its network. */
  readonly oneEach: boolean;
  /** What a new record says of it; `reserved`: names of interfaces that are about to be made there. @throws IFNAME_INVALID, IFNAME_TAKEN */
  own(port: PortId, reserved: ReadonlySet<string>): Own<PlacedAttachment>;
  /** What of its kind the attachment has otherwise than the request asks for. */
  differs(attachment: PlacedAttachment): Difference | undefined;
  /** What a port that is made for it is called. */
  portName(hostName: string, ifname: string): string;
  /** In words. */
  readonly text: string;
}

/** @throws NETNS_NOT_FOUND, PREFIX_INVALID, INVALID */
export function openSite(request: AttachRequest): Site {
  if (request.kind === 'netns') return netnsSite(request);
  if (request.kind === 'device') return deviceSite(request);
  return request.kind === 'tap' ? tapSite(request) : hostSite(request);
}

function netnsSite({ target, ifname }: Request<'netns'>): Site {
  const netns = openForeign(target);
  const identity = lastingIdentity(netns);
  return {
    has: (a) => a.kind === 'netns' && a.target.identity === identity,
    had: (a) => a.kind === 'netns' && a.target.path === target,
    devices: () => peersIn(netns),
    oneEach: true,
    own: (_port, reserved) => ({
      kind: 'netns',
      target: { path: target, identity },
      ifname: ifname === undefined ? freeIfname(netns, 'eth', reserved) : parseIfname(ifname, netns),
    }),
    differs: () => undefined,
    portName: (host, name) => `${host}-${baseName(target)}${name === 'eth0' ? '' : `-${name}`}`,
    text: target,
    [Symbol.dispose]: () => netns[Symbol.dispose](),
  };
}

/** Interface and default route in the agent's own namespace would be those of the host. @throws NETNS_NOT_FOUND, INVALID */
function openForeign(target: string): Netns {
  const netns = openNetns(target);
  using own = ownNetns();
  if (netns.identity !== own.identity) return netns;
  netns[Symbol.dispose]();
  throw new HeddleError('INVALID', {
    field: 'target',
    problem: `${target} is this host's own network namespace: "heddle attach host" puts the host on a network`,
  });
}

function tapSite(request: Request<'tap'>): Site {
  const { ifname, owner: uid, queues = 1 } = request;
  const isHere = (a: Attachment): a is TapAttachment => a.kind === 'tap';
  return {
    has: isHere,
    had: (a) => isHere(a) && a.ifname === ifname,
    devices() {
      using own = ownNetns();
      using nl = openNetlink(own);
      const link = ifname === undefined ? undefined : linkByName(nl, ifname);
      return new Set(link ? [link.ifindex] : []);
    },
    oneEach: false,
    own(port) {
      const name = ifname ?? deviceName(port);
      const before = tapBefore(name, request);
      const more = { ...(before && { before }), ...(uid !== undefined && { uid }) };
      return { kind: 'tap', ifname: name, taken: before !== undefined, ...more, queues };
    },
    differs(a) {
      if (!isHere(a)) return undefined;
      if (uid !== undefined && a.uid !== uid)
        return { field: 'owner', have: a.uid === undefined ? 'root' : `${a.uid}`, want: `${uid}` };
      return a.queues === queues ? undefined : { field: 'queues', have: `${a.queues}`, want: `${queues}` };
    },
    portName: (host, name) => `${host}-${name}`,
    text: ifname === undefined ? 'a tap' : `tap ${ifname}`,
    [Symbol.dispose]: () => undefined,
  };
}

/** How a tap of that name is, which is to be taken; undefined if there is nothing. @throws IFNAME_INVALID, IFNAME_TAKEN by anything else, INVALID */
function tapBefore(name: string, request: Request<'tap'>): TapBefore | undefined {
  // It becomes a word of QEMU's arguments, which no shell may take for something else.
  if (!/^[A-Za-z0-9._-]+$/.test(name)) throw new HeddleError('IFNAME_INVALID', { ifname: name });
  using own = ownNetns();
  using nl = openNetlink(own);
  const link = linkByName(nl, name);
  if (!link?.tap || portOfAlias(link.alias) !== undefined) {
    parseIfname(name, own);
    return undefined;
  }
  refuseMaster(link);
  refuseUnlike(name, link.tap, request);
  const { up, mtuBytes, alias, addrGenMode } = link;
  return { up, mtuBytes, ...present({ alias, addrGenMode }) };
}

/** What a tap was made with stays as it is. @throws INVALID */
function refuseUnlike(name: string, tap: NonNullable<Link['tap']>, { owner, queues = 1 }: Request<'tap'>): void {
  if (owner !== undefined && tap.owner !== owner) {
    const have = tap.owner === undefined ? 'has no owner' : `has owner ${tap.owner}`;
    throw new HeddleError('INVALID', { field: 'owner', problem: `${name} is there and ${have}, not ${owner}` });
  }
  if (tap.multiQueue === queues > 1) return;
  const problem = tap.multiQueue ? 'for several queues: say how many' : `of one queue, not ${queues}`;
  throw new HeddleError('INVALID', { field: 'queues', problem: `${name} is there and ${problem}` });
}

function hostSite({ ifname, netns: name, routes: wanted = [] }: Request<'host'>): Site {
  const routes = wanted.map(parseHostRoute);
  const netns = name === undefined ? ownNetns() : serverNetnsIfThere(name);
  const isHere = (a: Attachment): a is HostAttachment => a.kind === 'host' && a.netns === name;
  return {
    has: isHere,
    had: isHere,
    devices: () => (netns ? peersIn(netns) : new Set()),
    oneEach: true,
    own: (_port, reserved) => ({
      kind: 'host',
      ...(name !== undefined && { netns: name }),
      ifname: ifname === undefined ? freeIfname(netns, 'heddle', reserved) : parseIfname(ifname, netns),
      routes,
    }),
    differs(a) {
      const [have, want] = [isHere(a) ? a.routes : [], routes].map((all) => [...all].sort().join(', ') || 'none');
      return have === want ? undefined : { field: 'routes', have: have!, want: want! };
    },
    portName: (host, own) => [host, name ?? [], own === 'heddle0' ? [] : own].flat().join('-'),
    text: name === undefined ? 'this host' : `namespace ${name}`,
    [Symbol.dispose]: () => netns?.[Symbol.dispose](),
  };
}

function deviceSite(request: DeviceRequest): Site {
  const { ifname, vlan } = request;
  return {
    has: (a) => isOn(a, ifname, vlan),
    had: (a) => isOn(a, ifname, vlan),
    devices: () => new Set(),
    oneEach: true,
    own: () => ({
      kind: 'device',
      ifname,
      ...(vlan !== undefined && { vlan }),
      before: nicBefore(request),
    }),
    differs: () => undefined,
    portName: (host, name) => `${host}-${name}${vlan === undefined ? '' : `.${vlan}`}`,
    text: vlan === undefined ? ifname : `VLAN ${vlan} of ${ifname}`,
    [Symbol.dispose]: () => undefined,
  };
}

/** No default route: a host keeps the ways outside that it has. @throws PREFIX_INVALID */
function parseHostRoute(prefix: string): string {
  const { cidr, length } = parseDestination(prefix);
  if (length >= shortest) return cidr;
  throw new HeddleError('PREFIX_INVALID', { prefix: cidr, problem: `its length must be ${shortest} or more` });
}

/** Ifindexes of the peers of a namespace's interfaces. */
function peersIn(netns: Netns): Set<number> {
  using nl = openNetlink(netns);
  return new Set(linkList(nl).flatMap((link) => link.peerIfindex ?? []));
}

/** "w1" of /run/netns/w1; "4711" of /proc/4711/ns/net; only characters that a name may have. */
function baseName(path: string): string {
  const pid = /^\/proc\/(\d+)\/ns\/net$/.exec(path)?.[1];
  return (pid ?? path.split('/').at(-1) ?? '').replaceAll(/[^A-Za-z0-9._-]/g, '-') || 'netns';
}
