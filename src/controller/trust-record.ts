/**
 * What the store keeps of trust, beside the objects: no kind, no part of history or exports. Stores of earlier programs have
 * these names: whoever changes one converts them.
 */
import type { HostId, TenantId } from '../model/ids.ts';
import type { Token } from '../model/token.ts';

/** Under authorityKey. */
export interface AuthorityRecord {
  /** The one that signs; its key is sealed. */
  readonly current: { readonly certificate: string; readonly key: string };
  /** The one before, while certificates of it count: with the current one's certificate as it signed it. */
  readonly older?: { readonly certificate: string; readonly cross: string };
}

/** Under hostTrustKey. */
export interface HostTrust {
  /** Certificates of earlier ones do not count. */
  readonly generation: number;
  /** By which token it joined last, and with which key (see Request): the same once more is no second use. */
  readonly joined?: { readonly token: string; readonly key: string };
  /** The last certificate that was made for it. */
  readonly certificate?: HostCertificate;
  /** The last one of the authority before that, until the host has shown the newer one: its answer may have been lost. */
  readonly before?: HostCertificate;
}
export interface HostCertificate {
  /** See authorityId. */
  readonly authority: string;
  readonly notAfter: string;
}

/** Under joinTokenKey. */
export interface JoinTokenRecord {
  readonly id: string;
  /** Of its secret: see digestOf. */
  readonly digest: string;
  readonly createdAt: string;
  readonly expiresAt: string;
  /** How many hosts it lets in, and how many more. */
  readonly uses: number;
  readonly left: number;
  /** The name of the host that it is for, which may be there already; undefined: any new one. */
  readonly host?: string;
  /** Tenants in which the host's users may attach. */
  readonly tenants: readonly string[];
  /** Nothing was said of tenants, and this host was there: see KeptTenants. */
  readonly keeps?: KeptTenants;
  /** Who made it. */
  readonly by: string;
}

/** What a host that joins anew keeps: of the tenants that it has by then, if it is this one, those that whoever made the token could give. */
export interface KeptTenants {
  readonly host: HostId;
  /** Ids; *: all. */
  readonly of: readonly string[];
}

/** What a token may do less than its user. */
export interface TokenScope {
  /** These alone. */
  readonly tenants?: readonly TenantId[];
  readonly readOnly?: boolean;
}

/** Under tokenKey: an API token. */
export interface TokenRecord extends Omit<Token, 'scope'> {
  readonly scope: TokenScope;
  /** Of its secret: see digestOf. */
  readonly hash: string;
}
