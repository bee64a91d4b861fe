import { type Binding, bindingOf, hostsOf, memberHosts } from '../compile/binding.ts';
import { type Ip, ipNumber, parsePrefix, prefixHas } from '../model/address.ts';
import { type Kind, referentsFirst } from '../model/kinds.ts';
import { briefingOf } from '../model/metadata.ts';
import type { Batch, Store } from '../store/contract.ts';
import type { Applied } from './applied.ts';
import {
  appliedPrefix,
  authorityKey,
  growthPrefix,
  hostTrustPrefix,
  joinTokenPrefix,
  nameKey,
  objectPrefix,
  parseObjectKey,
  prefixesKey,
  quotaPrefix,
  tokenPrefix,
  vniCursorKey,
} from './keys.ts';
import { MultiMap } from './multi-map.ts';
import { QuotaBook } from './quota-book.ts';
import { type PortRecord, parseRecord, type Records, type RouterRecord, type Stored, scopeOf } from './records.ts';
import { SubnetUse } from './subnet-use.ts';
import { TrustBook } from './trust-book.ts';
import { Views } from './views.ts';

/** One object's change, as the world saw it. A port behind another changes with that one's binding: before is after then. */
export interface WorldChange<K extends Kind = Kind> {
  readonly kind: K;
  readonly before: Stored<K> | undefined;
  readonly after: Stored<K> | undefined;
  /** Of a port: the hosts that were members for its sake before, and those that are after. */
  readonly from?: readonly string[];
  readonly to?: readonly string[];
  /** Of a machine on a segment that keeps its place: those hosts alone know it otherwise than before. */
  readonly stays?: boolean;
  /** Of a port: the hosts where it is wired after. */
  readonly wired?: readonly string[];
}
/** Called after each revision with what it changed; the world already holds the new state. */
type WorldListener = (changes: readonly WorldChange[], revision: bigint) => void;

/** Its host's agent has something to tell its guest. */
const isBriefed = (port: PortRecord): boolean => Object.keys(briefingOf(port)).length > 0;

const PAGE = 2000;
const prefixesPrefix = prefixesKey('');
/** What is read besides the objects. */
const trustPrefixes = [authorityKey, hostTrustPrefix, joinTokenPrefix, tokenPrefix];
const otherPrefixes = [prefixesPrefix, vniCursorKey, quotaPrefix, growthPrefix, appliedPrefix, ...trustPrefixes];

/**
 * All objects in memory with the indexes that the controller asks for, fed by the store's watch only: own writes and
 * those of other controllers come the same way.
 */
export class World {
  revision = 0n;
  /** Where the walk through the VNI pool stands, and the revision that put it there. */
  vniCursor = { vni: 0, revision: 0n };
  /** Revision of the last change to the set of a network's prefixes. */
  readonly prefixesRevision = new Map<string, bigint>();
  readonly tenant = new Map<string, Stored<'tenant'>>();
  readonly network = new Map<string, Stored<'network'>>();
  readonly subnet = new Map<string, Stored<'subnet'>>();
  readonly port = new Map<string, Stored<'port'>>();
  readonly address = new Map<string, Stored<'address'>>();
  readonly lease = new Map<string, Stored<'lease'>>();
  readonly router = new Map<string, Stored<'router'>>();
  readonly host = new Map<string, Stored<'host'>>();
  readonly grant = new Map<string, Stored<'grant'>>();
  readonly networksOfTenant = new MultiMap();
  readonly subnetsOfTenant = new MultiMap();
  readonly portsOfTenant = new MultiMap();
  readonly addressesOfTenant = new MultiMap();
  readonly leasesOfTenant = new MultiMap();
  readonly routersOfTenant = new MultiMap();
  readonly grantsOfTenant = new MultiMap();
  /** By "user:alice", "group:dev". */
  readonly grantsOfSubject = new MultiMap();
  readonly subnetsOfNetwork = new MultiMap();
  readonly portsOfNetwork = new MultiMap();
  readonly addressesOfNetwork = new MultiMap();
  readonly leasesOfNetwork = new MultiMap();
  /** Ports with a binding of their own, by host and by standby. */
  readonly portsOfHost = new MultiMap();
  readonly portsBehind = new MultiMap();
  /** Those that another host still passes something on for. */
  readonly portsMoved = new Set<string>();
  readonly leasesOfHost = new MultiMap();
  readonly views = new Views();
  readonly quotas = new QuotaBook();
  readonly trust = new TrustBook();
  readonly #ids = new Map<string, string>();
  readonly #macs = new Map<string, string>();
  readonly #leases = new Map<string, string>();
  readonly #uses = new Map<string, SubnetUse>();
  /** What was applied last to an object, by its id. */
  readonly applied = new Map<string, Applied>();
  readonly vnis = new Map<number, string>();
  readonly hostNumbers = new Map<number, string>();
  readonly vteps = new Map<string, string>();
  /** Segments by the number of their place. */
  readonly places = new Map<number, string>();
  readonly listeners = new Set<WorldListener>();
  #waiting: { revision: bigint; resolve: () => void }[] = [];

  /**
   * The same as it is now, apart: to see what writes would make of it. Nobody listens to it. Cost: all indexes, 25 ms
   * with 20,000 ports.
   */
  copy(): World {
    const copy = new World();
    const { listeners: _, ...shared } = this;
    Object.assign(copy, Object.fromEntries(Object.entries(shared).map(([field, value]) => [field, copied(value)])));
    for (const [key, id] of this.#ids) copy.#ids.set(key, id);
    for (const [key, id] of this.#macs) copy.#macs.set(key, id);
    for (const [key, id] of this.#leases) copy.#leases.set(key, id);
    for (const [id, use] of this.#uses) copy.#uses.set(id, use.copy());
    return copy;
  }

  /** The object of an id or name within its tenant ('-' for kinds of the installation). Cost: one look-up. */
  find<K extends Kind>(kind: K, scope: string, nameOrId: string): Stored<K> | undefined {
    const byId = this.objects(kind).get(nameOrId);
    const found = byId ?? this.objects(kind).get(this.#ids.get(nameKey(kind, scope, nameOrId)) ?? '');
    return found && scopeOf(found.record) === scope ? found : undefined;
  }

  /** All objects of a kind by id, in the order in which they were made here. */
  objects<K extends Kind>(kind: K): Map<string, Stored<K>> {
    return this[kind] as unknown as Map<string, Stored<K>>;
  }

  /** Ids of the objects of a kind in one tenant. */
  ofTenant(kind: Exclude<Kind, 'tenant' | 'host'>, tenant: string): Iterable<string> {
    const index = {
      network: this.networksOfTenant,
      subnet: this.subnetsOfTenant,
      port: this.portsOfTenant,
      address: this.addressesOfTenant,
      lease: this.leasesOfTenant,
      router: this.routersOfTenant,
      grant: this.grantsOfTenant,
    }[kind];
    return index.of(tenant);
  }

  /** The port or lease that has a MAC in a network. */
  ownerOfMac(network: string, mac: string): string | undefined {
    return this.#macs.get(`${network}/${mac}`);
  }

  /** The lease of a host in a network. */
  leaseOf(network: string, host: string): string | undefined {
    return this.#leases.get(`${network}/${host}`);
  }

  /** The addresses in use of a subnet. */
  use(subnet: string): SubnetUse {
    return this.#uses.get(subnet)!;
  }

  /** Where a port is wired. */
  bindingOf(port: PortRecord): Binding {
    return bindingOf(this.port, port);
  }

  /** The networks of subnets; one that a router joined may be gone since. */
  networksOf(subnets: Iterable<string>): Set<string> {
    return new Set([...subnets].flatMap((id) => this.subnet.get(id)?.record.network ?? []));
  }

  /** Resolves when the world holds everything up to a revision. */
  reached(revision: bigint): Promise<void> {
    if (this.revision >= revision) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ revision, resolve });
    return promise;
  }

  /** Reads all objects as of one revision; `apply` goes on from the next one. */
  async load(store: Store): Promise<void> {
    const { revision } = await store.range(vniCursorKey);
    for (const prefix of [...referentsFirst.map((kind) => objectPrefix(kind)), ...otherPrefixes]) {
      let after = '';
      for (let full = true; full; ) {
        const { entries } = await store.range(prefix, { limit: PAGE, revision, ...(after ? { after } : {}) });
        for (const { key, value, modRevision } of entries) this.#put(key, value, modRevision);
        after = entries.at(-1)?.key ?? '';
        full = entries.length === PAGE;
      }
    }
    // Who shows one of these has come after it.
    this.trust.takeOutdated();
    this.#at(revision);
  }

  /** Takes in one revision. */
  apply(batch: Batch): void {
    const changes = batch.changes.flatMap(({ key, value }) => this.#put(key, value, batch.revision));
    this.revision = batch.revision;
    for (const listener of this.listeners) listener(changes, batch.revision);
    this.#at(batch.revision);
  }

  #at(revision: bigint): void {
    this.revision = revision;
    const done = this.#waiting.filter((w) => w.revision <= revision);
    this.#waiting = this.#waiting.filter((w) => w.revision > revision);
    for (const w of done) w.resolve();
  }

  #put(key: string, value: string | undefined, revision: bigint): WorldChange[] {
    if (key === vniCursorKey) this.vniCursor = { vni: Number(value ?? 0), revision };
    if (key.startsWith(prefixesPrefix)) {
      const network = key.slice(prefixesPrefix.length);
      if (value === undefined) this.prefixesRevision.delete(network);
      else this.prefixesRevision.set(network, revision);
    }
    this.quotas.put(key, value, revision);
    this.trust.put(key, value, revision);
    if (key.startsWith(appliedPrefix)) {
      const id = key.slice(key.lastIndexOf('/') + 1);
      if (value === undefined) this.applied.delete(id);
      else this.applied.set(id, JSON.parse(value) as Applied);
    }
    const parsed = parseObjectKey(key);
    if (!parsed) return [];
    const { kind, id } = parsed;
    const objects = this.objects(kind);
    const before = objects.get(id);
    const after = value === undefined ? undefined : { kind, record: parseRecord(kind, value), revision };
    const change = { kind, before, after };
    if (kind === 'port') return this.#putPort(change as WorldChange<'port'>, id);
    this.#set(change, id);
    if (kind === 'router')
      this.#regroup(before?.record as RouterRecord | undefined, after?.record as RouterRecord | undefined);
    return [change];
  }

  #set({ kind, before, after }: WorldChange, id: string): void {
    if (before) this.#index(before, false);
    if (after) this.objects(kind).set(id, after);
    else this.objects(kind).delete(id);
    if (after) this.#index(after, true);
  }

  /** A port, and those behind it if they change with it. */
  #putPort(change: WorldChange<'port'>, id: string): WorldChange[] {
    const [was, is] = [change.before, change.after].map((port) => port?.record);
    const behind = this.#changedBehind(id, was, is);
    const members = (port: PortRecord | undefined) => (port ? memberHosts(this.bindingOf(port)) : []);
    const from = members(was);
    for (const { record } of behind) this.#member(record, -1);
    this.#set(change, id);
    for (const { record } of behind) this.#member(record, 1);
    const to = members(is);
    const wired = is ? hostsOf(this.bindingOf(is)) : [];
    const stays = was?.place !== undefined && was.place === is?.place && from.length > 0 && to.length > 0;
    return [
      { ...change, from, to, wired },
      ...behind.map((port) => ({ kind: 'port' as const, before: port, after: port, from, to, wired, stays })),
    ];
  }

  /**
   * What is behind a port that is wired elsewhere than before. Where a segment's two hosts change places, its machines are at
   * the segment's place as before, and none but those of which the host is told more.
   */
  #changedBehind(id: string, was: PortRecord | undefined, is: PortRecord | undefined): Stored<'port'>[] {
    const same = was?.host === is?.host && was?.standby === is?.standby && was?.origin === is?.origin;
    if (same && was?.place === is?.place) return [];
    const behind = [...this.portsBehind.of(id)].map((ref) => this.port.get(ref)!);
    const swaps =
      was?.place !== undefined && was.place === is?.place && is.host === was.standby && is.standby === was.host;
    return swaps ? behind.filter(({ record }) => record.publish.length > 0 || isBriefed(record)) : behind;
  }

  /** What a router joins and names: what is new comes first, so that nothing that stays leaves its group meanwhile. */
  #regroup(before: RouterRecord | undefined, after: RouterRecord | undefined): void {
    for (const [router, by] of [
      [after, 1],
      [before, -1],
    ] as const) {
      if (!router) continue;
      // A subnet outlives its place in a router: the claim keeps it.
      for (const id of router.subnets) this.views.join(router.id, this.subnet.get(id)!.record.network, by);
      for (const id of router.peers)
        if (this.router.get(id)?.record.peers.includes(router.id)) this.views.peer(router.id, id, by);
    }
  }

  #index({ kind, record }: Stored, add: boolean): void {
    set(this.#ids, nameKey(kind, scopeOf(record), record.name), record.id, add);
    this.quotas.count(kind, record, add ? 1 : -1);
    this.#indexers[kind](record as never, add);
  }

  readonly #indexers: { [K in Kind]: (record: Records[K], add: boolean) => void } = {
    tenant: () => {},
    network: (n, add) => {
      this.networksOfTenant.count(n.tenant, n.id, add ? 1 : -1);
      set(this.vnis, n.vni, n.id, add);
    },
    subnet: (s, add) => {
      this.subnetsOfTenant.count(s.tenant, s.id, add ? 1 : -1);
      this.subnetsOfNetwork.count(s.network, s.id, add ? 1 : -1);
      // An update comes as remove and add: the use must outlive it, a removed subnet has none left.
      if (add && !this.#uses.has(s.id)) this.#uses.set(s.id, new SubnetUse(parsePrefix(s.cidr)));
      else if (!add && this.#uses.get(s.id)?.size === 0) this.#uses.delete(s.id);
    },
    port: (p, add) => {
      const by = add ? 1 : -1;
      this.portsOfTenant.count(p.tenant, p.id, by);
      this.portsOfNetwork.count(p.network, p.id, by);
      set(this.#macs, `${p.network}/${p.mac}`, p.id, add);
      for (const ip of p.addresses) this.#useOf(p.network, ip)?.set('port', ipNumber(ip), p.id, add);
      if (p.place !== undefined) set(this.places, p.place, p.id, add);
      if (p.behind) this.portsBehind.count(p.behind, p.id, by);
      for (const host of hostsOf(p)) this.portsOfHost.count(host, p.id, by);
      if (add && p.origin) this.portsMoved.add(p.id);
      else this.portsMoved.delete(p.id);
      this.#member(p, by);
    },
    address: (a, add) => {
      const by = add ? 1 : -1;
      this.addressesOfTenant.count(a.tenant, a.id, by);
      this.addressesOfNetwork.count(a.network, a.id, by);
      this.#useOf(a.network, a.address)?.set('address', ipNumber(a.address), a.id, add);
    },
    lease: (l, add) => {
      const by = add ? 1 : -1;
      this.leasesOfTenant.count(l.tenant, l.id, by);
      this.leasesOfNetwork.count(l.network, l.id, by);
      this.leasesOfHost.count(l.host, l.id, by);
      set(this.#leases, `${l.network}/${l.host}`, l.id, add);
      for (const { ip, mac } of l.addresses) {
        set(this.#macs, `${l.network}/${mac}`, l.id, add);
        this.#useOf(l.network, ip)?.set('lease', ipNumber(ip), l.id, add);
      }
      this.views.member(l.network, l.host, by);
    },
    router: (r, add) => {
      this.routersOfTenant.count(r.tenant, r.id, add ? 1 : -1);
      set(this.vnis, r.domain, r.id, add);
    },
    host: (h, add) => {
      set(this.hostNumbers, h.number, h.id, add);
      set(this.vteps, h.vtep, h.id, add);
    },
    grant: (g, add) => {
      const by = add ? 1 : -1;
      this.grantsOfTenant.count(g.tenant ?? '-', g.id, by);
      this.grantsOfSubject.count(g.subject, g.id, by);
    },
  };

  /** The hosts where a port is wired are members of its network, and the one that it has come from. */
  #member(port: PortRecord, by: 1 | -1): void {
    for (const host of memberHosts(this.bindingOf(port))) this.views.member(port.network, host, by);
  }

  #useOf(network: string, ip: Ip): SubnetUse | undefined {
    return this.#uses.get(this.subnetOf(network, ip) ?? '');
  }

  /** The id of the subnet that an address of a network falls in. */
  subnetOf(network: string, ip: Ip): string | undefined {
    for (const id of this.subnetsOfNetwork.of(network)) if (prefixHas(this.use(id).prefix, ip)) return id;
    return undefined;
  }
}

/** An index, or a value that is never changed in place. */
function copied(value: unknown): unknown {
  if (value instanceof Map) return new Map(value);
  if (value instanceof Set) return new Set(value);
  const hasCopy = [MultiMap, Views, QuotaBook, TrustBook].some((book) => value instanceof book);
  return hasCopy ? (value as { copy(): unknown }).copy() : value;
}

function set<A, B>(map: Map<A, B>, key: A, value: B, add: boolean): void {
  if (add) map.set(key, value);
  else if (map.get(key) === value) map.delete(key);
}
