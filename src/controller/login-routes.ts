import type { FastifyInstance } from 'fastify';
import { HeddleError } from '../model/errors.ts';
import type { Role } from '../model/grant.ts';
import type { LoginSettings, Whoami } from '../model/login.ts';
import { loginPaths } from './paths.ts';
import { type Principal, subjectsOf } from './principal.ts';
import { parseNothing, type RawQuery } from './query.ts';
import type { TokenScope } from './trust-record.ts';
import type { World } from './world.ts';

export interface LoginContext {
  readonly world: World;
  readonly login: LoginSettings;
}

/** How somebody logs in, and who it then is. */
export function registerLogin(app: FastifyInstance, { world, login }: LoginContext): void {
  app.get(loginPaths.login, async (request) => {
    parseNothing(request.query as RawQuery);
    return login;
  });
  app.get(loginPaths.whoami, { config: { rate: 'none' } }, async (request) => {
    parseNothing(request.query as RawQuery);
    if (!request.principal) throw new HeddleError('UNAUTHENTICATED', {});
    return whoamiOf(world, request.principal);
  });
}

function whoamiOf(world: World, principal: Principal): Whoami {
  const { kind, name } = principal;
  if (kind === 'local') return { kind, name, roles: [{ role: 'admin' }] };
  if (kind === 'host') return { kind, name, host: principal.host, roles: [] };
  const { groups, via, scope } = principal;
  const nameOf = (tenant: string) => world.tenant.get(tenant)?.record.name;
  const grants = subjectsOf(principal).flatMap((subject) => [...world.grantsOfSubject.of(subject)]);
  const roles = grants.flatMap((id) => {
    const { role, tenant } = world.grant.get(id)!.record;
    return rolesWithin(scope, role, tenant).flatMap((one): Whoami['roles'] => {
      const named = one.tenant === undefined ? undefined : nameOf(one.tenant);
      return one.tenant !== undefined && named === undefined
        ? []
        : [{ role: one.role, ...(named !== undefined && { tenant: named }) }];
    });
  });
  const known = scope && {
    ...(scope.tenants && { tenants: scope.tenants.flatMap((tenant) => nameOf(tenant) ?? []) }),
    ...(scope.readOnly && { readOnly: true }),
  };
  return { kind, name, groups: [...groups], via, ...(known && { scope: known }), roles: distinct(roles) };
}

/** What is left of a grant by a token for some tenants; as accessOf has it. */
function rolesWithin(scope: TokenScope | undefined, role: Role, tenant: string | undefined) {
  const within = scope?.tenants;
  if (!within) return [{ role, tenant }];
  if (role === 'admin') return within.map((one) => ({ role: 'tenant-admin' as const, tenant: one }));
  return tenant !== undefined && (within as readonly string[]).includes(tenant) ? [{ role, tenant }] : [];
}

/** Each once, in their order. */
const distinct = (roles: Whoami['roles']): Whoami['roles'] => [
  ...new Map(roles.map((one) => [`${one.role} ${one.tenant}`, one])).values(),
];
