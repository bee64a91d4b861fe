/** Where in a running workload its end can be made. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { roomIn } from '../../src/agent/running-workload.ts';
import { lastingIdentity } from '../../src/kernel/netns.ts';
import { scratchNetns } from '../kernel/fixture.ts';

test('there is room where no other interface leads to the same place, under a name that nobody has', () => {
  using workload = scratchNetns();
  const ip = (words: string) => execFileSync('nsenter', [`--net=${workload.path}`, 'ip', ...words.split(' ')]);
  const target = { path: workload.path, identity: lastingIdentity(workload.ns) };
  assert.deepEqual(roomIn(workload.path, ['10.0.0.0/24', 'fd00::/64']), { target, ifname: 'heddle0' });
  ip('link add heddle0 type veth');
  ip('address add 10.0.0.128/25 dev heddle0');
  ip('link set heddle0 up');
  assert.equal(roomIn(workload.path, ['10.0.0.0/24']), undefined);
  assert.equal(roomIn(workload.path, ['10.0.1.0/24'])?.ifname, 'heddle1');
});

test('there is none where there is no network namespace, nor in our own', () => {
  for (const path of ['/nowhere', '/etc/passwd', '/proc/self/ns/mnt', '/proc/self/ns/net', ''])
    assert.equal(roomIn(path, []), undefined, path);
});
