/** Docker's port bindings as published ports. Pure. */
import { parseHostAddress } from '../model/address.ts';
import { HeddleError } from '../model/errors.ts';
import { limits } from '../model/fields.ts';
import type { Publish } from '../model/kinds.ts';
import { dockerOption } from './protocol.ts';

/** A binding with the host's ports that it may have, the first free one of which it gets. */
export interface Binding {
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
  readonly hostAddress?: string;
  readonly first: number;
  readonly last: number;
  /** Docker's user did not choose. */
  readonly any: boolean;
}

/** IANA's dynamic ports, less the first, as Docker has them. */
const ephemeral = { first: 49_153, last: 65_535 } as const;
/** As the kernel's headers number them. */
const protocols: Readonly<Record<number, string>> = { 6: 'tcp', 17: 'udp', 132: 'sctp' };

const isPort = (n: unknown, lowest: number): n is number =>
  Number.isInteger(n) && Number(n) >= lowest && Number(n) <= 65_535;

/** The bindings among a call's options (types.PortBinding). @throws USAGE, ADDRESS_INVALID */
export function parsePortMap(options: Readonly<Record<string, unknown>> | null | undefined): Binding[] {
  const list = options?.[dockerOption.portMap] ?? [];
  if (!Array.isArray(list)) throw new HeddleError('INVALID', { field: dockerOption.portMap, problem: 'no list' });
  if (list.length > limits.publishedPerPort)
    throw new HeddleError('USAGE', { problem: `a container publishes at most ${limits.publishedPerPort} ports here` });
  return list.map(parseBinding);
}

function parseBinding(value: unknown): Binding {
  const binding = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  const { Proto, Port, HostIP, HostPort = 0, HostPortEnd = 0 } = binding;
  const protocol = protocols[Number(Proto)];
  if (!isPort(Port, 1) || !isPort(HostPort, 0) || !isPort(HostPortEnd, 0))
    throw new HeddleError('INVALID', { field: dockerOption.portMap, problem: 'no port binding' });
  if (protocol !== 'tcp' && protocol !== 'udp')
    throw new HeddleError('USAGE', {
      problem: `-p ${HostPort || ''}:${Port}/${protocol ?? Proto}: only tcp and udp can be published`,
    });
  const hostAddress = hostAddressOf(HostIP);
  return {
    protocol,
    port: Port,
    ...(hostAddress === undefined ? {} : { hostAddress }),
    first: HostPort || ephemeral.first,
    last: HostPort ? Math.max(HostPort, HostPortEnd) : ephemeral.last,
    any: HostPort === 0,
  };
}

/** None for all addresses, which Docker also writes as the unspecified one. */
function hostAddressOf(value: unknown): string | undefined {
  if (value === undefined || value === null || value === '' || value === '0.0.0.0' || value === '::') return undefined;
  if (typeof value !== 'string')
    throw new HeddleError('INVALID', { field: dockerOption.portMap, problem: 'no address' });
  return parseHostAddress(value);
}

/** The key by which two published ports of one host exclude each other. */
const keyOf = (protocol: string, hostPort: number): string => `${protocol}/${hostPort}`;

/**
 * A port of the host for each binding.
 * @param taken those that others of this host publish, or that were refused before
 * @param start where to begin among those that nobody chose, 0 to 1
 * @returns undefined if one finds none
 */
export function choosePorts(
  bindings: readonly Binding[],
  taken: readonly Pick<Publish, 'protocol' | 'hostPort'>[],
  start: number,
): Publish[] | undefined {
  const used = new Set(taken.map((t) => keyOf(t.protocol, t.hostPort)));
  const out: Publish[] = [];
  for (const { protocol, port, hostAddress, first, last, any } of bindings) {
    const size = last - first + 1;
    const from = any ? Math.floor(start * size) : 0;
    let hostPort: number | undefined;
    for (let i = 0; i < size && hostPort === undefined; i++) {
      const candidate = first + ((from + i) % size);
      // One that was chosen is asked for in any case: who has it is then named.
      if (size === 1 || !used.has(keyOf(protocol, candidate))) hostPort = candidate;
    }
    if (hostPort === undefined) return undefined;
    used.add(keyOf(protocol, hostPort));
    out.push({ protocol, port, hostPort, ...(hostAddress === undefined ? {} : { hostAddress }) });
  }
  return out;
}
