import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { HostId, HostNumber } from '../model/ids.ts';
import { readStateCache, writeStateCache } from './state-cache.ts';

function scratch() {
  const path = mkdtempSync(join(tmpdir(), 'heddle-cache-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

test('what is written is read; what an earlier agent wrote lacks fields, and is refused in words', () => {
  using directory = scratch();
  const warned: string[] = [];
  const log = { warn: (_: object, text: string) => warned.push(text) };
  const host = { id: 'h' as HostId, number: 1 as HostNumber };
  assert.equal(readStateCache(directory.path, log), undefined);
  writeStateCache(directory.path, { host, revision: '7', items: new Map() });
  assert.deepEqual(readStateCache(directory.path, log), { host, revision: '7', items: new Map() });
  assert.deepEqual(warned, []);
  const network = { kind: 'network', id: 'n', vni: 7, subnets: [] };
  const old = { format: 1, host, revision: '7', items: [network] };
  writeFileSync(join(directory.path, 'host-state.json'), JSON.stringify(old));
  assert.equal(readStateCache(directory.path, log), undefined);
  assert.deepEqual(warned, ['the cached host state cannot be used; waiting for the controller']);
});
