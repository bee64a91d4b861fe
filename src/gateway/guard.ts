/** What no workload of a host gets to by its gateway: the other hosts' own services, and prefixes that its administrator names. */
import { ipFamily, parseSourcePrefix } from '../model/address.ts';
import type { ServerItem } from '../model/host-state.ts';
import { partsOfPlace } from '../model/published-place.ts';
import { chain, collection } from './ruleset.ts';

/** The word of `heddle agent --guard` that leaves the other hosts open. */
const NONE = 'none';

/** Parts of the host's table. */
export interface GuardRules {
  readonly collections: readonly string[];
  readonly chains: readonly string[];
  /** What a workload's packet meets before anything of it may pass. */
  readonly first: readonly string[];
}

/** Is told of the other hosts, and knows the rules that keep workloads from them. */
export class Guard {
  readonly #prefixes: readonly string[];
  readonly #closesHosts: boolean;
  readonly #servers = new Map<string, ServerItem>();
  #rules: GuardRules | undefined;
  /** Called when the rules are others. */
  onChange: () => void = () => undefined;

  /** `words`: prefixes, and "none". @throws PREFIX_INVALID */
  constructor(words: readonly string[] = []) {
    this.#closesHosts = !words.includes(NONE);
    this.#prefixes = words.filter((word) => word !== NONE).map(parseSourcePrefix);
  }

  /** A host is there, is another than before, or is gone. */
  heed(id: string, server: ServerItem | undefined): void {
    if (!this.#closesHosts || this.#servers.get(id) === server) return;
    if (server) this.#servers.set(id, server);
    else this.#servers.delete(id);
    this.#rules = undefined;
    this.onChange();
  }

  get rules(): GuardRules {
    this.#rules ??= this.#made();
    return this.#rules;
  }

  #made(): GuardRules {
    const prefixes = this.#prefixes.map((prefix) => `${ip(ipFamily(prefix))} daddr ${prefix} drop`);
    const servers = [...this.#servers.values()];
    const closed = [...prefixes, ...(servers.length > 0 ? hosts : [])];
    if (closed.length === 0) return { collections: [], chains: [], first: [] };
    return {
      collections: servers.length > 0 ? families.flatMap((family) => setsOf(family, servers)) : [],
      chains: [chain('closed', undefined, [...answers, ...closed])],
      first: ['jump closed'],
    };
  }
}

const families = [4, 6] as const;
const ip = (family: 4 | 6): string => (family === 4 ? 'ip' : 'ip6');

function setsOf(family: 4 | 6, servers: readonly ServerItem[]): string[] {
  const own = (server: ServerItem) => [...new Set(server.addresses.filter((a) => ipFamily(a) === family))];
  const hosts = countOf(servers.flatMap(own));
  const open = countOf(servers.flatMap((server) => [...openOf(server, own(server))]));
  // A host that names another's address opens nothing of it: open is what all hold that name it.
  const agreed = [...open].flatMap(([place, count]) => (count === hosts.get(place.split(' ', 1)[0]!) ? [place] : []));
  return [
    collection('set', `hosts${family}`, `ipv${family}_addr`, ordered(hosts.keys())),
    collection('set', `open${family}`, `ipv${family}_addr . inet_proto . inet_service`, ordered(agreed)),
  ];
}

/** What a host holds on some of its addresses, each once, as elements of a set. */
function openOf(server: ServerItem, addresses: readonly string[]): Set<string> {
  const places = server.reached
    .map(partsOfPlace)
    .flatMap(({ protocol, hostPort, hostAddress }) =>
      addresses
        .filter((address) => hostAddress === undefined || hostAddress === address)
        .map((address) => `${address} . ${protocol} . ${hostPort}`),
    );
  return new Set(places);
}

function countOf(list: Iterable<string>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const one of list) counts.set(one, (counts.get(one) ?? 0) + 1);
  return counts;
}

/** The order in which hosts became known must not make another ruleset. */
const ordered = (list: Iterable<string>): string[] => [...list].sort();

const answers = [
  // Answers of what is published here, to clients there.
  'ct direction reply return',
  // What goes with a connection that may be: "too big", "refused".
  'meta l4proto { icmp, icmpv6 } ct state related return',
];
const hosts = families.flatMap((family) => [
  `${ip(family)} daddr . meta l4proto . th dport @open${family} return`,
  `${ip(family)} daddr @hosts${family} drop`,
]);
