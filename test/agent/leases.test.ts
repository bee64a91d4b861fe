/** Leases are topped up, given to those who need them, and end with a host that is declared gone. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { after, test } from 'node:test';
import { controllerAddress } from '../../src/lab/daemons.ts';
import { until } from '../../src/lab/processes.ts';
import { hasCode } from '../../src/model/errors.ts';
import type { Attached } from '../../src/model/local-api.ts';
import { launcher } from '../cli/heddle.ts';
import { Rig } from './rig.ts';

const rig = await Rig.open();
after(() => rig[Symbol.asyncDispose]());
const { lab, client, tenant } = rig;

const leaseOf = async (host: string, network: string) => (await client.list('lease', { tenant, host, network })).at(0);
const noLeases = () =>
  until('all leases are given back', 20_000, async () =>
    (await client.list('lease', { tenant })).length === 0 ? true : undefined,
  );
/** What a host can still give of a network. */
const free = async (host: string, network: string): Promise<number> =>
  (await rig.status(host)).leases.find((l) => l.network === `${tenant}/${network}`)?.free ?? 0;

/** As an operator does who has deleted the host: its certificate is no good any more. */
async function joinAgain(name: string): Promise<void> {
  const { token } = await client.createHostToken({ name, tenants: ['*'] });
  const folder = `${lab.plan.hosts.find((h) => h.name === name)!.dir}/state`;
  const join = [launcher, 'agent', 'join', controllerAddress(lab.plan), token, '--state-dir', folder];
  const { code, stderr } = await lab.host(name).exec(join);
  assert.equal(code, 0, stderr);
}

async function attachMany(host: string, network: string, count: number, to: AsyncDisposableStack): Promise<Attached[]> {
  const made: Attached[] = [];
  for (let i = 0; i < count; i++) {
    const w = to.use(await rig.workload());
    made.push(await rig.attach(host, { target: w.path, network }));
  }
  return made;
}

test('a lease is made for the first workload, topped up before it is empty, and given back after the last', async () => {
  await using all = new AsyncDisposableStack();
  const [first] = await attachMany('h1', 'four', 1, all);
  const lease = await leaseOf('h1', 'four');
  assert.deepEqual([lease?.size, lease?.addresses.length], [8, 7]);
  assert.ok(!lease?.addresses.includes(first!.port.addresses[0]!));
  const more: Attached[] = [];
  for (let i = 0; i < 9; i++) {
    more.push(...(await attachMany('h1', 'four', 1, all)));
    await until('there is more than a few', 20_000, async () => ((await free('h1', 'four')) > 2 ? true : undefined));
  }
  const given = [first!, ...more].flatMap(({ port }) => port.addresses);
  assert.equal(new Set(given).size, 10);
  for (const { port } of [first!, ...more]) await rig.detach('h1', port.id);
  await noLeases();
});

test('a lease that has grown by what was removed is cut back', async () => {
  await using all = new AsyncDisposableStack();
  const made = await attachMany('h1', 'four', 20, all);
  for (const { port } of made.slice(1)) await rig.detach('h1', port.id);
  await until('no more than two leases’ worth is held', 20_000, async () =>
    (await leaseOf('h1', 'four'))!.addresses.length <= 16 ? true : undefined,
  );
  await rig.detach('h1', made[0]!.port.id);
  await noLeases();
});

test('a subnet is used to its last address, by whichever host needs it', async () => {
  await client.create('network', { name: 'small' }, { tenant });
  await client.create('subnet', { name: 'small4', network: 'small', cidr: '10.9.0.0/29' }, { tenant });
  await using all = new AsyncDisposableStack();
  const [onH1] = await attachMany('h1', 'small', 1, all);
  assert.equal((await leaseOf('h1', 'small'))?.addresses.length, 4, 'it holds all that there is');
  const onH2 = await attachMany('h2', 'small', 4, all);
  const given = [onH1!, ...onH2].flatMap(({ port }) => port.addresses).sort();
  assert.deepEqual(given, ['10.9.0.2', '10.9.0.3', '10.9.0.4', '10.9.0.5', '10.9.0.6']);
  const full = all.use(await rig.workload());
  for (const host of ['h1', 'h2'])
    await assert.rejects(rig.attach(host, { target: full.path, network: 'small' }), (e) =>
      hasCode(e, 'ADDRESS_POOL_EXHAUSTED'),
    );
  await rig.detach('h2', onH2[0]!.port.id);
  const last = await rig.attach('h1', { target: full.path, network: 'small' });
  assert.deepEqual(last.port.addresses, onH2[0]!.port.addresses);
  for (const { port } of [onH1!, last]) await rig.detach('h1', port.id);
  for (const { port } of onH2.slice(1)) await rig.detach('h2', port.id);
  await noLeases();
});

test('a host that was declared gone joins again: what others have by now is refused to it and cut off', async () => {
  await using all = new AsyncDisposableStack();
  const [known, pending, other] = [
    all.use(await rig.workload()),
    all.use(await rig.workload()),
    all.use(await rig.workload()),
  ] as const;
  const first = await rig.attach('h2', { target: known.path });
  await rig.portIs(first.port.id, 'up');
  await lab.kill('controller');
  const second = await rig.attach('h2', { target: pending.path });
  await lab.kill('h2', 'SIGKILL');
  await lab.start('controller');
  await lab.ready('controller');
  await client.request('DELETE', '/v1/hosts/h2', { query: { gone: true } });
  assert.deepEqual(await client.list('port', { tenant }), []);
  assert.deepEqual(await client.list('lease', { tenant }), []);
  const [witness] = await attachMany('h1', 'web', 1, all);
  const heir = await rig.attach('h1', { target: other.path, addresses: second.port.addresses });
  // Its certificate is of a host that is gone: it joins anew, with what it has in its kernel.
  rmSync(`${lab.plan.dir}/h2/state/identity.json`);
  await joinAgain('h2');
  await lab.start('h2');
  await rig.inSync('h2');
  const refused = await until('h2 says what is wrong', 20_000, async () =>
    (await rig.status('h2')).ports.notUp.find(({ condition }) => condition === 'error'),
  );
  assert.deepEqual([refused.id, refused.code], [second.port.id, 'ADDRESS_TAKEN']);
  await until('the deleted port’s interface goes', 10_000, () => (known.inside().link('eth0') ? undefined : true));
  using ports = rig.map('h2', 'ports');
  const ifindex = rig.links('h2').find((l) => l.name === second.device)!.ifindex;
  assert.ok(!ports.keys().some((key) => new DataView(key.buffer, key.byteOffset).getUint32(0, true) === ifindex));
  assert.ok(!(await pending.reaches(witness!.port.addresses[0]!, 1)));
  assert.deepEqual(await rig.detach('h2', second.port.id), { released: true });
  assert.equal(pending.inside().link('eth0'), undefined);
  assert.equal((await rig.portIs(heir.port.id, 'up')).host, (await client.get('host', 'h1')).id);
  const again = await rig.attach('h2', { target: pending.path });
  assert.ok(await pending.reaches(heir.port.addresses[0]!, 10));
  await rig.detach('h2', again.port.id);
  for (const { port } of [heir, witness!]) await rig.detach('h1', port.id);
  await noLeases();
});
