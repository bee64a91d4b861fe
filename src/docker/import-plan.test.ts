import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EngineContainer, EngineNetwork } from './engine-api.ts';
import { movable, type Present, stepsOf } from './import-plan.ts';
import { commandOf } from './import-text.ts';
import { testContainer, testNetwork } from './test-engine.ts';

const shop = testNetwork({
  id: 'n1',
  name: 'shop',
  subnet: '172.20.0.0/16',
  more: {
    Driver: 'bridge',
    Options: { 'com.docker.network.driver.mtu': '1400' },
    IPAM: {
      Config: [
        {
          ...{ Subnet: '172.20.0.0/16', Gateway: '172.20.0.1', IPRange: '172.20.8.0/24' },
          AuxiliaryAddresses: { nas: '172.20.0.9' },
        },
      ],
    },
  },
});
const db = testContainer({
  id: 'c0ffee'.repeat(10),
  name: 'db',
  networks: { shop: { network: 'n1', endpoint: 'e1', ip: '172.20.0.2', aliases: ['data base', 'c0ffeec0ffee'] } },
});
const nothing: Present = { networks: [], subnets: [], docker: ['shop'], engine: 'h1' };
const commands = (network: EngineNetwork, containers: EngineContainer[], present = nothing) =>
  movable([network], containers)
    .flatMap((m) => stepsOf(m, present))
    .map((s) => commandOf(s, 'acme'));

test('a bridge becomes a network with its prefix, gateway and MTU, and containers keep address and aliases', () => {
  assert.deepEqual(commands(shop, [db]), [
    'heddle network create shop --tenant acme --mtu 1400 --source-nat --label docker.network=n1',
    'heddle subnet create shop-1 --tenant acme --network shop --cidr 172.20.0.0/16 --gateway 172.20.0.1 --pool 172.20.8.0-172.20.8.255',
    'docker network create --driver heddle --ipam-driver heddle --ipam-opt heddle.tenant=acme --ipam-opt heddle.network=shop --subnet 172.20.0.0/16 --gateway 172.20.0.1 --aux-address nas=172.20.0.9 shop-heddle',
    "docker network disconnect shop db && docker network connect --ip 172.20.0.2 --alias 'data base' shop-heddle db",
  ]);
});

test('what an earlier run has made is not made again, under whatever name it went', () => {
  const present = {
    networks: [{ id: 'N', name: 'shop-h2', labels: { 'docker.network': 'n1' } }],
    subnets: [{ network: 'N', cidr: '172.20.0.0/16' }],
    docker: ['shop', 'shop-heddle'],
    engine: 'h1',
  };
  assert.deepEqual(commands(shop, [db], present), [
    "docker network disconnect shop db && docker network connect --ip 172.20.0.2 --alias 'data base' shop-heddle db",
  ]);
});

test('a run that ended in the middle is finished by the next', () => {
  const present = { ...nothing, networks: [{ id: 'N', name: 'shop', labels: { 'docker.network': 'n1' } }] };
  assert.match(commands(shop, [], present)[0]!, /^heddle subnet create shop-1 /);
});

test('a bridge of the same name on another host is another network', () => {
  const present = { ...nothing, networks: [{ id: 'N', name: 'shop', labels: { 'docker.network': 'n9' } }] };
  assert.match(commands(shop, [], present)[0]!, /^heddle network create shop-h1 /);
});

test('an internal network gets no way out, and an encrypted one says what it loses', () => {
  const secret = { ...shop, Driver: 'overlay', Internal: true, Options: { encrypted: '' } };
  const [first, , join] = commands(secret, []);
  assert.ok(!first?.includes('--source-nat'));
  assert.match(join!, / --internal /);
  assert.match(movable([secret], [])[0]!.losses[0]!, /encrypted/);
});

test('Docker’s own networks stay, and those of other drivers', () => {
  const own = ['bridge', 'docker_gwbridge'].map((Name) => ({ ...shop, Name }));
  const others = [
    { ...shop, Driver: 'macvlan' },
    { ...shop, Driver: 'overlay', Ingress: true },
    { ...shop, ConfigOnly: true },
  ];
  assert.deepEqual(movable([...own, ...others], []), []);
});

test('both families of a network come along', () => {
  const dual = {
    ...shop,
    IPAM: { Config: [{ Subnet: '172.20.0.0/16' }, { Subnet: 'fd00:20::/64', Gateway: 'fd00:20::1/64' }] },
  };
  const [, , v6, join] = commands(dual, []);
  assert.match(v6!, /--cidr fd00:20::\/64 --gateway fd00:20::1$/);
  assert.match(join!, / --ipv6 --subnet 172\.20\.0\.0\/16 --subnet fd00:20::\/64 --gateway fd00:20::1 /);
});

test('a task of a service is named and stays', () => {
  const task = testContainer({
    id: 'c2',
    name: 'web.1.x',
    labels: { 'com.docker.swarm.service.name': 'web' },
    networks: { shop: { network: 'n1', endpoint: 'e2', ip: '172.20.0.3' } },
  });
  assert.equal(movable([shop], [task])[0]!.places[0]!.service, 'web');
  assert.ok(!commands(shop, [task]).some((c) => c.includes('web.1.x')));
});
