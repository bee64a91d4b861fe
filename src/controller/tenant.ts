import type { TenantId } from '../model/ids.ts';
import { Draft } from './draft.ts';
import { objectPrefix, quotaKey } from './keys.ts';
import { quotaKeys } from './quota-book.ts';
import { freeName, type Rules, unused } from './rules.ts';

/**
 * A tenant is deleted only when it is empty; subnets and ports need a network, so networks and routers decide. Its grants go
 * with it.
 */
export const tenantRules: Rules<'tenant'> = {
  create({ world, now, newId, tenantQuota }, _scope, { name, labels = {} }) {
    freeName(world, 'tenant', '-', name);
    const record = { id: newId<TenantId>(), name, createdAt: now().toISOString(), labels };
    const draft = new Draft().create('tenant', record);
    if (Object.keys(tenantQuota).length > 0) draft.put(quotaKey(record.id), JSON.stringify(tenantQuota));
    return { record, draft };
  },
  update({ world }, have, { name, labels = {} }) {
    freeName(world, 'tenant', '-', name, have.record.id);
    const record = { ...have.record, name, labels };
    return { record, draft: new Draft().update(have, record) };
  },
  remove({ world }, have) {
    unused(have, 'network', world.networksOfTenant.size(have.record.id));
    unused(have, 'router', world.routersOfTenant.size(have.record.id));
    const { id } = have.record;
    const draft = new Draft()
      .remove(have)
      .empty(objectPrefix('network', id))
      .empty(objectPrefix('router', id))
      .unchanged(quotaKey(id), world.quotas.revisionOf(id))
      .quiet(objectPrefix('grant', id), world.revision);
    for (const grant of world.grantsOfTenant.of(id)) draft.remove(world.grant.get(grant)!);
    for (const key of quotaKeys(id)) draft.release(key);
    return draft;
  },
  input: ({ name, labels }) => ({ name, labels: { ...labels } }),
};
