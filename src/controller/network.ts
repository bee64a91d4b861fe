import { parseSourcePrefix } from '../model/address.ts';
import { HeddleError } from '../model/errors.ts';
import { type NetworkId, parseVni, type TenantId } from '../model/ids.ts';
import { Draft } from './draft.ts';
import { claims, objectKey, prefixesKey } from './keys.ts';
import { removeLease } from './lease.ts';
import { freeName, must, type Rules, unused } from './rules.ts';
import { moveCursor, nextVni } from './vni.ts';

export const networkRules: Rules<'network'> = {
  create(ctx, scope, { name, vni, mtuBytes, sourceNat = false, publishFrom = [], mssClamp = false, labels = {} }) {
    const { world, now, newId } = ctx;
    const tenant = must(world, 'tenant', '-', scope);
    freeName(world, 'network', scope, name);
    if (vni !== undefined && world.vnis.has(vni)) throw new HeddleError('VNI_TAKEN', { vni });
    const record = {
      id: newId<NetworkId>(),
      name,
      createdAt: now().toISOString(),
      labels,
      tenant: scope as TenantId,
      vni: vni === undefined ? nextVni(ctx, name) : parseVni(vni),
      ...(mtuBytes === undefined ? {} : { mtuBytes }),
      sourceNat,
      publishFrom: publishFrom.map(parseSourcePrefix),
      mssClamp,
    };
    const draft = new Draft()
      .require(objectKey('tenant', tenant.record))
      .claim(claims.vni(record.vni), record.id)
      .create('network', record);
    if (vni === undefined) moveCursor(world, draft, record.vni);
    return { record, draft };
  },
  update({ world }, have, { name, mtuBytes, sourceNat = false, publishFrom = [], mssClamp = false, labels = {} }) {
    freeName(world, 'network', have.record.tenant, name, have.record.id);
    const { mtuBytes: _, ...rest } = have.record;
    const record = {
      ...rest,
      name,
      labels,
      ...(mtuBytes === undefined ? {} : { mtuBytes }),
      sourceNat,
      publishFrom: publishFrom.map(parseSourcePrefix),
      mssClamp,
    };
    return { record, draft: new Draft().update(have, record) };
  },
  remove({ world }, have) {
    const { id, vni } = have.record;
    unused(have, 'port', world.portsOfNetwork.size(id));
    unused(have, 'subnet', world.subnetsOfNetwork.size(id));
    const draft = new Draft()
      .remove(have)
      .release(claims.vni(vni))
      .empty(claims.mac(id, ''))
      .unchanged(prefixesKey(id), 0n)
      .quiet(claims.lease(id, ''), world.revision);
    // Without subnets they hold nothing.
    for (const lease of world.leasesOfNetwork.of(id)) removeLease(world, draft, world.lease.get(lease)!);
    return draft;
  },
  input: ({ name, vni, mtuBytes, sourceNat, publishFrom, mssClamp, labels }) => ({
    name,
    vni,
    sourceNat,
    publishFrom: [...publishFrom],
    mssClamp,
    labels: { ...labels },
    ...(mtuBytes === undefined ? {} : { mtuBytes }),
  }),
};
