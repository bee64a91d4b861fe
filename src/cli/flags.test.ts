import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../model/errors.ts';
import type { Publish, Route } from '../model/kinds.ts';
import { bodyOf, createFlags, exampleLine, updateFlags } from './flags.ts';
import { parsePublish, publishText } from './publish-text.ts';
import { parseRoute, routeText } from './route-text.ts';
import { parseTranslation } from './translation-text.ts';

const usage = (e: unknown) => hasCode(e, 'USAGE');

test('flags come from the schemas: kebab case, singular where they repeat', () => {
  assert.deepEqual(
    createFlags('port').map((f) => `${f.name}${f.repeatable ? '*' : ''}${f.required ? '!' : ''}`),
    [
      'id',
      'network!',
      'mac',
      'address*',
      'host',
      'standby',
      'behind',
      'vlan',
      'segment-learn',
      'segment-age',
      'segment-router',
      'dns-name*',
      'publish*',
      'user-data',
      'ssh-key*',
      'ephemeral',
      'label*',
    ],
  );
  assert.deepEqual(createFlags('subnet').find((f) => f.name === 'pool')?.value, 'first-last');
});

test('a field of fields has a flag for each', () => {
  const given = { dhcpLeaseSeconds: '600', dhcpRoute: ['10.9.0.0/16=10.0.0.9'], dhcpEnabled: 'false' };
  const dhcp = { enabled: false, leaseSeconds: 600, routes: [{ destination: '10.9.0.0/16', via: '10.0.0.9' }] };
  assert.deepEqual(bodyOf(createFlags('subnet'), given), { dhcp });
  const ended = { dhcpDomain: 'none', dhcpRoute: ['none'] };
  assert.deepEqual(bodyOf(updateFlags('subnet'), ended), { dhcp: { domain: null, routes: [] } });
});

test('what is typed becomes a body, and what is not typed is left out', () => {
  const body = bodyOf(createFlags('subnet'), {
    network: 'web',
    cidr: 'fd00::/64',
    gateway: 'none',
    pool: ['fd00::10-fd00::20', 'fd00::30-fd00::40'],
    label: ['tier=web', 'note=a=b', 'empty='],
  });
  assert.deepEqual(body, {
    network: 'web',
    cidr: 'fd00::/64',
    gateway: null,
    pools: [
      { first: 'fd00::10', last: 'fd00::20' },
      { first: 'fd00::30', last: 'fd00::40' },
    ],
    labels: { tier: 'web', note: 'a=b', empty: '' },
  });
});

test('an update removes an optional field with "none", and never the name', () => {
  assert.deepEqual(bodyOf(updateFlags('network'), { mtu: 'none' }), { mtuBytes: null });
  assert.deepEqual(bodyOf(updateFlags('network'), { name: 'none' }), { name: 'none' });
});

test('help says what is typed, not what the API is sent', () => {
  const all = (['tenant', 'network', 'subnet', 'port', 'lease', 'router', 'host'] as const).flatMap((kind) => [
    ...createFlags(kind),
    ...updateFlags(kind),
  ]);
  for (const { name, description } of all) assert.ok(!/\bnull\b|^UUID/.test(description), `--${name}: ${description}`);
  assert.equal(
    createFlags('port').find((f) => f.name === 'host')?.description,
    'The host it is bound to; none: unbound. Its standby’s name: the two swap',
  );
});

test('published ports are written as container engines do, switches need no value, and "none" empties a list', () => {
  const given = { publish: ['8080:80', '127.0.0.1:53:5353/udp', '[::1]:443:8443/tcp'], ephemeral: true };
  assert.deepEqual(bodyOf(createFlags('port'), given), {
    publish: [
      { protocol: 'tcp', port: 80, hostPort: 8080 },
      { protocol: 'udp', port: 5353, hostPort: 53, hostAddress: '127.0.0.1' },
      { protocol: 'tcp', port: 8443, hostPort: 443, hostAddress: '::1' },
    ],
    ephemeral: true,
  });
  assert.deepEqual(bodyOf(updateFlags('network'), { sourceNat: 'false', publishFrom: ['none'] }), {
    sourceNat: false,
    publishFrom: [],
  });
  for (const bad of ['80', '8080:80/sctp', 'h1:80:80']) assert.throws(() => parsePublish(bad), usage, bad);
  assert.throws(() => bodyOf(updateFlags('network'), { sourceNat: 'yes' }), usage);
  const { publish = [] } = bodyOf(createFlags('port'), given) as { publish?: Publish[] };
  assert.deepEqual(publish.map(publishText), ['8080:80/tcp', '127.0.0.1:53:5353/udp', '[::1]:443:8443/tcp']);
});

test('routes are written with their next hop or as blackholes, and "none" empties the list', () => {
  const given = { subnet: ['web-v4', 'db-v4'], route: ['10.9.0.0/16=10.0.0.5', 'fd01::/48=blackhole'] };
  const body = bodyOf(createFlags('router'), given) as { routes: Route[] };
  assert.deepEqual(body, {
    subnets: ['web-v4', 'db-v4'],
    routes: [{ destination: '10.9.0.0/16', via: '10.0.0.5' }, { destination: 'fd01::/48' }],
  });
  assert.deepEqual(body.routes.map(routeText), given.route);
  assert.deepEqual(bodyOf(updateFlags('router'), { route: ['none'] }), { routes: [] });
  const translate = { translate: ['web-v4=100.64.1.0/24'] };
  assert.deepEqual(bodyOf(updateFlags('router'), translate), {
    translations: [{ subnet: 'web-v4', as: '100.64.1.0/24' }],
  });
  for (const bad of ['web-v4', '=10.0.0.0/8', 'web-v4=', 'a=b=c'])
    assert.throws(() => parseTranslation(bad), usage, bad);
  for (const bad of ['10.9.0.0/16', '=10.0.0.5', '10.9.0.0/16=', 'a=b=c'])
    assert.throws(() => parseRoute(bad), usage, bad);
});

test('malformed numbers, labels and pools are refused with what is right', () => {
  assert.throws(() => bodyOf(createFlags('network'), { mtu: '1e3' }), usage);
  assert.throws(() => bodyOf(createFlags('network'), { vni: '' }), usage);
  assert.throws(() => bodyOf(createFlags('network'), { label: ['tier'] }), usage);
  assert.throws(() => bodyOf(createFlags('subnet'), { pool: ['10.0.0.1'] }), usage);
});

test('the kinds table’s example is a command line', () => {
  assert.equal(exampleLine('subnet'), 'heddle subnet create web-v4 --tenant acme --network web --cidr 10.0.0.0/24');
  assert.equal(
    exampleLine('router'),
    'heddle router create r1 --tenant acme --subnet web-v4 --subnet db-v4 --route 10.9.0.0/16=10.0.0.5',
  );
});
