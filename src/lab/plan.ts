/** What a lab consists of, as values: names, paths and addresses follow from its few options, so that every command finds them again. */
import { type Ip, parseIp } from '../model/address.ts';
import { HeddleError } from '../model/errors.ts';

/** Where labs keep their files, one folder each. */
export const labRoot = '/run/heddle/lab';
/** Most hosts of a lab: one underlay prefix has room for 250 and its router. */
const LAB_HOSTS_MAX = 250;
/** No '-': the name is a part of namespace names, and "a" must not claim those of "a-b". */
const namePattern = /^[a-z][a-z0-9]{0,19}$/;
const workloadPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$/;

/** What `lab up` can choose. */
export interface LabOptions {
  /** Lower-case letters and digits; default "lab". */
  readonly name?: string;
  /** 1 to 250; default 3. */
  readonly hosts?: number;
  /** Underlay prefixes that the hosts are spread over, with a router between them; default 1. */
  readonly subnets?: number;
  /** Underlay MTU, bytes; default 1500. */
  readonly mtu?: number;
  /** Two hosts joined by one veth pair, nothing in between: for measurements. */
  readonly wire?: boolean;
  /**
   * Gives hosts a Docker engine whose users may touch these tenants: all hosts, or those that are named; the first tenant
   * is the default. Default: no engines.
   */
  readonly dockerTenants?: readonly string[] | Readonly<Record<string, readonly string[]>>;
}

/** One host of the lab. */
export interface HostPlan {
  /** "h1", "h2", … */
  readonly name: string;
  readonly netns: string;
  readonly vtep: Ip;
  /** Index of its underlay prefix. */
  readonly subnet: number;
  /** Its underlay device's other end, in the lab's net namespace. */
  readonly bridgePort: string;
  readonly dir: string;
  readonly agentSocket: string;
  readonly engine?: HostEngine;
}

/** What an engine is made of. */
export interface EnginePlan {
  /** Named network namespace that it runs in; the control group of its containers has the same name. */
  readonly netns: string;
  /** The folder of all its files. */
  readonly dir: string;
  /** The folder that it finds as /run/docker/plugins; default: an empty one. */
  readonly plugins?: string;
  /** Further arguments of dockerd. */
  readonly flags?: readonly string[];
  /** A prefix of its command line, such as `setpriv …`. */
  readonly through?: readonly string[];
}

/** A host's Docker engine. */
export interface HostEngine extends EnginePlan {
  readonly plugins: string;
  /** The tenants that its users may touch; the first is the default. */
  readonly tenants: readonly string[];
}

/** A whole lab; the same options give the same plan. */
export interface LabPlan {
  readonly name: string;
  readonly dir: string;
  readonly mtu: number;
  readonly wire: boolean;
  readonly subnets: number;
  readonly hosts: readonly HostPlan[];
  /** The namespace of bridges, router and controller; in a wire lab the first host's, where only the controller is. */
  readonly netns: string;
  /** The controller's unix socket. */
  readonly controllerSocket: string;
  readonly bpfDir: string;
}

/** The folder of a lab's files. @throws USAGE if it is no lab name */
export function labDir(name: string): string {
  if (!namePattern.test(name))
    throw new HeddleError('USAGE', {
      problem: `"${name}" is no lab name: use 1 to 20 of a-z and 0-9, beginning with a letter`,
    });
  return `${labRoot}/${name}`;
}

/** The folder of a host's engine in the host's. */
export const engineDir = (hostDir: string): string => `${hostDir}/engine`;

/** What the names of all namespaces of a lab begin with. */
export const netnsPrefix = (lab: string): string => `hd-${lab}-`;
/** The path of a named network namespace. */
export const netnsPath = (netns: string): string => `/run/netns/${netns}`;
/** The namespace of a workload that the lab made. @throws USAGE */
export function workloadNetns(lab: string, workload: string): string {
  if (!workloadPattern.test(workload))
    throw new HeddleError('USAGE', { problem: `"${workload}" is no name for a workload's namespace` });
  return `${netnsPrefix(lab)}w-${workload}`;
}
/** The router's address in an underlay prefix. */
export const routerAddress = (subnet: number): string => `198.18.${subnet}.254`;
/** Where the controller listens in the underlay. */
export const underlayListen = `${routerAddress(0)}:7470`;

function inRange(what: string, value: number, min: number, max: number): number {
  if (!Number.isInteger(value) || value < min || value > max)
    throw new HeddleError('USAGE', { problem: `${what} must be ${min} to ${max}` });
  return value;
}

const isList = (tenants: LabOptions['dockerTenants']): tenants is readonly string[] => Array.isArray(tenants);

function planEngine({ name = 'lab', dockerTenants }: LabOptions, host: string, dir: string): { engine?: HostEngine } {
  const tenants = isList(dockerTenants) ? dockerTenants : dockerTenants?.[host];
  if (!tenants) return {};
  return { engine: { netns: `${netnsPrefix(name)}${host}`, dir: engineDir(dir), plugins: `${dir}/plugins`, tenants } };
}

/** @throws USAGE for options out of range */
export function planLab(options: LabOptions): LabPlan {
  const name = options.name ?? 'lab';
  const dir = labDir(name);
  const wire = options.wire ?? false;
  const count = inRange('the number of hosts', options.hosts ?? (wire ? 2 : 3), 1, LAB_HOSTS_MAX);
  const subnets = inRange('the number of subnets', options.subnets ?? 1, 1, Math.min(count, 200));
  if (wire && (count !== 2 || subnets !== 1))
    throw new HeddleError('USAGE', { problem: 'a lab of one wire has two hosts and one subnet' });
  const hosts = Array.from({ length: count }, (_, i): HostPlan => {
    const host = `h${i + 1}`;
    const subnet = i % subnets;
    return {
      name: host,
      netns: `${netnsPrefix(name)}${host}`,
      vtep: parseIp(`198.18.${subnet}.${i + 1}`),
      subnet,
      bridgePort: host,
      dir: `${dir}/${host}`,
      agentSocket: `${dir}/${host}/agent.sock`,
      ...planEngine(options, host, `${dir}/${host}`),
    };
  });
  return {
    name,
    dir,
    mtu: inRange('the MTU', options.mtu ?? 1500, 1350, 65_535),
    wire,
    subnets,
    hosts,
    netns: wire ? hosts[0]!.netns : `${netnsPrefix(name)}net`,
    controllerSocket: `${dir}/controller.sock`,
    bpfDir: `${dir}/bpf`,
  };
}
