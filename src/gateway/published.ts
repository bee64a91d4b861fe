/** Published ports of one network, as the two steps of their way in: the host's port, and the passage through the link. */
import { type Ip, ipFamily } from '../model/address.ts';
import type { PortItem } from '../model/host-state.ts';
import type { Publish } from '../model/kinds.ts';

/** One published port in one address family. */
export interface Entry {
  readonly protocol: Publish['protocol'];
  readonly hostPort: number;
  /** Absent: every address of the host. */
  readonly hostAddress?: Ip;
  /** Destination port between host and gateway: the host's port, or another one where two host addresses share it. */
  readonly passage: number;
  /** The workload. */
  readonly to: Ip;
  readonly port: number;
}

/**
 * The entries of a network's ports, ordered so that the same ports always give the same. A port is reached in the families
 * that it has an address of, at its first one.
 */
export function planEntries(ports: readonly Pick<PortItem, 'addresses' | 'publish'>[]): Entry[] {
  const bare = ports.flatMap(({ addresses, publish }) =>
    publish.flatMap((p) =>
      ([4, 6] as const).flatMap((family) => {
        const to = addresses.find((a) => ipFamily(a) === family);
        const { protocol, port, hostPort } = p;
        const hostAddress = p.hostAddress as Ip | undefined;
        if (!to || (hostAddress !== undefined && ipFamily(hostAddress) !== family)) return [];
        return [{ protocol, hostPort, to, port, ...(hostAddress !== undefined && { hostAddress }) }];
      }),
    ),
  );
  const taken = new Set<string>();
  return bare.sort(byPlace).map((entry) => {
    const place = (port: number) => `${entry.protocol} ${ipFamily(entry.to)} ${port}`;
    let passage = entry.hostPort;
    for (let n = 1; taken.has(place(passage)); n++) passage = n;
    taken.add(place(passage));
    return { ...entry, passage };
  });
}

const byPlace = (a: Omit<Entry, 'passage'>, b: Omit<Entry, 'passage'>): number =>
  a.hostPort - b.hostPort ||
  (a.hostAddress ?? '').localeCompare(b.hostAddress ?? '') ||
  a.protocol.localeCompare(b.protocol);
