/** A stage for tests of traffic: a lab of its own, networks on it, and workloads attached by real agents. */
import { randomBytes } from 'node:crypto';
import { openLocal } from '../../src/client/local.ts';
import type { ReasonName } from '../../src/datapath/reasons.ts';
import { createLab, type Lab, type LabHost } from '../../src/lab/lab.ts';
import type { LabOptions } from '../../src/lab/plan.ts';
import type { PortCounters } from '../../src/model/host-state.ts';
import type { Network, Port } from '../../src/model/kinds.ts';

/** How patient: an emulated machine takes 20 times as long. */
export const patience = process.env.HEDDLE_TEST_VM === undefined ? 1 : 20;

/** A workload that is attached. */
export interface Station {
  readonly workload: string;
  readonly netns: string;
  readonly host: LabHost;
  readonly tenant: string;
  readonly port: Port;
  /** Its device on the host. */
  readonly device: string;
  /** Its device in its own namespace. */
  readonly ifname: string;
  readonly mac: string;
  /** Its first address of each family; '' if it has none. */
  readonly ip4: string;
  readonly ip6: string;
}

/** What to attach; what is left out is chosen by Heddle. */
export interface Wanted {
  readonly host: number;
  readonly tenant: string;
  readonly network: string;
  readonly addresses?: readonly string[];
  readonly mac?: string;
}

/** A random name, so that runs side by side do not meet. */
export const randomName = (prefix: string): string => `${prefix}${randomBytes(4).toString('hex')}`;

/** A lab with helpers to populate it; disposing removes all of it. */
export class Stage implements AsyncDisposable {
  readonly lab: Lab;
  #workloads = 0;
  constructor(lab: Lab) {
    this.lab = lab;
  }
  get client() {
    return this.lab.client();
  }

  /** A network with a prefix of each family named, in a tenant that is made if it is new. */
  async network(tenant: string, name: string, cidrs: readonly string[], vni?: number): Promise<Network> {
    const tenants = await this.client.list('tenant', { name: tenant });
    if (tenants.length === 0) await this.client.create('tenant', { name: tenant });
    const network = await this.client.create('network', { name, ...(vni === undefined ? {} : { vni }) }, { tenant });
    for (const cidr of cidrs)
      await this.client.create(
        'subnet',
        { name: `${name}-${cidr.includes(':') ? 6 : 4}`, network: name, cidr },
        { tenant },
      );
    return network;
  }

  /** Makes a namespace and attaches it. `host` is an index. */
  async attach(wanted: Wanted): Promise<Station> {
    const workload = `t${++this.#workloads}`;
    return this.attachTo(workload, await this.lab.addWorkload(workload), wanted);
  }
  /** Attaches a namespace that is there. */
  async attachTo(workload: string, netns: string, wanted: Wanted): Promise<Station> {
    const { host: index, tenant, ...rest } = wanted;
    const host = this.lab.hosts[index]!;
    const body = { kind: 'netns', target: netns, tenant, ...rest };
    const answer = await openLocal(host.agentSocket).request('POST', '/v1/attachments', { body });
    const { port, device, ifname } = answer as { port: Port; device: string; ifname: string };
    const ip4 = port.addresses.find((a) => a.includes('.')) ?? '';
    const ip6 = port.addresses.find((a) => a.includes(':')) ?? '';
    return { workload, netns, host, tenant, port, device, ifname, mac: port.mac, ip4, ip6 };
  }
  async detach({ host, port }: Station): Promise<void> {
    await openLocal(host.agentSocket).request('DELETE', `/v1/attachments/${port.id}`);
  }
  /** Resolves when every host has applied what it must know of this port's network. */
  async settled({ port, tenant }: Station): Promise<void> {
    await this.client.update('port', port.id, { labels: { settled: randomName('') } }, { tenant, waitMs: 20_000 });
  }

  /** Runs a program in a station's namespace; its standard output, or what it said when it failed. */
  async exec(station: Station, ...argv: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.lab.execIn(station.workload, argv);
    if (code !== 0) throw new Error(`${argv.join(' ')} in ${station.workload} ended with ${code}: ${stdout}${stderr}`);
    return stdout;
  }
  /** One answered ping, given time. */
  async ping(from: Station, to: string, ...options: string[]): Promise<void> {
    await this.exec(from, 'ping', '-n', '-c', '1', '-w', `${5 * patience}`, ...options, to);
  }

  /** A station's counters, as the API gives them. */
  async counters({ port, tenant }: Station): Promise<PortCounters> {
    const answer = await this.client.get('port', port.id, { tenant, counters: true });
    return (answer as Port & { counters: PortCounters }).counters;
  }
  /** How often a reason was counted for a station. */
  async count(station: Station, reason: ReasonName): Promise<number> {
    return Number((await this.counters(station)).reasons[reason] ?? 0);
  }
  /**
   * A host's own counts by reason: what came from its underlay and had no port. Not what the kernels of gateways and of
   * workloads that are just being attached say to everybody, now and then.
   */
  async hostReasons(index: number): Promise<Record<string, number>> {
    const status = await openLocal(this.lab.hosts[index]!.agentSocket).request('GET', '/v1/status');
    const { reasons } = (status as { counters: PortCounters }).counters;
    const { port_unknown: _, multicast: __, src_ip6: ___, ...rest } = reasons;
    return Object.fromEntries(Object.entries(rest).map(([name, n]) => [name, Number(n)]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab.down();
  }
}

/** A stage with so many hosts, in so many prefixes of the underlay; with Docker engines where they are asked for. */
export async function openStage(
  hosts: number,
  subnets = 1,
  engines: Pick<LabOptions, 'dockerTenants'> = {},
): Promise<Stage> {
  const name = randomName('t');
  // Labs side by side look for a free port from the first on, and could find the same one.
  const apiPort = 10_000 + Math.floor(Math.random() * 20_000);
  return new Stage(await createLab({ name, hosts, subnets, ...engines, apiPort, deadlineMs: 30_000 * patience }));
}
