import type { Logger } from 'pino';
import type { Client } from '../client/client.ts';
import { type Ip, ipFamily } from '../model/address.ts';
import { HeddleError, hasCode } from '../model/errors.ts';
import { limits } from '../model/fields.ts';
import type { LeaseItem, NetworkItem } from '../model/host-state.ts';
import type { NetworkId } from '../model/ids.ts';
import type { Lease } from '../model/kinds.ts';
import type { Attachments } from './attachments.ts';
import type { LeaseBook, Leased } from './lease-book.ts';
import { findNetwork, type NetworkUsers } from './network-users.ts';
import type { Reconciler } from './reconciler.ts';
import { Rounds } from './rounds.ts';
import type { ThisHost } from './this-host.ts';
import type { NetworkRef } from './workloads.ts';

/** Free addresses of each family that a host with workloads on a network has at hand, and how few make it ask for more. */
const wanted = 8;
const few = 2;
/** So long a host that was asked for its addresses, or got fewer than it asked for, asks only for what it needs. */
const scarceMs = 60_000;
/** So long a network that the controller does not have is not asked for again: it hardly comes back. */
const absentMs = 15_000;
/** So long a network stays here after its last user: the next one, which often comes soon, finds lease and gateway. */
const lingerMs = 5_000;
/** So long the controller's stream may take to bring what the controller has answered. */
const newsMs = 10_000;

/** So often an address is claimed anew after somebody else changed the lease. */
const claimTries = 10;

/** What the leases work on. */
export interface LeaseParts {
  readonly client: Client;
  readonly book: LeaseBook;
  readonly users: NetworkUsers;
  readonly attachments: Attachments;
  readonly reconciler: Pick<Reconciler, 'state' | 'synced' | 'until' | 'revision' | 'items'>;
  readonly log: Logger;
  readonly thisHost: ThisHost;
  readonly connected: () => boolean;
}

/**
 * Keeps the leases as they should be: made for the first user of a network, topped up before they are empty, given back
 * where others need them or nobody here does.
 *
 * What goes back is first marked in the book, and only then told, with the lease's revision: a request that is carried out
 * late, or by an agent that is dead by then, gives nothing away that is in use.
 */
export class Leases implements Disposable {
  readonly #parts: LeaseParts;
  readonly #rounds: Rounds;
  /** The last work on each network, by its id, or by its names if it is not known yet. */
  readonly #turns = new Map<string, Promise<unknown>>();
  /** Who waits for an address, by network. */
  readonly #waiting = new Map<NetworkId, number>();
  readonly #scarce = new Map<NetworkId, number>();
  /** Since when nobody here uses a network of which there is a lease. */
  readonly #idle = new Map<NetworkId, number>();
  #lingering: NodeJS.Timeout | undefined;
  /** What could not be mended: what was said of it, and until when it rests. */
  readonly #failed = new Map<NetworkId, { said: string; until: number }>();

  constructor(parts: LeaseParts) {
    this.#parts = parts;
    this.#rounds = new Rounds(() => this.#round(), parts.log);
  }

  /** The controller's word has changed, and is whole. */
  heed(): void {
    const { book, reconciler } = this.#parts;
    book.heed(reconciler.state.leases);
    if (reconciler.state.leases.size > 0 || book.networks().length > 0 || this.#parts.users.all().length > 0)
      void this.tend();
  }
  /** Mends what is not as it should be; resolves when that was tried. */
  tend(): Promise<void> {
    return this.#rounds.run();
  }
  [Symbol.dispose](): void {
    clearTimeout(this.#lingering);
    this.#rounds[Symbol.dispose]();
  }

  /** The network with a lease of it: at once if this host has it. @throws NOT_FOUND, CONTROLLER_UNREACHABLE, WAIT_TIMEOUT */
  async ready(ref: NetworkRef): Promise<NetworkItem> {
    const { book, reconciler } = this.#parts;
    for (let tries = 0; tries < 5; tries++) {
      const network = findNetwork(reconciler.state, ref);
      if (network) this.#idle.delete(network.id);
      if (network && book.has(network.id)) return network;
      if (network && book.isClosing(network.id)) await this.#turn(network.id, () => this.#close(network.id));
      else {
        const made = await this.#turn(`${ref.tenant}/${ref.network}`, async () => {
          const now = findNetwork(reconciler.state, ref);
          return now && book.has(now.id) ? now : this.#make(ref);
        });
        if (book.has(made.id)) return made;
      }
    }
    throw new HeddleError('BUSY', { tries: 5 });
  }

  /** Asks the controller for one more of a family. Returns whether there is one now. @throws ADDRESS_POOL_EXHAUSTED, CONTROLLER_UNREACHABLE */
  async more(network: NetworkId, family: 4 | 6): Promise<void> {
    const { book } = this.#parts;
    const there = () => book.free(network).some(({ ip }) => ipFamily(ip) === family);
    this.#waiting.set(network, (this.#waiting.get(network) ?? 0) + 1);
    try {
      await this.#turn(network, async () => {
        if (!there()) await this.#grow(network, this.#isScarce(network) ? 1 : wanted);
      });
    } finally {
      this.#waiting.set(network, this.#waiting.get(network)! - 1);
    }
  }

  /** Claims an address that the lease does not have. @throws ADDRESS_TAKEN, ADDRESS_OUTSIDE, ADDRESS_RESERVED, BUSY, CONTROLLER_UNREACHABLE */
  claim(network: NetworkId, ip: Ip): Promise<void> {
    // Beside the other work: two hosts that want each other's would both wait, and neither give back.
    return this.#turn(`claims on ${network}`, async () => {
      const { client, book } = this.#parts;
      for (let tries = 0; tries < claimTries; tries++)
        try {
          if (book.find(network, ip)) return;
          // It is on its way back: that comes to its end first.
          if (book.leaving(network).includes(ip)) await this.#turn(network, () => this.#giveBack(network));
          const { tenant, lease } = this.#names(network);
          const { addresses, revision } = await client.get('lease', lease.id, { tenant });
          const leaving = new Set<string>(book.leaving(network));
          const kept = addresses.filter((a) => !leaving.has(a));
          if (kept.includes(ip)) return await this.#news(revision);
          const patch = { addresses: [...kept, ip] };
          await this.#news((await client.update('lease', lease.id, patch, { tenant, ifRevision: revision })).revision);
        } catch (e) {
          if (!hasCode(e, 'REVISION_CONFLICT')) throw e;
        }
      if (!book.find(network, ip)) throw new HeddleError('BUSY', { tries: claimTries });
    });
  }

  async #make(ref: NetworkRef): Promise<NetworkItem> {
    const { client, thisHost, reconciler } = this.#parts;
    const ask = (size: number) =>
      client.create('lease', { network: ref.network, host: thisHost.ref, size }, { tenant: ref.tenant });
    let lease: Lease;
    try {
      lease = await ask(wanted);
    } catch (e) {
      // A network that is full can be used all the same: by ports that are there, and by what comes free.
      if (!hasCode(e, 'ADDRESS_POOL_EXHAUSTED')) throw e;
      lease = await ask(0);
    }
    await this.#news(lease.revision);
    this.#parts.book.ofTenant(lease.network as NetworkId, lease.tenant);
    const network = reconciler.state.networks.get(lease.network as NetworkId);
    if (!network) throw new HeddleError('NOT_FOUND', { kind: 'network', name: ref.network });
    return network;
  }

  /** `spare`: free addresses of each family to have afterwards. */
  async #grow(network: NetworkId, spare: number): Promise<void> {
    const { client, book } = this.#parts;
    const { tenant, lease } = this.#names(network);
    const used = book.used(network);
    const leaving = new Set(book.leaving(network));
    const busy = byFamily(lease.addresses.filter(({ ip }) => used.has(ip) || leaving.has(ip)));
    const need = Math.max(spare, this.#waiting.get(network) ?? 0) + Math.max(busy[4], busy[6]);
    const size = Math.min(need, limits.leaseSize);
    const { addresses, revision } = await client.update('lease', lease.id, { size }, { tenant });
    await this.#news(revision);
    const got = byFamily(addresses.map((ip) => ({ ip: ip as Ip })));
    if ([...familiesOf(this.#parts.reconciler.state.networks.get(network))].some((f) => got[f] < size))
      this.#scarce.set(network, Date.now() + scarceMs);
  }

  async #round(): Promise<boolean> {
    const { reconciler, connected, users, book } = this.#parts;
    if (!connected() || !reconciler.synced) return true; // heed() comes with the stream
    const held = new Set([...users.all().map(({ id }) => id), ...book.networks(), ...reconciler.state.leases.keys()]);
    for (const network of this.#failed.keys()) if (!held.has(network)) this.#failed.delete(network);
    // Side by side: one network's addresses may be waited for by a host that is waited for in another.
    const tended = await Promise.allSettled([...held].map((network) => this.#tendNetwork(network)));
    for (const { reason } of tended.filter((t) => t.status === 'rejected')) throw reason;
    return tended.every((t) => t.status === 'fulfilled' && t.value);
  }

  /** True if nothing is left to do. @throws CONTROLLER_UNREACHABLE */
  async #tendNetwork(network: NetworkId): Promise<boolean> {
    if ((this.#failed.get(network)?.until ?? 0) > Date.now()) return false;
    try {
      await this.#turn(network, () => this.#mend(network));
      this.#failed.delete(network);
      return true;
    } catch (err) {
      if (hasCode(err, 'CONTROLLER_UNREACHABLE')) throw err;
      this.#heedFailure(network, err as Error);
      return false;
    }
  }

  /** What is said once is not said again, however often it is tried. */
  #heedFailure(network: NetworkId, err: Error): void {
    const said = err.message;
    if (this.#failed.get(network)?.said !== said)
      this.#parts.log.warn({ err, network }, 'a lease is not as it should be; tried again');
    const isAbsent = hasCode(err, 'NOT_FOUND') && ['network', 'tenant'].includes(err.details.kind);
    this.#failed.set(network, { said, until: isAbsent ? Date.now() + absentMs : 0 });
  }

  async #mend(network: NetworkId): Promise<void> {
    const { reconciler, book, users } = this.#parts;
    const lease = reconciler.state.leases.get(network);
    if (!lease) {
      const user = users.all().find(({ id }) => id === network);
      if (user && !book.isClosing(network)) await this.#make(this.#named(user));
    } else if (book.isClosing(network) || this.#isIdle(network)) await this.#close(network);
    else if (this.#excess(lease).length > 0 || book.leaving(network).length > 0) await this.#giveBack(network);
    else if (lease.size >= wanted && !this.#isScarce(network) && this.#isFew(network))
      await this.#grow(network, wanted).catch((e: unknown) => {
        if (!hasCode(e, 'ADDRESS_POOL_EXHAUSTED')) throw e;
        this.#scarce.set(network, Date.now() + scarceMs);
      });
  }

  #isFew(network: NetworkId): boolean {
    const free = byFamily(this.#parts.book.free(network));
    return [...familiesOf(this.#parts.reconciler.state.networks.get(network))].some((f) => free[f] <= few);
  }
  #isScarce = (network: NetworkId): boolean => (this.#scarce.get(network) ?? 0) > Date.now();

  /** Free addresses that others need, or that are far more than this host does; the highest go. */
  #excess({ network, size }: LeaseItem): Ip[] {
    const free = this.#parts.book.free(network);
    const keep = size < wanted ? size : 2 * wanted;
    return ([4, 6] as const)
      .flatMap((f) => free.filter(({ ip }) => ipFamily(ip) === f).slice(keep))
      .map(({ ip }) => ip);
  }

  async #giveBack(network: NetworkId): Promise<void> {
    const { client, book } = this.#parts;
    const { tenant, lease } = this.#names(network);
    if (lease.size < wanted) this.#scarce.set(network, Date.now() + scarceMs);
    const { addresses, size, revision } = await client.get('lease', lease.id, { tenant });
    const held = new Set<string>(addresses);
    const leaving = new Set<string>([...book.leaving(network), ...this.#excess(lease)].filter((ip) => held.has(ip)));
    if (leaving.size === 0) return this.#news(revision);
    book.leave(network, [...leaving] as Ip[]);
    // A size that was raised for a burst would have the lease topped up to it by this very write.
    const patch = { addresses: addresses.filter((ip) => !leaving.has(ip)), size: Math.min(size, wanted) };
    await this.#news((await client.update('lease', lease.id, patch, { tenant, ifRevision: revision })).revision);
  }

  /** Gives a lease back: from the first step on it goes, whoever wants it meanwhile. */
  async #close(network: NetworkId): Promise<void> {
    const { client, book, reconciler } = this.#parts;
    const lease = reconciler.state.leases.get(network);
    if (!lease) return;
    const { tenant } = this.#names(network);
    try {
      const { revision } = await client.get('lease', lease.id, { tenant });
      if (!book.isClosing(network) && this.#isUsed(network)) return;
      book.close(network);
      await client.remove('lease', lease.id, { tenant, ifRevision: revision });
    } catch (e) {
      if (!hasCode(e, 'NOT_FOUND')) throw e;
    }
    this.#scarce.delete(network);
    this.#idle.delete(network);
    await this.#until(() => (reconciler.state.leases.get(network)?.id === lease.id ? undefined : true));
  }

  /** Nobody uses it, and nobody has for some time; before that it is looked at again when that time is over. */
  #isIdle(network: NetworkId): boolean {
    if (this.#isUsed(network)) this.#idle.delete(network);
    else if (!this.#idle.has(network)) this.#idle.set(network, Date.now());
    const since = this.#idle.get(network);
    if (since === undefined) return false;
    const left = since + lingerMs - Date.now();
    if (left <= 0) return true;
    this.#lingering ??= setTimeout(() => {
      this.#lingering = undefined;
      void this.tend();
    }, left).unref();
    return false;
  }

  #isUsed(network: NetworkId): boolean {
    const { users, book, attachments, reconciler } = this.#parts;
    const item = reconciler.state.networks.get(network);
    const on = (port: string): unknown => {
      const found = reconciler.items.get(`port/${port}`);
      return found?.kind === 'port' && found.network === network;
    };
    return (
      (item !== undefined && users.has(item)) ||
      book.reservations.some((r) => r.network === network) ||
      attachments.all().some(({ port, local }) => (local ? local.network === network : on(port)))
    );
  }

  /** A network may have another name by now. */
  #named = ({ id, tenant }: { id: NetworkId; tenant: string }): NetworkRef => ({
    tenant: this.#parts.reconciler.state.networks.get(id)?.tenant ?? tenant,
    network: id,
  });

  /** @throws NOT_FOUND if there is no lease */
  #names(network: NetworkId): { tenant: string; lease: LeaseItem } {
    const { networks, leases } = this.#parts.reconciler.state;
    const lease = leases.get(network);
    const tenant = networks.get(network)?.tenant;
    if (!lease || tenant === undefined) throw new HeddleError('NOT_FOUND', { kind: 'lease of network', name: network });
    return { tenant, lease };
  }

  /** Resolves when the stream has brought what was written at the revision. */
  #news(revision: string): Promise<void> {
    const { reconciler } = this.#parts;
    return this.#until(() => (reconciler.synced && BigInt(reconciler.revision) >= BigInt(revision) ? true : undefined));
  }
  async #until(look: () => true | undefined): Promise<void> {
    const signal = AbortSignal.timeout(newsMs);
    try {
      await this.#parts.reconciler.until(look, signal);
    } catch (cause) {
      const { reconciler, thisHost } = this.#parts;
      throw new HeddleError('WAIT_TIMEOUT', { revision: reconciler.revision, hosts: [thisHost.name] }, cause);
    }
  }

  /** One work on a network at a time. */
  #turn<T>(key: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.#turns.get(key) ?? Promise.resolve()).then(work, work);
    const end = (): void => {
      if (this.#turns.get(key) === turn) this.#turns.delete(key);
    };
    turn.then(end, end); // how it ended is the caller's
    this.#turns.set(key, turn);
    return turn;
  }
}

const byFamily = (leased: readonly Pick<Leased, 'ip'>[]): Record<4 | 6, number> => {
  const v4 = leased.filter(({ ip }) => ipFamily(ip) === 4).length;
  return { 4: v4, 6: leased.length - v4 };
};

/** The families that a network has subnets of. */
export const familiesOf = (network: NetworkItem | undefined): Set<4 | 6> =>
  new Set(network?.subnets.map(({ cidr }) => ipFamily(cidr)));
