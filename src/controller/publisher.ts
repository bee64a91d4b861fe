import { isDeepStrictEqual } from 'node:util';
import { memberHosts } from '../compile/binding.ts';
import { networkKeys } from '../compile/compile-host.ts';
import { type ItemKey, itemKey } from '../model/host-state.ts';
import type { AddressId, HostId, LeaseId, NetworkId, PortId, RouterId } from '../model/ids.ts';
import type {
  AddressRecord,
  HostRecord,
  LeaseRecord,
  PortRecord,
  RouterRecord,
  Stored,
  SubnetRecord,
} from './records.ts';
import type { World, WorldChange } from './world.ts';

/** Where a host's dirty keys go: they are looked up in the world when the host's connection can take them. */
export interface Outbox {
  /** These items may have changed; an empty list still owes the host a message for the revision. */
  mark(keys: Iterable<ItemKey>): void;
}

/**
 * Tells every concerned host which items a revision may have changed. The work is proportional to the hosts concerned;
 * only a host that begins or ceases to view networks costs those networks' ports.
 */
export class Publisher {
  readonly #world: World;
  readonly #outboxes = new Map<string, Outbox>();
  /** Revisions that hosts were told of, by this process. */
  rounds = 0;
  /** Messages to hosts, and their bytes; counted by who sends them. */
  readonly sent = { messages: 0, bytes: 0 };

  constructor(world: World) {
    this.#world = world;
  }
  connect(host: string, outbox: Outbox): void {
    this.#outboxes.set(host, outbox);
  }
  disconnect(host: string, outbox: Outbox): void {
    if (this.#outboxes.get(host) === outbox) this.#outboxes.delete(host);
  }

  /** To be called by the world, which already holds the changes of one revision. */
  readonly publish = (changes: readonly WorldChange[]): void => {
    this.rounds++;
    const touched = new Map<string, Touched>();
    const touch = (network: string): Touched => {
      const t = touched.get(network) ?? { keys: new Set(), moves: new Map(), told: false };
      touched.set(network, t);
      return t;
    };
    for (const change of changes) this.#note(change, touch);
    for (const [network, { keys, told }] of touched)
      if (told) for (const host of this.#world.views.viewersOf(network)) this.#mark(host, keys);
    this.#tellOfMoves(touched);
  };

  /** What a change means for the networks that it touches. */
  #note(change: WorldChange, touch: (network: string) => Touched): void {
    const { kind, before, after } = change;
    const { id } = (after ?? before)!.record;
    switch (kind) {
      case 'tenant':
        for (const network of this.#world.networksOfTenant.of(id)) common(touch(network), ...this.#about(network));
        return;
      case 'network':
        return common(touch(id), ...this.#about(id));
      case 'subnet': {
        const { network } = (after ?? before)!.record as SubnetRecord;
        return common(touch(network), ...this.#about(network));
      }
      case 'router':
        return this.#regroup(id, before, after);
      case 'host':
        return this.#noteHost(change as WorldChange<'host'>);
      case 'port': {
        const t = touch(((after ?? before)!.record as PortRecord).network);
        const { from = [], to = [], stays } = change;
        const keys = from.length + to.length > 0 ? [itemKey({ kind, id: id as PortId })] : [];
        if (stays) for (const host of new Set([...from, ...to])) this.#mark(host, keys);
        else common(t, ...keys);
        return moved(t, from, to);
      }
      case 'address': {
        const { network } = (after ?? before)!.record as AddressRecord;
        return common(touch(network), itemKey({ kind, id: id as AddressId }));
      }
      case 'lease': {
        const t = touch(((after ?? before)!.record as LeaseRecord).network);
        const [from = [], to = []] = [before, after].map((l) => (l ? [(l.record as LeaseRecord).host] : []));
        for (const host of new Set([...from, ...to])) this.#mark(host, [itemKey({ kind, id: id as LeaseId })]);
        return moved(t, from, to);
      }
    }
  }

  /** Every host closes every other one's addresses to its workloads, but for what is held for workloads there. */
  #noteHost(change: WorldChange<'host'>): void {
    const [before, after] = [change.before?.record, change.after?.record];
    const { id } = (after ?? before)!;
    const peer = isDeepStrictEqual(asPeer(before), asPeer(after)) ? [] : [peerKey(id)];
    for (const host of concernedHosts(this.#world, change)) this.#mark(host, peer);
    if (isDeepStrictEqual(asServer(before), asServer(after))) return;
    for (const [host, outbox] of this.#outboxes) if (host !== id) outbox.mark([itemKey({ kind: 'server', id })]);
  }

  /** The items of a network itself, of its router, and of that one's peers. */
  #about(network: string): ItemKey[] {
    const router = this.#world.views.routerOf(network);
    if (router === undefined) return [networkKey(network)];
    return [networkKey(network), routerKey(router), ...[...this.#world.views.peersOf(router)].map(routerKey)];
  }

  /** A router changes; where it joins or reaches other networks than before, hosts view others. */
  #regroup(router: string, was: Stored | undefined, is: Stored | undefined): void {
    const [before, after] = [subnetsOf(was), subnetsOf(is)];
    const peers = peersOf(was).union(peersOf(is));
    const asBefore =
      same(before, after) &&
      same(peersOf(was), peersOf(is)) &&
      isDeepStrictEqual(translationsOf(was), translationsOf(is));
    if (peers.size > 0 && !asBefore) this.#remeet([router, ...peers], before.union(after));
    else this.#rejoin(router, before, after);
  }

  /** A router that has or had peers joins or names others: all that one of them reached or reaches is looked at again. */
  #remeet(routers: readonly string[], subnets: ReadonlySet<string>): void {
    const reached = this.#world.networksOf(subnets.union(subnetsOfRouters(this.#world, routers)));
    for (const host of membersOf(this.#world, reached))
      this.#mark(host, [...routers.map(routerKey), ...this.#keysOf(reached, host)]);
  }

  /** A router joins other subnets, if not the same: a host that came to it or left it looks at all, others at what came or left. */
  #rejoin(router: string, before: ReadonlySet<string>, after: ReadonlySet<string>): void {
    const { views } = this.#world;
    const all = this.#world.networksOf(before.union(after));
    const changed = this.#world.networksOf(before).symmetricDifference(this.#world.networksOf(after));
    const routed = this.#world.networksOf(before.symmetricDifference(after));
    for (const host of membersOf(this.#world, all)) {
      const came = [...changed].some((network) => views.hostsOfNetwork.has(network, host));
      const keys = this.#keysOf(came ? all : changed, host);
      this.#mark(host, [routerKey(router), ...[...routed].map(networkKey), ...keys]);
    }
  }

  #keysOf(networks: ReadonlySet<string>, host: string): ItemKey[] {
    return [...networks].flatMap((network) => [...networkKeys(this.#world, network, host)]);
  }

  /** Tells hosts of what they view since they came, or no longer since they left, and those that met or meet them. */
  #tellOfMoves(touched: ReadonlyMap<string, Touched>): void {
    const { views } = this.#world;
    /** By the first network of a group: of how many of its networks hosts became members, less those they left. */
    const groups = new Map<string, Map<string, number>>();
    for (const [network, { moves }] of touched)
      for (const [host, by] of moves) {
        const now = views.hostsOfNetwork.countOf(network, host);
        const [was, is] = [now > by, now > 0];
        if (was === is) continue;
        this.#mark(host, [networkKey(network)]);
        const [first = network] = views.groupOfNetwork(network);
        const flips = groups.get(first) ?? new Map<string, number>();
        groups.set(first, flips.set(host, (flips.get(host) ?? 0) + (is ? 1 : -1)));
      }
    for (const [network, flips] of groups) {
      const others = [...flips].flatMap(([host, by]) => {
        const now = views.membershipsIn(network, host);
        const [was, is] = [now > by, now > 0];
        return was === is ? [] : [host];
      });
      if (others.length === 0) continue;
      for (const host of new Set([...views.viewersOf(network), ...others]))
        this.#mark(host, others.filter((other) => other !== host).map(peerKey));
      for (const host of others)
        for (const viewed of views.viewedFrom(network))
          this.#mark(host, [...(touched.get(viewed)?.keys ?? []), ...networkKeys(this.#world, viewed, host)]);
    }
  }

  #mark(host: string, keys: Iterable<ItemKey>): void {
    this.#outboxes.get(host)?.mark(keys);
  }
}

/** What one revision does to one network. */
interface Touched {
  /** Items that every host which views it looks at again. */
  readonly keys: Set<ItemKey>;
  /** By how many its ports and leases on a host have become more, or fewer. */
  readonly moves: Map<string, number>;
  /** Those hosts get a message for the revision, even without items. */
  told: boolean;
}

function common(t: Touched, ...keys: readonly ItemKey[]): void {
  t.told = true;
  for (const key of keys) t.keys.add(key);
}

function moved({ moves }: Touched, from: readonly string[], to: readonly string[]): void {
  for (const host of from) if (!to.includes(host)) moves.set(host, (moves.get(host) ?? 0) - 1);
  for (const host of to) if (!from.includes(host)) moves.set(host, (moves.get(host) ?? 0) + 1);
}

const networkKey = (id: string): ItemKey => itemKey({ kind: 'network', id: id as NetworkId });
const routerKey = (id: string): ItemKey => itemKey({ kind: 'router', id: id as RouterId });
const peerKey = (id: string): ItemKey => itemKey({ kind: 'peer', id: id as HostId });

/** What those that meet a host know of it, and what all others do. */
const asPeer = (h: HostRecord | undefined) => h && [h.name, h.number, h.vtep, h.mtuBytes, h.revoked];
const asServer = (h: HostRecord | undefined) => h && [h.vtep, h.addresses, h.held, h.openPorts, h.revoked];

/** The subnets that a router joins. */
const subnetsOf = (router: Stored | undefined): Set<string> =>
  new Set((router?.record as RouterRecord | undefined)?.subnets);

/** The routers that a router names. */
const peersOf = (router: Stored | undefined): Set<string> =>
  new Set((router?.record as RouterRecord | undefined)?.peers);
/** How its peers see what a router joins. */
const translationsOf = (router: Stored | undefined) => (router?.record as RouterRecord | undefined)?.translations ?? [];
const subnetsOfRouters = (world: World, routers: Iterable<string>): Set<string> =>
  new Set([...routers].flatMap((id) => world.router.get(id)?.record.subnets ?? []));
const same = (a: ReadonlySet<string>, b: ReadonlySet<string>): boolean => a.symmetricDifference(b).size === 0;

const membersOf = (world: World, networks: Iterable<string>): Set<string> =>
  new Set([...networks].flatMap((network) => [...world.views.hostsOfNetwork.of(network)]));

/**
 * The hosts that a change concerns: they get a message for its revision, and `wait` waits for them. They are those that
 * view the touched network before or after, also that of a port behind the one that changes; for a host, those that meet it; for a lease, its host.
 */
export function concernedHosts(world: World, change: WorldChange): Set<string> {
  const { kind, before, after } = change;
  const { record } = (after ?? before)!;
  switch (kind) {
    case 'tenant':
      return new Set([...world.networksOfTenant.of(record.id)].flatMap((n) => [...world.views.viewersOf(n)]));
    case 'network':
      return new Set(world.views.viewersOf(record.id));
    case 'subnet':
      return new Set(world.views.viewersOf((record as SubnetRecord).network));
    case 'router': {
      const subnets = subnetsOf(before).union(subnetsOf(after));
      const others = subnetsOfRouters(world, peersOf(before).union(peersOf(after)));
      return membersOf(world, world.networksOf(subnets.union(others)));
    }
    case 'port': {
      const behind = [...world.portsBehind.of(record.id)].map((id) => world.port.get(id)!.record);
      const networks = new Set([record as PortRecord, ...behind].map(({ network }) => network));
      const left = before ? memberHosts(world.bindingOf(before.record as PortRecord)) : [];
      return new Set([...[...networks].flatMap((n) => [...world.views.viewersOf(n)]), ...left]);
    }
    case 'address':
      return new Set(world.views.viewersOf((record as AddressRecord).network));
    case 'lease':
      return new Set([(record as LeaseRecord).host]);
    case 'host': {
      const hosts = new Set(world.views.met(record.id));
      hosts.delete(record.id);
      return hosts;
    }
    case 'grant':
      return new Set();
  }
}
