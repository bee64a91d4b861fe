/** Twenty hosts' plug-ins that want a thousand addresses of one network at once, and give all of them back. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { assertNoLeak } from '../../src/controller/test-claims.ts';
import { agentDaemon } from '../../src/lab/daemons.ts';
import { createLab, type Lab } from '../../src/lab/lab.ts';
import { planLab } from '../../src/lab/plan.ts';
import { startDaemon, until } from '../../src/lab/processes.ts';
import { openSqlite } from '../../src/store/sqlite.ts';
import { keepLogs } from '../lab/keep-logs.ts';
import { labName } from '../lab/trace.ts';
import { type Answer, callPlugin } from './call-plugin.ts';

const HOSTS = 20;
const EACH = 50;
/** Of the first subnet: one in five of what is wanted. */
const POOL = 200;
const tenant = 'acme';

let lab: Lab;
before(async () => {
  const options = { name: labName(), hosts: HOSTS };
  lab = await createLab({ ...options, deadlineMs: 120_000 });
  // Agents that serve an engine, without the engines: twenty would take the whole machine.
  const { hosts } = planLab({ ...options, dockerTenants: [tenant] });
  await Promise.all(lab.hosts.map(({ name }) => lab.kill(name)));
  for (const host of hosts) await startDaemon(agentDaemon(lab.plan, host));
  for (const { name } of hosts) await lab.ready(name, 120_000);
  const client = lab.client();
  await client.create('tenant', { name: tenant });
  await client.create('network', { name: 'web' }, { tenant });
  const pools = [{ first: '10.0.0.10', last: `10.0.0.${9 + POOL}` }];
  await client.create('subnet', { name: 'v4', network: 'web', cidr: '10.0.0.0/24', pools }, { tenant });
});
after(async () => {
  keepLogs(lab);
  await lab.down();
});

/** What an engine has of network "web". */
class Engine {
  readonly host: string;
  readonly network: string;
  pool = '';
  constructor(host: string, n: number) {
    this.host = host;
    this.network = n.toString(16).padStart(64, '0');
  }
  async call(method: string, body: object): Promise<Answer> {
    const socket = `${lab.plan.dir}/${this.host}/plugins/heddle.sock`;
    const answer = await callPlugin(socket, method, body);
    return answer.body;
  }
  async ok(method: string, body: object): Promise<Answer> {
    const answer = await this.call(method, body);
    assert.equal(answer.Err ?? answer.Error, undefined, `${this.host}: ${method}`);
    return answer;
  }
  async join(): Promise<void> {
    const Options = { 'heddle.network': 'web' };
    const { PoolID, Pool, Data } = await this.ok('IpamDriver.RequestPool', {
      AddressSpace: 'heddle',
      Options,
      V6: false,
    });
    const IPv4Data = [{ AddressSpace: 'heddle', Pool, Gateway: Data['com.docker.network.gateway'] }];
    await this.ok('NetworkDriver.CreateNetwork', { NetworkID: this.network, Options: {}, IPv4Data, IPv6Data: [] });
    this.pool = PoolID;
  }
  async leave(): Promise<void> {
    await this.ok('IpamDriver.ReleasePool', { PoolID: this.pool });
    await this.ok('NetworkDriver.DeleteNetwork', { NetworkID: this.network });
  }
  /** Records of a kind that its agent has on disk. */
  records(folder: string): string[] {
    return readdirSync(`${lab.plan.dir}/${this.host}/state/${folder}`);
  }
}

test('1,000 addresses for 20 hosts at once: none twice, none lost, while the exhausted network gets another subnet', async (t) => {
  const client = lab.client();
  const engines = lab.hosts.map(({ name }, n) => new Engine(name, n + 1));
  await Promise.all(engines.map((engine) => engine.join()));

  const refusals: string[] = [];
  let grown: Promise<unknown> | undefined;
  const want = async (engine: Engine): Promise<{ engine: Engine; address: string }> => {
    for (;;) {
      const answer = await engine.call('IpamDriver.RequestAddress', {
        PoolID: engine.pool,
        Address: '',
        Options: null,
      });
      if (answer.Error === undefined) return { engine, address: answer.Address };
      assert.match(answer.Error, /^ADDRESS_POOL_EXHAUSTED: /);
      refusals.push(answer.Error);
      grown ??= client.create('subnet', { name: 'more', network: 'web', cidr: '10.1.0.0/16' }, { tenant });
      await grown;
    }
  };
  const began = performance.now();
  const given = await Promise.all(engines.flatMap((engine) => Array.from({ length: EACH }, () => want(engine))));
  t.diagnostic(
    `${given.length} addresses in ${((performance.now() - began) / 1000).toFixed(1)} s, ${refusals.length} refusals`,
  );
  assert.equal(new Set(given.map(({ address }) => address)).size, HOSTS * EACH, 'none twice');
  assert.equal(
    given.filter(({ address }) => address.startsWith('10.0.0.')).length,
    POOL,
    'the first subnet is used up',
  );
  assert.match(
    refusals[0] ?? '',
    /network web has no free IPv4 address; subnet v4 \(10\.0\.0\.0\/24, pool 10\.0\.0\.10-10\.0\.0\.209\): .* Add a subnet: heddle subnet create web-more --tenant acme --network web --cidr <prefix>$/,
  );

  await Promise.all(
    given.map(({ engine, address }) =>
      engine.ok('IpamDriver.ReleaseAddress', { PoolID: engine.pool, Address: address.replace(/\/.*/, '') }),
    ),
  );
  for (const engine of engines) assert.deepEqual(engine.records('reservations'), [], engine.host);
  await until('no host holds more than two leases’ worth', 60_000, async () =>
    (await client.list('lease', { tenant })).every(({ addresses }) => addresses.length <= 16) ? true : undefined,
  );
  await Promise.all(engines.map((engine) => engine.leave()));
  await until('all leases given back, and that known', 60_000, async () => {
    const leases = await client.list('lease', { tenant });
    return leases.length === 0 && engines.every((engine) => engine.records('leases').length === 0) ? true : undefined;
  });
  await lab.kill('controller', 'SIGTERM');
  await using store = await openSqlite(`${lab.plan.dir}/controller.db`);
  await assertNoLeak(store);
  const objects = (await store.range('/')).entries.filter(({ key }) => /^\/(port|lease|claim\/(ip|mac))\//.test(key));
  assert.deepEqual(objects, [], 'all are free again');
});
