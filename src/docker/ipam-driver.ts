/** Docker's IpamDriver: pools are subnets of Heddle's networks, addresses come from this host's lease. */
import { createHash, randomBytes } from 'node:crypto';
import { type Ip, parseIp, parsePrefix, prefixHas } from '../model/address.ts';
import { HeddleError } from '../model/errors.ts';
import type { NetworkId } from '../model/ids.ts';
import { addressSpace, type Context, names } from './context.ts';
import type { Endings } from './endings.ts';
import { requireTenant } from './options.ts';
import { planPool, type SubnetsOf } from './pool-plan.ts';
import { ends, noGateway, tryIp, withLength } from './prefixes.ts';
import { dockerOption, type Methods, type Reply, type Request } from './protocol.ts';
import { type AddressState, owners, type PoolState } from './state.ts';

export class IpamDriver {
  readonly #with: Context;
  readonly #endings: Endings;
  readonly #subnetsOf: SubnetsOf;

  constructor(context: Context, endings: Endings, subnetsOf: SubnetsOf) {
    this.#with = context;
    this.#endings = endings;
    this.#subnetsOf = subnetsOf;
  }

  readonly methods = {
    // MACs follow addresses, so none is wanted before. What was given is on disk: nothing is replayed.
    'IpamDriver.GetCapabilities': () => ({ body: { RequiresMACAddress: false, RequiresRequestReplay: false } }),
    'IpamDriver.GetDefaultAddressSpaces': () => ({
      body: { LocalDefaultAddressSpace: addressSpace, GlobalDefaultAddressSpace: addressSpace },
    }),
    'IpamDriver.RequestPool': (request) => this.#requestPool(request),
    'IpamDriver.ReleasePool': ({ PoolID }) =>
      this.#touching(PoolID, async () => {
        await this.#endings.pool(PoolID);
        return { body: {} };
      }),
    'IpamDriver.RequestAddress': (request) => this.#touching(request.PoolID, () => this.#requestAddress(request)),
    'IpamDriver.ReleaseAddress': ({ PoolID, Address }) =>
      this.#touching(PoolID, async () => {
        const ip = tryIp(Address);
        if (ip !== undefined) await this.#endings.address(PoolID, ip);
        return { body: {} };
      }),
  } as const satisfies Partial<Methods>;

  #touching = (pool: string, work: () => Promise<Reply>): Promise<Reply> =>
    this.#with.touches.during([names.pool(pool)], work);

  async #requestPool(request: Request<'IpamDriver.RequestPool'>): Promise<Reply> {
    const pool = await planPool(this.#with, this.#subnetsOf, request);
    this.#with.state.pools.put(pool);
    const gateway = pool.gateway === undefined ? noGateway(request.V6 ?? false) : withLength(pool.gateway, pool.cidr);
    return { body: { PoolID: pool.id, Pool: pool.cidr, Data: { [dockerOption.gateway]: gateway } } };
  }

  async #requestAddress({ PoolID, Address, Options }: Request<'IpamDriver.RequestAddress'>): Promise<Reply> {
    const { state, tenants, locks } = this.#with;
    const pool = this.#pool(PoolID);
    requireTenant(pool.tenant, tenants);
    if (Options?.[dockerOption.addressType] === dockerOption.gateway) return this.#gateway(pool, Address ?? '');
    return locks.shared(names.pool(pool.id), async () => {
      const address = Address
        ? await locks.alone(names.address(pool.id, parseIp(Address)), () => this.#explicit(pool.id, parseIp(Address)))
        : await this.#any(pool.id);
      if (typeof address === 'string') return { body: { Address: address, Data: {} } };
      return {
        body: { Address: `${address.ip}/${address.prefixLength}`, Data: {} },
        sent: () => {
          const now = state.addresses.get(address.id);
          if (now && !now.answered) state.addresses.put({ ...now, answered: true });
        },
      };
    });
  }

  /** @throws NOT_FOUND */
  #pool(id: string): PoolState {
    const pool = this.#with.state.pools.get(id);
    if (!pool) throw noPool(id);
    return pool;
  }

  /** Confirms the network's gateway; of a network that is to be made it is Docker's to choose. */
  #gateway(pool: PoolState, asked: string): Reply {
    const prefix = parsePrefix(pool.cidr);
    const answer = (gateway: string) => ({ body: { Address: withLength(gateway, pool.cidr), Data: {} } });
    if (asked === '' || (tryIp(asked) !== undefined && tryIp(asked) === pool.gateway))
      return pool.gateway === undefined
        ? { body: { Address: noGateway(prefix.family === 6), Data: {} } }
        : answer(pool.gateway);
    if (pool.network !== undefined || pool.claimedBy !== undefined)
      throw new HeddleError('USAGE', {
        problem: `the gateway of ${pool.cidr} is ${pool.gateway ?? 'none'}, not ${asked.slice(0, 60)}: leave --gateway out`,
      });
    const gateway = parseIp(asked);
    if (!prefixHas(prefix, gateway)) throw new HeddleError('ADDRESS_OUTSIDE', { address: gateway, network: pool.cidr });
    this.#with.state.pools.put({ ...pool, gateway });
    return answer(gateway);
  }

  /** An address that Docker names: --ip of a container, or --aux-address of a network. */
  async #explicit(poolId: string, ip: Ip): Promise<AddressState | string> {
    const { state, workloads } = this.#with;
    const pool = this.#pool(poolId);
    if (pool.network === undefined && pool.claimedBy === undefined) return this.#reserve(pool, ip);
    const before = state.addressIn(poolId, ip);
    if (before?.reserved)
      throw new HeddleError('ADDRESS_RESERVED', {
        address: ip,
        why: 'it is an auxiliary address of the Docker network',
      });
    // With another network driver we do not hear of endpoints: what was answered once is somebody's.
    const inUse =
      before && (before.endpoint !== undefined || (before.answered && !before.spent && pool.claimedBy === undefined));
    if (inUse) {
      const port = workloads.portOf(owners.endpoint(before.endpoint ?? ''))?.name;
      throw new HeddleError('ADDRESS_TAKEN', { address: ip, port: port ?? 'of another container' });
    }
    const id = createHash('sha256').update(`${poolId} ${ip}`).digest('hex').slice(0, 32);
    const network = await this.#networkOf(pool);
    const { prefixLength } = await workloads.takeAddress(owners.address(id), network, { address: ip });
    return this.#keep({ id, pool: poolId, explicit: true, answered: false, ip, prefixLength });
  }

  /** Of a network that is not made yet: there is nobody else who could have it. */
  #reserve(pool: PoolState, ip: Ip): string {
    const prefix = parsePrefix(pool.cidr);
    if (!prefixHas(prefix, ip)) throw new HeddleError('ADDRESS_OUTSIDE', { address: ip, network: pool.cidr });
    if (!pool.reserved.includes(ip)) this.#with.state.pools.put({ ...pool, reserved: [...pool.reserved, ip] });
    return `${ip}/${prefix.length}`;
  }

  /** Any address. Those that Docker has not released yet, though their endpoints are gone, are passed over. */
  async #any(poolId: string): Promise<AddressState> {
    const { workloads } = this.#with;
    const { family } = parsePrefix(this.#pool(poolId).cidr);
    const network = await this.#networkOf(this.#pool(poolId));
    const passed: string[] = [];
    try {
      for (;;) {
        const id = randomBytes(16).toString('hex');
        const { ip, prefixLength } = await workloads.takeAddress(owners.address(id), network, { family });
        if (this.#unreleased(network, ip)) passed.push(owners.address(id));
        else return await this.#keep({ id, pool: poolId, explicit: false, answered: false, ip, prefixLength });
      }
    } finally {
      for (const owner of passed) await workloads.giveBackAddress(owner);
    }
  }

  #unreleased(network: NetworkId, ip: string): boolean {
    const { state } = this.#with;
    const of = (id: string) => {
      const pool = state.pools.get(id);
      return pool && state.networkOf(pool);
    };
    return state.addresses.all().some((a) => a.ip === ip && of(a.pool) === network);
  }

  /** Records what was taken, unless the pool ended meanwhile. @throws NOT_FOUND */
  async #keep(record: AddressState): Promise<AddressState> {
    const { state, workloads } = this.#with;
    if (state.pools.get(record.pool)) return state.addresses.put(record);
    await workloads.giveBackAddress(owners.address(record.id));
    throw noPool(record.pool);
  }

  /** The pool's network, held for it; made if there is none, for a network driver that is not ours. */
  async #networkOf({ id }: PoolState): Promise<NetworkId> {
    const { state, workloads, locks, made } = this.#with;
    const { claimedBy } = this.#pool(id);
    const held = claimedBy === undefined ? undefined : workloads.used.get(owners.network(claimedBy));
    if (held) return held.id;
    return locks.alone(`make ${id}`, async () => {
      let pool = this.#pool(id);
      if (state.networkOf(pool) === undefined) {
        const { tenant, cidr, gateway = '', range } = pool;
        const subnets = [{ cidr, gateway, ...(range === undefined ? {} : { range: ends(range) }) }];
        // From now on there may be one: should the call not come to its end, it is looked for.
        state.pools.put({ ...this.#pool(id), made: true });
        const network = await made.make({ tenant, for: id, sourceNat: true, subnets });
        pool = state.pools.put({ ...this.#pool(id), network });
      }
      const item = await workloads.use(owners.pool(id), { tenant: pool.tenant, network: state.networkOf(pool)! });
      for (const ip of pool.reserved)
        await workloads.takeAddress(owners.aux(id, ip), item.id, { address: ip as Ip, lasting: true });
      return item.id;
    });
  }
}

const noPool = (id: string): HeddleError<'NOT_FOUND'> =>
  new HeddleError('NOT_FOUND', { kind: 'address pool', name: id.slice(0, 80) });
