import type { HostId, TenantId } from '../model/ids.ts';

/** What a token may do less than its user. */
export interface TokenScope {
  /** These alone. */
  readonly tenants?: readonly TenantId[];
  readonly readOnly?: boolean;
}

/** Who asks: root on the controller's own machine (its unix socket), a host (its certificate), or a user (a token, or a login). */
export type Principal =
  | { readonly kind: 'local'; readonly name: string }
  | { readonly kind: 'host'; readonly name: string; readonly host: HostId }
  | {
      readonly kind: 'user';
      readonly name: string;
      readonly groups: readonly string[];
      readonly via: 'token' | 'oidc';
      readonly scope?: TokenScope;
      /** Id of the API token that it came with. */
      readonly token?: string;
      /** When what it showed is no good any more, milliseconds since 1970. */
      readonly untilMs?: number;
    };

/** A principal as people and limits name it: "user:alice", "host:h1", "root@ctl". */
export const nameOf = ({ kind, name }: Principal): string => (kind === 'local' ? name : `${kind}:${name}`);

/** As whom somebody waits for its turn; undefined: root here, who waits as often as it likes. */
export const waitsAs = (principal: Principal | undefined): string | undefined =>
  principal && principal.kind !== 'local' ? nameOf(principal) : undefined;

declare module 'fastify' {
  interface FastifyRequest {
    /** Undefined for routes that anybody may use. */
    principal?: Principal;
  }
}
