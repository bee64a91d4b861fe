import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import type { WorkloadPort } from '../agent/workloads.ts';
import { HeddleError } from '../model/errors.ts';
import type { NetworkItem } from '../model/host-state.ts';
import { openDockerNames } from './names.ts';
import { TestEngine, testContainer, testNetwork } from './test-engine.ts';
import { TestRecords } from './test-records.ts';

/** An engine, records, and what the names do with them; but where a look is what is tested, only events count. */
async function stage(lookMs = 600_000) {
  const stack = new AsyncDisposableStack();
  const engine = stack.use(await new TestEngine().start());
  const records = new TestRecords();
  const ports = new Map<string, WorkloadPort>();
  const renamed: string[] = [];
  const used = new Map<string, NetworkItem>();
  const taken = new Set<string>();
  let news = Promise.withResolvers<void>();
  const wake = () => news.resolve();
  const addPort = (endpoint: string) => {
    records.addEndpoint(endpoint, 'n1');
    const port = { port: 'p', owner: `docker:${endpoint}`, network: 'net', name: 'docker-x', mac: 'm', addresses: [] };
    ports.set(`docker:${endpoint}`, { ...port, dnsNames: [], labels: {}, publish: [] } as unknown as WorkloadPort);
  };
  let updates = 0;
  const names = () =>
    stack.use(
      openDockerNames({
        engine: engine.socket,
        records,
        thisHost: { name: 'h1', ref: 'h1' },
        tenants: ['acme'],
        log: pino({ level: 'silent' }),
        lookMs,
        workloads: {
          used,
          portOf: (owner) => ports.get(owner),
          async update(owner, change) {
            updates++;
            const port = { ...ports.get(owner)!, ...change };
            ports.set(owner, port);
            wake();
            return port;
          },
        },
        client: {
          list: async () => [],
          async update(kind, id, patch) {
            const { name = '' } = patch as { name?: string };
            if (taken.has(name)) throw new HeddleError('NAME_TAKEN', { kind, name });
            renamed.push(`${id} ${name}`);
            used.set(id, { ...used.get(id)!, name });
            wake();
            return undefined as never;
          },
        },
      }),
    );
  /** Resolves when it holds; looked at whenever something was changed. */
  const when = async (holds: () => boolean) => {
    while (!holds()) {
      await news.promise;
      news = Promise.withResolvers();
    }
  };
  return {
    ...{ engine, records, ports, used, taken, renamed, addPort, names, when, updates: () => updates },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
const on = (endpoint: string, aliases: string[] = []) => ({ web: { network: 'n1', endpoint, aliases } });
const start = (id: string) => ({ Type: 'container', Action: 'start', Actor: { ID: id, Attributes: null } });

test('containers that run already are named when the engine answers, and those that start later', async () => {
  await using s = await stage();
  s.engine.containers.set('c1', testContainer({ id: 'c1', name: 'db', networks: on('e1', ['database']) }));
  s.addPort('e1');
  s.engine.networks.set(
    'n1',
    testNetwork({ id: 'n1', name: 'web', subnet: '10.0.0.0/24', endpoints: { c1: { endpoint: 'e1', ip: '' } } }),
  );
  s.names();
  await s.when(() => s.ports.get('docker:e1')?.name === 'db');
  assert.deepEqual(s.ports.get('docker:e1')?.dnsNames, ['db', 'database', 'c1']);

  s.addPort('e2');
  s.engine.containers.set('c2', testContainer({ id: 'c2', name: 'front', networks: on('e2') }));
  s.engine.emit(start('c2'));
  await s.when(() => s.ports.get('docker:e2')?.name === 'front');
});

test('a rename and a new alias are followed; a name that was taken is not asked for again', async () => {
  await using s = await stage();
  s.addPort('e1');
  s.engine.containers.set('c1', testContainer({ id: 'c1', name: 'db', networks: on('e1') }));
  s.names();
  await s.when(() => s.ports.get('docker:e1')?.name === 'db');
  s.ports.set('docker:e1', { ...s.ports.get('docker:e1')!, name: 'db-h1' });
  s.engine.containers.set('c1', testContainer({ id: 'c1', name: 'db', networks: on('e1', ['pg']) }));
  const attributes = { container: 'c1' };
  s.engine.emit({ Type: 'network', Action: 'connect', Actor: { ID: 'n1', Attributes: attributes } });
  await s.when(() => s.ports.get('docker:e1')?.dnsNames.includes('pg') ?? false);
  assert.equal(s.ports.get('docker:e1')?.name, 'db-h1');
  s.engine.containers.set('c1', testContainer({ id: 'c1', name: 'db2', networks: on('e1', ['pg']) }));
  s.engine.emit({ Type: 'container', Action: 'rename', Actor: { ID: 'c1', Attributes: null } });
  await s.when(() => s.ports.get('docker:e1')?.name === 'db2');
});

test('an engine that comes back is looked at anew, and what did not change is not written again', async () => {
  await using s = await stage();
  s.addPort('e1');
  s.engine.containers.set('c1', testContainer({ id: 'c1', name: 'db', networks: on('e1') }));
  s.names();
  await s.when(() => s.updates() === 1);
  await s.engine.stop();
  s.addPort('e2');
  s.engine.containers.set('c2', testContainer({ id: 'c2', name: 'front', networks: on('e2') }));
  await s.engine.start();
  await s.when(() => s.ports.get('docker:e2')?.name === 'front');
  assert.equal(s.updates(), 2);
});

test('a network that was made for a Docker network gets its name, or with the host’s if it is taken', async () => {
  await using s = await stage();
  for (const [id, name] of [
    ['n1', 'docker-0123456789ab'],
    ['n2', 'docker-ba9876543210'],
    ['n3', 'renamed-by-somebody'],
  ] as const) {
    s.records.addNetwork(id, `heddle-${id}`);
    s.used.set(`heddle-${id}`, { kind: 'network', id: `heddle-${id}`, name, tenant: 'acme' } as unknown as NetworkItem);
    s.engine.networks.set(id, testNetwork({ id, name: `net-${id}`, subnet: '10.0.0.0/24' }));
  }
  s.taken.add('net-n2');
  s.names();
  await s.when(() => s.renamed.length === 2);
  assert.deepEqual(s.renamed, ['heddle-n1 net-n1', 'heddle-n2 net-n2-h1']);
});

test('what an engine has forgotten goes, and nothing while it is away', async () => {
  await using s = await stage(20);
  s.addPort('e1');
  await s.engine.stop();
  s.names();
  assert.deepEqual(s.records.forgotten, []);
  await s.engine.start();
  const { promise, resolve } = Promise.withResolvers<void>();
  s.records.forgetEndpoint = async (id) => {
    assert.equal(id, 'e1');
    resolve();
  };
  await promise;
});
