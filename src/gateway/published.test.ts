import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Ip, ipFamily } from '../model/address.ts';
import type { Publish } from '../model/kinds.ts';
import { planEntries } from './published.ts';

const port = (addresses: string[], ...publish: Publish[]) => ({ addresses: addresses as Ip[], publish });
const web: Publish = { protocol: 'tcp', port: 80, hostPort: 8080 };

test('a port is published in the families that it has an address of, at its first one', () => {
  const entries = planEntries([port(['10.0.0.2', '10.0.0.3', 'fd00::2'], web)]);
  assert.deepEqual(
    entries.map((e) => [e.to, e.port, e.hostPort, e.passage]),
    [
      ['10.0.0.2', 80, 8080, 8080],
      ['fd00::2', 80, 8080, 8080],
    ],
  );
});

test('an address of the host chooses the family, and may have a port that another one has too', () => {
  const entries = planEntries([
    port(['10.0.0.2', 'fd00::2'], { ...web, hostAddress: '192.0.2.1' }),
    port(['10.0.0.3', 'fd00::3'], { ...web, hostAddress: '192.0.2.2' }),
  ]);
  assert.deepEqual(
    entries.map((e) => [e.hostAddress, e.to, e.passage]),
    [
      ['192.0.2.1', '10.0.0.2', 8080],
      ['192.0.2.2', '10.0.0.3', 1],
    ],
  );
});

test('passages are unique for a protocol and family, and the order of the ports has no meaning', () => {
  const publish = fc.record({
    protocol: fc.constantFrom('tcp' as const, 'udp' as const),
    port: fc.integer({ min: 1, max: 5 }),
    hostPort: fc.integer({ min: 1, max: 5 }),
    hostAddress: fc.constantFrom('192.0.2.1', '192.0.2.2', '2001:db8::1'),
  });
  const place = (p: Publish) => `${p.protocol} ${p.hostPort} ${p.hostAddress}`;
  fc.assert(
    fc.property(fc.uniqueArray(publish, { selector: place, maxLength: 30 }), (list) => {
      const ports = list.map((p, i) => port([`10.0.0.${i + 1}`, `fd00::${i + 1}`], p));
      const entries = planEntries(ports);
      const keys = entries.map((e) => `${e.protocol} ${ipFamily(e.to)} ${e.passage}`);
      assert.equal(new Set(keys).size, list.length);
      assert.deepEqual(planEntries(ports.toReversed()), entries);
    }),
  );
});
