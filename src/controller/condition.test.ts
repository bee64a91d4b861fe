/** How an installation is said to be. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { compileCheck } from '../listen/validate.ts';
import { Condition } from '../model/condition.ts';
import { HeddleError, toProblem } from '../model/errors.ts';
import type { HostHealth } from '../model/host-state.ts';
import { makeRequest } from '../trust/request.ts';
import type { AssembleOptions } from './assemble.ts';
import type { Connected } from './presence.ts';
import { openFurnishedApi, type TestApi } from './test-api.ts';

const version = '1.2.3';
const dayMs = 86_400_000;
const health: HostHealth = { nowMs: 0, maps: [{ name: 'fdb', entries: 5, max: 100 }], troubles: [] };

interface Told {
  readonly version?: string;
  readonly lagMs?: number;
  /** How far its clock is ahead. */
  readonly skewMs?: number;
  readonly health?: Partial<HostHealth>;
  readonly fails?: HeddleError;
  /** Called when it is asked. */
  readonly asked?: () => void;
}

/** A host's agent that is connected and answers so. */
function connect(api: TestApi, name: string, told: Told = {}) {
  const { id } = api.world.find('host', '-', name)!.record;
  const connected = {
    hello: { name, version: told.version ?? version, kernel: '6.18' },
    applied: 7n,
    ports: new Map(),
    lagMs: () => told.lagMs ?? 0,
    async health() {
      told.asked?.();
      if (told.fails) throw told.fails;
      return { ...health, nowMs: Date.now() + (told.skewMs ?? 0), ...told.health };
    },
  } as unknown as Connected;
  api.presence.arrive(id, connected);
  return {
    leaves: () => api.presence.leave(id, connected),
    says: (port: string, about: object) =>
      api.presence.report(id, connected, { type: 'report', revision: '7', ports: [{ id: port, ...about }] } as never),
  };
}

/** Hosts h1 and h2, of which h2 says what it is told to. */
async function open(told: Told = {}, options: Partial<AssembleOptions> = {}) {
  const api = await openFurnishedApi({ version, ...options });
  connect(api, 'h1');
  return Object.assign(api, {
    h2: connect(api, 'h2', told),
    status: () => api.ok('GET', '/v1/status') as Promise<Condition>,
  });
}
const problemsOf = ({ problems }: Condition) => problems.map(({ problem, name }) => `${problem} ${name ?? ''}`.trim());

it('is well when hosts are connected and say nothing else, and the answer fits its description', async () => {
  await using api = await open();
  const status = await api.status();
  compileCheck(Condition)(status);
  assert.deepEqual([status.well, status.problems, status.more], [true, [], 0]);
  assert.deepEqual(status.hosts, { total: 2, online: 2, offline: [] });
  assert.deepEqual([status.version, status.revision], [version, String(api.world.revision)]);
  await api.refused('INVALID', 'GET', '/v1/status?x=1');
});

it('asks hosts and looks at ports once for all who ask at a time', async () => {
  let [asked, nowMs] = [0, 0];
  const told = () => {
    asked++;
    nowMs += 100; // that is what it takes
  };
  await using api = await open({ asked: told }, { shared: { now: () => nowMs } });
  const answers = await Promise.all([api.status(), api.status()]);
  await api.ok('POST', '/v1/tenants/acme/ports', { name: 'db1', network: 'web' });
  for (const status of [...answers, await api.status()]) assert.equal(status.ports.total, 0);
  assert.equal(asked, 1);
});

it('names hosts that are not connected, with the ports there and how to be rid of them', async () => {
  await using api = await openFurnishedApi({ version });
  connect(api, 'h1');
  await api.ok('POST', '/v1/tenants/acme/ports', { name: 'db1', network: 'web', host: 'h2' });
  const status = (await api.ok('GET', '/v1/status')) as Condition;
  assert.deepEqual([status.well, status.hosts.offline, status.ports.unknown], [false, ['h2'], 1]);
  const [offline] = status.problems;
  assert.deepEqual([offline!.problem, offline!.severity], ['HOST_OFFLINE', 'error']);
  assert.match(offline!.text, /1 port is there/);
  assert.match(offline!.next, /heddle host delete h2 --gone/);
  await api.ok('POST', '/v1/hosts/h2/revoke');
  const [revoked] = ((await api.ok('GET', '/v1/status')) as Condition).problems;
  assert.match(revoked!.text, /^revoked; 1 port is there/);
  assert.match(revoked!.next, /heddle host token create --name h2/);
});

it('says why a host is not connected that was refused, until it comes or asks no more', async () => {
  let now = Date.now();
  await using api = await openFurnishedApi({ version, now: () => new Date(now) });
  const h2 = async () => ((await api.ok('GET', '/v1/status')) as Condition).problems.find(({ name }) => name === 'h2');
  assert.match((await h2())!.text, /^not connected; 0 ports/);
  const refuse = () =>
    api.presence.refused('h2', toProblem(new HeddleError('PROTOCOL_MISMATCH', { have: 5, want: 6 })));
  refuse();
  assert.match(
    (await h2())!.text,
    /^not connected; its agent was refused: .* protocol 5, this controller 6: .*; 0 ports/,
  );
  assert.match((await h2())!.next, /heddle events host h2/);
  const { leaves } = connect(api, 'h2');
  assert.equal(await h2(), undefined);
  refuse();
  leaves();
  assert.match((await h2())!.text, /^not connected; 0 ports/);
  refuse();
  now += 11 * 60_000;
  assert.match((await h2())!.text, /^not connected; 0 ports/);
});

it('says so when a host was off for too long to be let in with what it has', async () => {
  let now = Date.parse('2026-11-22T10:00:00Z');
  await using api = await openFurnishedApi({ version, now: () => new Date(now) });
  const { csr } = await makeRequest('h3');
  const { token } = await api.ok('POST', '/v1/host-tokens', {});
  await api.ok('POST', '/v1/join', { token, csr, name: 'h3', vtep: '198.18.0.3' });
  const h3 = async () => ((await api.ok('GET', '/v1/status')) as Condition).problems.find(({ name }) => name === 'h3')!;
  now += 32 * dayMs;
  assert.match((await h3()).text, /^not connected; /);
  now += 2 * dayMs;
  const { text, next } = await h3();
  assert.match(text, /its certificate is too old/);
  assert.match(next, /heddle host token create --name h3/);
});

it('says what is not well of certificates, to those who keep the installation well', async () => {
  let now = Date.now();
  await using api = await openFurnishedApi({ version, now: () => new Date(now) });
  for (const host of ['h1', 'h2']) connect(api, host);
  await api.authority();
  const kindsFor = async (client: Pick<TestApi, 'ok'>) =>
    ((await client.ok('GET', '/v1/status')) as Condition).problems.flatMap(({ problem, kind }) => kind ?? problem);
  await api.ok('POST', '/v1/tenants/acme/grants', { name: 'ann', subject: 'user:ann', role: 'viewer' });
  const ann = api.as({ kind: 'user', name: 'ann', groups: [], via: 'token' });
  assert.deepEqual(await kindsFor(api), []);
  now += 2.1 * dayMs;
  assert.ok((await kindsFor(api)).includes('CERTIFICATE_ENDS'));
  now -= 3 * dayMs;
  assert.ok((await kindsFor(api)).includes('AUTHORITY_INVALID'));
  assert.deepEqual(await kindsFor(ann), []);
});

for (const [what, told, problem, well, text] of [
  ['owes changes for long', { lagMs: 10_000 }, 'HOST_BEHIND', false, /told of 10 s ago; it is at revision 7/],
  ['has owed changes for a moment', { lagMs: 9_999 }, undefined, true, /^$/],
  ['does not answer', { fails: new HeddleError('HOST_OFFLINE', { host: 'h2' }) }, 'HOST_SILENT', false, /h2/],
  [
    'is too old for the question',
    { version: '0.9.0', fails: new HeddleError('INTERNAL', { problem: 'host h2: what?' }) },
    'VERSIONS_DIFFER',
    true,
    /version 0\.9\.0 on h2/,
  ],
  [
    'knows the question, and fails to answer it',
    { fails: new HeddleError('INTERNAL', { problem: 'host h2: a map is gone' }) },
    'HOST_SILENT',
    false,
    /a map is gone/,
  ],
  [
    'has another version',
    { version: '9.9.9' },
    'VERSIONS_DIFFER',
    true,
    /version 9\.9\.9 on h2; the controller has 1\.2\.3/,
  ],
  ['has a clock that is ahead', { skewMs: 60_000 }, 'CLOCKS_DIFFER', true, /60 s ahead of/],
  ['has a clock that is behind', { skewMs: -60_000 }, 'CLOCKS_DIFFER', true, /60 s behind/],
  ['has nearly the same time', { skewMs: 2_000 }, undefined, true, /^$/],
  [
    'has a map that is nearly full',
    { health: { maps: [{ name: 'fdb', entries: 90, max: 100 }] } },
    'MAP_NEARLY_FULL',
    true,
    /map fdb of the datapath has 90 of 100 rows/,
  ],
  ['has room in its maps', { health: { maps: [{ name: 'fdb', entries: 89, max: 100 }] } }, undefined, true, /^$/],
  [
    'lacks a service',
    { health: { troubles: [{ what: 'names', text: 'network web: no' }] } },
    'HOST_LACKS',
    false,
    /names: network web: no/,
  ],
] as const satisfies readonly (readonly [string, Told, string | undefined, boolean, RegExp])[])
  it(`says of a host that ${what}: ${problem ?? 'nothing'}`, async () => {
    await using api = await open(told);
    const status = await api.status();
    assert.deepEqual([status.well, status.problems.map((p) => p.problem)], [well, problem ? [problem] : []]);
    assert.match(status.problems[0]?.text ?? '', text);
  });

it('names ports in error with why, errors before warnings, and where to look', async () => {
  await using api = await open({ version: '9' });
  const port = await api.ok('POST', '/v1/tenants/acme/ports', { name: 'db1', network: 'web', host: 'h2' });
  api.h2.says(port.id, { condition: 'error', code: 'KERNEL', message: 'no device' });
  const status = await api.status();
  assert.deepEqual(problemsOf(status), ['PORT_FAILED db1', 'VERSIONS_DIFFER']);
  assert.deepEqual([status.well, status.ports.error], [false, 1]);
  assert.equal(status.problems[0]!.text, 'KERNEL: no device');
  assert.equal(status.problems[0]!.tenant, 'acme');
  assert.match(status.problems[0]!.next, /heddle events port db1 --tenant acme/);
  api.h2.says(port.id, { condition: 'up' });
  assert.equal((await api.status()).well, true);
});

it('names a subnet when nine tenths of its pools are taken, and not for addresses beside them', async () => {
  await using api = await open();
  const pools = [{ first: '10.9.0.11', last: '10.9.0.20' }];
  await api.ok('POST', '/v1/tenants/acme/subnets', { name: 'tight', network: 'web', cidr: '10.9.0.0/24', pools });
  const take = (last: number) =>
    api.ok('POST', '/v1/tenants/acme/ports', { network: 'web', addresses: [`10.9.0.${last}`] });
  for (const last of [101, 102, 11, 12, 13, 14, 15, 16, 17, 18]) await take(last);
  assert.deepEqual(problemsOf(await api.status()), []);
  await take(19);
  const status = await api.status();
  assert.deepEqual([problemsOf(status), status.well], [['POOL_NEARLY_FULL tight'], true]);
  assert.match(status.problems[0]!.text, /^9 of the 10 addresses/);
});
