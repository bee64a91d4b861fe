/** What the demo makes: two tenants with the same network names, prefixes and addresses. */

/** A workload: a network namespace on a host, with an address that both tenants may use. */
export interface Workload {
  readonly name: string;
  readonly tenant: string;
  readonly host: string;
  readonly ip4: string;
  readonly ip6: string;
}
const workload = (tenant: string, name: string, host: string, last: number): Workload => ({
  name,
  tenant,
  host,
  ip4: `10.0.0.${last}`,
  ip6: `fd00:10::${last}`,
});

export const tenants = ['acme', 'globex'] as const;
export const network = 'web';
export const prefixes = ['10.0.0.0/24', 'fd00:10::/64'] as const;

const [acme, globex] = tenants;
export const workloads = {
  a1: workload(acme, 'a1', 'h1', 11),
  a2: workload(acme, 'a2', 'h1', 12),
  a3: workload(acme, 'a3', 'h2', 13),
  g1: workload(globex, 'g1', 'h1', 11),
  g3: workload(globex, 'g3', 'h2', 13),
  /** Its address exists in this tenant only. */
  g4: workload(globex, 'g4', 'h3', 14),
} as const;

/** How a workload answers when asked who it is. */
export const identity = (w: Workload): string => `${w.tenant}/${w.name}`;

/** One question of the table: who answers at an address, as seen from a workload. */
export interface Check {
  readonly what: string;
  readonly from: Workload;
  readonly address: string;
  /** Whose answer is right; undefined: nobody may answer. */
  readonly expected: Workload | undefined;
}
const { a1, a2, a3, g1, g3, g4 } = workloads;
export const checks: readonly Check[] = [
  { what: 'same tenant, same host', from: a1, address: a2.ip4, expected: a2 },
  { what: 'same tenant, other host, IPv4', from: a1, address: a3.ip4, expected: a3 },
  { what: 'same tenant, other host, IPv6', from: a1, address: a3.ip6, expected: a3 },
  { what: 'the very same address, asked in the other tenant', from: g1, address: g3.ip4, expected: g3 },
  { what: 'an address of the own tenant only', from: g1, address: g4.ip4, expected: g4 },
  { what: 'that address, asked in the other tenant, IPv4', from: a1, address: g4.ip4, expected: undefined },
  { what: 'that address, asked in the other tenant, IPv6', from: a1, address: g4.ip6, expected: undefined },
];
