import { MultiMap } from './multi-map.ts';

/**
 * Which hosts must know a network. A host is a *member* of it by a bound port or a lease, and *views* it too if it is a
 * member of another one that the same router joins. Networks of one router are a group, any other network is one by itself:
 * a change of membership costs the same however many networks a router joins. Members of a group also view the groups of
 * the router's peers, but not those of their peers.
 */
export class Views {
  /** Members of a network, with how many ports and leases; and the same the other way round. */
  readonly hostsOfNetwork: MultiMap;
  readonly networksOfHost: MultiMap;
  /** The networks that a router joins, with how many subnets. */
  readonly networksOfRouter: MultiMap;
  readonly #routers = new Map<string, string>();
  /** Hosts of a group, with of how many of its networks they are members; and the same the other way round. */
  readonly #hostsOfGroup: MultiMap;
  readonly #groupsOfHost: MultiMap;
  /** Routers that name each other, both ways. */
  readonly #peers: MultiMap;

  /** Empty, or with these indexes. */
  constructor(indexes: readonly MultiMap[] = []) {
    const [members, networks, joined, groups, hosts, peers] = indexes;
    this.hostsOfNetwork = members ?? new MultiMap();
    this.networksOfHost = networks ?? new MultiMap();
    this.networksOfRouter = joined ?? new MultiMap();
    this.#hostsOfGroup = groups ?? new MultiMap();
    this.#groupsOfHost = hosts ?? new MultiMap();
    this.#peers = peers ?? new MultiMap();
  }
  /** The same, apart. */
  copy(): Views {
    const { hostsOfNetwork, networksOfHost, networksOfRouter } = this;
    const own = [this.#hostsOfGroup, this.#groupsOfHost, this.#peers];
    const copy = new Views([hostsOfNetwork, networksOfHost, networksOfRouter, ...own].map((index) => index.copy()));
    for (const [network, router] of this.#routers) copy.#routers.set(network, router);
    return copy;
  }

  /** A port or lease of a host in a network is there, or gone. */
  member(network: string, host: string, by: 1 | -1): void {
    const before = this.hostsOfNetwork.countOf(network, host);
    this.hostsOfNetwork.count(network, host, by);
    this.networksOfHost.count(host, network, by);
    if (before === 0 || before + by === 0) this.#count(this.#groupOf(network), host, by);
  }

  /** A router joins a subnet of a network, or no longer does. */
  join(router: string, network: string, by: 1 | -1): void {
    this.networksOfRouter.count(router, network, by);
    const now = this.networksOfRouter.has(router, network) ? router : undefined;
    if (now === this.#routers.get(network)) return;
    const from = this.#groupOf(network);
    if (now === undefined) this.#routers.delete(network);
    else this.#routers.set(network, now);
    for (const host of this.hostsOfNetwork.of(network)) {
      this.#count(from, host, -1);
      this.#count(this.#groupOf(network), host, 1);
    }
  }

  /** Two routers name each other, or no longer do. */
  peer(a: string, b: string, by: 1 | -1): void {
    this.#peers.count(a, b, by);
    this.#peers.count(b, a, by);
  }

  arePeers(a: string, b: string): boolean {
    return this.#peers.has(a, b);
  }
  /** The routers that name this one and are named by it. */
  peersOf(router: string): Iterable<string> {
    return this.#peers.of(router);
  }
  /** The router that joins subnets of a network. */
  routerOf(network: string): string | undefined {
    return this.#routers.get(network);
  }
  /** The network and those that a router joins to it. */
  groupOfNetwork(network: string): Iterable<string> {
    const router = this.#routers.get(network);
    return router === undefined ? [network] : this.networksOfRouter.of(router);
  }
  /** All networks that members of one view. */
  *viewedFrom(network: string): Generator<string> {
    for (const group of this.#around(this.#groupOf(network))) yield* this.#networksOf(group);
  }
  /** A host is a member of a network that the router joins. */
  isAt(host: string, router: string): boolean {
    return this.#hostsOfGroup.has(router, host);
  }
  /** Of how many networks of that group a host is a member. */
  membershipsIn(network: string, host: string): number {
    return this.#hostsOfGroup.countOf(this.#groupOf(network), host);
  }
  /** The host is a member of the network, or of one that the same router joins: not by a peer alone. */
  isNear(host: string, network: string): boolean {
    return this.#hostsOfGroup.has(this.#groupOf(network), host);
  }
  views(host: string, network: string): boolean {
    return this.#around(this.#groupOf(network)).some((group) => this.#hostsOfGroup.has(group, host));
  }
  viewersOf(network: string): Iterable<string> {
    return this.#hostsOf(this.#around(this.#groupOf(network)));
  }
  *viewedBy(host: string): Generator<string> {
    for (const group of this.#aroundHost(host)) yield* this.#networksOf(group);
  }
  /** True if one host is a member of a network that the other views; it goes both ways. */
  meet(a: string, b: string): boolean {
    for (const group of this.#aroundHost(a)) if (this.#hostsOfGroup.has(group, b)) return true;
    return false;
  }
  /** All hosts that meet one, itself among them if it is a member of anything. */
  met(host: string): Iterable<string> {
    return this.#hostsOf(this.#aroundHost(host));
  }

  /** Ids of routers and networks never clash. */
  #groupOf(network: string): string {
    return this.#routers.get(network) ?? network;
  }
  #networksOf(group: string): Iterable<string> {
    return this.networksOfRouter.size(group) > 0 ? this.networksOfRouter.of(group) : this.#groupless(group);
  }
  /** A network by itself; a router may be one without networks. */
  #groupless(group: string): string[] {
    return this.#peers.size(group) > 0 ? [] : [group];
  }
  /** A group and those of its router's peers. */
  #around(group: string): string[] {
    return [group, ...this.#peers.of(group)];
  }
  #aroundHost(host: string): Set<string> {
    return new Set([...this.#groupsOfHost.of(host)].flatMap((group) => this.#around(group)));
  }
  #hostsOf(groups: Iterable<string>): Set<string> {
    return new Set([...groups].flatMap((group) => [...this.#hostsOfGroup.of(group)]));
  }
  #count(group: string, host: string, by: 1 | -1): void {
    this.#hostsOfGroup.count(group, host, by);
    this.#groupsOfHost.count(host, group, by);
  }
}
