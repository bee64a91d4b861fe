import type { Objects } from '../model/kinds.ts';
import { tokenIdOf } from '../model/token.ts';
import type { AuthorityView, JoinTokenInput, JoinTokenMade, JoinTokenView, TrustStatus } from '../model/trust.ts';
import type { CallOptions, Connection } from './connection.ts';

/** The authority, and who may join by it. */
export interface TrustClient {
  /** Certificates of the authority, PEM: anybody may ask. */
  authority(options?: CallOptions): Promise<AuthorityView>;
  /** Authorities, and which hosts' certificates are of which. */
  authorityStatus(options?: CallOptions): Promise<TrustStatus>;
  /** Makes a new authority, which signs from now on. @throws CA_ROTATING */
  rotateAuthority(options?: CallOptions): Promise<TrustStatus>;
  /** Ends the authority before the one that signs. @throws CA_IN_USE, but by `force` */
  retireAuthority(options?: CallOptions & { readonly force?: boolean }): Promise<TrustStatus>;
  /** Tokens by which hosts may join still. */
  hostTokens(options?: CallOptions): Promise<JoinTokenView[]>;
  /** Makes one; its text is in this answer alone. */
  createHostToken(input: JoinTokenInput, options?: CallOptions): Promise<JoinTokenMade>;
  /** Of a whole token only the id is sent. */
  deleteHostToken(id: string, options?: CallOptions): Promise<void>;
  /** Shuts a host out, until it joins again. */
  revokeHost(host: string, options?: CallOptions): Promise<Objects['host']>;
}

/** Asked over a connection. */
export function trustClient({ request }: Connection): TrustClient {
  const tokens = '/v1/host-tokens';
  return {
    authority: (options) => request('GET', '/v1/ca', options) as Promise<AuthorityView>,
    authorityStatus: (options) => request('GET', '/v1/ca/status', options) as Promise<TrustStatus>,
    rotateAuthority: (options) => request('POST', '/v1/ca/rotate', options) as Promise<TrustStatus>,
    retireAuthority: ({ force = false, ...options } = {}) =>
      request('POST', '/v1/ca/retire', { ...options, body: { force } }) as Promise<TrustStatus>,
    hostTokens: async (options) => ((await request('GET', tokens, options)) as { items: JoinTokenView[] }).items,
    createHostToken: (body, options) => request('POST', tokens, { ...options, body }) as Promise<JoinTokenMade>,
    async deleteHostToken(id, options) {
      await request('DELETE', `${tokens}/${encodeURIComponent(tokenIdOf(id))}`, options);
    },
    revokeHost: (host, options) =>
      request('POST', `/v1/hosts/${encodeURIComponent(host)}/revoke`, options) as Promise<Objects['host']>,
  };
}
