import { HeddleError } from '../model/errors.ts';
import { installationRoles, type Role, tenantRoles } from '../model/grant.ts';
import type { GrantId, TenantId } from '../model/ids.ts';
import { Draft } from './draft.ts';
import { objectKey } from './keys.ts';
import { freeName, must, type Rules } from './rules.ts';

/** A grant is in the tenant in which it holds, and goes with it. */
export const grantRules: Rules<'grant'> = {
  create({ world, now, newId }, scope, { name, subject, role, labels = {} }) {
    fitting(scope, role);
    freeName(world, 'grant', scope, name);
    const tenant = scope === '-' ? undefined : must(world, 'tenant', '-', scope).record;
    const record = {
      ...{ id: newId<GrantId>(), name, createdAt: now().toISOString(), labels },
      ...(tenant && { tenant: tenant.id as TenantId }),
      ...{ subject, role },
    };
    const draft = new Draft().create('grant', record);
    if (tenant) draft.require(objectKey('tenant', tenant));
    return { record, draft };
  },
  update({ world }, have, { name, role, labels = {} }) {
    const scope = have.record.tenant ?? '-';
    fitting(scope, role);
    freeName(world, 'grant', scope, name, have.record.id);
    const record = { ...have.record, name, role, labels };
    return { record, draft: new Draft().update(have, record) };
  },
  remove(_, have) {
    return new Draft().remove(have);
  },
  input: ({ name, subject, role, labels }) => ({ name, subject, role, labels: { ...labels } }),
};

/** @throws INVALID for a role of the installation in a tenant, and the other way round */
function fitting(scope: string, role: Role): void {
  const roles: readonly Role[] = scope === '-' ? installationRoles : tenantRoles;
  if (roles.includes(role)) return;
  const problem = scope === '-' ? 'of the installation there are' : 'in a tenant there are';
  throw new HeddleError('INVALID', {
    field: 'role',
    problem: `${role} is no role here: ${problem} ${roles.join(', ')}`,
  });
}
