/**
 * Network namespaces in which a server's own programs are on a network, apart from the host's own routing: `ip netns exec`
 * and systemd's `NetworkNamespacePath=` find them by name. One that is not there is made, and goes with the last port in it.
 */
import { chmodSync, lstatSync, mkdirSync, readdirSync } from 'node:fs';
import { linkByName, linkSet } from '../kernel/link.ts';
import { openNetlink } from '../kernel/netlink.ts';
import { lastingIdentity, makeNetns, type Netns, openNetns, ownNetns, removeNetns } from '../kernel/netns.ts';
import { HeddleError, hasCode } from '../model/errors.ts';
import type { Attachment } from '../model/local-api.ts';

const folder = '/run/netns';
const pathOf = (name: string): string => `${folder}/${name}`;

const lookMs = 5;
const nobody = new Int32Array(new SharedArrayBuffer(4));

/** The namespace of that name, if there is one. @throws INVALID if it is this host's own */
export function serverNetnsIfThere(name: string): Netns | undefined {
  const netns = open(name);
  if (!netns) return undefined;
  using own = ownNetns();
  if (netns.identity !== own.identity) return netns;
  netns[Symbol.dispose]();
  throw new HeddleError('INVALID', { field: 'netns', problem: `${name} is this host's own network namespace` });
}

/** Those of one host. */
export class ServerNamespaces {
  /** The alias of the loopback device in those that were made here: it says by which host, since hosts of a lab share the folder. */
  readonly #mark: string;
  readonly #made: Set<string>;
  readonly #makingMs: number;

  /** `makingMs`: so long others may take to make one. */
  constructor(makingMs = 100) {
    this.#makingMs = makingMs;
    using own = ownNetns();
    this.#mark = `heddle:netns:${lastingIdentity(own)}`;
    this.#made = new Set(namesIn(folder).filter((name) => this.#isOurs(name)));
  }

  /** Made, with its mark, if it is not there. @throws INVALID, KERNEL */
  ensure(name: string): Netns {
    const netns = serverNetnsIfThere(name);
    if (netns) return netns;
    // It is everybody's, as "ip netns" makes it, whatever the process's mask.
    if (mkdirSync(folder, { recursive: true }) !== undefined) chmodSync(folder, 0o755);
    const path = pathOf(name);
    const others = this.#begunBefore(name);
    if (others) return others;
    makeNetns(path, () => {
      using nl = openNetlink();
      linkSet(nl, linkByName(nl, 'lo')!.ifindex, { alias: this.#mark, up: true });
    });
    this.#made.add(name);
    return openNetns(path);
  }

  /** Removes those in which nothing of these is; programs that run there have no network then. Free if none was made. */
  keep(staying: () => readonly Attachment[]): void {
    if (this.#made.size === 0) return;
    const all = staying();
    const names = new Set(all.flatMap((a) => (a.kind === 'host' ? (a.netns ?? []) : [])));
    // Whoever found one by whatever path is in it as well.
    const identities = new Set(all.flatMap((a) => (a.kind === 'netns' ? a.target.identity : [])));
    for (const name of this.#made) {
      if (names.has(name) || isAmong(name, identities)) continue;
      if (this.#isOurs(name)) removeNetns(pathOf(name));
      this.#made.delete(name);
    }
  }

  /**
   * Where a namespace is to be there may be a file and no more: somebody is just making it, or was killed then. What does not
   * become one soon is removed.
   */
  #begunBefore(name: string): Netns | undefined {
    const path = pathOf(name);
    const file = lstatSync(path, { throwIfNoEntry: false });
    if (file?.size !== 0) return undefined;
    const ageMs = Math.max(0, Date.now() - file.mtimeMs);
    for (let left = this.#makingMs - ageMs; left > 0; left -= lookMs) {
      Atomics.wait(nobody, 0, 0, lookMs);
      const netns = serverNetnsIfThere(name);
      if (netns) return netns;
    }
    removeNetns(path);
    return undefined;
  }

  #isOurs(name: string): boolean {
    using netns = open(name);
    if (!netns) return false;
    using nl = openNetlink(netns);
    return linkByName(nl, 'lo')?.alias === this.#mark;
  }
}

function isAmong(name: string, identities: ReadonlySet<string>): boolean {
  if (identities.size === 0) return false;
  using netns = open(name);
  return netns !== undefined && identities.has(lastingIdentity(netns));
}

function open(name: string): Netns | undefined {
  try {
    return openNetns(pathOf(name));
  } catch (e) {
    if (hasCode(e, 'NETNS_NOT_FOUND')) return undefined;
    throw e;
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw e;
  }
}
