/** What the API refuses: each with its own code, and nothing written (`refused` compares the whole store). */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Code } from '../model/errors.ts';
import { limits } from '../model/fields.ts';
import { type Method, openFurnishedApi } from './test-api.ts';

const t = '/v1/tenants/acme';
const uuid = '01a1fbe3-73c1-7595-93b3-860e40bdeaf6';

/** Against tenant acme, network web, subnets v4 and v6, hosts h1 and h2, and port p1 (10.0.0.2, 02:00:00:00:00:01) on h1. */
const cases: readonly [code: Code, what: string, method: Method, path: string, body?: unknown][] = [
  ['BAD_REQUEST', 'malformed JSON', 'POST', `${t}/networks`, '{"name": "x"'],
  ['BAD_REQUEST', 'an empty body', 'POST', `${t}/networks`, ''],
  ['BAD_REQUEST', 'a key that poisons prototypes', 'POST', `${t}/networks`, '{"name":"x","__proto__":{"a":1}}'],
  ['BAD_REQUEST', 'a nested one', 'POST', `${t}/networks`, '{"name":"x","labels":{"__proto__":{"a":"1"}}}'],
  ['TOO_LARGE', 'a body over the limit', 'POST', `${t}/networks`, `"${'x'.repeat(limits.bodyBytes)}"`],
  ['BAD_REQUEST', 'a name that no path can have', 'GET', `/v1/tenants/${'x'.repeat(300)}`],
  ['BAD_REQUEST', 'a path that is not encoded right', 'GET', '/v1/tenants/%zz'],
  ['ROUTE_UNKNOWN', 'an unknown path', 'GET', '/v1/nets'],
  ['ROUTE_UNKNOWN', 'an unknown method', 'PATCH', '/v1/tenants'],
  ['INVALID', 'an array for an object', 'POST', `${t}/networks`, []],
  ['INVALID', 'null for an object', 'POST', `${t}/networks`, null],
  ['INVALID', 'no name', 'POST', `${t}/networks`, {}],
  ['INVALID', 'a number for a name', 'POST', `${t}/networks`, { name: 7 }],
  ['INVALID', 'text for a VNI', 'POST', `${t}/networks`, { name: 'x', vni: '7' }],
  ['INVALID', 'a broken VNI', 'POST', `${t}/networks`, { name: 'x', vni: 1.5 }],
  ['INVALID', 'an unknown field', 'POST', `${t}/networks`, { name: 'x', colour: 'red' }],
  [
    'INVALID',
    'an unknown field in a pool',
    'POST',
    `${t}/subnets`,
    { name: 'x', network: 'web', cidr: '10.1.0.0/24', pools: [{ first: '10.1.0.2', last: '10.1.0.3', x: 1 }] },
  ],
  ['INVALID', 'a number as a label', 'POST', `${t}/networks`, { name: 'x', labels: { a: 1 } }],
  [
    'INVALID',
    'too many labels',
    'POST',
    `${t}/networks`,
    { name: 'x', labels: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, ''])) },
  ],
  ['INVALID', 'an MTU below the least', 'POST', `${t}/networks`, { name: 'x', mtuBytes: 1279 }],
  ['INVALID', 'an MTU above the most', 'PATCH', `${t}/networks/web`, { mtuBytes: 65_486 }],
  ['INVALID', 'an id that is no UUID', 'POST', `${t}/ports`, { network: 'web', id: 'p1' }],
  ['INVALID', 'the same address twice', 'POST', `${t}/ports`, { network: 'web', addresses: ['fd00::5', 'fd00:0::5'] }],
  ['INVALID', 'a patch that is no object', 'PATCH', `${t}/networks/web`, '"x"'],
  ['INVALID', 'a patch of an unknown field', 'PATCH', `${t}/networks/web`, { colour: 'red' }],
  ['INVALID', 'a patch that removes what must be', 'PATCH', `${t}/networks/web`, { name: null }],
  ['INVALID', 'an unknown parameter', 'GET', `${t}/ports?colour=red`],
  ['INVALID', 'a limit that is no number', 'GET', `${t}/ports?limit=many`],
  ['INVALID', 'a limit of nothing', 'GET', `${t}/ports?limit=0`],
  ['INVALID', 'a label filter without value', 'GET', `${t}/ports?label=a`],
  ['INVALID', 'a filter given twice', 'GET', `${t}/ports?name=a&name=b`],
  ['INVALID', 'a wait that is too long', 'POST', `${t}/networks?waitMs=999999999`, { name: 'x' }],
  ['NAME_INVALID', 'a name with a space', 'POST', `${t}/networks`, { name: 'a b' }],
  ['NAME_INVALID', 'a name with a slash', 'POST', '/v1/tenants', { name: 'a/b' }],
  ['NAME_INVALID', 'a name of 64 characters', 'POST', '/v1/tenants', { name: 'a'.repeat(64) }],
  ['NAME_INVALID', 'an empty name', 'PATCH', `${t}/ports/p1`, { name: '' }],
  ['NAME_INVALID', 'a name that looks like an id', 'POST', '/v1/tenants', { name: uuid }],
  ['NAME_TAKEN', 'a tenant’s name', 'POST', '/v1/tenants', { name: 'acme' }],
  ['NAME_TAKEN', 'a network’s name', 'POST', `${t}/networks`, { name: 'web' }],
  ['NAME_TAKEN', 'a subnet’s name', 'POST', `${t}/subnets`, { name: 'v4', network: 'web', cidr: '10.1.0.0/24' }],
  ['NAME_TAKEN', 'a port’s name', 'POST', `${t}/ports`, { name: 'p1', network: 'web' }],
  ['NAME_TAKEN', 'a host’s name', 'POST', '/v1/hosts', { name: 'h1', vtep: '198.18.0.9' }],
  ['NAME_TAKEN', 'a new name that exists', 'PATCH', '/v1/hosts/h1', { name: 'h2' }],
  ['VNI_OUT_OF_RANGE', 'VNI 0', 'POST', `${t}/networks`, { name: 'x', vni: 0 }],
  ['VNI_OUT_OF_RANGE', 'VNI 2^24', 'POST', `${t}/networks`, { name: 'x', vni: 1 << 24 }],
  ['VNI_TAKEN', 'a VNI in use', 'POST', `${t}/networks`, { name: 'x', vni: 1 }],
  ['PREFIX_INVALID', 'host bits', 'POST', `${t}/subnets`, { name: 'x', network: 'web', cidr: '10.1.0.1/24' }],
  ['PREFIX_INVALID', 'no length', 'POST', `${t}/subnets`, { name: 'x', network: 'web', cidr: '10.1.0.0' }],
  ['PREFIX_INVALID', 'a long text', 'POST', `${t}/subnets`, { name: 'x', network: 'web', cidr: '1'.repeat(99) }],
  ['PREFIX_INVALID', 'a multicast prefix', 'POST', `${t}/subnets`, { name: 'x', network: 'web', cidr: '224.0.0.0/24' }],
  [
    'PREFIX_OVERLAPS',
    'a prefix within another',
    'POST',
    `${t}/subnets`,
    { name: 'x', network: 'web', cidr: '10.0.0.128/25' },
  ],
  [
    'PREFIX_OVERLAPS',
    'a prefix around another',
    'POST',
    `${t}/subnets`,
    { name: 'x', network: 'web', cidr: 'fd00::/48' },
  ],
  [
    'POOL_INVALID',
    'a pool outside',
    'POST',
    `${t}/subnets`,
    { name: 'x', network: 'web', cidr: '10.1.0.0/24', pools: [{ first: '10.2.0.1', last: '10.2.0.9' }] },
  ],
  [
    'POOL_INVALID',
    'a pool upside down',
    'PATCH',
    `${t}/subnets/v4`,
    { pools: [{ first: '10.0.0.9', last: '10.0.0.8' }] },
  ],
  [
    'POOL_INVALID',
    'overlapping pools',
    'PATCH',
    `${t}/subnets/v4`,
    {
      pools: [
        { first: '10.0.0.2', last: '10.0.0.8' },
        { first: '10.0.0.8', last: '10.0.0.9' },
      ],
    },
  ],
  [
    'ADDRESS_OUTSIDE',
    'a gateway outside',
    'POST',
    `${t}/subnets`,
    { name: 'x', network: 'web', cidr: '10.1.0.0/24', gateway: '10.2.0.1' },
  ],
  [
    'ADDRESS_RESERVED',
    'the broadcast address as gateway',
    'POST',
    `${t}/subnets`,
    { name: 'x', network: 'web', cidr: '10.1.0.0/24', gateway: '10.1.0.255' },
  ],
  [
    'ADDRESS_INVALID',
    'a gateway that is none',
    'POST',
    `${t}/subnets`,
    { name: 'x', network: 'web', cidr: '10.1.0.0/24', gateway: 'first' },
  ],
  ['ADDRESS_INVALID', 'text for an address', 'POST', `${t}/ports`, { network: 'web', addresses: ['ten'] }],
  ['ADDRESS_INVALID', 'a short address', 'POST', `${t}/ports`, { network: 'web', addresses: ['1'] }],
  ['ADDRESS_INVALID', 'an octal address', 'POST', `${t}/ports`, { network: 'web', addresses: ['010.0.0.5'] }],
  ['ADDRESS_INVALID', 'a multicast address', 'POST', `${t}/ports`, { network: 'web', addresses: ['224.0.0.1'] }],
  ['ADDRESS_INVALID', 'a further address that is none', 'PATCH', '/v1/hosts/h1', { addresses: ['224.0.0.1'] }],
  ['INVALID', 'a port that no host has', 'PATCH', '/v1/hosts/h1', { openPorts: ['tcp/65536'] }],
  ['INVALID', 'a port without a protocol', 'PATCH', '/v1/hosts/h1', { openPorts: ['443'] }],
  ['ADDRESS_INVALID', 'a VTEP that is none', 'POST', '/v1/hosts', { name: 'h9', vtep: '127.0.0.1' }],
  ['ADDRESS_OUTSIDE', 'an address of no subnet', 'POST', `${t}/ports`, { network: 'web', addresses: ['10.0.1.5'] }],
  ['ADDRESS_RESERVED', 'the gateway', 'POST', `${t}/ports`, { network: 'web', addresses: ['10.0.0.1'] }],
  ['ADDRESS_RESERVED', 'the network address', 'POST', `${t}/ports`, { network: 'web', addresses: ['10.0.0.0'] }],
  ['ADDRESS_RESERVED', 'the broadcast address', 'POST', `${t}/ports`, { network: 'web', addresses: ['10.0.0.255'] }],
  ['ADDRESS_RESERVED', 'the anycast address', 'POST', `${t}/ports`, { network: 'web', addresses: ['fd00::'] }],
  ['ADDRESS_TAKEN', 'an address in use', 'POST', `${t}/ports`, { network: 'web', addresses: ['10.0.0.2'] }],
  [
    'ADDRESS_LIMIT',
    'too many addresses',
    'POST',
    `${t}/ports`,
    { network: 'web', addresses: Array.from({ length: 17 }, (_, i) => `10.0.0.${i + 10}`) },
  ],
  ['MAC_RESERVED', 'the gateways’ MAC', 'POST', `${t}/ports`, { network: 'web', mac: '02:68:67:00:00:01' }],
  ['PREFIX_INVALID', 'clients that are no prefix', 'PATCH', `${t}/networks/web`, { publishFrom: ['10.0.0.1/8'] }],
  ['INVALID', 'a DNS name that is none', 'PATCH', `${t}/ports/p1`, { dnsNames: ['a b'] }],
  [
    'INVALID',
    'the same port of the host twice',
    'PATCH',
    `${t}/ports/p1`,
    { publish: [80, 81].map((port) => ({ protocol: 'tcp', port, hostPort: 8080 })) },
  ],
  [
    'ADDRESS_INVALID',
    'a host address that no host has',
    'PATCH',
    `${t}/ports/p1`,
    { publish: [{ protocol: 'tcp', port: 80, hostPort: 80, hostAddress: '0.0.0.0' }] },
  ],
  [
    'INVALID',
    'a protocol that no port has',
    'PATCH',
    `${t}/ports/p1`,
    { publish: [{ protocol: 'sctp', port: 80, hostPort: 80 }] },
  ],
  ['INVALID', 'user data that are too long', 'PATCH', `${t}/ports/p1`, { userData: 'x'.repeat(16_385) }],
  ['INVALID', 'user data of too many bytes', 'PATCH', `${t}/ports/p1`, { userData: 'ü'.repeat(8_193) }],
  ['INVALID', 'a key of two lines', 'PATCH', `${t}/ports/p1`, { sshKeys: ['ssh-rsa A\nssh-rsa B'] }],
  [
    'ADDRESS_RESERVED',
    'a gateway where workloads ask about themselves',
    'POST',
    `${t}/subnets`,
    { name: 'x', network: 'web', cidr: 'fd00:ec2::/64', gateway: 'fd00:ec2::254' },
  ],
  ['IMMUTABLE', 'whether a port is ephemeral', 'PATCH', `${t}/ports/p1`, { ephemeral: true }],
  ['NOT_FOUND', 'a lease of an unknown host', 'POST', `${t}/leases`, { network: 'web', host: 'none', size: 1 }],
  ['INVALID', 'a lease of no size', 'POST', `${t}/leases`, { network: 'web', host: 'h1' }],
  ['INVALID', 'a lease that is too large', 'POST', `${t}/leases`, { network: 'web', host: 'h1', size: 257 }],
  ['MAC_INVALID', 'a multicast MAC', 'POST', `${t}/ports`, { network: 'web', mac: '01:00:00:00:00:01' }],
  ['MAC_INVALID', 'a short MAC', 'POST', `${t}/ports`, { network: 'web', mac: '02:00' }],
  ['MAC_TAKEN', 'a MAC in use', 'POST', `${t}/ports`, { network: 'web', mac: '02-00-00-00-00-01' }],
  ['VTEP_TAKEN', 'a VTEP in use', 'POST', '/v1/hosts', { name: 'h9', vtep: '198.18.0.1' }],
  ['VTEP_TAKEN', 'a VTEP in use, by patch', 'PATCH', '/v1/hosts/h2', { vtep: '198.18.0.1' }],
  ['NOT_FOUND', 'an unknown tenant', 'POST', '/v1/tenants/none/networks', { name: 'x' }],
  ['NOT_FOUND', 'an unknown network', 'POST', `${t}/ports`, { network: 'none' }],
  ['NOT_FOUND', 'an unknown host', 'POST', `${t}/ports`, { network: 'web', host: 'none' }],
  ['NOT_FOUND', 'an unknown host, by patch', 'PATCH', `${t}/ports/p1`, { host: 'none' }],
  ['NOT_FOUND', 'an unknown port', 'DELETE', `${t}/ports/none`],
  ['NOT_FOUND', 'an unknown id', 'GET', `${t}/ports/${uuid}`],
  ['NOT_FOUND', 'a filter by what does not exist', 'GET', `${t}/ports?network=none`],
  ['NOT_FOUND', 'another tenant’s network', 'GET', '/v1/tenants/other/networks/web'],
  ['IMMUTABLE', 'a VNI', 'PATCH', `${t}/networks/web`, { vni: 7 }],
  ['IMMUTABLE', 'a prefix', 'PATCH', `${t}/subnets/v4`, { cidr: '10.1.0.0/24' }],
  ['IMMUTABLE', 'a MAC', 'PATCH', `${t}/ports/p1`, { mac: '02:00:00:00:00:02' }],
  ['IN_USE', 'a tenant with networks', 'DELETE', t],
  ['IN_USE', 'a network with ports', 'DELETE', `${t}/networks/web`],
  ['IN_USE', 'a subnet with ports', 'DELETE', `${t}/subnets/v4`],
  ['IN_USE', 'a host with ports', 'DELETE', '/v1/hosts/h1'],
  ['PORT_BOUND', 'moving a bound port', 'PATCH', `${t}/ports/p1`, { host: 'h2' }],
  ['COMPACTED', 'a watch of a revision before all', 'GET', `${t}/ports?watch=1`],
  ['HOST_OFFLINE', 'counters of a host that is not there', 'GET', `${t}/ports/p1?counters=true`],
];

describe('the API refuses, and nothing changes:', () => {
  for (const [code, what, method, path, body] of cases)
    it(`${code} for ${what}`, async () => {
      await using api = await openFurnishedApi();
      await api.ok('POST', '/v1/tenants', { name: 'other' });
      const port = { name: 'p1', network: 'web', host: 'h1', mac: '02:00:00:00:00:01' };
      await api.ok('POST', `${t}/ports`, port);
      if (code === 'COMPACTED') await api.store.compact(api.world.revision);
      await api.refused(code, method, path, body);
    });
});

it('names the field that is wrong, with its path', async () => {
  await using api = await openFurnishedApi();
  const at = async (body: object) => (await api.refused('INVALID', 'POST', `${t}/ports`, body)).field;
  assert.equal(await at({}), 'network');
  assert.equal(await at({ network: 'web', colour: 1 }), 'colour');
  assert.equal(await at({ network: 'web', addresses: ['10.0.0.5', 7] }), 'addresses/1');
  assert.equal(await at({ network: 'web', labels: { a: 1 } }), 'labels/a');
  assert.equal(await at({ network: 'web', host: 7 }), 'host');
});

it('refuses a write whose If-Match is not the object’s revision', async () => {
  await using api = await openFurnishedApi();
  const { revision } = await api.ok('GET', `${t}/networks/web`);
  for (const method of ['PATCH', 'DELETE'] as const) {
    const details = await api.refused('REVISION_CONFLICT', method, `${t}/networks/web`, {}, { 'if-match': '"999"' });
    assert.deepEqual(details, { want: '999', have: revision });
  }
  const patched = await api.request('PATCH', `${t}/networks/web`, { mtuBytes: 1400 }, { 'if-match': `"${revision}"` });
  assert.equal(patched.status, 200);
  assert.equal(patched.headers.etag, `"${patched.body.revision}"`);
});

it('refuses requests of web pages and with foreign Host headers', async () => {
  await using api = await openFurnishedApi();
  await api.refused('BAD_REQUEST', 'GET', '/v1/hosts', undefined, { host: 'evil.example' });
  await api.refused('BAD_REQUEST', 'GET', '/v1/hosts', undefined, { origin: 'http://127.0.0.1:7470' });
  for (const host of ['127.0.0.1:7470', '[::1]:7470', 'localhost', '198.18.0.254:7470'])
    assert.equal((await api.request('GET', '/v1/hosts', undefined, { host })).status, 200, host);
});
