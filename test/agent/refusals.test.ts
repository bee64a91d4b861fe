/** What an attach refuses, and that nothing is left of it. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { openNetns } from '../../src/kernel/netns.ts';
import { until } from '../../src/lab/processes.ts';
import { type Code, hasCode } from '../../src/model/errors.ts';
import type { AttachRequest } from '../../src/model/local-api.ts';
import { Rig } from './rig.ts';

const rig = await Rig.open();
after(() => rig[Symbol.asyncDispose]());
const w = await rig.workload();
const other = await rig.workload();
const { client, tenant } = rig;
await client.create('port', { name: 'there', network: 'web', host: 'h2' }, { tenant });
const taken = await rig.attach('h1', { target: other.path, port: 'taken' });
// h1 learns of the port on h2 and of the way there after that; then its rows stay as they are.
await until('h1 knows the way to h2', 20_000, async () =>
  (await rig.status('h1')).vteps.fast.length === 1 ? true : undefined,
);

const refusals: { why: string; code: Code; text: RegExp; body: Partial<Extract<AttachRequest, { kind: 'netns' }>> }[] =
  [
    {
      why: 'a namespace that does not exist',
      code: 'NETNS_NOT_FOUND',
      text: /nowhere/,
      body: { target: '/run/netns/nowhere' },
    },
    {
      why: 'a file that is no namespace',
      code: 'NETNS_NOT_FOUND',
      text: /hostname/,
      body: { target: '/proc/sys/kernel/hostname' },
    },
    { why: 'a namespace of another type', code: 'NETNS_NOT_FOUND', text: /uts/, body: { target: '/proc/1/ns/uts' } },
    {
      why: 'the host’s own namespace',
      code: 'INVALID',
      text: /heddle attach host/,
      body: { target: `/proc/${rig.lab.pid('h1')}/ns/net` },
    },
    { why: 'an empty target', code: 'INVALID', text: /target/, body: { target: '' } },
    { why: 'an unknown field', code: 'INVALID', text: /no field/, body: { tap: 'x' } as never },
    { why: 'an unknown kind', code: 'INVALID', text: /kind/, body: { kind: 'pair' as never } },
    { why: 'an interface name with a slash', code: 'IFNAME_INVALID', text: /"a\/b"/, body: { ifname: 'a/b' } },
    { why: 'an interface name with a pattern', code: 'IFNAME_INVALID', text: /"a%d"/, body: { ifname: 'a%d' } },
    { why: 'an interface name of 16 characters', code: 'INVALID', text: /ifname/, body: { ifname: 'x'.repeat(16) } },
    { why: 'an interface that is there', code: 'IFNAME_TAKEN', text: /interface lo/, body: { ifname: 'lo' } },
    { why: 'an unknown tenant', code: 'TENANT_NOT_GIVEN', text: /tenant nobody/, body: { tenant: 'nobody' } },
    { why: 'an unknown network', code: 'NOT_FOUND', text: /network none/, body: { network: 'none' } },
    { why: 'an address outside', code: 'ADDRESS_OUTSIDE', text: /192\.0\.2\.1/, body: { addresses: ['192.0.2.1'] } },
    { why: 'an address that is none', code: 'ADDRESS_INVALID', text: /300/, body: { addresses: ['300.0.0.1'] } },
    { why: 'the gateway’s address', code: 'ADDRESS_RESERVED', text: /10\.0\.0\.1/, body: { addresses: ['10.0.0.1'] } },
    {
      why: 'a taken address',
      code: 'ADDRESS_TAKEN',
      text: /port taken/,
      body: { addresses: [taken.port.addresses[0]!] },
    },
    { why: 'a taken MAC', code: 'MAC_TAKEN', text: /port taken/, body: { mac: taken.port.mac } },
    { why: 'a multicast MAC', code: 'MAC_INVALID', text: /01:/, body: { mac: '01:00:5e:00:00:01' } },
    { why: 'a port bound to another host', code: 'PORT_BOUND', text: /h2/, body: { port: 'there' } },
    {
      why: 'a port on another network',
      code: 'INVALID',
      text: /another network/,
      body: { port: 'there', network: 'four' },
    },
    {
      why: 'another address for a port that exists',
      code: 'INVALID',
      text: /leave them out/,
      body: { port: 'there', mac: '02:00:00:00:00:09' },
    },
    { why: 'a port name that is none', code: 'NAME_INVALID', text: /a b/, body: { port: 'a b' } },
    {
      why: 'a port that is attached elsewhere',
      code: 'ATTACHMENT_CONFLICT',
      text: new RegExp(other.path),
      body: { port: 'taken' },
    },
    {
      why: 'another network on an attached interface',
      code: 'ATTACHMENT_CONFLICT',
      text: /eth0 on network web/,
      body: { target: other.path, ifname: 'eth0', network: 'four' },
    },
  ];

const inside = (): string[] => w.inside().links.map((l) => l.name);
for (const { why, code, text, body } of refusals)
  test(`an attach is refused for ${why}, and leaves nothing`, async () => {
    const before = await rig.quietTrace('h1');
    await assert.rejects(rig.attach('h1', { target: w.path, ...body }), (e: Error) => {
      assert.ok(hasCode(e, code), `${e}`);
      assert.match(e.message, text);
      assert.doesNotMatch(e.message, /undefined/);
      return true;
    });
    await rig.back('h1', before);
    assert.deepEqual(inside(), ['lo']);
    assert.equal((await rig.port('there')).host, (await client.get('host', 'h2')).id);
  });

test('what is no attachment cannot be detached', async () => {
  await assert.rejects(rig.detach('h1', 'nothing'), (e) => hasCode(e, 'NOT_FOUND'));
  await assert.rejects(rig.local('h1', 'GET', '/v1/nothing'), (e) => hasCode(e, 'ROUTE_UNKNOWN'));
});

test('the agent holds no namespace open', async () => {
  const before = await rig.quietTrace('h1');
  for (let i = 0; i < 3; i++) await assert.rejects(rig.attach('h1', { target: w.path, network: 'none' }));
  using open = openNetns(w.path);
  const fds = rig.openNamespaces('h1');
  assert.ok(!fds.includes(open.identity.split(':')[1]!), fds.join());
  await rig.back('h1', before);
});
