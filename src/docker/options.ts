/** What the user typed behind -o and --ipam-opt. Pure. */
import { HeddleError } from '../model/errors.ts';
import { dockerOption } from './protocol.ts';

/** The network that a Docker network is to be. */
export interface NetworkChoice {
  readonly tenant: string;
  /** The user named the tenant. */
  readonly tenantGiven: boolean;
  /** Name or id of one that is there; none: one is made. */
  readonly network?: string;
  /** Name or id of one of its subnets. */
  readonly subnet?: string;
}
/** The same with what only the network driver hears. */
export interface DriverChoice extends NetworkChoice {
  readonly mtuBytes?: number;
  readonly internal: boolean;
  /** A running container's interface is made in the container, not moved there by the engine. */
  readonly direct: boolean;
}

/** Ours, and those of Kuryr that mean the same. */
const aliases: Readonly<Record<string, 'tenant' | 'network' | 'subnet'>> = {
  'heddle.tenant': 'tenant',
  'heddle.network': 'network',
  'heddle.subnet': 'subnet',
  'neutron.net.name': 'network',
  'neutron.net.uuid': 'network',
  'neutron.subnet.name': 'subnet',
  'neutron.subnet.uuid': 'subnet',
  'neutron.subnet.v6.name': 'subnet',
  'neutron.subnet.v6.uuid': 'subnet',
};
const known = Object.keys(aliases);
/** Who puts the interface into a container that runs. */
const connectOption = 'heddle.connect';
const connectWays = ['engine', 'direct'] as const;

/**
 * @param tenants those that this engine may use; the first is the default
 * @throws OPTION_UNKNOWN, TENANT_FORBIDDEN, USAGE
 */
export function parseIpamOptions(
  options: Readonly<Record<string, string>>,
  tenants: readonly string[],
  v6 = false,
): NetworkChoice {
  // What Docker itself adds.
  const typed = Object.entries(options).filter(([key]) => !key.startsWith('com.docker.'));
  return choose(typed, tenants, '--ipam-opt', known, v6);
}

/** @throws OPTION_UNKNOWN, TENANT_FORBIDDEN, USAGE */
export function parseDriverOptions(
  options: Readonly<Record<string, unknown>>,
  tenants: readonly string[],
): DriverChoice {
  const generic = options[dockerOption.generic];
  const typed = Object.entries(typeof generic === 'object' && generic !== null ? generic : {});
  const own: readonly string[] = [dockerOption.mtu, connectOption];
  const choice = choose(
    typed.filter(([key]) => !own.includes(key)),
    tenants,
    '-o',
    [...known, ...own],
  );
  const typedFor = (option: string) => typed.find(([key]) => key === option)?.[1];
  const mtu = typedFor(dockerOption.mtu);
  if (mtu !== undefined && !/^\d{1,5}$/.test(String(mtu)))
    throw new HeddleError('USAGE', {
      problem: `-o ${dockerOption.mtu}=${String(mtu).slice(0, 40)}: no number of bytes`,
    });
  const asked = typedFor(connectOption);
  const way = asked === undefined ? 'engine' : asked;
  if (!connectWays.some((w) => w === way))
    throw new HeddleError('USAGE', {
      problem: `-o ${connectOption}=${String(way).slice(0, 40)}: give ${connectWays.join(' or ')}`,
    });
  return {
    ...choice,
    ...(mtu === undefined ? {} : { mtuBytes: Number(mtu) }),
    internal: options[dockerOption.internal] === true,
    direct: way === 'direct',
  };
}

function choose(
  typed: readonly (readonly [string, unknown])[],
  tenants: readonly string[],
  flag: string,
  all: readonly string[],
  v6?: boolean,
): NetworkChoice {
  const chosen: { tenant?: string; network?: string; subnet?: string } = {};
  for (const [key, value] of typed) {
    const meaning = Object.hasOwn(aliases, key) ? aliases[key] : undefined;
    if (!meaning) throw new HeddleError('OPTION_UNKNOWN', { option: `${flag} ${key.slice(0, 100)}`, known: all });
    if (typeof value !== 'string' || value === '')
      throw new HeddleError('USAGE', { problem: `${flag} ${key}: it has no value` });
    // Kuryr names a subnet of each family at once, both behind one list of options.
    if (meaning === 'subnet' && v6 !== undefined && key.startsWith('neutron.') && key.includes('.v6.') !== v6) continue;
    if (chosen[meaning] !== undefined && chosen[meaning] !== value)
      throw new HeddleError('USAGE', { problem: `${flag} ${key}=${value} and ${chosen[meaning]} are two ${meaning}s` });
    chosen[meaning] = value;
  }
  const { tenant = tenants[0] ?? '' } = chosen;
  requireTenant(tenant, tenants);
  if (chosen.subnet !== undefined && chosen.network === undefined)
    throw new HeddleError('USAGE', { problem: `${flag} heddle.subnet needs ${flag} heddle.network` });
  return { ...chosen, tenant, tenantGiven: chosen.tenant !== undefined };
}

/** The rule of `--docker-tenant`. @throws TENANT_FORBIDDEN */
export function requireTenant(tenant: string, tenants: readonly string[]): void {
  if (!tenants.includes(tenant)) throw new HeddleError('TENANT_FORBIDDEN', { tenant: tenant.slice(0, 80), tenants });
}
