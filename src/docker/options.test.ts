import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../model/errors.ts';
import { parseDriverOptions, parseIpamOptions } from './options.ts';

const tenants = ['acme', 'globex'];
const generic = (options: unknown) => ({ 'com.docker.network.generic': options });

test('the first tenant is the default, and no other than those listed can be chosen', () => {
  assert.deepEqual(parseIpamOptions({}, tenants), { tenant: 'acme', tenantGiven: false });
  assert.equal(parseIpamOptions({ 'heddle.tenant': 'globex' }, tenants).tenant, 'globex');
  for (const tenant of ['other', 'ACME', 'acme ', '__proto__', '../acme'])
    assert.throws(
      () => parseIpamOptions({ 'heddle.tenant': tenant }, tenants),
      (e) => hasCode(e, 'TENANT_FORBIDDEN'),
    );
  assert.throws(
    () => parseDriverOptions(generic({ 'heddle.tenant': 'other' }), tenants),
    (e) => hasCode(e, 'TENANT_FORBIDDEN'),
  );
});

test('what Docker adds is passed over; what nobody knows is refused with what there is', () => {
  assert.deepEqual(parseIpamOptions({ 'com.docker.network.ipam.serial': 'true' }, tenants).tenant, 'acme');
  for (const key of ['heddle.colour', 'neutron.pool.name', 'toString', 'x'])
    assert.throws(() => parseIpamOptions({ [key]: 'y' }, tenants), /heddle\.tenant, heddle\.network, heddle\.subnet/);
  assert.throws(() => parseDriverOptions(generic({ encrypted: 'true' }), tenants), /com\.docker\.network\.driver\.mtu/);
  assert.deepEqual(parseDriverOptions({ 'com.docker.network.enable_ipv6': true }, tenants).internal, false);
});

test('options that mean the same must say the same', () => {
  const same = { 'heddle.network': 'web', 'neutron.net.name': 'web' };
  assert.equal(parseIpamOptions(same, tenants).network, 'web');
  assert.throws(() => parseIpamOptions({ ...same, 'neutron.net.uuid': 'x' }, tenants), /two networks/);
  assert.throws(() => parseIpamOptions({ 'heddle.network': '' }, tenants), /has no value/);
  assert.throws(() => parseIpamOptions({ 'heddle.subnet': 'a' }, tenants), /needs --ipam-opt heddle\.network/);
});

test('Kuryr names a subnet of each family; each pool takes its own', () => {
  const both = { 'neutron.net.name': 'web', 'neutron.subnet.name': 'four', 'neutron.subnet.v6.uuid': 'six' };
  assert.equal(parseIpamOptions(both, tenants, false).subnet, 'four');
  assert.equal(parseIpamOptions(both, tenants, true).subnet, 'six');
});

test('who puts the interface into a running container is a choice between two, of the network driver alone', () => {
  const direct = (way: unknown) => parseDriverOptions(generic({ 'heddle.connect': way }), tenants).direct;
  assert.deepEqual([direct('direct'), direct('engine')], [true, false]);
  assert.equal(parseDriverOptions({}, tenants).direct, false);
  for (const way of ['', 'fast', 'Direct', null, true, {}])
    assert.throws(() => direct(way), /-o heddle\.connect=.*: give engine or direct/);
  assert.throws(
    () => parseIpamOptions({ 'heddle.connect': 'direct' }, tenants),
    (e) => hasCode(e, 'OPTION_UNKNOWN'),
  );
});

test('the network driver hears of the MTU and of --internal', () => {
  const options = { ...generic({ 'com.docker.network.driver.mtu': '1400' }), 'com.docker.network.internal': true };
  const { mtuBytes, internal } = parseDriverOptions(options, tenants);
  assert.deepEqual([mtuBytes, internal], [1400, true]);
  for (const mtu of ['', '1e3', '-1', '14000000'])
    assert.throws(
      () => parseDriverOptions(generic({ 'com.docker.network.driver.mtu': mtu }), tenants),
      /no number of bytes/,
    );
  for (const odd of [null, 'text', 7, []]) assert.equal(parseDriverOptions(generic(odd), tenants).tenant, 'acme');
});
