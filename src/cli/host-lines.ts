/** Lines of `heddle status` about the host that it is run on, from its agent's own status. */
import { segmentWaits } from '../model/segment-waits.ts';

interface Line {
  readonly what: string;
  readonly ok: boolean;
  readonly text: string;
}

/** Addresses at hand, and what is not well. */
export function hostLines(agent: Record<string, unknown>): Line[] {
  const untold = untoldOf(agent);
  const outside = waysOutside(agent);
  return [
    ...leasesOf(agent).map(({ network, free, used }) => ({
      what: 'lease',
      ok: true,
      text: `${network}: ${used} in use, ${free} at hand`,
    })),
    ...(untold > 0
      ? [{ what: 'untold', ok: false, text: `${untold} ${untold === 1 ? 'port' : 'ports'} to tell the controller of` }]
      : []),
    ...(outside ? [{ what: 'outside', ok: false, text: outside }] : []),
    ...stillSegments(agent).map(({ port, held, problem }) => ({
      what: 'segment',
      ok: false,
      text: `${port ?? ''}: ${problem ?? `forwards nothing: ${held}`}`,
    })),
    ...troubles(agent).map(({ what, network, problem }) => ({
      what,
      ok: false,
      text: `network ${network}: ${problem}`,
    })),
  ];
}

/** Networks of which the host has addresses to give. */
const leasesOf = ({ leases }: { leases?: { network: string; free: number; used: number }[] }) => leases ?? [];
/** What was done here while the controller was away, or a moment ago. */
const untoldOf = ({ pendingUploads }: { pendingUploads?: number }): number => pendingUploads ?? 0;
/** Why workloads do not get outside, or not all; undefined if nothing is known to be wrong. */
const waysOutside = ({ gateways }: { gateways?: { outside?: string } }): string | undefined => gateways?.outside;
/** Segments that this host should forward for, or stand by for, and does not. */
const stillSegments = ({ segments = [] }: { segments?: { port?: string; held?: string; problem?: string }[] }) =>
  segments.filter(({ held, problem }) => problem !== undefined || (held !== undefined && !segmentWaits.has(held)));
type Trouble = { readonly network: string; readonly problem?: string };
/** What the agent's status may say of a network that it does not serve. */
interface Services {
  readonly gateways?: { readonly problems?: readonly Trouble[] };
  readonly dns?: { readonly failed?: readonly Trouble[] };
  readonly dhcp?: { readonly failed?: readonly Trouble[] };
  readonly metadata?: { readonly failed?: readonly Trouble[] };
}
/** Networks that lack a service on this host, and why. */
const troubles = ({ gateways, dns, dhcp, metadata }: Services) =>
  Object.entries({
    gateway: gateways?.problems,
    names: dns?.failed,
    dhcp: dhcp?.failed,
    metadata: metadata?.failed,
  }).flatMap(([what, list = []]) => list.map((trouble) => ({ what, ...trouble })));
