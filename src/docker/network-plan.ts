/** Which Heddle network a Docker network is to be: from what CreateNetwork says, and what our IPAM driver was asked before. */
import { parsePrefix } from '../model/address.ts';
import { HeddleError } from '../model/errors.ts';
import type { NetworkId } from '../model/ids.ts';
import { addressSpace, type Context } from './context.ts';
import { chooseSubnet, joinCommand, type KnownNetwork } from './known-networks.ts';
import type { NetworkWish } from './made-networks.ts';
import { type DriverChoice, requireTenant } from './options.ts';
import { ends, wholePrefix } from './prefixes.ts';
import type { IpamData, Request } from './protocol.ts';
import type { PoolState } from './state.ts';

/** A pool that was requested longer ago, and became nothing, is not meant if there is a newer one. */
const recentMs = 60_000;

/** What to do: join a network, or make one. */
export interface NetworkPlan {
  readonly tenant: string;
  readonly join?: { readonly id: NetworkId; readonly made: boolean };
  readonly make?: Omit<NetworkWish, 'for'>;
  /** Pools of ours that the Docker network has from now on. */
  readonly pools: readonly PoolState[];
  /** Addresses to be kept for what Docker does not tell. */
  readonly aux: readonly string[];
  readonly internal: boolean;
}

/** @throws USAGE, TENANT_FORBIDDEN, NOT_FOUND, CONTROLLER_UNREACHABLE */
export async function planNetwork(
  context: Context,
  choice: DriverChoice,
  request: Request<'NetworkDriver.CreateNetwork'>,
): Promise<NetworkPlan> {
  const data = [
    ...(request.IPv4Data ?? []).map((d) => ({ ...d, v6: false })),
    ...(request.IPv6Data ?? []).map((d) => ({ ...d, v6: true })),
  ];
  const v6 = data.some((d) => d.v6);
  const ours = data.filter((d) => d.AddressSpace === addressSpace);
  if (data.length === 0 || (ours.length > 0 && ours.length < data.length))
    throw new HeddleError('USAGE', { problem: 'a network needs addresses of one IPAM driver' });
  if (data.some((d) => !d.Pool || d.Pool.endsWith('/0')))
    throw new HeddleError('USAGE', {
      problem: `an IPAM driver without addresses will not do. Use: ${joinCommand({ ...choice, network: choice.network ?? 'NETWORK' }, v6)}`,
    });
  return ours.length > 0 ? planOwn(context, choice, request.NetworkID, ours) : planForeign(context, choice, data);
}

type Data = IpamData & { readonly v6: boolean };

/** The addresses come from our IPAM driver, which knows the network already. */
async function planOwn(
  context: Context,
  choice: DriverChoice,
  id: string,
  data: readonly Data[],
): Promise<NetworkPlan> {
  const pools = matchPools(context.state.pools.all(), choice, id, data);
  const tenant = pools[0]!.tenant;
  requireTenant(tenant, context.tenants);
  const rest = { tenant, pools, aux: [], internal: choice.internal };
  const joined = pools.find((p) => p.network !== undefined)?.network;
  if (joined === undefined && choice.network === undefined) {
    const subnets = pools.map(({ cidr, gateway = '', range }) => ({
      ...{ cidr, gateway },
      ...(range === undefined ? {} : { range: ends(range) }),
    }));
    return { ...rest, make: wish({ ...choice, tenant }, subnets) };
  }
  const network = await context.known.find({ tenant, network: choice.network ?? joined! });
  if (joined !== undefined && network.id !== joined)
    throw new HeddleError('USAGE', {
      problem: `-o heddle.network=${choice.network} and --ipam-opt heddle.network are two networks`,
    });
  const command = joinCommand(
    choice,
    data.some((d) => d.v6),
  );
  const missing = (cidr: string) =>
    `network ${network.name} does not have ${cidr}: the IPAM driver must know of it too. Use: ${command}`;
  requireFit(network, choice, pools, missing);
  return { ...rest, join: network };
}

/**
 * The pool of each of Docker's prefixes: requested by the same tenant, not yet a network's, and there is only one network that is
 * meant. Docker does not tell the network driver which pool it is.
 */
function matchPools(all: readonly PoolState[], choice: DriverChoice, id: string, data: readonly Data[]): PoolState[] {
  const since = Date.now() - recentMs;
  const found = data.map(({ Pool = '', Gateway = '' }) => {
    const free = all.filter(
      (p) =>
        p.cidr === Pool &&
        (p.claimedBy === undefined || p.claimedBy === id) &&
        (!choice.tenantGiven || p.tenant === choice.tenant) &&
        (p.gateway === undefined || Gateway === '' || Gateway.startsWith(`${p.gateway}/`)),
    );
    const mine = free.filter((p) => p.claimedBy === id);
    const recent = free.filter((p) => p.at > since);
    const [candidates] = [mine, recent, free].filter((list) => list.length > 0);
    if (!candidates && choice.tenantGiven)
      throw new HeddleError('USAGE', {
        problem: `-o heddle.tenant=${choice.tenant}: no pool of this tenant was requested. Give --ipam-opt heddle.tenant=${choice.tenant} too`,
      });
    if (!candidates) throw new HeddleError('NOT_FOUND', { kind: 'address pool', name: Pool });
    return candidates.toSorted((a, b) => b.at - a.at);
  });
  const meant = new Set(found.flat().map((p) => p.network ?? `new ${p.tenant}`));
  if (meant.size > 1 && choice.network === undefined)
    throw new HeddleError('USAGE', {
      problem: `several networks with ${data[0]!.Pool} are being made at once: repeat, or say which with -o heddle.network and -o heddle.tenant`,
    });
  return found.map((candidates) => candidates[0]!);
}

/** The addresses come from Docker's own IPAM driver, or another's: they are claimed one by one. */
async function planForeign(context: Context, choice: DriverChoice, data: readonly Data[]): Promise<NetworkPlan> {
  const { tenant, internal } = choice;
  const aux = data.flatMap((d) => Object.values(d.AuxAddresses ?? {}).map(withoutLength));
  const subnets = data.map((d) => ({
    cidr: wholePrefix(d.Pool ?? '', d.v6).cidr,
    gateway: withoutLength(d.Gateway ?? ''),
  }));
  const rest = { tenant, pools: [], aux, internal };
  if (choice.network === undefined) return { ...rest, make: wish(choice, subnets) };
  const network = await context.known.find({ tenant, network: choice.network });
  const command = joinCommand(
    choice,
    data.some((d) => d.v6),
  );
  const missing = (cidr: string) =>
    `Docker's own IPAM chose ${cidr}, which network ${network.name} does not have. Let Heddle give the addresses: ${command}`;
  requireFit(network, choice, subnets, missing);
  return { ...rest, join: network };
}

const wish = (
  { tenant, mtuBytes, internal }: DriverChoice,
  subnets: NetworkWish['subnets'],
): NonNullable<NetworkPlan['make']> => ({
  tenant,
  ...(mtuBytes === undefined ? {} : { mtuBytes }),
  sourceNat: !internal,
  subnets,
});

/** The network is as Docker takes it to be. @throws USAGE, with what is `missing` if a subnet is */
function requireFit(
  network: KnownNetwork,
  choice: DriverChoice,
  subnets: readonly { readonly cidr: string; readonly gateway?: string }[],
  missing: (cidr: string) => string,
): void {
  for (const { cidr, gateway } of subnets) {
    if (!network.subnets.some((s) => s.cidr === cidr)) throw new HeddleError('USAGE', { problem: missing(cidr) });
    requireGateway(network, cidr, gateway);
  }
  requireMtu(network, choice);
}

const withoutLength = (text: string): string => text.replace(/\/.*$/, '');

/** Docker keeps its gateway's address free and nothing else: it must be ours. @throws USAGE */
function requireGateway(network: KnownNetwork, cidr: string, gateway: string | undefined): void {
  const subnet = chooseSubnet(network, { cidr, v6: parsePrefix(cidr).family === 6 });
  if (gateway === undefined || gateway === '' || subnet.gateway === undefined || subnet.gateway === gateway) return;
  throw new HeddleError('USAGE', {
    problem: `the gateway of ${cidr} in network ${network.name} is ${subnet.gateway}, not ${gateway}: give --gateway ${subnet.gateway}`,
  });
}

/** @throws USAGE */
function requireMtu(network: KnownNetwork, { mtuBytes }: DriverChoice): void {
  if (mtuBytes !== undefined && mtuBytes !== network.mtuBytes)
    throw new HeddleError('USAGE', {
      problem: `network ${network.name} has ${network.mtuBytes === undefined ? 'the MTU of its hosts' : `an MTU of ${network.mtuBytes}`}, not ${mtuBytes}: leave the MTU out, or change it with "heddle network update"`,
    });
}
