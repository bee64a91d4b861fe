/** What a guest reads: the tree of one port, by the requests that cloud-init and others make. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { testNetwork, testPort } from '../dns/test-zone.ts';
import { answer, type Request } from './answer.ts';
import { versions, vpcId } from './ec2.ts';
import type { Instance } from './instance.ts';
import { Tokens } from './tokens.ts';

const network = testNetwork({
  name: 'Web',
  subnets: [
    { cidr: '10.0.0.0/24', gateway: '10.0.0.1' as never },
    { cidr: 'fd00:1::/64', gateway: 'fd00:1::1' as never },
    { cidr: '10.9.0.0/24' },
  ],
});
const userData = '#cloud-config\nhostname: ü\n';
const sshKeys = ['ssh-ed25519 AAAA first', 'ssh-ed25519 BBBB second'];
const instance = (over: Partial<Instance['port']> = {}): Instance => ({
  port: testPort('vm1', ['10.0.0.7', 'fd00:1::7', '10.0.0.8'], { userData, sshKeys, ...over }),
  network,
  host: 'h1',
  mtuBytes: 1450,
});
const vm1 = instance();
const clock = { now: 1_000 };
const tokens = new Tokens(() => clock.now);

const ask = (url: string, over: Partial<Request> = {}, who: Instance | undefined = vm1) =>
  answer({ method: 'GET', url, headers: {}, ...over }, who, tokens);
/** The text of what is there. */
function read(url: string, who?: Instance): string {
  const { status, body } = ask(url, {}, who ?? vm1);
  assert.equal(status, 200, url);
  return body;
}
const put = (headers: Request['headers'], url = '/latest/api/token') => ask(url, { method: 'PUT', headers });
const ttl = 'x-aws-ec2-metadata-token-ttl-seconds';

test('the port is what the EC2 form says it is, under every version alike', () => {
  const mac = vm1.port.mac;
  const nic = `network/interfaces/macs/${mac}`;
  const want: Record<string, string> = {
    'instance-id': vm1.port.id,
    'local-hostname': 'vm1',
    hostname: 'vm1.web.acme.heddle.internal',
    'local-ipv4': '10.0.0.7',
    ipv6: 'fd00:1::7',
    mac,
    'placement/availability-zone': 'h1',
    'placement/region': 'heddle',
    'public-keys': '0=key-0\n1=key-1',
    'public-keys/1/': 'openssh-key',
    'public-keys/1/openssh-key': sshKeys[1]!,
    'network/interfaces/macs/': `${mac}/`,
    [`${nic}/local-ipv4s`]: '10.0.0.7\n10.0.0.8',
    [`${nic}/ipv6s`]: 'fd00:1::7',
    [`${nic}/device-number`]: '0',
    [`${nic}/subnet-ipv4-cidr-block`]: '10.0.0.0/24',
    [`${nic}/subnet-ipv6-cidr-blocks`]: 'fd00:1::/64',
    [`${nic}/vpc-id`]: vpcId(network.id),
  };
  for (const version of ['latest', '2009-04-04', '2021-03-23'])
    for (const [path, text] of Object.entries(want)) assert.equal(read(`/${version}/meta-data/${path}`), text, path);
  assert.deepEqual(JSON.parse(read('/latest/dynamic/instance-identity/document')), {
    accountId: 'acme',
    architecture: process.arch === 'x64' ? 'x86_64' : process.arch,
    availabilityZone: 'h1',
    instanceId: vm1.port.id,
    privateIp: '10.0.0.7',
    region: 'heddle',
    version: '2017-09-30',
  });
});

test('folders list their entries with or without a slash at the end, folders among them with one', () => {
  assert.equal(read('/'), versions.join('\n'));
  for (const path of ['/latest', '/latest/', '//latest//', '/latest/?a=/b', 'http://169.254.169.254/latest/'])
    assert.equal(read(path), 'dynamic/\nmeta-data/\nuser-data');
  assert.match(read('/latest/meta-data/'), /^hostname\ninstance-id\nipv6\n.*\nnetwork\/\nplacement\/\npublic-keys\/$/s);
});

/** As cloud-init does it (cloudinit/sources/helpers/ec2.py): every folder's entries in turn. */
function crawl(path: string): unknown {
  const lines = read(path).split('\n');
  return Object.fromEntries(
    lines.map((line) => {
      const [index, name] = line.split('=');
      if (name !== undefined) return [name, read(`${path}${index}/openssh-key`)];
      return [line.replace('/', ''), line.endsWith('/') ? crawl(path + line) : read(path + line)];
    }),
  );
}

test('every listed entry is there', () => {
  const tree = crawl('/2021-03-23/meta-data/') as Record<string, unknown>;
  assert.deepEqual(tree['public-keys'], { 'key-0': sshKeys[0], 'key-1': sshKeys[1] });
  crawl('/latest/dynamic/');
});

test('the NoCloud documents say the same', () => {
  assert.deepEqual(JSON.parse(read('/meta-data')), {
    'instance-id': vm1.port.id,
    'local-hostname': 'vm1',
    'public-keys': sshKeys,
  });
  assert.equal(read('/user-data'), userData);
  assert.equal(read('/vendor-data'), '');
  assert.deepEqual(JSON.parse(read('/network-config')), {
    version: 2,
    ethernets: {
      nic0: {
        match: { macaddress: vm1.port.mac },
        mtu: 1450,
        addresses: ['10.0.0.7/24', 'fd00:1::7/64', '10.0.0.8/24'],
        nameservers: { addresses: ['10.0.0.1', 'fd00:1::1'], search: ['web.acme.heddle.internal'] },
        routes: [
          { to: '0.0.0.0/0', via: '10.0.0.1' },
          { to: '::/0', via: 'fd00:1::1' },
        ],
      },
    },
  });
});

test('the NoCloud document tells what DHCP would: servers, domain and routes of the subnets', () => {
  const [four, six] = network.subnets;
  const dhcp4 = {
    dnsServers: ['10.0.0.53'],
    domain: 'example.org',
    routes: [{ destination: '10.99.0.0/16', via: '10.0.0.9' }],
  };
  const dhcp6 = { enabled: false, dnsServers: ['fd00::53', 'fd00::54'], domain: 'example.org' };
  const subnets = [
    { ...four!, dhcp: dhcp4 },
    { ...six!, dhcp: dhcp6 },
  ];
  const { nameservers, routes } = JSON.parse(read('/network-config', { ...vm1, network: { ...network, subnets } }))
    .ethernets.nic0;
  assert.deepEqual(nameservers, { addresses: ['10.0.0.53', 'fd00::53', 'fd00::54'], search: ['example.org'] });
  assert.deepEqual(routes, [
    { to: '0.0.0.0/0', via: '10.0.0.1' },
    { to: '::/0', via: 'fd00:1::1' },
    { to: '10.99.0.0/16', via: '10.0.0.9' },
  ]);
});

test('only what is asked for is made', () => {
  const asked = new Set<string>();
  const port = new Proxy(vm1.port, {
    get(of, field, self) {
      asked.add(String(field));
      return Reflect.get(of, field, self);
    },
  });
  read('/meta-data', { ...vm1, port });
  assert.deepEqual([asked.has('name'), asked.has('addresses'), asked.has('mac')], [true, false, false]);
  asked.clear();
  read('/', { ...vm1, port });
  assert.equal(asked.has('addresses'), false);
});

test('a port without user data and keys has none: EC2 says 404, NoCloud an empty text', () => {
  const { userData: _data, sshKeys: _keys, ...port } = vm1.port;
  const bare = { ...vm1, port };
  assert.equal(ask('/latest/user-data', {}, bare).status, 404);
  assert.equal(ask('/latest/meta-data/public-keys/', {}, bare).status, 404);
  assert.equal(read('/user-data', bare), '');
  assert.doesNotMatch(read('/latest/meta-data/', bare), /public-keys/);
  assert.equal(read('/latest/user-data', { ...bare, port: { ...port, userData: '' } }), '');
});

test('nobody who is unknown reads anything, and nothing is there but what is listed', () => {
  for (const url of ['/', '/latest/meta-data/instance-id', '/user-data'])
    assert.deepEqual(answer({ method: 'GET', url, headers: {} }, undefined, tokens).status, 404);
  for (const url of [
    ...[
      '/latest/meta-data/nothing',
      '/latest/meta-data/instance-id/x',
      '/1999-01-01/meta-data/',
      '/latest/constructor',
    ],
    ...['/latest/__proto__', '/latest/meta-data/../../user-data', '/etc/passwd', '/latest/meta-data/public-keys/2'],
  ])
    assert.equal(ask(url).status, 404, url);
  assert.equal(ask('/%zz').status, 400);
});

test('only reading is allowed, and a body is not read', () => {
  for (const method of ['POST', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE']) assert.equal(ask('/', { method }).status, 405);
  assert.equal(ask('/latest/user-data', { method: 'HEAD' }).status, 200);
  assert.equal(ask('/latest/user-data', { method: 'PUT' }).status, 404);
  for (const headers of [{ 'content-length': '1' }, { 'transfer-encoding': 'chunked' }]) {
    const { status, close } = put({ ...headers, [ttl]: '60' });
    assert.deepEqual([status, close], [413, true]);
  }
});

test('a token is the port’s for as long as it was asked for; a wrong one is refused, none is needed', () => {
  const { status, body: token, headers } = put({ [ttl]: '60', 'content-length': '0' });
  assert.deepEqual([status, headers], [200, { [ttl]: '60' }]);
  const withToken = (text: string, who = vm1) =>
    ask('/latest/meta-data/mac', { headers: { 'x-aws-ec2-metadata-token': text } }, who).status;
  assert.equal(withToken(token), 200);
  for (const wrong of ['', 'x', `${token}x`, `z${token}`, token.slice(0, -2), `${token}.${token}`, 'NaN.', '..'])
    assert.equal(withToken(wrong), 401, wrong);
  assert.equal(withToken(token, instance()), 401, 'another port’s');
  clock.now += 59_000;
  assert.equal(withToken(token), 200);
  clock.now += 2_000;
  assert.equal(withToken(token), 401);
});

test('a token is given for one second to six hours, to nobody behind a proxy, and at no other path', () => {
  for (const seconds of ['0', '21601', '-1', '1.5', 'x', '', undefined])
    assert.equal(put({ [ttl]: seconds }).status, 400);
  for (const seconds of ['1', '21600']) assert.equal(put({ [ttl]: seconds }).status, 200);
  assert.equal(put({ [ttl]: '60', 'x-forwarded-for': '10.0.0.9' }).status, 403);
  assert.equal(put({ [ttl]: '60' }, '/latest/api/token/x').status, 404);
  assert.equal(put({ [ttl]: '60' }, '/api/token').status, 404);
});

test('whatever is asked, the answer is one of these', () => {
  const statuses = new Set([200, 400, 401, 403, 404, 405, 413]);
  const part = fc.oneof(fc.constantFrom('latest', 'meta-data', '..', '%2e', 'network', '0', ''), fc.string());
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), fc.constantFrom('GET', 'PUT', 'BREW'), (parts, method) => {
      assert.ok(statuses.has(ask(`/${parts.join('/')}`, { method }).status));
    }),
  );
});
