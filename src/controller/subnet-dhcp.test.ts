import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Ip, parsePrefix } from '../model/address.ts';
import { type Code, hasCode } from '../model/errors.ts';
import type { SubnetDhcp } from '../model/subnet-dhcp.ts';
import { parseDhcp } from './subnet-dhcp.ts';

const four = parsePrefix('10.0.0.0/24');
const six = parsePrefix('fd00::/64');
const gateways = { 4: '10.0.0.1' as Ip, 6: 'fd00::1' as Ip };

test('what is told is kept in canonical form, and what is not given is left out', () => {
  assert.deepEqual(parseDhcp(four, gateways[4], {}), {});
  const dhcp: SubnetDhcp = {
    enabled: false,
    dnsServers: ['10.0.0.53', '192.0.2.1'],
    routes: [{ destination: '10.9.0.1', via: '10.0.0.9' }],
  };
  assert.deepEqual(parseDhcp(four, gateways[4], dhcp), {
    ...dhcp,
    routes: [{ destination: '10.9.0.1/32', via: '10.0.0.9' }],
  });
  assert.deepEqual(parseDhcp(six, gateways[6], { dnsServers: ['FD00:0::53'], bootFile: 'http://[fd00::5]/x' }), {
    dnsServers: ['fd00::53'],
    bootFile: 'http://[fd00::5]/x',
  });
});

test('what no client could use is refused', () => {
  const route = (destination: string, via: string): SubnetDhcp => ({ routes: [{ destination, via }] });
  const cases: [4 | 6, SubnetDhcp, Code][] = [
    [4, { dnsServers: ['fd00::53'] }, 'INVALID'],
    [4, { dnsServers: ['127.0.0.53'] }, 'ADDRESS_INVALID'],
    [4, route('10.9.0.0/16', '10.1.0.9'), 'ROUTE_INVALID'],
    [4, route('10.9.0.0/16', '10.0.0.255'), 'ROUTE_INVALID'],
    [4, route('0.0.0.0/0', '10.0.0.9'), 'ROUTE_INVALID'],
    [4, route('fd09::/16', '10.0.0.9'), 'ROUTE_INVALID'],
    [4, route('10.9.0.1/16', '10.0.0.9'), 'PREFIX_INVALID'],
    [
      4,
      { routes: [...route('10.9.0.0/16', '10.0.0.9').routes!, ...route('10.9.0.0/16', '10.0.0.8').routes!] },
      'ROUTE_INVALID',
    ],
    [6, route('fd09::/16', 'fd00::9'), 'INVALID'],
    [6, { bootServer: 'boot.example' }, 'INVALID'],
  ];
  for (const [family, dhcp, code] of cases)
    assert.throws(
      () => parseDhcp(family === 4 ? four : six, gateways[family], dhcp),
      (e) => hasCode(e, code),
      JSON.stringify(dhcp),
    );
  assert.throws(
    () => parseDhcp(four, undefined, {}),
    (e) => hasCode(e, 'INVALID'),
  );
});
