import assert from 'node:assert/strict';
import { test } from 'node:test';
import { troublesOf } from './observation.ts';

type Host = Parameters<typeof troublesOf>[0];
const well = {
  refused: [],
  gateways: { networks: 1, published: [], problems: [] },
  dns: { networks: 1, failed: [] },
  dhcp: { networks: 1, failed: [] },
  metadata: { networks: 1, failed: [] },
  segments: [],
} as unknown as Host;

test('a host that serves its networks lacks nothing', () => assert.deepEqual(troublesOf(well), []));

test('what a host lacks is named with the network, the segment, or the rows', () => {
  const troubles = troublesOf({
    ...well,
    refused: ['network/1'],
    gateways: { ...well.gateways, outside: 'no route', problems: [{ network: 'web', problem: 'no namespace' }] },
    dns: { ...well.dns, failed: [{ network: 'db', problem: 'no socket' }] },
    segments: [
      { port: 'plant', problem: 'the NIC has no carrier' },
      { port: 'hall', held: 'claimed' },
      { port: 'yard', held: 'standby' },
    ],
  } as unknown as Host);
  assert.deepEqual(
    troubles.map(({ what, text }) => `${what}: ${text}`),
    [
      'rows: the kernel refuses those of network/1',
      'outside: no route',
      'gateway: network web: no namespace',
      'names: network db: no socket',
      'segment: plant: the NIC has no carrier',
      'segment: hall: forwards nothing: claimed',
    ],
  );
});

test('a text of any length fits into the answer', () => {
  const [trouble] = troublesOf({ ...well, gateways: { ...well.gateways, outside: 'x'.repeat(9_000) } } as Host);
  assert.equal(trouble!.text.length, 500);
});
