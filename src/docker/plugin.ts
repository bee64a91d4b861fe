/** The Docker plug-in: its parts, its start, and its end. */
import type { Logger } from 'pino';
import { tellNotGiven } from '../agent/not-given.ts';
import type { ThisHost } from '../agent/this-host.ts';
import type { Workloads } from '../agent/workloads.ts';
import type { Client } from '../client/client.ts';
import { parsePrefix } from '../model/address.ts';
import type { NetworkId } from '../model/ids.ts';
import { type Context, names } from './context.ts';
import { Endings } from './endings.ts';
import { IpamDriver } from './ipam-driver.ts';
import { KnownNetworks } from './known-networks.ts';
import { Locks } from './locks.ts';
import { MadeNetworks } from './made-networks.ts';
import { NetworkDriver } from './network-driver.ts';
import type { PluginRecords } from './records.ts';
import { servePlugin } from './server.ts';
import { DockerState, owners } from './state.ts';
import { Touches } from './touches.ts';

export interface DockerPluginOptions {
  readonly workloads: Workloads;
  /** Of the controller. */
  readonly client: Client;
  readonly thisHost: ThisHost;
  /** The agent's; the plug-in has a folder in it. */
  readonly stateDir: string;
  /** The plug-in's socket; its file's name is the driver's. */
  readonly socket: string;
  /** Tenants that the engine's users may use; the first is the default. */
  readonly tenants: readonly string[];
  /** What prefixes are taken from that nobody chose. */
  readonly pool: string;
  readonly log: Logger;
}

/** A running plug-in; disposing ends it, and leaves all that it made. */
export interface DockerPlugin extends AsyncDisposable {
  readonly records: PluginRecords;
}

/** Starts the plug-in, after it has finished or undone what an earlier process was cut off in. @throws PREFIX_INVALID */
export async function openDockerPlugin(options: DockerPluginOptions): Promise<DockerPlugin> {
  const { workloads, client, log, thisHost } = options;
  await using open = new AsyncDisposableStack();
  const state = new DockerState(options.stateDir);
  const made = open.use(new MadeNetworks({ client, state, thisHost, log }));
  const isMade = (network: string) =>
    [...state.networks.all(), ...state.pools.all()].some((r) => r.network === network && r.made);
  const context: Context = {
    state,
    workloads,
    made,
    known: new KnownNetworks({ client, workloads, isMade }),
    locks: new Locks(),
    touches: new Touches(),
    tenants: options.tenants,
    prefixes: parsePrefix(options.pool),
    log,
  };
  const endings = new Endings(context);
  await recover(context, endings);
  made.removeAll();
  const network = new NetworkDriver(context, endings);
  const ipam = new IpamDriver(context, endings, (tenant) => client.list('subnet', { tenant }));
  const methods = {
    'Plugin.Activate': () => ({ body: { Implements: ['NetworkDriver', 'IpamDriver'] } }),
    ...network.methods,
    ...ipam.methods,
  };
  open.use(await servePlugin(options.socket, methods, log, tellNotGiven(thisHost)));
  log.info({ socket: options.socket, tenants: options.tenants }, 'Docker plug-in ready');
  const parts = open.move();
  return { records: recordsOf(context, endings), [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

/** Finishes what was being removed, and removes what there is no record of: a call died before or behind it. */
async function recover({ state, workloads, log }: Context, endings: Endings): Promise<void> {
  for (const { id, state: now } of state.networks.all()) if (now === 'removing') await endings.network(id);
  for (const { id, state: now, network } of state.endpoints.all())
    if (now === 'removing' || !state.networks.get(network)) await endings.endpoint(id);
  for (const { id, answered, pool } of state.addresses.all())
    if (!answered || !state.pools.get(pool)) {
      // Docker was not told of it; if it asks again it gets another.
      await workloads.giveBackAddress(owners.address(id));
      state.addresses.remove(id);
    }
  const taken = new Set(state.addresses.all().map((a) => owners.address(a.id)));
  for (const owner of workloads.takers())
    if (owner.startsWith(owners.address('')) && !taken.has(owner)) await workloads.giveBackAddress(owner);
  const known = new Set([
    ...state.networks.all().map((n) => owners.network(n.id)),
    ...state.pools.all().map((p) => owners.pool(p.id)),
    ...state.endpoints.all().map((e) => owners.endpoint(e.id)),
  ]);
  const strange = (name: string) => name.startsWith('docker:') && !known.has(name);
  for (const { owner } of workloads.ports())
    if (strange(owner)) {
      log.warn({ owner }, 'a port of Docker’s that there is no record of is removed');
      await workloads.removePort(owner);
    }
  for (const user of [...workloads.used.keys()]) if (strange(user)) await workloads.unuse(user);
}

/** The records as names and the sweep see them. */
function recordsOf({ state, touches, locks }: Context, endings: Endings): PluginRecords {
  const poolsOf = (network: string) => state.pools.all().filter((p) => p.claimedBy === network);
  return {
    endpoints: () =>
      state.endpoints.all().map(({ id, network }) => ({
        id,
        network,
        owner: owners.endpoint(id),
        touched: touches.of(names.endpoint(id)),
      })),
    networks: () =>
      state.networks.all().map(({ id, network, tenant, made }) => {
        const touched = touches.of(names.network(id), ...poolsOf(id).map((p) => names.pool(p.id)));
        // One that is being made has none yet; that it is unknown to the engine counts all the same.
        return { id, network: network ?? ('' as NetworkId), tenant, made, touched };
      }),
    pools: () =>
      state.pools.all().map((pool) => {
        const touched = touches.of(names.pool(pool.id), pool.claimedBy && names.network(pool.claimedBy));
        const addresses = state.addresses
          .all()
          .flatMap(({ ip, pool: of, endpoint }) =>
            of === pool.id
              ? [{ address: ip, touched: Math.max(touched, touches.of(endpoint && names.endpoint(endpoint))) }]
              : [],
          );
        return { id: pool.id, cidr: pool.cidr, options: pool.options, touched, addresses };
      }),
    // What is being worked on is not forgotten: the engine will know of it, or say what becomes of it.
    forgetEndpoint: async (id) => {
      if (!locks.busy(names.endpoint(id))) await endings.endpoint(id);
    },
    forgetNetwork: async (id) => {
      if (!locks.busy(names.network(id))) await endings.network(id);
    },
    forgetPool: async (id) => {
      const network = state.pools.get(id)?.claimedBy;
      const busy = locks.busy(names.pool(id)) || (network !== undefined && locks.busy(names.network(network)));
      if (!busy) await endings.pool(id);
    },
    forgetAddress: async (pool, address) => {
      const endpoint = state.addressIn(pool, address)?.endpoint;
      if (endpoint === undefined || !locks.busy(names.endpoint(endpoint))) await endings.address(pool, address);
    },
  };
}
