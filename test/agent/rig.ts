import { randomBytes } from 'node:crypto';
import { cpSync, existsSync, readdirSync, readlinkSync } from 'node:fs';
import type { Client } from '../../src/client/client.ts';
import { openLocal } from '../../src/client/local.ts';
import { isArray, layoutHash, type MapName, maps } from '../../src/datapath/layouts.ts';
import { type BpfMap, openPinnedMap } from '../../src/kernel/bpf.ts';
import { type Link, linkList } from '../../src/kernel/link.ts';
import { type Netlink, openNetlink } from '../../src/kernel/netlink.ts';
import { openNetns } from '../../src/kernel/netns.ts';
import { sysctlRead } from '../../src/kernel/sysctl.ts';
import { listFilters } from '../../src/kernel/tc.ts';
import { listTcx } from '../../src/kernel/tcx.ts';
import { type CreateLab, createLab, type Lab } from '../../src/lab/lab.ts';
import { until } from '../../src/lab/processes.ts';
import { gatewayMac } from '../../src/model/address.ts';
import { hasCode } from '../../src/model/errors.ts';
import type { Port } from '../../src/model/kinds.ts';
import type { Attached, AttachRequest, Detached } from '../../src/model/local-api.ts';
import { type AgentStatus, statusIfServed } from '../lab/status.ts';
import { Workload } from './workload.ts';

/** Rows that the agent states; the counters are the datapath's, and `config` is the host's. */
const stated = ['ports', 'fdb', 'neigh4', 'neigh6', 'peers', 'vteps'] as const satisfies readonly MapName[];
type Netns = Extract<AttachRequest, { kind: 'netns' }>;
type Ours = 'tenant' | 'network';
/** A request on network "web" of the rig's tenant, unless told otherwise; of a namespace, if it says no kind. */
type Body = Partial<Pick<AttachRequest, Ours>> & WithoutOurs<AttachRequest | (Omit<Netns, 'kind'> & { kind?: never })>;
type WithoutOurs<R> = R extends unknown ? Omit<R, Ours> : never;

/** All that an attach may leave on a host and at the controller, as lines to compare. A gateway is not in it: it comes with a network's lease, and outlasts a port by as long as that. */
export interface Trace {
  readonly links: string[];
  readonly filters: string[];
  readonly pins: string[];
  readonly rows: string[];
  readonly files: string[];
  readonly ports: string[];
}

/** A lab with a tenant "acme", its network "web" (IPv4 and IPv6) and network "four" (IPv4 only). Disposing removes all. */
export class Rig implements AsyncDisposable {
  readonly lab: Lab;
  readonly client: Client;
  readonly tenant = 'acme';
  #workloads = 0;

  private constructor(lab: Lab) {
    this.lab = lab;
    this.client = lab.client();
  }

  static async open(options: CreateLab = {}): Promise<Rig> {
    const lab = await createLab({ name: `a${randomBytes(4).toString('hex')}`, hosts: 2, ...options });
    const rig = new Rig(lab);
    try {
      const { client, tenant } = rig;
      await client.create('tenant', { name: tenant });
      for (const name of ['web', 'four']) await client.create('network', { name }, { tenant });
      const subnet = (name: string, network: string, cidr: string) =>
        client.create('subnet', { name, network, cidr }, { tenant });
      await subnet('web4', 'web', '10.0.0.0/24');
      await subnet('web6', 'web', 'fd00:1::/64');
      await subnet('four4', 'four', '10.4.0.0/24');
      return rig;
    } catch (e) {
      await lab.down();
      throw e;
    }
  }

  /** With HEDDLE_TEST_LOGS=<folder>, the agents' logs are kept there. */
  [Symbol.asyncDispose](): Promise<void> {
    const folder = process.env.HEDDLE_TEST_LOGS;
    for (const { name, log } of folder ? this.lab.hosts : []) cpSync(log, `${folder}/${this.lab.name}-${name}.log`);
    return this.lab.down();
  }

  /** A network namespace for a workload; disposing it removes it. */
  async workload(): Promise<Workload> {
    const name = `w${++this.#workloads}`;
    return new Workload(this.lab, name, await this.lab.addWorkload(name));
  }

  /** Asks a host's agent to attach; on network "web" unless told otherwise. */
  attach(host: string, body: Body, signal?: AbortSignal): Promise<Attached> {
    return this.local(
      host,
      'POST',
      '/v1/attachments',
      { kind: 'netns', tenant: this.tenant, network: 'web', ...body },
      signal,
    ) as never;
  }
  detach(host: string, port: string): Promise<Detached> {
    return this.local(host, 'DELETE', `/v1/attachments/${port}`) as never;
  }
  status(host: string): Promise<AgentStatus> {
    return this.local(host, 'GET', '/v1/status') as never;
  }
  /** Undefined if no agent answers there. */
  statusIfServed(host: string): Promise<AgentStatus | undefined> {
    return statusIfServed(this.lab.host(host).agentSocket);
  }
  /** Resolves when the agent that runs now is in sync; the controller may still take the one before for online. */
  async inSync(host: string, deadlineMs = 20_000): Promise<void> {
    await until(`${host} is in sync`, deadlineMs, async () => {
      const status = await this.statusIfServed(host);
      return status?.synced && status.controller.connected ? true : undefined;
    });
  }
  local(host: string, method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<unknown> {
    return openLocal(this.lab.host(host).agentSocket).request(method, path, { body, signal });
  }

  port(name: string): Promise<Port> {
    return this.client.get('port', name, { tenant: this.tenant });
  }
  /** Undefined if the controller has none of that name. */
  portIfThere(name: string): Promise<Port | undefined> {
    return this.port(name).catch((e: unknown) => {
      if (!hasCode(e, 'NOT_FOUND')) throw e;
      return undefined;
    });
  }
  /** The port when its condition is the given one; an attach may be answered before the controller has heard of the port. */
  portIs(name: string, condition: Port['status']['condition'], deadlineMs = 20_000): Promise<Port> {
    return until(`port ${name} is ${condition}`, deadlineMs, async () => {
      const port = await this.portIfThere(name);
      return port?.status.condition === condition ? port : undefined;
    });
  }

  /** A netlink socket in a host's namespace. */
  netlink(host: string): Netlink {
    using ns = openNetns(this.lab.host(host).netns);
    return openNetlink(ns);
  }
  links(host: string): Link[] {
    using nl = this.netlink(host);
    return linkList(nl);
  }
  /** Whether a host's kernel itself speaks IPv6 by one of its links. */
  hasIpv6(host: string, link: string): boolean {
    using ns = openNetns(this.lab.host(host).netns);
    return sysctlRead(ns, ['ipv6', 'conf', link, 'disable_ipv6']) === '0';
  }
  /** A pinned map of a host. */
  map(host: string, name: MapName): BpfMap {
    return openPinnedMap(`${this.pins(host)}/${name}`);
  }
  /** The directory of a host’s pins. */
  pins(host: string): string {
    return `${this.lab.plan.bpfDir}/${host}/${layoutHash}`;
  }

  /** The trace when the controller knows all that the host has to tell: a detach is answered before. */
  async quietTrace(host: string): Promise<Trace> {
    await until(`all is told of ${host}`, 20_000, async () =>
      (await this.status(host)).pendingUploads === 0 ? true : undefined,
    );
    return this.trace(host);
  }
  async trace(host: string): Promise<Trace> {
    const rows = stated.flatMap((name) => {
      using map = this.map(host, name);
      const used = map.entries().filter(([, value]) => !isArray(maps[name]) || value.some((b) => b !== 0));
      return used.map(([key, value]) => `${name} ${hex(key)} ${hex(value)}`).filter((row) => !row.includes(gatewayHex));
    });
    const dir = `${this.stateDir(host)}/attachments`;
    const links = this.links(host).filter((l) => !l.alias?.startsWith(gatewayAlias));
    using nl = this.netlink(host);
    const filters = links.flatMap(({ name, ifindex }) => [
      ...(['ingress', 'egress'] as const).flatMap((direction) =>
        listFilters(nl, ifindex, direction).map((f) => `${name} ${direction} ${f.prio} ${f.handle} ${f.name}`),
      ),
      ...(['ingress', 'egress'] as const).flatMap((direction) =>
        listTcx(nl, ifindex, direction).map((p) => `${name} ${direction} tcx ${p.name}`),
      ),
    ]);
    return {
      links: links.map((l) => `${l.ifindex} ${l.name} ${l.up ? 'up' : 'down'} ${l.alias ?? ''}`),
      filters,
      pins: readdirSync(this.pins(host)).sort(),
      rows: rows.sort(),
      files: existsSync(dir) ? readdirSync(dir).sort() : [],
      ports: (await this.client.list('port', { tenant: this.tenant })).map((p) => p.name).sort(),
    };
  }
  /** Resolves when the trace is as it was; the kernel follows the controller's answer by a moment. @throws LAB_FAILED with what is left */
  async back(host: string, before: Trace, deadlineMs = 20_000): Promise<void> {
    const want = JSON.stringify(before);
    let have = '';
    const differs = () => `${host} is as before: ${JSON.stringify(before, null, 1)}\nbut is ${have}`;
    await until('', deadlineMs, async () => {
      const now = await this.trace(host);
      have = JSON.stringify(now, null, 1);
      return JSON.stringify(now) === want ? true : undefined;
    }).catch((cause: unknown) => {
      throw new Error(differs(), { cause });
    });
  }
  /** Inodes of the namespaces that a host's agent holds open. */
  openNamespaces(host: string): string[] {
    const dir = `/proc/${this.lab.pid(host)}/fd`;
    const targets = readdirSync(dir).flatMap((fd) =>
      existsSync(`${dir}/${fd}`) ? [readlinkSync(`${dir}/${fd}`)] : [],
    );
    return targets.flatMap((t) => /^net:\[(\d+)\]$/.exec(t)?.[1] ?? []);
  }
  stateDir(host: string): string {
    return `${this.lab.plan.dir}/${host}/state`;
  }
}

const gatewayAlias = 'heddle:gateway:';
const gatewayHex = gatewayMac.replaceAll(':', '');
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
