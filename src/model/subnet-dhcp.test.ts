import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Check } from '#typebox';
import { SubnetDhcp } from './subnet-dhcp.ts';

test('a boot server is an IPv4 address or a name, and what is nearly an address is neither', () => {
  const good = ['10.0.0.7', '255.255.255.255', '0.0.0.0', 'boot', 'boot.example', '1and1.example', 'a-b.c0', '3com'];
  const bad = [
    '10.0.0.300',
    '1.2.3.4.5',
    '1.2.3',
    '1',
    '010.0.0.1',
    '10.0.0.7.',
    '.',
    '-a',
    'a..b',
    'boot.1',
    'fd00::1',
  ];
  assert.deepEqual(
    [...good, ...bad].filter((bootServer) => Check(SubnetDhcp, { bootServer })),
    good,
  );
});
