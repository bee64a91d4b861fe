import assert from 'node:assert/strict';
import { test } from 'node:test';
import { REASONS_MAX, reasonNumber, reasons } from './reasons.ts';

test('a reason keeps its number for good: what comes to them comes last', () => {
  // Those of the pinned counters of hosts that are upgraded. Append here, too.
  const known = {
    port_unknown: 0,
    ttl_expired: 39,
    dhcp_server: 43,
    station: 48,
    flood_rate: 52,
    gate_shut: 56,
  } as const;
  for (const [name, number] of Object.entries(known)) assert.equal(reasonNumber.get(name as never), number, name);
  assert.equal(reasonNumber.size, reasons.length);
  assert.ok(reasons.length <= REASONS_MAX);
});
