/** Docker's NetworkDriver: its networks are Heddle's, its endpoints are ports. */
import { type Ip, parseIp, parseMac, parsePrefix, prefixHas } from '../model/address.ts';
import { HeddleError, hasCode } from '../model/errors.ts';
import type { NetworkId } from '../model/ids.ts';
import { type Context, names } from './context.ts';
import type { Endings } from './endings.ts';
import { planNetwork } from './network-plan.ts';
import { parseDriverOptions, requireTenant } from './options.ts';
import type { Caller, Methods, Reply, Request } from './protocol.ts';
import { choosePorts, parsePortMap } from './publish.ts';
import { type EndpointState, type NetworkState, owners } from './state.ts';

/** Ports of the host that may turn out to be another program's before a container is refused. */
const portTries = 100;

export class NetworkDriver {
  readonly #with: Context;
  readonly #endings: Endings;

  constructor(context: Context, endings: Endings) {
    this.#with = context;
    this.#endings = endings;
  }

  readonly methods = {
    // "local": an engine without Swarm cannot store others; Swarm makes them on each node as they are needed.
    'NetworkDriver.GetCapabilities': () => ({ body: { Scope: 'local', ConnectivityScope: 'global' } }),
    // Swarm's managers ask these of drivers of global scope.
    'NetworkDriver.AllocateNetwork': () => ({ body: { Options: {} } }),
    'NetworkDriver.FreeNetwork': () => ({ body: {} }),
    // Hosts are known from the controller.
    'NetworkDriver.DiscoverNew': () => ({ body: {} }),
    'NetworkDriver.DiscoverDelete': () => ({ body: {} }),

    'NetworkDriver.CreateNetwork': (request) => this.#onNetwork(request, () => this.#createNetwork(request)),
    'NetworkDriver.DeleteNetwork': (request) =>
      this.#onNetwork(request, async () => {
        await this.#endings.removeNetwork(request.NetworkID);
        return {};
      }),
    'NetworkDriver.CreateEndpoint': (request) => this.#onEndpoint(request, () => this.#createEndpoint(request)),
    'NetworkDriver.DeleteEndpoint': (request) =>
      this.#onEndpoint(request, async () => {
        await this.#endings.removeEndpoint(request.EndpointID);
        return {};
      }),
    'NetworkDriver.EndpointOperInfo': (request) =>
      this.#onEndpoint(request, async () => this.#info(request.EndpointID)),
    'NetworkDriver.Join': (request, caller) => this.#onEndpoint(request, () => this.#join(request, caller)),
    'NetworkDriver.Leave': (request) => this.#onEndpoint(request, () => this.#leave(request.EndpointID)),
    'NetworkDriver.ProgramExternalConnectivity': (request) => this.#onEndpoint(request, () => this.#publish(request)),
    'NetworkDriver.RevokeExternalConnectivity': (request) =>
      this.#onEndpoint(request, () => this.#unpublish(request.EndpointID)),
  } as const satisfies Partial<Methods>;

  async #onNetwork({ NetworkID }: { NetworkID: string }, work: () => Promise<object>): Promise<Reply> {
    const name = names.network(NetworkID);
    const { touches, locks } = this.#with;
    return { body: await touches.during([name], () => locks.alone(name, work)) };
  }
  async #onEndpoint(
    { NetworkID, EndpointID }: { NetworkID: string; EndpointID: string },
    work: () => Promise<object>,
  ): Promise<Reply> {
    const { touches, locks, state } = this.#with;
    // Where it is now, should the caller be mistaken.
    const network = names.network(state.endpoints.get(EndpointID)?.network ?? NetworkID);
    const endpoint = names.endpoint(EndpointID);
    const body = await touches.during([endpoint], () => locks.shared(network, () => locks.alone(endpoint, work)));
    return { body };
  }

  async #createNetwork(request: Request<'NetworkDriver.CreateNetwork'>): Promise<object> {
    const { state, workloads, made, tenants } = this.#with;
    const id = request.NetworkID;
    const choice = parseDriverOptions(request.Options ?? {}, tenants);
    const before = state.networks.get(id);
    if (before?.state === 'made') return {};
    if (before?.state === 'removing') await this.#endings.removeNetwork(id);
    const plan = await planNetwork(this.#with, choice, request);
    const record: NetworkState = {
      id,
      tenant: plan.tenant,
      made: plan.join?.made ?? true,
      internal: plan.internal,
      direct: choice.direct,
      pools: plan.pools.map((p) => p.id),
      aux: plan.aux,
      subnets: [],
      state: 'making',
      ...(plan.join ? { network: plan.join.id } : {}),
    };
    state.networks.put(record);
    for (const pool of plan.pools) state.pools.put({ ...(state.pools.get(pool.id) ?? pool), claimedBy: id });
    try {
      const network = plan.join?.id ?? (await made.make({ ...plan.make!, for: id }));
      state.networks.put({ ...record, network });
      const item = await workloads.use(owners.network(id), { tenant: plan.tenant, network });
      for (const pool of plan.pools) await this.#claim(pool.id, network);
      for (const ip of plan.aux)
        await workloads.takeAddress(owners.aux(id, ip), network, { address: parseIp(ip), lasting: true });
      state.networks.put({ ...record, network, subnets: item.subnets, state: 'made' });
      return {};
    } catch (cause) {
      // Docker releases the pools, and does not delete a network that it could not create.
      for (const pool of plan.pools) this.#unclaim(pool.id);
      await this.#endings.removeNetwork(id);
      throw cause;
    }
  }

  /** A pool becomes the network's; what was taken of it before are auxiliary addresses. */
  async #claim(id: string, network: NetworkId): Promise<void> {
    const { state, workloads } = this.#with;
    const pool = state.pools.get(id);
    if (!pool) throw new HeddleError('NOT_FOUND', { kind: 'address pool', name: id });
    for (const ip of pool.reserved)
      await workloads.takeAddress(owners.aux(id, ip), network, { address: ip as Ip, lasting: true });
    for (const address of state.addresses.all())
      if (address.pool === id) state.addresses.put({ ...address, reserved: true });
  }
  #unclaim(id: string): void {
    const { state } = this.#with;
    const pool = state.pools.get(id);
    if (!pool) return;
    const { claimedBy: _, ...rest } = pool;
    state.pools.put(rest);
  }

  /** @throws NOT_FOUND */
  #network(id: string): NetworkState & { readonly network: NetworkId } {
    const record = this.#with.state.networks.get(id);
    if (record?.state !== 'made' || record.network === undefined)
      throw new HeddleError('NOT_FOUND', { kind: 'Docker network', name: id });
    requireTenant(record.tenant, this.#with.tenants);
    return { ...record, network: record.network };
  }
  /** @throws NOT_FOUND */
  #endpoint(id: string): EndpointState {
    const record = this.#with.state.endpoints.get(id);
    if (record?.state !== 'made') throw new HeddleError('NOT_FOUND', { kind: 'endpoint', name: id });
    return record;
  }

  async #createEndpoint(request: Request<'NetworkDriver.CreateEndpoint'>): Promise<object> {
    const { state, workloads } = this.#with;
    const { EndpointID: id, NetworkID } = request;
    const network = this.#network(NetworkID);
    const { Address, AddressIPv6, MacAddress } = request.Interface ?? {};
    const addresses = [Address, AddressIPv6].flatMap((a) => (a ? [parseIp(a.replace(/\/.*$/, ''))] : []));
    const mac = MacAddress ? parseMac(MacAddress) : undefined;
    if (addresses.length === 0)
      throw new HeddleError('USAGE', { problem: 'the IPAM driver gave the container no address' });
    // What cannot be published is refused now: at its time the container runs already.
    parsePortMap(request.Options);
    const before = state.endpoints.get(id);
    if (before && (before.network !== NetworkID || before.addresses.join() !== addresses.join() || before.mac !== mac))
      throw new HeddleError('ID_TAKEN', { kind: 'endpoint', id });
    const given = mac === undefined ? {} : { mac };
    const name = `docker-${id.slice(0, 12)}`;
    const port = await workloads.addPort({
      ...{ owner: owners.endpoint(id), network: network.network, addresses, name },
      placedLater: network.direct ?? false,
      ...given,
    });
    try {
      if (before?.state !== 'made') state.endpoints.put({ id, network: NetworkID, addresses, state: 'made', ...given });
      for (const pool of network.pools)
        for (const ip of addresses) {
          const address = state.addressIn(pool, ip);
          if (address) state.addresses.put({ ...address, endpoint: id, answered: true });
        }
    } catch (cause) {
      // The disk is full, say. Docker ends no endpoint that it could not create.
      if (!before) {
        state.endpoints.remove(id);
        await workloads.removePort(owners.endpoint(id));
      }
      throw cause;
    }
    // What Docker gave must not be repeated: it takes that for a change, and refuses it.
    return { Interface: mac === undefined ? { MacAddress: port.mac } : {} };
  }

  async #join(
    { EndpointID, NetworkID, SandboxKey = '' }: Request<'NetworkDriver.Join'>,
    caller: Caller,
  ): Promise<object> {
    const { state, workloads } = this.#with;
    const network = this.#network(NetworkID);
    const record = this.#endpoint(EndpointID);
    const owner = owners.endpoint(EndpointID);
    // What an earlier sandbox may still have of it is of no use to this one.
    if (record.sandbox !== undefined && record.sandbox !== SandboxKey) await workloads.unplug(owner);
    const running = network.direct ? this.#running(EndpointID, SandboxKey, caller) : undefined;
    state.endpoints.put({ ...record, sandbox: SandboxKey });
    const { peer, inside: direct = false } = await workloads.plug(owner, running);
    if (network.direct) {
      state.endpoints.put({ ...record, sandbox: SandboxKey, direct });
      this.#with.log.debug({ EndpointID, SandboxKey, running, direct }, 'who puts the interface into the container');
    }
    const subnets = workloads.used.get(owners.network(NetworkID))?.subnets ?? network.subnets;
    const gatewayOf = (v6: boolean) => {
      const ip = record.addresses.find((a) => a.includes(':') === v6);
      return ip === undefined || network.internal
        ? ''
        : (subnets.find((s) => prefixHas(parsePrefix(s.cidr), ip as Ip))?.gateway ?? '');
    };
    return {
      // Without a first name it is not the engine's to move; by the other it finds it when it restarts under a running container.
      InterfaceName: direct
        ? { SrcName: '', DstPrefix: peer.replace(/\d+$/, '') }
        : { SrcName: peer, DstPrefix: 'eth' },
      Gateway: gatewayOf(false),
      GatewayIPv6: gatewayOf(true),
      // Docker would otherwise connect the container to a bridge of its own, around the tenant's network.
      DisableGatewayService: true,
    };
  }

  /**
   * The path of a container's namespace, as this process sees it; undefined if it has an interface so far that was made there: an
   * engine that restarts under it (live-restore) could not tell two of them apart.
   */
  #running(endpoint: string, sandbox: string, caller: Caller): string | undefined {
    const another = this.#with.state.endpoints
      .all()
      .some((e) => e.direct && e.sandbox === sandbox && e.id !== endpoint);
    if (another) return undefined;
    // The engine's own mounts: this process may have others. A link like /var/run would lead out of them; both are one place (FHS).
    return `/proc/${caller.pid}/root${sandbox.replace(/^\/var\/run\//, '/run/')}`;
  }

  /** Docker takes the interface that it has moved back from the container after this; its pair goes with the endpoint. */
  async #leave(id: string): Promise<object> {
    const { state, workloads } = this.#with;
    const record = state.endpoints.get(id);
    if (!record) return {};
    if (record.direct) await workloads.unplug(owners.endpoint(id));
    // None's key: the next one that joins gets a new pair.
    state.endpoints.put({ ...record, sandbox: '', direct: false });
    return {};
  }

  #info(id: string): object {
    const port = this.#with.workloads.portOf(owners.endpoint(id));
    if (!port) return { Value: {} };
    const published = port.publish.map((p) => `${p.hostAddress ?? ''}:${p.hostPort}->${p.port}/${p.protocol}`);
    return {
      Value: { 'heddle.port': port.port, 'heddle.network': port.network, 'heddle.published': published.join(' ') },
    };
  }

  async #publish({ EndpointID, Options }: Request<'NetworkDriver.ProgramExternalConnectivity'>): Promise<object> {
    const { workloads } = this.#with;
    this.#endpoint(EndpointID);
    const bindings = parsePortMap(Options);
    const owner = owners.endpoint(EndpointID);
    const own = workloads.portOf(owner)?.publish ?? [];
    if (bindings.length === 0 && own.length === 0) return {};
    const others = workloads.ports().flatMap((p) => (p.owner === owner ? [] : p.publish));
    const refused: { protocol: 'tcp' | 'udp'; hostPort: number }[] = [];
    for (let tries = 0; ; tries++) {
      const publish = choosePorts(bindings, [...others, ...refused], Math.random());
      if (!publish)
        throw new HeddleError('USAGE', { problem: 'none of the ports of this host that were asked for is free' });
      try {
        await workloads.update(owner, { publish });
        return {};
      } catch (e) {
        if (!hasCode(e, 'HOST_PORT_TAKEN') || tries >= portTries) throw e;
        const { protocol, hostPort } = e.details;
        const fixed = bindings.some((b) => b.protocol === protocol && b.first === b.last && b.first === hostPort);
        if (fixed) throw e;
        refused.push({ protocol, hostPort });
      }
    }
  }

  async #unpublish(id: string): Promise<object> {
    const { workloads } = this.#with;
    const owner = owners.endpoint(id);
    if ((workloads.portOf(owner)?.publish.length ?? 0) > 0) await workloads.update(owner, { publish: [] });
    return {};
  }
}
