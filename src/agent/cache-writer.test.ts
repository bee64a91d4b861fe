import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseIp } from '../model/address.ts';
import { itemKey, type PortItem, type RouterItem } from '../model/host-state.ts';
import type { HostId, HostNumber, NetworkId, RouterId, Vni } from '../model/ids.ts';
import { CacheWriter } from './cache-writer.ts';
import { HostItems } from './host-items.ts';
import type { Reconciler } from './reconciler.ts';
import { readStateCache } from './state-cache.ts';

const on = (network: string, cidr: string, gateway: string) => ({
  ...{ network: network as NetworkId, vni: 7 as Vni, cidr, gateway: parseIp(gateway) },
});
const router: RouterItem = {
  ...{ kind: 'router', id: 'r' as RouterId, name: 'r', tenant: 't', domain: 9 as Vni, besides: [], routes: [] },
  subnets: [on('n1', '10.0.0.0/24', '10.0.0.1'), { ...on('n2', '10.7.0.0/24', '10.7.0.1'), peer: true }],
};

test('a peer that is withdrawn is withdrawn on disk at once; other changes may wait', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'heddle-cache-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const state = new HostItems(() => undefined);
  const host = { id: 'h' as HostId, number: 1 as HostNumber };
  const reconciler = { host, revision: '0', state, synced: true };
  const written = () => readStateCache(dir, { warn: () => undefined })?.items.get(itemKey(router));
  using writer = new CacheWriter(dir, reconciler as unknown as Reconciler);
  const put = (item: RouterItem, revision: string) => {
    state.put(item);
    reconciler.revision = revision;
    writer.touch();
  };
  put(router, '1');
  assert.deepEqual(written(), router);
  const renamed = { ...router, name: 'other' };
  put(renamed, '2');
  assert.deepEqual(written(), router);
  const alone = { ...renamed, subnets: router.subnets.slice(0, 1) };
  put(alone, '3');
  assert.deepEqual(written(), alone);
  state.remove(itemKey(router));
  reconciler.revision = '4';
  writer.touch();
  assert.equal(written(), undefined);
});

test('where a port of two hosts is goes to the disk at once', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'heddle-cache-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const state = new HostItems((_, told) => told);
  const reconciler = { host: { id: 'h', number: 1 }, revision: '0', state, synced: true };
  const port = { kind: 'port', id: 'p', host: 2, name: '' } as unknown as PortItem;
  const written = () => readStateCache(dir, { warn: () => undefined })?.items.get(itemKey(port));
  using writer = new CacheWriter(dir, reconciler as unknown as Reconciler);
  const put = (more: object, revision: string) => {
    state.put({ ...port, ...more });
    reconciler.revision = revision;
    writer.touch();
  };
  put({}, '1');
  for (const [n, more] of [{ standby: 1 }, { host: 1, standby: 2 }, {}].entries()) {
    put(more, `${n + 2}`);
    assert.deepEqual(written(), { ...port, ...more });
  }
});
