import type { Client } from '../client/client.ts';
import type { HostPorts } from '../gateway/host-ports.ts';
import { fromProblem, HeddleError } from '../model/errors.ts';
import type { NetworkItem } from '../model/host-state.ts';
import { type NetworkId, newId, type PortId, parseName } from '../model/ids.ts';
import { changeable, type LocalPort, type PairAttachment } from '../model/local-api.ts';
import { type Allocation, mustKnow, prefixLengthOf } from './allocation.ts';
import type { Attachments } from './attachments.ts';
import type { LeaseBook, Reservation } from './lease-book.ts';
import type { Leases } from './leases.ts';
import { newLocalPort } from './local-port.ts';
import { findNetwork, type NetworkUsers } from './network-users.ts';
import type { Reconciler } from './reconciler.ts';
import { roomIn } from './running-workload.ts';
import { settled } from './settled.ts';
import type { ThisHost } from './this-host.ts';
import type { Uploads } from './uploads.ts';
import type { WorkloadDevices } from './workload-devices.ts';
import { peerName } from './workload-end.ts';
import { subnetOf } from './workload-netns.ts';
import type {
  NetworkRef,
  PluggedPair,
  TakenAddress,
  WantedAddress,
  WorkloadPort,
  WorkloadSpec,
  Workloads,
} from './workloads.ts';

/** What the workloads are made with. */
export interface WorkloadParts {
  readonly client: Client;
  readonly attachments: Attachments;
  readonly users: NetworkUsers;
  readonly book: LeaseBook;
  readonly leases: Leases;
  readonly allocation: Allocation;
  readonly uploads: Uploads;
  readonly devices: WorkloadDevices;
  readonly reconciler: Reconciler;
  readonly hostPorts: Pick<HostPorts, 'reserve'>;
  readonly thisHost: ThisHost;
}

/** The agent's {@link Workloads}: records on disk first, then the kernel, and the controller when it answers. */
export class LocalWorkloads implements Workloads {
  readonly #parts: WorkloadParts;

  constructor(parts: WorkloadParts) {
    this.#parts = parts;
  }

  async use(user: string, ref: NetworkRef): Promise<NetworkItem> {
    const { users, leases, reconciler } = this.#parts;
    using _hold = users.hold(ref);
    const network = findNetwork(reconciler.state, ref) ?? (await leases.ready(ref));
    const { tenant, network: name } = ref;
    users.put({ user, tenant, network: name, id: network.id });
    void leases.tend();
    return network;
  }

  async unuse(user: string): Promise<void> {
    this.#parts.users.remove(user);
    void this.#parts.leases.tend();
  }

  get used(): ReadonlyMap<string, NetworkItem> {
    const { networks } = this.#parts.reconciler.state;
    return new Map(
      this.#parts.users.all().flatMap(({ user, id }) => {
        const network = networks.get(id);
        return network ? [[user, network] as const] : [];
      }),
    );
  }

  async takeAddress(owner: string, network: NetworkId, want: WantedAddress): Promise<TakenAddress> {
    const { book, allocation, reconciler, leases } = this.#parts;
    const item = mustKnow(reconciler.state.networks, network);
    const before = book.reservation(owner);
    if (before?.network === network && fits(before, want)) return taken(before, item);
    const reserve = ({ ip, mac }: Pick<Reservation, 'ip' | 'mac'>): Reservation => {
      const reservation = { owner, network, ip, mac };
      book.reserve(reservation, { lasting: 'lasting' in want });
      return reservation;
    };
    const reserved =
      'address' in want
        ? await allocation.these(
            item,
            [want.address],
            (user) => user === owner,
            ([found]) => reserve(found!),
          )
        : await allocation.any(item, [want.family], ([found]) => reserve(found!));
    void leases.tend();
    return taken(reserved, item);
  }

  async giveBackAddress(owner: string): Promise<void> {
    this.#parts.book.release(owner);
    void this.#parts.leases.tend();
  }

  takers = (): readonly string[] => this.#parts.book.reservations.map(({ owner }) => owner);

  async addPort(spec: WorkloadSpec): Promise<WorkloadPort> {
    const { attachments, allocation, reconciler, uploads, leases } = this.#parts;
    const network = mustKnow(reconciler.state.networks, spec.network);
    const before = attachments.pairOf(spec.owner);
    if (before) return this.#same(before, spec);
    parseName(spec.name);
    const reserved = new Set(this.takers());
    const made = await allocation.these(
      network,
      spec.addresses,
      (user) => reserved.has(user),
      (leased): PairAttachment => {
        const meanwhile = attachments.pairOf(spec.owner);
        if (meanwhile) return meanwhile;
        const local = newLocalPort(network.id, leased, { labels: spec.labels });
        const { mac = local.mac } = spec;
        const attachment: PairAttachment = {
          port: newId<PortId>() as PortId,
          tenant: network.tenant,
          network: network.name,
          name: spec.name,
          kind: 'pair',
          owner: spec.owner,
          owned: true,
          state: 'attached',
          local: { ...local, mac, dnsNames: spec.dnsNames ?? [] },
          // Begun now, while whoever asked makes its own records: it is plugged in soon.
          ...(hasOwnMac({ leased, mac }) && !spec.placedLater && { plug: { state: 'making' } as const }),
        };
        attachments.put(attachment);
        return attachment;
      },
    );
    // The request is on its way before the kernel's work begins.
    const told = uploads.tell();
    reconciler.touchPort(made.port);
    void leases.tend();
    if (!hasOwnMac(made.local)) {
      await told;
      await this.#refuseIfUnclaimed(made);
    }
    return shown(attachments.pairOf(spec.owner) ?? made);
  }

  portOf(owner: string): WorkloadPort | undefined {
    const pair = this.#parts.attachments.pairOf(owner);
    return pair && shown(pair);
  }

  ports(): readonly WorkloadPort[] {
    return this.#parts.attachments
      .all()
      .flatMap((a) => (a.kind === 'pair' && a.state !== 'detaching' ? [shown(a)] : []));
  }

  async plug(owner: string, running?: string): Promise<PluggedPair> {
    const { attachments, devices, uploads } = this.#parts;
    const pair = this.#must(owner);
    const { port } = pair;
    if (pair.local.refused) throw fromProblem(pair.local.refused);
    // Also one whose device is gone: whoever asks has a new workload for it.
    const begun = pair.plug?.state === 'making' || (pair.plug && devices.all.has(port));
    const told = pair.local.confirmed === undefined ? uploads.tellSoon(port) : undefined;
    const inside = begun || running === undefined ? undefined : this.#roomIn(running, pair);
    // A workload that runs gets nothing that may be refused.
    if (inside) await told;
    const asked = this.#must(owner);
    if (asked.local.refused) throw fromProblem(asked.local.refused);
    if (!begun) attachments.put({ ...asked, plug: { state: 'making', ...(inside && { inside }) } });
    try {
      const { device, mtuBytes } = await settled(this.#parts.reconciler, port, this.#parts.thisHost);
      await told;
      const now = this.#must(owner);
      // Whoever starts a workload is told so before it runs: of a quota, say.
      if (now.local.refused) throw fromProblem(now.local.refused);
      if (now.port === port) attachments.put({ ...now, plug: { ...now.plug, state: 'made', mtuBytes } });
      const place = now.plug?.inside;
      return { device, mtuBytes, ...(place ? { peer: place.ifname, inside: true } : { peer: peerName(port) }) };
    } catch (cause) {
      if (attachments.pairOf(owner)?.plug?.state === 'making') await this.unplug(owner);
      throw cause;
    }
  }

  async unplug(owner: string): Promise<void> {
    const { attachments, reconciler, devices } = this.#parts;
    const pair = attachments.pairOf(owner);
    if (!pair?.plug) return;
    const { plug: _, ...unplugged } = pair;
    attachments.put(unplugged);
    reconciler.abandon(pair.port, new HeddleError('DETACHED', { port: pair.name }));
    reconciler.touchPort(pair.port);
    reconciler.pass();
    await devices.left(pair.port);
  }

  async update(
    owner: string,
    change: Partial<Pick<WorkloadPort, 'name' | 'dnsNames' | 'labels' | 'publish'>>,
  ): Promise<WorkloadPort> {
    const { attachments, reconciler, uploads, hostPorts } = this.#parts;
    const pair = this.#must(owner);
    if (change.name !== undefined) parseName(change.name);
    const { name = pair.name, ...rest } = change;
    const fields = changeable.filter(
      (f) => change[f] !== undefined && !isSame(change[f], { ...pair.local, name: pair.name }[f]),
    );
    if (fields.length === 0) return shown(pair);
    // Before it is recorded: whoever asks is told that another program has the port.
    if (fields.includes('publish')) hostPorts.reserve(pair.port, change.publish ?? []);
    const changed = [...new Set([...pair.local.changed, ...fields])];
    const next: PairAttachment = { ...pair, name, local: { ...pair.local, ...rest, changed } };
    attachments.put(next);
    reconciler.touchPort(pair.port);
    void uploads.tell();
    return shown(next);
  }

  async removePort(owner: string): Promise<void> {
    const { attachments, reconciler, uploads, leases } = this.#parts;
    const pair = attachments.pairOf(owner);
    if (!pair) return;
    attachments.put({ ...pair, state: 'detaching' });
    reconciler.abandon(pair.port, new HeddleError('DETACHED', { port: pair.name }));
    reconciler.touchPort(pair.port);
    reconciler.pass();
    void uploads.tell().then(() => leases.tend());
  }

  #roomIn(running: string, { local }: PairAttachment) {
    const network = mustKnow(this.#parts.reconciler.state.networks, local.network);
    return roomIn(
      running,
      local.addresses.flatMap((ip) => subnetOf(ip, network)?.cidr ?? []),
    );
  }

  #must(owner: string): PairAttachment {
    const pair = this.#parts.attachments.pairOf(owner);
    if (!pair) throw new HeddleError('NOT_FOUND', { kind: 'workload', name: owner });
    return pair;
  }

  #same(before: PairAttachment, { addresses, network }: WorkloadSpec): WorkloadPort {
    const same = before.local.network === network && isSame([...before.local.addresses].sort(), [...addresses].sort());
    if (same) return shown(before);
    throw new HeddleError('ATTACHMENT_CONFLICT', {
      port: before.name,
      have: `${before.owner} with ${before.local.addresses.join(', ')}`,
      want: addresses.join(', '),
    });
  }

  /** The controller has taken the port. @throws what it refused it with, CONTROLLER_UNREACHABLE; the port is removed then */
  async #refuseIfUnclaimed({ owner, port }: PairAttachment): Promise<void> {
    const local = this.#parts.attachments.get(port)?.local;
    if (!local || local.confirmed !== undefined) return;
    await this.removePort(owner);
    if (local.refused) throw fromProblem(local.refused);
    const { address } = this.#parts.client;
    throw new HeddleError('CONTROLLER_UNREACHABLE', { address, problem: 'only it can give a MAC that is asked for' });
  }
}

/** Its MAC is that of an address of the lease; any other is claimed by the port itself. */
const hasOwnMac = ({ leased, mac }: Pick<LocalPort, 'leased' | 'mac'>): boolean => leased.some((l) => l.mac === mac);

const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

const fits = ({ ip }: Reservation, want: WantedAddress): boolean =>
  'address' in want ? ip === want.address : ip.includes(':') === (want.family === 6);

const taken = ({ ip, mac }: Reservation, network: NetworkItem): TakenAddress => ({
  ip,
  mac,
  prefixLength: prefixLengthOf(ip, network),
});

const shown = ({ port, owner, name, local }: PairAttachment): WorkloadPort => {
  const { network, mac, addresses, dnsNames, labels, publish } = local;
  return { port, owner, network, name, mac, addresses, dnsNames, labels, publish };
};
