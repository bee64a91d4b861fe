import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import type { Network, Subnet } from '../model/kinds.ts';
import { connectEngine, type EngineNetwork } from './engine-api.ts';
import { configOf, planConfigs, SwarmConfigs } from './swarm-configs.ts';
import { TestEngine } from './test-engine.ts';

const web = { id: 'w', name: 'web', labels: { 'docker.swarm': 'true' } } as unknown as Network;
const subnet = { network: 'w', cidr: '10.0.0.0/24', gateway: '10.0.0.1' } as unknown as Subnet;
const config = configOf('acme', web, [subnet, { ...subnet, network: 'x', cidr: '10.9.0.0/24' }], 'heddle-swarm:latest');
/** As an engine shows it. */
const shown = (c: typeof config): EngineNetwork =>
  ({ Id: `id-${c.Name}`, Driver: '', Scope: 'local', Options: null, Containers: {}, ...c }) as never;

test('a config-only network says tenant, network and subnets to our IPAM', () => {
  assert.equal(config.Name, 'acme.web');
  assert.deepEqual(config.IPAM, {
    Driver: 'heddle-swarm:latest',
    Options: { 'heddle.tenant': 'acme', 'heddle.network': 'w' },
    Config: [{ Subnet: '10.0.0.0/24', Gateway: '10.0.0.1' }],
  });
});

test('what is there as it should be stays, and what nobody wants any more goes', () => {
  assert.deepEqual(planConfigs([config], [shown(config)]), { remove: [], make: [] });
  assert.deepEqual(planConfigs([], [shown(config)]), { remove: [shown(config)], make: [] });
  assert.deepEqual(planConfigs([config], []), { remove: [], make: [config] });
});

test('a network that got another subnet is made anew', () => {
  const wider = configOf('acme', web, [subnet, { ...subnet, cidr: '10.1.0.0/24' }], 'heddle-swarm:latest');
  assert.deepEqual(planConfigs([wider], [shown(config)]), { remove: [shown(config)], make: [wider] });
});

test('networks of others are not touched, whatever their names', () => {
  const foreign = [
    { ...shown(config), Labels: {} },
    { ...shown(config), ConfigOnly: false },
  ];
  assert.deepEqual(planConfigs([], foreign), { remove: [], make: [] });
});

test('nodes of a Swarm that have the managed plug-in get them, other engines nothing', async () => {
  await using fake = await new TestEngine().start();
  const asked: unknown[] = [];
  const list = async (kind: string, options: unknown) => {
    asked.push(options);
    return (kind === 'network' ? [web] : [subnet]) as never;
  };
  const configs = new SwarmConfigs({ client: { list }, tenants: ['acme'], log: pino({ level: 'silent' }) });
  const engine = await connectEngine(fake.socket);
  await configs.look(engine, []);
  fake.swarm = 'active';
  await configs.look(engine, []);
  assert.deepEqual(asked, []);
  fake.plugins = [{ Name: 'heddle-swarm:latest', Enabled: true, Config: { Entrypoint: ['/heddle-proxy', 'x'] } }];
  await configs.look(engine, []);
  assert.deepEqual(asked[0], { tenant: 'acme', label: 'docker.swarm=true' });
  assert.deepEqual(fake.changes, [{ request: 'POST /networks/create', body: config }]);
});

test('a service that asks for a VIP on a network of ours is warned of once, others not', async () => {
  await using fake = await new TestEngine().start();
  fake.swarm = 'active';
  fake.plugins = [{ Name: 'heddle-swarm:latest', Enabled: true, Config: { Entrypoint: ['/heddle-proxy'] } }];
  const service = (Name: string, Mode: string, Target: string) =>
    ({ ID: Name, Spec: { Name, EndpointSpec: { Mode }, TaskTemplate: { Networks: [{ Target }] } } }) as const;
  fake.services = [service('a', 'vip', 'n1'), service('b', 'dnsrr', 'n1'), service('c', 'vip', 'overlay')] as never;
  const warned: string[] = [];
  const write = (line: string) => void warned.push((JSON.parse(line) as { service: string }).service);
  const log = pino({ level: 'warn' }, { write });
  const configs = new SwarmConfigs({ client: { list: async () => [] }, tenants: ['acme'], log });
  const engine = await connectEngine(fake.socket);
  const have = [{ ...shown(config), Id: 'n1', Name: 'web', ConfigOnly: false, Driver: 'heddle-swarm:latest' }];
  await configs.look(engine, have);
  await configs.look(engine, have);
  assert.deepEqual(warned, ['a']);
});
