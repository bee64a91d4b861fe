/** Where the namespaces are: one folder with a bind mount for each network. */
import { mkdirSync, readdirSync } from 'node:fs';
import { makeNetns, type Netns, openNetns, removeNetns } from '../kernel/netns.ts';
import { hasCode } from '../model/errors.ts';
import { isUuid, type NetworkId } from '../model/ids.ts';

/** The folder of a host's gateway namespaces. */
export class Place {
  readonly #dir: string;
  constructor(dir: string) {
    this.#dir = dir;
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  }

  path(network: NetworkId): string {
    return `${this.#dir}/${network}`;
  }

  /** The network's namespace, made if it is not there; a file without one, left by a killed agent, is replaced. @throws KERNEL */
  open(network: NetworkId): { netns: Netns; made: boolean } {
    const path = this.path(network);
    try {
      return { netns: openNetns(path), made: false };
    } catch (e) {
      if (!hasCode(e, 'NETNS_NOT_FOUND')) throw e;
    }
    removeNetns(path);
    makeNetns(path);
    return { netns: openNetns(path), made: true };
  }

  /** Idempotent. */
  remove(network: NetworkId): void {
    removeNetns(this.path(network));
  }

  /** Networks of which there is a namespace, or a part of one. */
  list(): NetworkId[] {
    return readdirSync(this.#dir).filter(isUuid) as NetworkId[];
  }
}
