import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits } from '../model/fields.ts';
import { type HostParts, troublesOf, unserved } from './troubles.ts';

const well: HostParts = {
  refused: [],
  ports: { notUp: [{ name: 'acme/vm1', condition: 'pending', code: 'NOT_ATTACHED', told: true }] },
  gateways: { problems: [] },
  dns: { failed: [] },
  dhcp: { failed: [] },
  metadata: { failed: [] },
  segments: [],
  certificate: {},
  untold: { ports: undefined },
};
const told = (host: HostParts) => troublesOf(host).map(({ what, text }) => `${what}: ${text}`);

test('a host that serves its networks lacks nothing, nor does one that waits for a workload', () =>
  assert.deepEqual(troublesOf(well), []));

test('what a host lacks is named with the network, the port, the segment, or the rows', () => {
  const quota = { code: 'QUOTA_EXCEEDED', message: '3 of 3 ports in use' };
  const host: HostParts = {
    ...well,
    refused: ['network/1'],
    ports: {
      notUp: [
        { name: 'acme/web4', condition: 'error', ...quota, told: false },
        { name: 'acme/new', condition: 'pending', message: 'listens, and asks who is there', told: false },
        { name: 'acme/db1', condition: 'error', code: 'KERNEL', message: 'the controller says it', told: true },
      ],
    },
    gateways: { outside: 'no route', problems: [{ network: 'web', problem: 'no namespace' }] },
    dns: { failed: [{ network: 'db', problem: 'no socket' }] },
    certificate: { problem: 'it holds until 2026-01-04, and is not renewed: no answer' },
    untold: { ports: 'there is no tenant acme', moves: undefined },
    segments: [
      { port: 'plant', problem: 'the NIC has no carrier' },
      { port: 'hall', held: 'loop' },
      { port: 'yard', held: 'standby' },
    ],
  };
  assert.deepEqual(told(host), [
    'rows: the kernel refuses those of network/1',
    'controller: takes no word of ports now: there is no tenant acme',
    'certificate: it holds until 2026-01-04, and is not renewed: no answer',
    'outside: no route',
    'port: acme/web4: QUOTA_EXCEEDED: 3 of 3 ports in use',
    'gateway: network web: no namespace',
    'dns: network db: no socket',
    'segment: plant: the NIC has no carrier',
    'segment: hall: forwards nothing: loop',
  ]);
  const counts = Object.entries(unserved(host)).map(([service, networks]) => [service, networks.length]);
  assert.deepEqual(counts, Object.entries({ gateway: 1, dns: 1, dhcp: 0, metadata: 0 }));
});

const failed = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ name: `acme/p${i}`, condition: 'error', told: false }));
const networks = (count: number) => Array.from({ length: count }, (_, i) => ({ network: `n${i}`, problem: 'no' }));

test('of more than there is room for some of each sort are named, and the rest is counted', () => {
  assert.equal(told({ ...well, ports: { notUp: failed(20) } }).at(-1), 'port: acme/p19');
  const many = told({ ...well, ports: { notUp: failed(4_096) } });
  assert.equal(many.length, limits.troublesPerHost);
  assert.equal(many.at(-1), 'port: and 4077 more: heddle status --json');
  const both = told({ ...well, ports: { notUp: failed(100) }, dns: { failed: networks(100) } });
  assert.deepEqual(
    [both.length, both[9], both[19]],
    [20, 'port: and 91 more: heddle status --json', 'dns: and 91 more: heddle status --json'],
  );
  assert.equal(
    told({ ...well, ports: { notUp: failed(100) }, dns: { failed: networks(2) } }).at(-1),
    'dns: network n1: no',
  );
});

test('however much a host lacks, it fits into the answer', () => {
  const all: HostParts = {
    refused: ['network/1'],
    ports: { notUp: failed(100) },
    gateways: { outside: 'x'.repeat(9_000), problems: networks(100) },
    dns: { failed: networks(100) },
    dhcp: { failed: networks(100) },
    metadata: { failed: networks(100) },
    segments: failed(100).map(({ name }) => ({ port: name, problem: 'no' })),
    certificate: { problem: 'no' },
    untold: { ports: 'no', moves: 'no' },
  };
  const troubles = troublesOf(all);
  assert.ok(troubles.length <= limits.troublesPerHost);
  assert.equal(new Set(troubles.map(({ what }) => what)).size, 10);
  assert.equal(troubles.find(({ what }) => what === 'outside')!.text.length, 500);
});
