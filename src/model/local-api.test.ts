import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Check } from '#typebox';
import { limits } from './fields.ts';
import { AttachRequest } from './local-api.ts';

const body = { kind: 'netns', target: '/run/netns/w1', tenant: 'acme', network: 'web' };

test('an attach takes its fields as the API takes those of a port, labels within the same bounds', () => {
  assert.ok(Check(AttachRequest, body));
  const full = { ...body, port: 'db1', ifname: 'eth0', addresses: ['10.0.0.7'], mac: '02:00:00:00:00:01' };
  assert.ok(Check(AttachRequest, { ...full, labels: { tier: 'web' } }));
  const many = Object.fromEntries(Array.from({ length: limits.labels + 1 }, (_, i) => [`k${i}`, '']));
  for (const wrong of [
    { labels: many },
    { labels: { k: 'v'.repeat(limits.labelChars + 1) } },
    { port: '' },
    { mac: '02' },
    { addresses: Array.from({ length: limits.addressesPerPort + 1 }, () => '10.0.0.7') },
    { other: 1 },
  ])
    assert.ok(!Check(AttachRequest, { ...body, ...wrong }), JSON.stringify(wrong).slice(0, 60));
});

test('each kind of attach has its own fields, and no other’s', () => {
  const common = { tenant: 'acme', network: 'web' };
  for (const right of [
    { kind: 'tap' },
    { kind: 'tap', owner: 0, queues: 16, ifname: 'tap-vm1' },
    { kind: 'host' },
    { kind: 'host', routes: ['10.7.0.0/16'], mac: '02:00:00:00:00:01' },
  ])
    assert.ok(Check(AttachRequest, { ...common, ...right }), JSON.stringify(right));
  for (const wrong of [
    { kind: 'netns' },
    { kind: 'tap', target: '/run/netns/w1' },
    { kind: 'tap', queues: 17 },
    { kind: 'tap', owner: -1 },
    { kind: 'tap', routes: [] },
    { kind: 'host', queues: 2 },
    { kind: 'pair', owner: 'x' },
  ])
    assert.ok(!Check(AttachRequest, { ...common, ...wrong }), JSON.stringify(wrong));
});
