/** Subnets whose addresses are made of MACs: what ports and leases get there, and what is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Ip, ipFamily, type Mac, macOfSlaac, parsePrefix, slaacAddress } from '../model/address.ts';
import type { Lease, Port } from '../model/kinds.ts';
import { openTestApi, type TestApi } from './test-api.ts';
import { assertNoLeak } from './test-claims.ts';

const t = '/v1/tenants/acme';
const slaac = { dhcp: { ipv6: 'slaac' } };
const prefix = parsePrefix('fd00:5::/64');
const mac = '52:54:00:12:34:56' as Mac;
const made = 'fd00:5::5054:ff:fe12:3456';
const six = ({ addresses }: Port): Ip => addresses.find((ip) => ipFamily(ip) === 6) as Ip;
const port = (api: TestApi, more: object = {}): Promise<Port> =>
  api.ok('POST', `${t}/ports`, { network: 'web', ...more });

/** Network web of 10.0.0.0/24 and fd00:5::/64, in which addresses are made. */
async function open(): Promise<TestApi> {
  const api = await openTestApi();
  await api.ok('POST', '/v1/tenants', { name: 'acme' });
  await api.ok('POST', `${t}/networks`, { name: 'web' });
  await api.ok('POST', `${t}/subnets`, { name: 'v4', network: 'web', cidr: '10.0.0.0/24' });
  await api.ok('POST', `${t}/subnets`, { name: 'v6', network: 'web', cidr: prefix.cidr, ...slaac });
  for (const n of [1, 2]) await api.ok('POST', '/v1/hosts', { name: `h${n}`, vtep: `198.18.0.${n}` });
  return api;
}

test('a port’s MAC and its address there say the same, whichever of the two was asked for', async () => {
  await using api = await open();
  const asked: [object, string | undefined, Mac | undefined][] = [
    [{}, undefined, undefined],
    [{ mac }, made, mac],
    [
      { addresses: ['10.0.0.77', 'fd00:5::5054:ff:fe12:3457'] },
      'fd00:5::5054:ff:fe12:3457',
      '52:54:00:12:34:57' as Mac,
    ],
    [{ mac: '52:54:00:12:34:58', addresses: ['fd00:5::5054:ff:fe12:3458'] }, undefined, '52:54:00:12:34:58' as Mac],
    [{ addresses: ['10.0.0.78'] }, undefined, undefined],
  ];
  for (const [input, address, itsMac] of asked) {
    const have = await port(api, input);
    if (have.addresses.length > 1 || address) assert.equal(six(have), slaacAddress(prefix, have.mac as Mac));
    if (address) assert.equal(six(have), address);
    if (itsMac) assert.equal(have.mac, itsMac);
  }
  await assertNoLeak(api.store);
});

test('another address than its MAC’s is refused, and so is a MAC that somebody has', async () => {
  await using api = await open();
  const details = await api.refused('ADDRESS_NOT_OF_MAC', 'POST', `${t}/ports`, {
    ...{ network: 'web', mac, addresses: ['fd00:5::5'] },
  });
  assert.deepEqual(details, { address: 'fd00:5::5', mac, own: made });
  await api.refused('ADDRESS_NOT_OF_MAC', 'POST', `${t}/ports`, { network: 'web', addresses: ['fd00:5::5'] });
  await port(api, { mac, addresses: ['10.0.0.9'] });
  await api.refused('MAC_TAKEN', 'POST', `${t}/ports`, { network: 'web', addresses: [made] });
  await api.refused('MAC_TAKEN', 'POST', `${t}/ports`, { network: 'web', mac });
});

test('a machine on a segment has what it has; one that is told without addresses makes its own', async () => {
  await using api = await open();
  await port(api, { name: 'plant', host: 'h1', segment: {} });
  const other = await port(api, { behind: 'plant', mac: '52:54:00:00:00:01', addresses: ['fd00:5::5'] });
  assert.deepEqual(other.addresses, ['fd00:5::5']);
  assert.equal(six(await port(api, { behind: 'plant', mac })), made);
  await api.ok('PATCH', `${t}/ports/${other.id}`, { addresses: ['fd00:5::5', 'fd00:5::6'] });
  // What a machine took is its own, also if it is what another one would make.
  await port(api, { behind: 'plant', mac: '52:54:00:00:00:02', addresses: ['fd00:5::5054:ff:fe00:99'] });
  await api.refused('ADDRESS_TAKEN', 'POST', `${t}/ports`, { network: 'web', mac: '52:54:00:00:00:99' });
  // Unless another subnet has one for it.
  await api.ok('POST', `${t}/subnets`, { name: 'w6', network: 'web', cidr: 'fd00:6::/64', ...slaac });
  assert.equal(six(await port(api, { mac: '52:54:00:00:00:99' })), 'fd00:6::5054:ff:fe00:99');
  await assertNoLeak(api.store);
});

test('a lease’s addresses have their MACs in them; a port takes both over, and gives none back to the lease', async () => {
  await using api = await open();
  const lease: Lease = await api.ok('POST', `${t}/leases`, { network: 'web', host: 'h1', size: 4 });
  const held = () => api.world.lease.get(lease.id)!.record.addresses;
  const [four, ...rest] = held();
  assert.equal(held().length, 8);
  const inside = rest.filter(({ ip }) => ipFamily(ip) === 6);
  assert.equal(inside.length, 4);
  for (const { ip, mac: itsMac } of inside) assert.equal(macOfSlaac(ip), itsMac);
  const [first] = inside;
  const body = { host: 'h1', addresses: [four!.ip, first!.ip] };
  await api.refused('ADDRESS_NOT_OF_MAC', 'POST', `${t}/ports`, { network: 'web', ...body, mac: four!.mac });
  const have = await port(api, body);
  assert.equal(have.mac, first!.mac);
  assert.equal(held().length, 6);
  await assertNoLeak(api.store);
  await api.ok('DELETE', `${t}/ports/${have.id}`);
  assert.deepEqual(held().at(-1), { ip: four!.ip, mac: four!.mac });
  assert.equal(held().length, 7);
  await api.refused('ADDRESS_NOT_OF_MAC', 'PATCH', `${t}/leases/${lease.id}`, { addresses: ['fd00:5::5'] });
  await port(api, { mac, addresses: ['10.0.0.99'] });
  await api.refused('MAC_TAKEN', 'PATCH', `${t}/leases/${lease.id}`, { addresses: [made] });
  await assertNoLeak(api.store);
});

test('a subnet is so from the start or never, a /64 without pools', async () => {
  await using api = await open();
  const subnet = (more: object) => ({ name: 'more', network: 'web', cidr: 'fd00:6::/64', ...slaac, ...more });
  await api.refused('INVALID', 'POST', `${t}/subnets`, subnet({ cidr: 'fd00:6::/80' }));
  await api.refused('INVALID', 'POST', `${t}/subnets`, subnet({ cidr: '10.6.0.0/24' }));
  await api.refused('INVALID', 'POST', `${t}/subnets`, subnet({ gateway: null }));
  const pools = [{ first: 'fd00:6::10', last: 'fd00:6::20' }];
  await api.refused('POOL_INVALID', 'POST', `${t}/subnets`, subnet({ pools }));
  assert.deepEqual((await api.ok('GET', `${t}/subnets/v6`)).pools, []);
  for (const dhcp of [null, { ipv6: null }, { ipv6: 'stateful' }])
    await api.refused('IMMUTABLE', 'PATCH', `${t}/subnets/v6`, { dhcp });
  await api.ok('PATCH', `${t}/subnets/v6`, { dhcp: { domain: 'example.org' } });
  await api.ok('POST', `${t}/subnets`, subnet({ dhcp: { ipv6: 'stateful' } }));
  await api.ok('PATCH', `${t}/subnets/more`, { dhcp: { ipv6: null } });
  await api.refused('IMMUTABLE', 'PATCH', `${t}/subnets/more`, slaac);
});
