import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../model/errors.ts';
import { labDir, planLab, workloadNetns } from './plan.ts';

const usage = (e: unknown) => hasCode(e, 'USAGE');

test('hosts are spread over the underlay prefixes in turn', () => {
  const plan = planLab({ name: 'x', hosts: 5, subnets: 2 });
  assert.deepEqual(
    plan.hosts.map((h) => h.vtep),
    ['198.18.0.1', '198.18.1.2', '198.18.0.3', '198.18.1.4', '198.18.0.5'],
  );
  assert.equal(plan.netns, 'hd-x-net');
});

test('250 hosts have 250 addresses, none of them the router’s', () => {
  const vteps = new Set<string>(planLab({ hosts: 250 }).hosts.map((h) => h.vtep));
  assert.equal(vteps.size, 250);
  assert.ok(!vteps.has('198.18.0.254'));
});

test('a wire has two hosts, and its controller lives in the first’s namespace', () => {
  const plan = planLab({ name: 'x', wire: true });
  assert.equal(plan.hosts.length, 2);
  assert.equal(plan.netns, 'hd-x-h1');
  assert.throws(() => planLab({ wire: true, hosts: 3 }), usage);
});

test('options out of range and names that could mean another lab’s namespaces are refused', () => {
  for (const bad of [{ hosts: 0 }, { hosts: 251 }, { hosts: 1.5 }, { subnets: 4 }, { mtu: 1000 }, { name: 'a-b' }])
    assert.throws(() => planLab(bad), usage, JSON.stringify(bad));
  for (const bad of ['', '..', 'A', 'a/b', '1a', 'x'.repeat(21)]) assert.throws(() => labDir(bad), usage, bad);
  for (const bad of ['', '../x', '-x', 'a b']) assert.throws(() => workloadNetns('lab', bad), usage, bad);
});
