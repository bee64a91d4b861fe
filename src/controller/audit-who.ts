/** Who did it, as records say it. */
import type { Who } from '../model/audit.ts';
import { type Principal, subjectsOf } from './principal.ts';
import type { World } from './world.ts';

/** On whose behalf something is done, and by which request. */
export interface Deed {
  /** Undefined: nobody knows. */
  readonly principal: Principal | undefined;
  /** Id of the token by which a host joins: its one credential. */
  readonly joinToken?: string | undefined;
  /** Name of the host whose agent it is, whoever opened its stream. */
  readonly host?: string | undefined;
  /** The client's address, or "unix". */
  readonly from: string;
  readonly requestId?: string;
  readonly method?: string;
  readonly route?: string;
}

/** Undefined is the controller itself. */
export function whoOf(deed: Pick<Deed, 'principal' | 'joinToken' | 'host'> | undefined): Who {
  if (!deed) return { kind: 'controller' };
  const { principal, joinToken, host } = deed;
  if (host !== undefined) return { kind: 'host', name: host };
  if (principal) {
    const token = principal.kind === 'user' ? principal.token : undefined;
    return { kind: principal.kind, name: principal.name, ...(token !== undefined && { token }) };
  }
  return joinToken === undefined ? { kind: 'nobody' } : { kind: 'joiner', name: joinToken };
}

/** A tenant's administrators may know who it was: hosts, the controller, and users who have a role there. */
export function isInside(
  { grant, grantsOfSubject }: Pick<World, 'grant' | 'grantsOfSubject'>,
  deed: Pick<Deed, 'principal' | 'host'> | undefined,
  tenant: string | undefined,
): boolean {
  if (tenant === undefined) return false;
  if (!deed || deed.host !== undefined || deed.principal?.kind === 'host') return true;
  const { principal } = deed;
  if (principal?.kind !== 'user') return false;
  return subjectsOf(principal).some((subject) =>
    [...grantsOfSubject.of(subject)].some((id) => grant.get(id)?.record.tenant === tenant),
  );
}
