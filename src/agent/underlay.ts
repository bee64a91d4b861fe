import type { Logger } from 'pino';
import type { Facts, Path } from '../compile/facts.ts';
import { mayReach, reachedBy } from '../gateway/uplinks.ts';
import { addressList } from '../kernel/address.ts';
import type { BpfObject } from '../kernel/bpf.ts';
import { hasErrno } from '../kernel/libc.ts';
import { type Link, linkAddVxlan, linkByName, linkDelete, linkList, linkSet } from '../kernel/link.ts';
import { type Neighbour, neighbourList, neighbourUse } from '../kernel/neighbour.ts';
import type { Netlink } from '../kernel/netlink.ts';
import { routeGet } from '../kernel/route.ts';
import { ensureClsact, ensureFilter, hasForeignFilters } from '../kernel/tc.ts';
import { ensureNoTcx, ensureTcx, listTcx } from '../kernel/tcx.ts';
import type { KernelEvent } from '../kernel/watch.ts';
import { type Ip, parseIp } from '../model/address.ts';
import { HeddleError } from '../model/errors.ts';

/** RTN_LOCAL, _BROADCAST, _ANYCAST, _MULTICAST: of addresses, of which the kernel tells besides. */
const ofAddresses: ReadonlySet<number> = new Set([2, 3, 4, 5]);

/** The slow path's device: external mode, so that it carries every VNI to every VTEP. */
const vxlan = { name: 'hdvx0', alias: 'heddle:vxlan', mtuBytes: 65_485 } as const;

/** What the underlay is made of. */
export interface UnderlayParts {
  readonly nl: Netlink;
  readonly vtep: Ip;
  readonly udpPort: number;
  readonly features: number;
  readonly bpf: BpfObject;
  readonly log: Logger;
}

/**
 * The physical network as the kernel sees it: the device that has the VTEP, the slow path's device, and for each peer
 * the way there, from the kernel's own routes and neighbours. Packets on the fast path do not use the kernel's
 * neighbour entries, so this keeps them alive.
 */
export class Underlay {
  readonly #parts: UnderlayParts;
  readonly #paths = new Map<Ip, Path>();
  /** Next hops in use: "ifindex address". */
  readonly #hops = new Map<string, { ifindex: number; ip: Ip }>();
  #vteps: readonly Ip[] = [];
  #mtuBytes = 0;
  #nicIfindex = 0;
  #vxlanIfindex = 0;
  #reached: readonly Ip[];

  /** @throws HOST_MISMATCH if no device has the VTEP's address */
  constructor(parts: UnderlayParts) {
    this.#parts = parts;
    this.#reached = reachedBy(parts.nl, parts.vtep);
    this.refresh();
  }

  /** This host's other addresses by which others get to it. */
  get addresses(): readonly Ip[] {
    return this.#reached;
  }

  get facts(): Omit<Facts, 'self' | 'devices' | 'gateways'> {
    const { vtep, udpPort, features } = this.#parts;
    return {
      vtep,
      udpPort,
      features,
      vxlanIfindex: this.#vxlanIfindex,
      underlayMtuBytes: this.#mtuBytes,
      paths: this.#paths,
    };
  }

  /** Finds the ways to these VTEPs. Returns whether one changed. */
  resolve(vteps: readonly Ip[]): boolean {
    this.#vteps = vteps;
    const links = new Map(linkList(this.#parts.nl).map((l) => [l.ifindex, l]));
    const neighbours = new Map(neighbourList(this.#parts.nl).map((n) => [hopKey(n.ifindex, n.ip), n]));
    const before = JSON.stringify([...this.#paths]);
    this.#paths.clear();
    this.#hops.clear();
    for (const remote of vteps) {
      const path = this.#resolveOne(remote, links, neighbours);
      if (path) this.#paths.set(remote, path);
    }
    for (const ifindex of new Set([...this.#paths.values()].map((p) => p.ifindex))) this.#guard(ifindex);
    return JSON.stringify([...this.#paths]) !== before;
  }

  /** Reads everything again and mends the devices. Returns whether a fact changed. */
  refresh(): boolean {
    const { nl, vtep } = this.#parts;
    const address = addressList(nl).find((a) => a.ip === vtep);
    const nic = address && linkList(nl).find((l) => l.ifindex === address.ifindex);
    if (!nic)
      throw new HeddleError('HOST_MISMATCH', {
        problem: `no network device of this host has the VTEP address ${vtep}; set it, or name another with --vtep`,
      });
    this.#reached = reachedBy(nl, vtep);
    const changed = this.#mtuBytes !== nic.mtuBytes;
    this.#mtuBytes = nic.mtuBytes;
    this.#nicIfindex = nic.ifindex;
    this.#guard(nic.ifindex);
    const slowPathNew = this.#ensureVxlan();
    return this.resolve(this.#vteps) || changed || slowPathNew;
  }

  /** True if a kernel event can have changed a fact. */
  concerns(event: KernelEvent): boolean {
    // A host's container engines make and move devices all the time: another device matters only if it gets
    // an address or a route that leads further than to its own link.
    switch (event.kind) {
      case 'neighbour':
        return this.#hops.has(hopKey(event.neighbour.ifindex, event.neighbour.ip));
      case 'link':
        return this.#usesLink(event.link.ifindex);
      case 'tc':
        return this.#usesLink(event.ifindex);
      case 'address':
        return mayReach(event.address.ip) || this.#usesLink(event.address.ifindex);
      case 'route':
        return !ofAddresses.has(event.route.type) && !/^f[ef]/.test(event.route.dst);
      default:
        return true;
    }
  }

  #usesLink(ifindex: number): boolean {
    const paths = [...this.#paths.values()].map((p) => p.ifindex);
    return [this.#nicIfindex, this.#vxlanIfindex, ...paths].includes(ifindex);
  }

  /** Makes the kernel confirm the next hops in use; call it every few seconds. */
  keepFresh(): void {
    for (const { ifindex, ip } of this.#hops.values()) neighbourUse(this.#parts.nl, { ifindex, ip });
  }

  /** VTEPs by the way their packets go, for status. */
  get summary(): { fast: Ip[]; slow: Ip[] } {
    const fast = this.#vteps.filter((v) => this.#paths.get(v)?.macs);
    return { fast, slow: this.#vteps.filter((v) => !fast.includes(v)) };
  }

  #resolveOne(
    remote: Ip,
    links: ReadonlyMap<number, Link>,
    neighbours: ReadonlyMap<string, Neighbour>,
  ): Path | undefined {
    const { nl, vtep, log } = this.#parts;
    try {
      const route = routeGet(nl, remote);
      const link = route.oif === undefined ? undefined : links.get(route.oif);
      if (!link) return undefined;
      const hop = route.gateway ?? remote;
      const neighbour = neighbours.get(hopKey(link.ifindex, hop));
      this.#hops.set(hopKey(link.ifindex, hop), { ifindex: link.ifindex, ip: hop });
      const mac = neighbour && usable.has(neighbour.state) ? neighbour.mac : undefined;
      if (!mac) neighbourUse(nl, { ifindex: link.ifindex, ip: hop });
      const macs = mac && link.mac ? { source: link.mac, destination: mac } : undefined;
      return {
        ifindex: link.ifindex,
        local: vtep,
        mtuBytes: Math.min(link.mtuBytes, route.mtuBytes ?? link.mtuBytes),
        ...(macs && { macs }),
      };
    } catch (err) {
      log.warn({ err, vtep: remote }, 'no route to a VTEP');
      return undefined;
    }
  }

  /** The programs on an underlay device. */
  #guard(ifindex: number): void {
    const { nl, bpf } = this.#parts;
    ensureClsact(nl, ifindex);
    ensureFilter(nl, ifindex, 'ingress', bpf.program('from_underlay'));
    ensureFilter(nl, ifindex, 'egress', bpf.program('to_underlay'));
    ensureTcx(nl, ifindex, 'ingress', bpf.program('from_underlay'));
    const pass = bpf.program('pass_marked');
    if (this.#aloneAtEgress(ifindex, pass.name)) ensureTcx(nl, ifindex, 'egress', pass);
    else ensureNoTcx(nl, ifindex, 'egress', pass.name);
  }

  /** Whether nobody else looks at what leaves by the device. */
  #aloneAtEgress(ifindex: number, ours: string): boolean {
    const { nl } = this.#parts;
    return (
      !hasForeignFilters(nl, ifindex, 'egress') && listTcx(nl, ifindex, 'egress').every(({ name }) => name === ours)
    );
  }

  /** The slow path's device; one of other kind or port under our mark, or left half made by a killed agent, is made anew. Returns whether it is another than before. */
  #ensureVxlan(): boolean {
    const { nl, udpPort, bpf } = this.#parts;
    const have = linkByName(nl, vxlan.name);
    const halfMade = have?.kind === 'vxlan' && !have.alias && !have.up;
    if (have && have.alias !== vxlan.alias && !halfMade)
      throw new HeddleError('LINK_MISMATCH', {
        link: vxlan.name,
        want: 'Heddle’s own',
        have: `somebody else’s ${have.kind ?? 'device'}`,
      });
    const usable = have && !halfMade && have.vxlan?.udpPort === udpPort && have.vxlan.external;
    if (have && !usable) linkDelete(nl, have.ifindex);
    if (!usable) linkAddVxlan(nl, { ...vxlan, udpPort, external: true });
    const link = linkByName(nl, vxlan.name);
    if (!link) throw new HeddleError('KERNEL', { operation: 'link add', errno: 'ENODEV', object: vxlan.name });
    ensureClsact(nl, link.ifindex);
    ensureFilter(nl, link.ifindex, 'ingress', bpf.program('from_vxlan'));
    if (!link.up) {
      linkSet(nl, link.ifindex, { addrGenMode: 'none' });
      linkSet(nl, link.ifindex, { up: true });
    }
    const changed = this.#vxlanIfindex !== link.ifindex;
    this.#vxlanIfindex = link.ifindex;
    return changed;
  }
}

/** States in which the kernel itself would send to the entry's MAC. */
const usable: ReadonlySet<string> = new Set(['reachable', 'stale', 'delay', 'probe', 'permanent']);
const hopKey = (ifindex: number, ip: string): string => `${ifindex} ${ip}`;

/** Any address outside: the documentation's (RFC 5737); nothing is sent. */
function defaultSource(nl: Netlink): Ip | undefined {
  try {
    return routeGet(nl, parseIp('192.0.2.1')).prefsrc;
  } catch (e) {
    if (hasErrno(e, 'ENETUNREACH')) return undefined;
    throw e;
  }
}

/** The source address of the default route. @throws HOST_MISMATCH if there is none */
export function defaultVtep(nl: Netlink): Ip {
  const source = defaultSource(nl);
  if (!source)
    throw new HeddleError('HOST_MISMATCH', {
      problem: 'this host has no default route to take the VTEP address from; name one with --vtep',
    });
  return source;
}
