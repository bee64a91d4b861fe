/** The agent's `Workloads` without a kernel and without leases: what is asked for is in maps, and outlives the plug-in. */
import type {
  NetworkRef,
  PluggedPair,
  TakenAddress,
  WorkloadPort,
  WorkloadSpec,
  Workloads,
} from '../../src/agent/workloads.ts';
import type { Client } from '../../src/client/client.ts';
import { type Ip, ipNumber, ipOfNumber, type Mac, parsePrefix, prefixHas } from '../../src/model/address.ts';
import { HeddleError } from '../../src/model/errors.ts';
import type { NetworkItem } from '../../src/model/host-state.ts';
import { type NetworkId, newId, type PortId, type Vni } from '../../src/model/ids.ts';
import { Mortal } from './mortal.ts';

/** What a plug-in has at the agent. */
export interface Held {
  readonly users: readonly string[];
  readonly addresses: readonly string[];
  readonly ports: readonly string[];
  readonly pairs: readonly string[];
}

export class MemoryWorkloads {
  readonly #client: Client;
  readonly #users = new Map<string, NetworkItem>();
  readonly #taken = new Map<string, { network: NetworkId; ip: Ip }>();
  readonly #ports = new Map<string, WorkloadPort>();
  readonly #pairs = new Set<string>();
  /** Those whose other end was made in their workloads. */
  readonly #inside = new Set<string>();
  /** Host ports of other programs. */
  readonly foreignPorts = new Set<number>();

  constructor(client: Client) {
    this.#client = client;
  }

  get held(): Held {
    return {
      users: [...this.#users.keys()].sort(),
      addresses: [...this.#taken.values()].map(({ ip }) => ip).sort(),
      ports: [...this.#ports.values()].map((p) => `${p.addresses.join()} ${JSON.stringify(p.publish)}`).sort(),
      pairs: [...this.#pairs].map((owner) => this.#ports.get(owner)?.addresses.join() ?? owner).sort(),
    };
  }

  /** The workloads for one process. */
  open(process = new Mortal()): Workloads {
    const step = process.step.bind(process);
    const users = this.#users;
    return {
      get used() {
        return users;
      },
      use: (user, ref) => step(() => this.#use(user, ref)),
      unuse: (user) => step(() => void users.delete(user)),
      takeAddress: (owner, network, want) => step(() => this.#take(owner, network, want)),
      giveBackAddress: (owner) => step(() => void this.#taken.delete(owner)),
      takers: () => [...this.#taken.keys()],
      addPort: (spec) => step(() => this.#addPort(spec)),
      portOf: (owner) => this.#ports.get(owner),
      ports: () => [...this.#ports.values()],
      plug: (owner, running) => step(() => this.#plug(owner, running)),
      unplug: (owner) => step(() => this.#unplug(owner)),
      update: (owner, change) =>
        step(() => {
          for (const p of change.publish ?? [])
            if (
              this.foreignPorts.has(p.hostPort) ||
              [...this.#ports.values()].some(
                (o) =>
                  o.owner !== owner && o.publish.some((q) => q.hostPort === p.hostPort && q.protocol === p.protocol),
              )
            )
              throw new HeddleError('HOST_PORT_TAKEN', { protocol: p.protocol, hostPort: p.hostPort });
          const port = { ...this.#must(owner), ...change };
          this.#ports.set(owner, port);
          return port;
        }),
      removePort: (owner) =>
        step(() => {
          this.#ports.delete(owner);
          this.#unplug(owner);
        }),
    };
  }

  async #use(user: string, { tenant, network }: NetworkRef): Promise<NetworkItem> {
    const known = [...this.#users.values()].find(
      (n) => n.tenant === tenant && [n.id, n.name].includes(network as NetworkId),
    );
    const item = known ?? (await this.#fetch({ tenant, network }));
    this.#users.set(user, item);
    return item;
  }
  async #fetch({ tenant, network }: NetworkRef): Promise<NetworkItem> {
    const found = await this.#client.get('network', network, { tenant });
    const subnets = await this.#client.list('subnet', { tenant, network: found.id });
    return {
      kind: 'network',
      id: found.id as NetworkId,
      name: found.name,
      tenant,
      vni: found.vni as Vni,
      sourceNat: found.sourceNat,
      publishFrom: found.publishFrom,
      member: true,
      subnets: subnets.map((s) => ({ cidr: s.cidr, ...(s.gateway === undefined ? {} : { gateway: s.gateway as Ip }) })),
    };
  }
  #item(network: NetworkId): NetworkItem {
    const item = [...this.#users.values()].find((n) => n.id === network);
    if (!item) throw new HeddleError('NOT_FOUND', { kind: 'network', name: network });
    return item;
  }

  #take(owner: string, network: NetworkId, want: { family: 4 | 6 } | { address: Ip }): TakenAddress {
    const item = this.#item(network);
    const prefixes = item.subnets.map((s) => ({ ...s, prefix: parsePrefix(s.cidr) }));
    const before = this.#taken.get(owner);
    const isFree = (ip: string) =>
      ![...this.#taken.values()].some((t) => t.network === network && t.ip === ip) &&
      ![...this.#ports.values()].some((p) => p.network === network && p.addresses.includes(ip as Ip));
    let ip: Ip | undefined = before?.ip;
    if (ip === undefined && 'address' in want) {
      const inside = prefixes.find(({ prefix }) => prefixHas(prefix, want.address));
      if (!inside) throw new HeddleError('ADDRESS_OUTSIDE', { address: want.address, network: item.name });
      if (inside.gateway === want.address)
        throw new HeddleError('ADDRESS_RESERVED', { address: want.address, why: 'it is the gateway' });
      if (!isFree(want.address)) throw new HeddleError('ADDRESS_TAKEN', { address: want.address, port: 'another' });
      ip = want.address;
    }
    if (ip === undefined && 'family' in want)
      for (const { prefix, gateway } of prefixes.filter((p) => p.prefix.family === want.family))
        for (let n = prefix.first + 1n; n < prefix.last && ip === undefined; n++) {
          const candidate = ipOfNumber(n, prefix.family);
          if (candidate !== gateway && isFree(candidate)) ip = candidate;
        }
    if (ip === undefined)
      throw new HeddleError('ADDRESS_POOL_EXHAUSTED', {
        ...{ tenant: item.tenant, network: item.name, family: 4, subnets: [], hosts: [] },
      });
    this.#taken.set(owner, { network, ip });
    const { prefix } = prefixes.find((p) => prefixHas(p.prefix, ip))!;
    return { ip, mac: macOf(ip), prefixLength: prefix.length };
  }

  #addPort(spec: WorkloadSpec): WorkloadPort {
    const before = this.#ports.get(spec.owner);
    if (before) return before;
    const item = this.#item(spec.network);
    for (const ip of spec.addresses) {
      if (!item.subnets.some((s) => prefixHas(parsePrefix(s.cidr), ip)))
        throw new HeddleError('ADDRESS_OUTSIDE', { address: ip, network: item.name });
      const other = [...this.#ports.values()].find((p) => p.network === item.id && p.addresses.includes(ip));
      if (other) throw new HeddleError('ADDRESS_TAKEN', { address: ip, port: other.name });
    }
    const { owner, network, name, addresses, mac = macOf(addresses[0]!), dnsNames = [], labels = {} } = spec;
    const taken = [...this.#ports.values()].find((p) => p.network === network && p.mac === mac);
    if (taken) throw new HeddleError('MAC_TAKEN', { mac, port: taken.name });
    const port = {
      port: newId<PortId>() as PortId,
      owner,
      network,
      name,
      addresses,
      mac,
      dnsNames,
      labels,
      publish: [],
    };
    this.#ports.set(owner, port);
    return port;
  }

  #unplug(owner: string): void {
    this.#pairs.delete(owner);
    this.#inside.delete(owner);
  }
  #must(owner: string): WorkloadPort {
    const port = this.#ports.get(owner);
    if (!port) throw new HeddleError('NOT_FOUND', { kind: 'workload', name: owner });
    return port;
  }
  /** What is below /running has a namespace. */
  #plug(owner: string, running = ''): PluggedPair {
    const { port } = this.#must(owner);
    const isNew = !this.#pairs.has(owner);
    this.#pairs.add(owner);
    if (isNew && running.includes('/running/')) this.#inside.add(owner);
    const digits = port.replaceAll('-', '').slice(-13);
    const end = this.#inside.has(owner) ? ({ peer: 'heddle0', inside: true } as const) : { peer: `hp${digits}` };
    return { device: `hd${digits}`, ...end, mtuBytes: 1450 };
  }
}

const macOf = (ip: Ip): Mac => {
  const hex = (ipNumber(ip) & 0xffff_ffffn).toString(16).padStart(8, '0');
  return `02:00:${hex.match(/../g)!.join(':')}` as Mac;
};
