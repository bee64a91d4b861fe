import { newId, type TenantId } from '../model/ids.ts';
import { Draft } from './draft.ts';
import { objectPrefix } from './keys.ts';
import { freeName, type Rules, unused } from './rules.ts';

/** A tenant is deleted only when it is empty; subnets and ports need a network, so networks and routers decide. */
export const tenantRules: Rules<'tenant'> = {
  create({ world, now }, _scope, { name, labels = {} }) {
    freeName(world, 'tenant', '-', name);
    const record = { id: newId<TenantId>(), name, createdAt: now().toISOString(), labels };
    return { record, draft: new Draft().create('tenant', record) };
  },
  update({ world }, have, { name, labels = {} }) {
    freeName(world, 'tenant', '-', name, have.record.id);
    const record = { ...have.record, name, labels };
    return { record, draft: new Draft().update(have, record) };
  },
  remove({ world }, have) {
    unused(have, 'network', world.networksOfTenant.size(have.record.id));
    unused(have, 'router', world.routersOfTenant.size(have.record.id));
    return new Draft()
      .remove(have)
      .empty(objectPrefix('network', have.record.id))
      .empty(objectPrefix('router', have.record.id));
  },
  input: ({ name, labels }) => ({ name, labels: { ...labels } }),
};
