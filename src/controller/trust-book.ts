import { authorityKey, hostTrustPrefix, joinTokenPrefix, tokenPrefix } from './keys.ts';
import type { AuthorityRecord, HostTrust, JoinTokenRecord, TokenRecord } from './trust-record.ts';

/** A record with the revision of its last write. */
export interface Kept<R> {
  readonly record: R;
  readonly revision: bigint;
}

const nobody: Kept<HostTrust> = { record: { generation: 0 }, revision: 0n };

/** Authorities, hosts' generations and tokens, as of the world's revision. Every answer is one look-up. */
export class TrustBook {
  authority: Kept<AuthorityRecord> | undefined;
  #hosts = new Map<string, Kept<HostTrust>>();
  #joinTokens = new Map<string, Kept<JoinTokenRecord>>();
  #tokens = new Map<string, Kept<TokenRecord>>();
  #outdated: string[] = [];

  /** The same, apart. */
  copy(): TrustBook {
    const copy = new TrustBook();
    copy.authority = this.authority;
    copy.#hosts = new Map(this.#hosts);
    copy.#joinTokens = new Map(this.#joinTokens);
    copy.#tokens = new Map(this.#tokens);
    return copy;
  }

  /** Those by which hosts join, by their id. */
  get joinTokens(): ReadonlyMap<string, Kept<JoinTokenRecord>> {
    return this.#joinTokens;
  }
  /** Those of the API, by their id. */
  get tokens(): ReadonlyMap<string, Kept<TokenRecord>> {
    return this.#tokens;
  }

  /** Of a host without a record: generation 0, at revision 0. */
  host(id: string): Kept<HostTrust> {
    return this.#hosts.get(id) ?? nobody;
  }

  /** Hosts whose certificates of before do not count any more, since this was asked last. */
  takeOutdated(): string[] {
    const outdated = this.#outdated;
    this.#outdated = [];
    return outdated;
  }

  /** A key of the store was written or deleted; those that are none of trust change nothing. */
  put(key: string, value: string | undefined, revision: bigint): void {
    if (key === authorityKey) this.authority = kept(value, revision);
    else if (key.startsWith(joinTokenPrefix))
      set(this.#joinTokens, key.slice(joinTokenPrefix.length), kept(value, revision));
    else if (key.startsWith(tokenPrefix)) set(this.#tokens, key.slice(tokenPrefix.length), kept(value, revision));
    else if (key.startsWith(hostTrustPrefix)) this.#putHost(key.slice(hostTrustPrefix.length), kept(value, revision));
  }

  #putHost(id: string, next: Kept<HostTrust> | undefined): void {
    const { generation } = this.host(id).record;
    set(this.#hosts, id, next);
    if (!next || next.record.generation > generation) this.#outdated.push(id);
  }
}

const kept = <R>(value: string | undefined, revision: bigint): Kept<R> | undefined =>
  value === undefined ? undefined : { record: JSON.parse(value) as R, revision };

function set<V>(map: Map<string, V>, key: string, value: V | undefined): void {
  if (value === undefined) map.delete(key);
  else map.set(key, value);
}
