import { join } from 'node:path';
import { type Ip, ipFamily, ipNumber, type Mac } from '../model/address.ts';
import { HeddleError } from '../model/errors.ts';
import type { LeaseItem } from '../model/host-state.ts';
import type { NetworkId } from '../model/ids.ts';
import type { Attachment, LocalPort } from '../model/local-api.ts';
import { Records } from './records.ts';

/** An address with the MAC that a port of this address has. */
export interface Leased {
  readonly ip: Ip;
  readonly mac: Mac;
}

/** An address that was taken for a workload that is about to come. */
export interface Reservation extends Leased {
  readonly owner: string;
  readonly network: NetworkId;
}

/** What this host may give of one network. */
interface LeaseRecord {
  readonly network: NetworkId;
  /** Its tenant's id, which the host state does not have. */
  readonly tenant?: string;
  readonly addresses: readonly Leased[];
  /** On their way back to the controller: not ours to give, whatever an older state says. */
  readonly leaving: readonly Ip[];
  /** The whole lease is on its way back. */
  readonly closing?: true;
}

/**
 * The leases as this host may use them, on disk. The controller's word alone would not do: the cached one may be older
 * than what this host has given back since.
 */
export class LeaseBook {
  readonly #leases: Records<LeaseRecord>;
  readonly #reserved: Records<Reservation>;
  readonly #attachments: () => readonly Attachment[];
  /** Addresses that the controller is being asked for, for a port of this host: it may take them out of the lease. */
  readonly #asked = new Set<Omit<Reservation, 'mac'>>();

  constructor(stateDirectory: string, attachments: () => readonly Attachment[]) {
    this.#leases = new Records(join(stateDirectory, 'leases'), (l) => l.network);
    this.#reserved = new Records(join(stateDirectory, 'reservations'), (r) => r.owner);
    this.#attachments = attachments;
  }

  get reservations(): readonly Reservation[] {
    return [...this.#reserved.values()];
  }
  reservation = (owner: string): Reservation | undefined => this.#reserved.get(owner);
  /** `lasting`: also when the machine falls, with the workloads that it is for. */
  reserve(reservation: Reservation, { lasting }: { lasting: boolean }): void {
    this.#reserved.put(reservation, { sync: lasting });
  }
  release(owner: string): void {
    this.#reserved.remove(owner);
  }

  /** Until disposed, nobody else gets these: the controller is asked for them. @throws ADDRESS_TAKEN if one is in use here, whether or not the controller knows */
  asking(owner: string, network: NetworkId, addresses: readonly Ip[]): Disposable {
    const used = this.used(network);
    const taken = addresses.find((ip) => used.has(ip));
    if (taken) throw new HeddleError('ADDRESS_TAKEN', { address: taken, port: used.get(taken)! });
    const asked = addresses.map((ip) => ({ owner, network, ip }));
    for (const a of asked) this.#asked.add(a);
    return { [Symbol.dispose]: () => asked.forEach((a) => void this.#asked.delete(a)) };
  }

  /** Networks of which there is a lease. */
  networks = (): NetworkId[] => [...this.#leases.values()].map(({ network }) => network);
  /** There is a lease, and it stays. */
  has(network: NetworkId): boolean {
    const lease = this.#leases.get(network);
    return lease !== undefined && !lease.closing;
  }
  isClosing = (network: NetworkId): boolean => this.#leases.get(network)?.closing === true;

  /** The controller's whole word on all leases. */
  heed(leases: ReadonlyMap<NetworkId, LeaseItem>): void {
    for (const network of this.networks()) if (!leases.has(network)) this.#leases.remove(network);
    for (const { network, addresses } of leases.values()) {
      const have = this.#leases.get(network);
      const held = new Set(addresses.map(({ ip }) => ip));
      const leaving = (have?.leaving ?? []).filter((ip) => held.has(ip));
      const next: LeaseRecord = { ...have, network, addresses, leaving };
      if (JSON.stringify(next) !== JSON.stringify(have)) this.#leases.put(next, { sync: false });
    }
  }

  ofTenant(network: NetworkId, tenant: string): void {
    const lease = this.#leases.get(network);
    if (lease && lease.tenant !== tenant) this.#leases.put({ ...lease, tenant }, { sync: false });
  }
  tenant = (network: NetworkId): string | undefined => this.#leases.get(network)?.tenant;

  /** From now on these are not given any more; on the disk when it returns, so that the controller may be told. */
  leave(network: NetworkId, leaving: readonly Ip[]): void {
    const lease = this.#leases.get(network);
    if (lease) this.#leases.put({ ...lease, leaving }, { sync: true });
  }
  close(network: NetworkId): void {
    const lease = this.#leases.get(network) ?? { network, addresses: [], leaving: [] };
    this.#leases.put({ ...lease, closing: true }, { sync: true });
  }
  leaving = (network: NetworkId): readonly Ip[] => this.#leases.get(network)?.leaving ?? [];

  /** Addresses of the network that are in use here, with who has them. */
  used(network: NetworkId): Map<Ip, string> {
    const used = new Map<Ip, string>();
    for (const r of [...this.#reserved.values(), ...this.#asked]) if (r.network === network) used.set(r.ip, r.owner);
    for (const { name, local, state } of this.#attachments())
      if (local?.network === network && state !== 'detaching') for (const ip of local.addresses) used.set(ip, name);
    return used;
  }

  /** The address and its MAC if this host may give it, whether or not it is reserved; undefined if it is not ours to give. */
  find(network: NetworkId, ip: Ip): Leased | undefined {
    return (
      this.#ours(network).get(ip) ?? this.reservations.find((r) => r.network === network && r.ip === ip) ?? undefined
    );
  }

  /** What can be given now, lowest first. */
  free(network: NetworkId): Leased[] {
    const used = this.used(network);
    return [...this.#ours(network).values()].filter(({ ip }) => !used.has(ip)).sort(byAddress);
  }

  /**
   * Ours to give: what the lease holds, and what ports had that are gone here already: the controller is told so before
   * it is told of the next one, and puts their addresses back into the lease.
   */
  #ours(network: NetworkId): Map<Ip, Leased> {
    const lease = this.#leases.get(network);
    if (!lease || lease.closing) return new Map();
    const leaving = new Set(lease.leaving);
    const left = this.#attachments().filter((a) => a.state === 'detaching' && a.local?.network === network);
    const ours = [...left.flatMap(({ local }) => leasedOf(local!)), ...lease.addresses];
    return new Map(ours.filter(({ ip }) => !leaving.has(ip)).map((l) => [l.ip, l]));
  }
}

const leasedOf = ({ leased, refused }: LocalPort): readonly Leased[] => (refused ? [] : leased);
const byAddress = (a: Leased, b: Leased): number =>
  ipFamily(a.ip) - ipFamily(b.ip) || (ipNumber(a.ip) < ipNumber(b.ip) ? -1 : 1);
