import { hostname } from 'node:os';
import { whoText } from '../model/audit.ts';
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

/** Whoever opens the controller's unix socket. */
export const rootHere = { kind: 'local', name: `root@${hostname()}` } as const;

/** Whom grants name when a user is meant: "user:alice", and "group:dev" for each of its groups. */
export const subjectsOf = ({ name, groups }: Extract<Principal, { kind: 'user' }>): string[] => [
  `user:${name}`,
  ...groups.map((group) => `group:${group}`),
];

/** As whom somebody waits for its turn; undefined: root here, who waits as often as it likes. */
export const waitsAs = (principal: Principal | undefined): string | undefined =>
  principal && principal.kind !== 'local' ? whoText(principal) : undefined;

declare module 'fastify' {
  interface FastifyRequest {
    /** Undefined for routes that anybody may use. */
    principal?: Principal;
  }
}
