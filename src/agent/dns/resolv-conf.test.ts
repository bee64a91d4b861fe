import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseResolvConf, ResolvConf } from './resolv-conf.ts';

test('the first three nameservers count; comments, other words and what is no address do not', () => {
  const text = `# generated
; by something
search corp.example
nameserver 192.0.2.1
  nameserver\t2001:db8::1 # v6
nameserver nonsense
nameserver
options ndots:2
nameserver fe80::1%eth0
nameserver 192.0.2.4`;
  assert.deepEqual(
    parseResolvConf(text).map((s) => s.address),
    ['192.0.2.1', '2001:db8::1', 'fe80::1%eth0'],
  );
});

test('the file is read again when it changes, also when it is replaced, goes or comes', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'heddle-resolv-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const path = join(dir, 'resolv.conf');
  let now = 0;
  const conf = new ResolvConf(path, () => now);
  const servers = () => {
    now += 1_000;
    return conf.servers.map((s) => s.address);
  };
  assert.deepEqual(servers(), []);
  writeFileSync(path, 'nameserver 192.0.2.1\n');
  assert.deepEqual(servers(), ['192.0.2.1']);
  writeFileSync(join(dir, 'new'), 'nameserver 192.0.2.2\n');
  renameSync(join(dir, 'new'), path);
  assert.deepEqual(conf.servers[0]?.address, '192.0.2.1', 'within the second it is not looked at');
  assert.deepEqual(servers(), ['192.0.2.2']);
  rmSync(path);
  assert.deepEqual(servers(), []);
  mkdirSync(path);
  assert.deepEqual(servers(), [], 'what cannot be read names nobody');
});
