/** Which prefix a pool is that Docker requests of our IPAM driver: a subnet of a network that is there, or one for a network to be made. */
import { randomBytes } from 'node:crypto';
import { ipOfNumber, type Prefix, parsePrefix, prefixHas } from '../model/address.ts';
import { HeddleError } from '../model/errors.ts';
import type { Context } from './context.ts';
import { freePrefix4, freePrefix6 } from './free-prefix.ts';
import { chooseSubnet } from './known-networks.ts';
import { type NetworkChoice, parseIpamOptions } from './options.ts';
import { firstHost, wholePrefix } from './prefixes.ts';
import type { Request } from './protocol.ts';
import type { PoolState } from './state.ts';

/** So many requests for one subnet within so long, none of which became a network: Docker goes round in a circle. */
const circle = { requests: 8, ms: 10_000 } as const;

/** All subnets of a tenant. */
export type SubnetsOf = (tenant: string) => Promise<readonly { readonly cidr: string }[]>;

/** What the user asked for beside the options. */
interface Asked {
  readonly prefix: Prefix | undefined;
  /** --ip-range */
  readonly range: Prefix | undefined;
  readonly v6: boolean;
}

/** @throws OPTION_UNKNOWN, TENANT_FORBIDDEN, USAGE, PREFIX_INVALID, POOL_INVALID, NOT_FOUND, CONTROLLER_UNREACHABLE */
export async function planPool(
  context: Context,
  subnetsOf: SubnetsOf,
  request: Request<'IpamDriver.RequestPool'>,
): Promise<PoolState> {
  const { Pool, SubPool, V6: v6 = false } = request;
  const options = request.Options ?? {};
  const choice = parseIpamOptions(options, context.tenants, v6);
  const { tenant, network } = choice;
  const asked = {
    prefix: Pool ? wholePrefix(Pool, v6) : undefined,
    range: SubPool ? wholePrefix(SubPool, v6) : undefined,
    v6,
  };
  const base = { id: randomBytes(8).toString('hex'), tenant, options, reserved: [], at: Date.now() };
  return network === undefined
    ? { ...base, ...(await newPrefix(context, subnetsOf, tenant, asked)), made: false }
    : { ...base, ...(await joined(context, { ...choice, network }, asked)) };
}

/** The pool of a network that is there. */
async function joined(
  { known, state }: Context,
  choice: NetworkChoice & { readonly network: string },
  { prefix, range, v6 }: Asked,
): Promise<Pick<PoolState, 'network' | 'made' | 'cidr' | 'gateway'>> {
  const network = await known.find(choice);
  const { cidr, gateway } = chooseSubnet(network, { subnet: choice.subnet, cidr: prefix?.cidr, v6 });
  if (range && range.cidr !== cidr)
    throw new HeddleError('POOL_INVALID', {
      pool: range.cidr,
      problem: `network ${network.name} has its own pools: leave --ip-range out`,
    });
  const since = Date.now() - circle.ms;
  const same = state.pools
    .all()
    .filter((p) => p.network === network.id && p.cidr === cidr && p.claimedBy === undefined && p.at > since);
  if (!prefix && same.length >= circle.requests)
    throw new HeddleError('USAGE', {
      problem: `Docker does not take ${cidr}, because a route or name server of this host lies in it, unless you name it: add --subnet ${cidr}`,
    });
  return { network: network.id, made: network.made, cidr, ...(gateway === undefined ? {} : { gateway }) };
}

/** The pool of a network that is made when it is needed. */
async function newPrefix(
  context: Context,
  subnetsOf: SubnetsOf,
  tenant: string,
  asked: Asked,
): Promise<Pick<PoolState, 'cidr' | 'range' | 'gateway'>> {
  const { range, v6 } = asked;
  const prefix = asked.prefix ?? (v6 ? freePrefix6(randomBytes) : freePrefix(context, await subnetsOf(tenant)));
  if (range && (!prefixHas(prefix, ipOfNumber(range.first, range.family)) || range.length < prefix.length))
    throw new HeddleError('POOL_INVALID', { pool: range.cidr, problem: `not within ${prefix.cidr}` });
  return { cidr: prefix.cidr, gateway: firstHost(prefix), ...(range ? { range: range.cidr } : {}) };
}

function freePrefix({ state, prefixes }: Context, subnets: readonly { readonly cidr: string }[]): Prefix {
  // Also of those that Docker has only asked for: it may have refused them.
  const used = [...subnets, ...state.pools.all()].map((s) => parsePrefix(s.cidr));
  const free = freePrefix4(prefixes, used, randomBytes);
  if (free) return free;
  throw new HeddleError('USAGE', {
    problem: `no /24 of ${prefixes.cidr} is free: choose with --subnet, or give the agent another --docker-pool`,
  });
}
