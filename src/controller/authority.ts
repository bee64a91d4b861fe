import type { HostId } from '../model/ids.ts';

/** What a listener of the controller shows and believes. All PEM. */
export interface ServerContext {
  readonly key: string;
  /** Its certificate, and behind it what leads to an older authority, while there is one. */
  readonly cert: string;
  /** The authorities whose hosts are let in. */
  readonly ca: string;
}

/** Why a client's certificate is not taken: CERTIFICATE_INVALID or CERTIFICATE_REVOKED. */
export type Identified = { readonly host: HostId; readonly name: string };

/** The installation's authority: certificates of controllers and of hosts. */
export interface Authority extends AsyncDisposable {
  /** As it is now: to be asked again after `onRenew`. */
  serverContext(): ServerContext;
  /** Calls after each change of the server's context; listeners then call setSecureContext. @returns ends it */
  onRenew(listener: () => void): () => void;
  /** All authorities that count, the one that signs first: what clients are to believe. PEM */
  bundle(): string;
  /** The pin of the one that signs: see pinOf. */
  pin(): string;
  /** A host's certificate of its request, PEM, and its record. @throws INVALID for a request that is none, NOT_FOUND */
  issueHost(csr: string, host: HostId): Promise<{ certificate: string; notAfter: string }>;
  /**
   * The host whose certificate a client has shown (DER). Cost: a look-up, and 0.2 ms the first time.
   * @throws CERTIFICATE_INVALID if it is of another authority, does not hold now, or is no host's; CERTIFICATE_REVOKED if it
   *   is, or was of a host that is gone
   */
  identify(raw: Uint8Array): Identified;
}
