import { limits } from '../model/fields.ts';
import type { HostHealth } from '../model/host-state.ts';
import type { CertificateStatus } from './own-certificate.ts';
import type { Held } from './segment/election.ts';

type Trouble = HostHealth['troubles'][number];

/** What an agent knows of itself, as far as it may not be well. */
export interface HostParts {
  /** Items that the kernel refuses. */
  readonly refused: readonly string[];
  readonly ports: { readonly notUp: readonly PortNotUp[] };
  readonly gateways: { readonly problems: readonly Unserved[]; readonly outside?: string };
  readonly dns: { readonly failed: readonly Unserved[] };
  readonly dhcp: { readonly failed: readonly Unserved[] };
  readonly metadata: { readonly failed: readonly Unserved[] };
  readonly segments: readonly Segment[];
  readonly certificate?: Pick<CertificateStatus, 'problem'> | undefined;
  /** Why the controller takes some of this host's word not now, by what that is of. */
  readonly untold: Readonly<Record<string, string | undefined>>;
}

/** A port of this host that does not work, or waits. */
export interface PortNotUp {
  /** "acme/db1" */
  readonly name: string;
  readonly condition: string;
  readonly code?: string;
  readonly message?: string;
  /** The controller was told of it, and says so itself. */
  readonly told: boolean;
}

/** A network, and why it has not what it should have on this host. */
interface Unserved {
  readonly network: string;
  readonly problem: string;
}

/** A physical segment that this host serves, or stands by for. */
interface Segment {
  /** Name of its port. */
  readonly port: string | undefined;
  /** Why it forwards nothing. */
  readonly held?: Held;
  readonly problem?: string | undefined;
}

/** Networks that lack something on this host, by the service that they lack. */
export const unserved = ({
  gateways,
  dns,
  dhcp,
  metadata,
}: Omit<HostParts, 'ports' | 'refused' | 'segments' | 'untold' | 'certificate'>) => ({
  gateway: gateways.problems,
  dns: dns.failed,
  dhcp: dhcp.failed,
  metadata: metadata.failed,
});

/** Reasons for which a host does not forward for a segment, and nothing is wrong: it waits for its turn. */
const waits: ReadonlySet<Held> = new Set<Held>(['standby', 'listening', 'waiting']);

/**
 * What is not well on this host, in words: what `heddle status` shows there, and what the controller is told when it asks.
 * Without ports of which the controller knows it. Of more than there is room for, some of each sort, and how many more.
 */
export function troublesOf(host: HostParts): Trouble[] {
  const { refused, ports, gateways, segments, untold, certificate } = host;
  const failed = ports.notUp.filter(({ condition, told }) => condition === 'error' && !told);
  const still = segments.filter(
    ({ held, problem }) => problem !== undefined || (held !== undefined && !waits.has(held)),
  );
  const sorts: readonly (readonly [what: string, texts: readonly string[]])[] = [
    ['rows', refused.length > 0 ? [`the kernel refuses those of ${refused.slice(0, 5).join(', ')}`] : []],
    [
      'controller',
      Object.entries(untold).flatMap(([of, why]) => (why === undefined ? [] : [`takes no word of ${of} now: ${why}`])),
    ],
    ['certificate', certificate?.problem === undefined ? [] : [certificate.problem]],
    ['outside', gateways.outside === undefined ? [] : [gateways.outside]],
    ['port', failed.map(({ name, code, message }) => [name, code, message].filter(Boolean).join(': '))],
    ...Object.entries(unserved(host)).map(
      ([service, networks]) =>
        [service, networks.map(({ network, problem }) => `network ${network}: ${problem}`)] as const,
    ),
    ['segment', still.map(({ port = '', held, problem }) => `${port}: ${problem ?? `forwards nothing: ${held}`}`)],
  ];
  const most = mostOfEach(sorts.map(([, texts]) => texts.length));
  return sorts.flatMap(([what, texts]) => atMost(most, texts).map((text) => ({ what, text: text.slice(0, 500) })));
}

/** How many of each sort fit, if there are so many. */
function mostOfEach(counts: readonly number[]): number {
  const total = (most: number) => counts.reduce((n, count) => n + Math.min(count, most), 0);
  let most = 2;
  while (most < limits.troublesPerHost && total(most + 1) <= limits.troublesPerHost) most++;
  return most;
}

const atMost = (most: number, texts: readonly string[]): readonly string[] =>
  texts.length <= most
    ? texts
    : [...texts.slice(0, most - 1), `and ${texts.length - most + 1} more: heddle status --json`];
