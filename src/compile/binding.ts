import type { HostId, PortId } from '../model/ids.ts';

/** Where a port is wired. */
export interface Binding {
  readonly host?: HostId;
  /** The other host, which may take over. */
  readonly standby?: HostId;
  /** The host that it has come from, which passes on what still comes there. */
  readonly origin?: HostId;
}

/** A port's own binding, or that of the port that it is behind. */
export function bindingOf(
  ports: ReadonlyMap<string, { readonly record: Binding }>,
  port: Binding & { readonly behind?: PortId },
): Binding {
  const { host, standby, origin } = port.behind === undefined ? port : (ports.get(port.behind)?.record ?? {});
  return { ...(host && { host }), ...(standby && { standby }), ...(origin && { origin }) };
}

/** The one host or two where it is wired. */
export const hostsOf = ({ host, standby }: Binding): HostId[] => [host, standby].filter((id) => id !== undefined);

/** Those, and the host that it has come from: all that are members of its network for its sake. */
export const memberHosts = (binding: Binding): HostId[] => {
  const { origin } = binding;
  const wired = hostsOf(binding);
  return origin === undefined || wired.includes(origin) ? wired : [...wired, origin];
};

/**
 * The binding after a port has gone from its host to its standby, which is that one's from then on. It has come from there; back
 * where it had come from, from nowhere.
 */
export const swapped = <H>({ host, standby, origin }: { host: H; standby: H; origin?: H | undefined }) => ({
  host: standby,
  standby: host,
  ...(standby !== origin && { origin: host }),
});
