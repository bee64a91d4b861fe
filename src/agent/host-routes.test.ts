import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collision } from './host-routes.ts';

const [unicast, local, blackhole] = [1, 2, 7];
const route = (dst: string, type = unicast) => ({ dst, type, oif: 2 });

test('what overlaps a route or an address of the host, in whichever direction, is a collision', () => {
  for (const dst of ['10.0.0.0/24', '10.0.0.0/8', '10.0.0.128/25', '10.0.0.7/32', '10.0.0.255/32'])
    assert.deepEqual(collision(['10.0.0.0/24'], [route(dst)]), { prefix: '10.0.0.0/24', route: route(dst) });
  assert.ok(collision(['fd00:1::/64'], [route('fd00::/16')]));
  assert.ok(collision(['10.0.0.0/24'], [route('10.0.0.9/32', local)]));
  assert.equal(collision(['10.9.0.0/24', '10.0.0.0/24'], [route('10.0.0.0/24')])?.prefix, '10.0.0.0/24');
});

test('neighbours, the other family, ways outside, and what leads nowhere are none', () => {
  for (const dst of ['10.0.1.0/24', '9.255.255.0/24', '::/0', 'fd00::/8', '0.0.0.0/0', '0.0.0.0/1'])
    assert.equal(collision(['10.0.0.0/24'], [route(dst)]), undefined, dst);
  assert.equal(
    collision(['fd00:1::/64'], [route('fd00:1:0:1::/64'), route('2000::/3'), route('10.0.0.0/8')]),
    undefined,
  );
  assert.equal(collision(['10.0.0.0/24'], [route('10.0.0.0/8', blackhole)]), undefined);
});
