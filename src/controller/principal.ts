import { hostname } from 'node:os';
import { whoText } from '../model/audit.ts';
import { HeddleError } from '../model/errors.ts';
import type { HostId } from '../model/ids.ts';
import type { TokenScope } from './trust-record.ts';
import type { World } from './world.ts';

/** A host, by its certificate. */
export interface HostPrincipal {
  readonly kind: 'host';
  readonly name: string;
  readonly host: HostId;
  /** How often it had joined, or was shut out, when it got the certificate. */
  readonly generation: number;
}

/** Who asks: root on the controller's own machine (its unix socket), a host (its certificate), or a user (a token, or a login). */
export type Principal =
  | { readonly kind: 'local'; readonly name: string }
  | HostPrincipal
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

/** Why what a host has shown does not count any more; undefined: it does. */
export function hostProblem(
  world: Pick<World, 'trust' | 'host'>,
  { host: id, generation }: Pick<HostPrincipal, 'host' | 'generation'>,
): HeddleError | undefined {
  const host = world.host.get(id)?.record;
  if (!host) return new HeddleError('HOST_GONE', { host: id });
  const isOutdated = generation < world.trust.host(id).record.generation;
  return host.revoked || isOutdated ? new HeddleError('CERTIFICATE_REVOKED', { host: host.name }) : undefined;
}

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
