/** What the store must hold besides the objects, computed from them: for tests that look for leaks. */
import assert from 'node:assert/strict';
import { type Ip, parsePrefix, prefixHas } from '../model/address.ts';
import type { Kind } from '../model/kinds.ts';
import type { Store } from '../store/contract.ts';
import { appliedPrefix, claims, hostTrustPrefix, nameKey, parseObjectKey, quotaPrefix } from './keys.ts';
import { parseRecord, type Records, scopeOf } from './records.ts';

/** Every claim and name belongs to the object that needs it, every object has all of its own, and what it refers to is there. */
export async function assertNoLeak(store: Store): Promise<void> {
  const { entries } = await store.range('/');
  const objects: { [K in Kind]: Records[K][] } = {
    tenant: [],
    network: [],
    subnet: [],
    port: [],
    address: [],
    lease: [],
    router: [],
    host: [],
    grant: [],
  };
  const have = new Map<string, string>();
  const limited: string[] = [];
  const trusted: string[] = [];
  const beside: string[] = [];
  for (const { key, value } of entries) {
    const parsed = parseObjectKey(key);
    if (parsed) objects[parsed.kind].push(parseRecord(parsed.kind, value) as never);
    else if (key.startsWith(appliedPrefix)) beside.push(key.slice(appliedPrefix.length));
    else if (key.startsWith(quotaPrefix)) limited.push(key.slice(quotaPrefix.length));
    else if (key.startsWith(hostTrustPrefix)) trusted.push(key.slice(hostTrustPrefix.length));
    else if (!key.startsWith('/cursor/') && !key.startsWith('/claim/prefixes/') && !key.startsWith('/trust/'))
      have.set(key, value);
  }
  const keys = new Set(entries.map(({ key }) => key));
  for (const key of beside) assert.ok(keys.has(key), `${key}, which was applied, is there`);
  const want = new Map<string, string>();
  const add = (key: string, id: string) => {
    assert.ok(!want.has(key), `${key} is of two: ${want.get(key)} and ${id}`);
    want.set(key, id);
  };
  const addIp = (network: string, ip: Ip, id: string) => {
    const subnet = objects.subnet.find((s) => s.network === network && prefixHas(parsePrefix(s.cidr), ip));
    assert.ok(subnet, `${ip} of ${id} is in a subnet`);
    add(claims.ip(subnet.id, ip), id);
  };
  for (const [kind, records] of Object.entries(objects) as [Kind, Records[Kind][]][])
    for (const record of records) add(nameKey(kind, scopeOf(record), record.name), record.id);
  const ids = new Set(Object.values(objects).flatMap((records) => records.map(({ id }) => id as string)));
  for (const record of Object.values(objects).flat())
    for (const field of ['tenant', 'network', 'host', 'standby', 'behind'] as const) {
      const other = (record as { [F in typeof field]?: string })[field];
      assert.ok(other === undefined || ids.has(other), `the ${field} of ${record.name} is there`);
    }
  for (const host of trusted) assert.ok(ids.has(host), `host ${host}, which had certificates, is there`);
  for (const tenant of limited) assert.ok(ids.has(tenant), `tenant ${tenant}, which has limits, is there`);
  for (const { id, vni } of objects.network) add(claims.vni(vni), id);
  const routerOf = new Map<string, string>();
  for (const { id, domain, subnets } of objects.router) {
    add(claims.vni(domain), id);
    for (const ref of subnets) {
      const subnet = objects.subnet.find((s) => s.id === ref);
      assert.ok(subnet, `${ref} of router ${id} is there`);
      assert.equal(routerOf.get(subnet.network) ?? id, id, 'a network is in one router');
      routerOf.set(subnet.network, id);
      add(claims.routed(subnet.network, ref), id);
    }
  }
  for (const { id, number, vtep } of objects.host) {
    add(claims.hostNumber(number), id);
    add(claims.vtep(vtep), id);
  }
  for (const { id, network, mac, addresses, host, standby, behind, vlan = 0, place } of objects.port) {
    add(claims.portId(id), id);
    add(claims.mac(network, mac), id);
    for (const ip of addresses) addIp(network, ip, id);
    for (const wired of [host, standby]) if (wired) add(claims.bound(wired, id), id);
    assert.ok(!standby || host, `${id} has no standby without a host`);
    assert.ok(!behind || !host, `${id} is behind another port, and so not bound itself`);
    if (place !== undefined) add(claims.place(place), id);
    if (behind) add(claims.behind(behind, vlan, mac), id);
  }
  for (const { id, network, address } of objects.address) addIp(network, address, id);
  for (const { id, network, host, addresses } of objects.lease) {
    add(claims.lease(network, host), id);
    add(claims.bound(host, id), id);
    for (const { ip, mac } of addresses) {
      addIp(network, ip, id);
      add(claims.mac(network, mac), id);
    }
  }
  assert.deepEqual(sorted(have), sorted(want));
}
const sorted = (map: ReadonlyMap<string, string>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
