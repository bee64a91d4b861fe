import { addressList } from '../../../kernel/address.ts';
import { hasErrno } from '../../../kernel/libc.ts';
import { type Link, linkList } from '../../../kernel/link.ts';
import { routeGet } from '../../../kernel/route.ts';
import type { Ip } from '../../../model/address.ts';
import { HeddleError } from '../../../model/errors.ts';
import { makeCheck } from '../check.ts';
import { type Finding, fail, ok, unknown, warn } from '../finding.ts';
import { probePaths } from '../path/probe-paths.ts';
import type { Site } from '../site.ts';

const deadlineMs = 3_000;

/** The way to one other host. */
interface PathFacts {
  /** Absent: the controller did not tell. */
  readonly name?: string;
  readonly vtep: Ip;
  /** The controller has it online; absent: it did not tell. */
  readonly online?: boolean;
  /** Size of the largest encapsulated packet that Heddle sends there; absent: there is no route. */
  readonly wholeBytes?: number;
  /** The largest that arrives; 0: none does. */
  readonly fitsBytes: number;
}

/** Why paths could not be looked at, or what was found. */
type PathsFacts =
  | { readonly reason: string; readonly advice: string }
  | { readonly udpPort: number; readonly device: string; readonly paths: readonly PathFacts[] };

export function judgePaths(facts: PathsFacts): Finding[] {
  if ('reason' in facts) return [unknown(facts.reason, facts.advice)];
  const { udpPort, device, paths } = facts;
  if (paths.length === 0) return [ok('there is no other host')];
  return paths.map((path) => judgePath(path, udpPort, device));
}

function judgePath({ name, vtep, online, wholeBytes, fitsBytes }: PathFacts, udpPort: number, device: string): Finding {
  const host = name === undefined ? vtep : `${name} (${vtep})`;
  if (wholeBytes === undefined)
    return fail(`there is no route to ${host}`, `give this host one: ip route add ${vtep} …`);
  if (fitsBytes >= wholeBytes) return ok(`${host}: ${wholeBytes} bytes arrive`);
  if (fitsBytes > 0)
    return fail(
      `to ${host} packets of ${fitsBytes} bytes arrive, and of ${fitsBytes + 1} to ${wholeBytes} not: large ones of workloads are lost`,
      `let the network between carry ${wholeBytes} bytes, or set this host’s to what fits: ip link set ${device} mtu ${fitsBytes}`,
    );
  if (online === false)
    return warn(`${host} is not connected to the controller, and does not answer`, 'see whether its agent runs');
  return fail(
    `nothing on UDP port ${udpPort} arrives at ${host}, or its answers not here`,
    `let UDP port ${udpPort} pass both ways, in both hosts’ firewalls and in the network between; if the agent there is older than this one, update it`,
  );
}

/** Another host, as far as it is known. */
interface Other {
  readonly name?: string;
  readonly vtep: Ip;
  readonly online?: boolean;
  /** MTU of its underlay device. */
  readonly mtuBytes?: number;
}

/** Other hosts, as the controller tells, and if it does not, as the agent was told. */
async function others({ client, agent, vtep }: Site, signal: AbortSignal): Promise<Other[]> {
  try {
    const hosts = await client.list('host', { deadlineMs, signal });
    return hosts
      .map((h) => ({ name: h.name, vtep: h.vtep as Ip, online: h.status.condition === 'online', mtuBytes: h.mtuBytes }))
      .filter((h) => h.vtep !== vtep);
  } catch (e) {
    if (e instanceof HeddleError) return (agent?.vteps ?? []).map((ip) => ({ vtep: ip }));
    throw e;
  }
}

/** What the route, both devices and so the datapath let be sent there. */
function wholeBytesTo({ nl }: Site, links: readonly Link[], { vtep, mtuBytes }: Other): { wholeBytes?: number } {
  try {
    const route = routeGet(nl, vtep);
    const link = links.find((l) => l.ifindex === route.oif);
    const known = [link?.mtuBytes, route.mtuBytes, mtuBytes].filter((bytes) => bytes !== undefined);
    return link ? { wholeBytes: Math.min(...known) } : {};
  } catch (e) {
    if (hasErrno(e, 'ENETUNREACH') || hasErrno(e, 'EHOSTUNREACH')) return {};
    throw e;
  }
}

export const path = makeCheck({
  name: 'path',
  about: 'packets as large as encapsulated ones arrive at every other host on the UDP port of VXLAN, and are answered',
  gather: async (site, signal): Promise<PathsFacts> => {
    const { nl, vtep, vxlanPort: udpPort, agent } = site;
    const links = linkList(nl);
    const vxlan = links.find((l) => l.alias === 'heddle:vxlan' && l.up);
    const own = addressList(nl).find((a) => a.ip === vtep);
    const device = links.find((l) => l.ifindex === own?.ifindex)?.name;
    if (!vxlan || !agent || vtep === undefined || device === undefined)
      return {
        reason: 'answers of other hosts would not come in: no agent runs here',
        advice: 'start it: heddle agent',
      };
    const hosts = (await others(site, signal)).map((host) => ({ ...host, ...wholeBytesTo(site, links, host) }));
    const targets = hosts.flatMap(({ vtep: ip, wholeBytes }) => (wholeBytes ? [{ vtep: ip, wholeBytes }] : []));
    const fits = await probePaths(targets, { vtep, udpPort, vxlanIfindex: vxlan.ifindex, signal });
    const fitting = new Map(targets.map((target, i) => [target.vtep, fits[i]!]));
    return { udpPort, device, paths: hosts.map((host) => ({ ...host, fitsBytes: fitting.get(host.vtep) ?? 0 })) };
  },
  judge: judgePaths,
});
