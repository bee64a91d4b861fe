import assert from 'node:assert/strict';
import { renameSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { agentDaemon } from '../../src/lab/daemons.ts';
import { Engine } from '../../src/lab/engine.ts';
import { startDaemon, until } from '../../src/lab/processes.ts';
import type { Ran } from '../../src/lab/run.ts';
import type { AuditRecord } from '../../src/model/audit.ts';
import { heddle } from '../cli/heddle.ts';
import { type Pair, TestAuthority } from './certificates.ts';
import { DockerRig } from './rig.ts';

const address = '198.18.0.1:2376';
let rig: DockerRig;
let authority: TestAuthority;
let users: string;
const certificates = new Map<string, Pair>();

before(async () => {
  rig = await DockerRig.open({ hosts: 1 });
  for (const tenant of ['acme', 'globex']) await rig.addNetwork(tenant, 'web', '10.5.0.0/24');
  const plan = rig.lab.plan.hosts[0]!;
  const { plugins } = plan.engine!;
  authority = await TestAuthority.make(`${plan.engine!.dir}/tls`);
  const server = await authority.issue(
    'server',
    '/CN=h1',
    'subjectAltName=IP:198.18.0.1\nextendedKeyUsage=serverAuth\n',
  );
  const isClient = 'extendedKeyUsage=clientAuth\n';
  for (const name of ['alice', 'bob', 'mallory'])
    certificates.set(name, await authority.issue(name, `/CN=${name}`, isClient));
  certificates.set('nameless', await authority.issue('nameless', '/O=nobody', isClient));
  users = `${plan.dir}/users.yaml`;
  writeUsers({ alice: ['acme'], bob: ['globex'], '': ['*'] });
  await rig.lab.kill('h1', 'SIGTERM');
  await startAgent();
  // An engine that is to ask the plug-in does not start without it.
  await rig.lab.ready('h1');
  await rig.lab.engine('h1').stop();
  const flags = [
    ...['--authorization-plugin', 'heddle-authz', '--host', `tcp://${address}`, '--tlsverify'],
    ...['--tlscacert', authority.ca, '--tlscert', server.cert, '--tlskey', server.key],
  ];
  const engine = new Engine({ ...plan.engine!, flags, plugins });
  await engine.start();
  await engine.ready();
});
after(() => rig[Symbol.asyncDispose]());

function writeUsers(of: Record<string, readonly string[]>): void {
  writeFileSync(`${users}.new`, JSON.stringify({ users: of }));
  renameSync(`${users}.new`, users);
}
async function startAgent(): Promise<void> {
  const plan = rig.lab.plan.hosts[0]!;
  const daemon = agentDaemon(rig.lab.plan, plan);
  const socket = `${plan.engine!.plugins}/heddle-authz.sock`;
  const argv = [...daemon.argv, '--docker-authz', users, '--docker-authz-plugin', socket];
  await startDaemon({ ...daemon, argv });
}

/** Docker as a user: by its certificate. */
function as(user: string, ...args: string[]): Promise<Ran> {
  const { cert, key } = certificates.get(user)!;
  const tls = ['--tlsverify', '--tlscacert', authority.ca, '--tlscert', cert, '--tlskey', key];
  return rig.lab.host('h1').exec(['/usr/bin/docker', '--host', `tcp://${address}`, ...tls, ...args]);
}
async function may(user: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await as(user, ...args);
  assert.equal(code, 0, `${user}: docker ${args.join(' ')}: ${stdout}${stderr}`);
  return stdout.trim();
}
/** What is said. */
async function mayNot(user: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await as(user, ...args);
  assert.notEqual(code, 0, `${user}: docker ${args.join(' ')}: ${stdout}`);
  assert.match(stderr, /authorization denied by plugin heddle-authz/, `docker ${args.join(' ')}`);
  return stderr;
}
/** A request as no client of Docker's sends it: its HTTP status. */
async function raw(user: string, method: string, path: string, ...more: string[]): Promise<number> {
  const { cert, key } = certificates.get(user)!;
  const tls = ['--cacert', authority.ca, '--cert', cert, '--key', key];
  const options = [
    '--silent',
    '--output',
    '/dev/null',
    '--write-out',
    '%{http_code}',
    '--path-as-is',
    '--max-time',
    '60',
  ];
  const { stdout } = await rig.lab
    .host('h1')
    .exec(['curl', ...tls, ...options, '--request', method, ...more, `https://${address}${path}`]);
  return Number(stdout);
}
const json = (body: object) => ['--header', 'content-type: application/json', '--data', JSON.stringify(body)];

const create = (tenant: string, name: string) => [
  ...['network', 'create', '--driver', 'heddle', '--subnet', '10.5.0.0/24', '--ipam-driver', 'heddle'],
  ...['--ipam-opt', `heddle.tenant=${tenant}`, '--ipam-opt', 'heddle.network=web', name],
];
const run = (network: string, name: string, ...options: string[]) => [
  ...['run', '--detach', '--stop-signal', 'KILL', '--network', network, '--name', name, ...options],
  ...['busybox', 'sleep', 'infinity'],
];

test('A22: two users of one engine have their own tenant’s networks and containers, and not the other’s', async () => {
  assert.match(await mayNot('bob', ...create('acme', 'stolen')), /bob may not .* no tenant of yours called acme/);
  await may('alice', ...create('acme', 'office'));
  await may('bob', ...create('globex', 'shop'));
  await may('alice', ...run('office', 'safe'));
  await may('bob', ...run('shop', 'thief'));
  assert.match(await may('bob', 'exec', 'thief', 'ip', 'address'), /10\.5\.0\./);
  for (const [attack, twin] of [
    [
      ['network', 'inspect', 'office'],
      ['network', 'inspect', 'shop'],
    ],
    [
      ['network', 'connect', 'office', 'thief'],
      ['network', 'ls'],
    ],
    [['network', 'disconnect', 'office', 'safe'], ['ps']],
    [
      ['exec', 'safe', 'id'],
      ['exec', 'thief', 'id'],
    ],
    [
      ['logs', 'safe'],
      ['logs', 'thief'],
    ],
    [
      ['restart', 'safe'],
      ['restart', 'thief'],
    ],
    [
      ['container', 'inspect', 'safe'],
      ['container', 'inspect', 'thief'],
    ],
    [run('office', 'spy'), run('shop', 'spy')],
    [
      ['network', 'rm', 'office'],
      ['rm', '--force', 'spy'],
    ],
    [['rm', '--force', 'safe'], ['version']],
  ] as const) {
    await mayNot('bob', ...attack);
    await may('bob', ...twin);
  }
  // What it asks first is answered without a body, and so without our words.
  assert.notEqual((await as('bob', 'cp', 'safe:/etc/passwd', '-')).code, 0);
  await may('bob', 'cp', 'thief:/etc/passwd', '-');
  const [safe, thief] = await Promise.all(
    ['safe', 'thief'].map((name) => rig.docker('h1', 'inspect', '--format', '{{.Id}}', name)),
  );
  await mayNot('bob', ...run(`container:${safe}`, 'beside'));
  await may('bob', ...run(`container:${thief}`, 'beside'));
  await may('bob', 'exec', 'beside', 'ip', 'address');
  await may('bob', 'rm', '--force', 'beside');
  await rig.port('acme', 'safe');
});

test('A22: each refusal is in the controller’s audit log, as this host’s word, also of while that was away', async () => {
  // No other test asks for it.
  const told = 'office-of-alice';
  await mayNot('bob', 'network', 'inspect', told);
  const { who, code, tenant, told: said } = await recorded('bob', told);
  assert.deepEqual([who, code, tenant], [{ kind: 'host', name: 'h1' }, 'ENGINE_FORBIDDEN', undefined]);
  assert.match(said!.asked, /^GET \/v1\.\d+\/networks\/office-of-alice$/);
  assert.match(said!.why, /network of yours called office-of-alice/);
  await rig.lab.kill('controller');
  await mayNot('alice', 'network', 'inspect', told);
  await rig.lab.start('controller');
  await recorded('alice', told);
});

/** The record of what was refused to somebody, by a part of what was asked. */
const recorded = (who: string, asked: string): Promise<AuditRecord> =>
  until(`a record of what ${who} was refused`, 30_000, async () => {
    const words = ['audit', '--refused', '--who', 'h1', '--all', '--json'];
    const { code, stdout } = await heddle(words, { HEDDLE_CONTROLLER: rig.lab.controllerAddress });
    const records = stdout.split('\n').filter((line) => line !== '' && code === 0);
    return records
      .map((line) => JSON.parse(line) as AuditRecord)
      .find(({ told }) => told?.who === who && told.asked.includes(asked));
  });

test('A22: nobody gets round it by the host', async () => {
  for (const options of [
    ['--privileged'],
    ['--cap-add', 'NET_ADMIN'],
    ['--volume', '/:/host'],
    ['--volume', '/run/docker.sock:/run/docker.sock'],
    ['--mount', 'type=bind,source=/run,target=/host'],
    ['--pid', 'host'],
    ['--device', '/dev/null'],
    ['--security-opt', 'seccomp=unconfined'],
  ])
    await mayNot('bob', ...run('shop', 'root', ...options));
  for (const network of ['host', 'bridge', 'none', 'container:safe']) await mayNot('bob', ...run(network, 'root'));
  await mayNot('bob', 'run', '--rm', 'busybox', 'true');
  await mayNot('bob', 'network', 'create', 'local');
  await mayNot('bob', 'network', 'prune', '--force');
  await mayNot('bob', 'exec', '--privileged', 'thief', 'id');
  await mayNot('bob', 'volume', 'create', '--opt', 'type=none', '--opt', 'o=bind', '--opt', 'device=/', 'root');
  const safer = [
    '--volume',
    'globex.data:/data',
    '--cap-drop',
    'ALL',
    '--security-opt',
    'no-new-privileges',
    '--memory',
    '64m',
  ];
  await may('bob', ...run('shop', 'plain', ...safer, '--publish', '8080:80', '--restart', 'always', '--tmpfs', '/tmp'));
  await may('bob', 'exec', 'plain', 'id');
  await may('bob', 'rm', '--force', 'plain');
  for (const options of [
    ['--volume', 'acme.data:/data'],
    ['--volume', 'data:/data'],
    ['--mount', 'type=volume,source=acme.data,target=/data'],
  ])
    await mayNot('bob', ...run('shop', 'reader', ...options));
  await mayNot('bob', 'volume', 'create', 'acme.data');
  await mayNot('bob', 'volume', 'prune', '--force');
  await mayNot('alice', 'volume', 'rm', 'globex.data');
  await may('bob', 'volume', 'rm', 'globex.data');
  assert.equal(await raw('bob', 'POST', '/v1.41/images/create?fromSrc=/etc/shadow&repo=stolen'), 403);
});

test('A22: what reads as an id is no name', async () => {
  const safe = await rig.docker('h1', 'inspect', '--format', '{{.Id}}', 'safe');
  const short = safe.slice(0, 12);
  assert.match(await mayNot('bob', ...run('shop', short)), /a name needs another character/);
  await mayNot('bob', 'rename', 'thief', short);
  const rename = '/v1.41/containers/thief/rename';
  // A form in the body is what the engine reads, whatever the query says.
  for (const more of [['--data', `name=${short}`], json({ name: short }), []])
    assert.equal(await raw('bob', 'POST', `${rename}?name=${short}`, ...more), 403);
  const form = ['--header', 'content-type: application/x-www-form-urlencoded'];
  for (const hidden of [[], ['--header', 'content-type: text/plain'], ['--header', 'transfer-encoding: chunked']])
    assert.equal(await raw('bob', 'POST', `${rename}?name=fine`, ...form, ...hidden, '--data', `name=${short}`), 403);
  await may('bob', 'rename', 'thief', 'fine');
  await may('bob', 'rename', 'fine', 'thief');
  await may('bob', 'commit', 'thief', 'loot');
  await may('bob', 'update', '--memory', '64m', '--memory-swap', '64m', 'thief');
  // As an administrator, or an older agent, may have let one be called.
  await rig.docker('h1', 'rename', 'thief', short);
  await mayNot('bob', 'exec', short, 'id');
  await mayNot('alice', 'exec', short, 'id');
  await may('alice', 'exec', safe, 'id');
  await rig.docker('h1', 'rename', `/${short}`, 'thief');
  await may('alice', 'exec', short, 'id');
});

test('A22: requests that no client sends are read as the engine reads them', async () => {
  const inspect = (name: string) => `/v1.41/networks/${name}`;
  for (const name of ['office', '%6fffice', 'offic%65', 'office?verbose=1'])
    assert.equal(await raw('bob', 'GET', inspect(name)), 403, name);
  for (const name of ['shop', '%73hop', 'shop?verbose=1'])
    assert.equal(await raw('bob', 'GET', inspect(name)), 200, name);
  // The engine sends such a one elsewhere, where it is asked again.
  for (const path of ['/v1.41//networks/office', '/v1.41/x/../networks/office'])
    assert.ok([301, 403, 404].includes(await raw('bob', 'GET', path)), path);
  const container = (fields: object) => json({ Image: 'busybox', Cmd: ['true'], ...fields });
  const post = (path: string, body: string[]) => raw('bob', 'POST', path, ...body);
  const make = '/v1.41/containers/create';
  const own = { HostConfig: { NetworkMode: 'shop' } };
  assert.equal(await post(`${make}?name=x1`, container(own)), 201);
  assert.equal(await post(`${make}?x=/auth`, container({ HostConfig: { Privileged: true } })), 403);
  assert.equal(await post(make, container({ ...own, Privileged: true })), 403);
  assert.equal(await post(make, container({ HostConfig: { NetworkMode: 'shop', privileged: true } })), 403);
  const large = container({ HostConfig: { Privileged: true }, Labels: { a: 'x'.repeat(1 << 20) } }).at(-1)!;
  writeFileSync(`${users}.large`, large);
  assert.equal(await post(make, ['--header', 'content-type: application/json', '--data', `@${users}.large`]), 403);
  const chunked = ['--header', 'transfer-encoding: chunked'];
  assert.equal(await post(make, [...chunked, ...container({ HostConfig: { NetworkMode: 'office' } })]), 403);
  const office = await rig.docker('h1', 'network', 'inspect', '--format', '{{.Id}}', 'office');
  const shop = await rig.docker('h1', 'network', 'inspect', '--format', '{{.Id}}', 'shop');
  const endpoint = (NetworkID: string) => ({ NetworkingConfig: { EndpointsConfig: { shop: { NetworkID } } } });
  assert.equal(await post(make, container({ ...own, ...endpoint(office) })), 403);
  assert.equal(await post(`${make}?name=x2`, container({ ...own, ...endpoint(shop) })), 201);
  assert.equal(await raw('bob', 'GET', `${inspect(office.slice(0, 12))}`), 403);
  assert.equal(await raw('bob', 'GET', `${inspect(shop.slice(0, 12))}`), 200);
  assert.equal(await post('/v1.23/containers/x1/start', container({ Privileged: true })), 403);
  await may('bob', 'rm', 'x1', 'x2');
});

test('A22: a container of whose network another has taken the name is not started there', async () => {
  const other = (tenant: string) => [
    ...['network', 'create', '--driver', 'heddle', '--ipam-driver', 'heddle'],
    ...['--ipam-opt', `heddle.tenant=${tenant}`, '--subnet', '10.6.0.0/24', 'fleeting'],
  ];
  await may('bob', ...other('globex'));
  await may('bob', 'create', '--network', 'fleeting', '--name', 'sleeper', 'busybox', 'sleep', 'infinity');
  await may('bob', 'network', 'rm', 'fleeting');
  await may('alice', ...other('acme'));
  await mayNot('bob', 'start', 'sleeper');
  await may('alice', 'network', 'rm', 'fleeting');
  await rig.docker('h1', 'rm', 'sleeper');
});

test('A22: who is not in the file, or has no name, has no tenant; root by the socket is what the file says', async () => {
  for (const user of ['mallory', 'nameless']) {
    assert.match(await mayNot(user, 'exec', 'safe', 'id'), /tenants here: none/i);
    await mayNot(user, ...run('shop', 'spy'));
    await mayNot(user, 'network', 'inspect', 'shop');
    await may(user, 'version');
  }
  await rig.docker('h1', 'run', '--rm', '--network', 'host', 'busybox', 'true');
  writeUsers({ alice: ['acme'], bob: ['globex', 'acme'] });
  await may('bob', 'exec', 'safe', 'id');
  assert.match(await rig.refused('h1', 'exec', 'safe', 'id'), /who comes by the engine’s socket may not/);
  writeUsers({ alice: ['acme'], bob: ['globex'], '': ['*'] });
  await mayNot('bob', 'exec', 'safe', 'id');
  await rig.docker('h1', 'exec', 'safe', 'id');
});

test('A22: a tenant that the controller has taken from the host is refused, with whom to ask', async () => {
  await rig.client.update('host', 'h1', { tenants: ['acme'] });
  const said = await rig.refused('h1', ...create('globex', 'late'));
  assert.match(said, /TENANT_NOT_GIVEN: .*globex.*heddle host update h1 --tenants/);
  await may('alice', ...create('acme', 'second'));
  await rig.client.update('host', 'h1', { tenants: ['*'] });
  await may('bob', ...create('globex', 'late'));
});

test('without its agent the engine refuses everything, and goes on when it is back', async () => {
  await rig.lab.kill('h1');
  const { code, stderr } = await as('alice', 'exec', 'safe', 'id');
  assert.notEqual(code, 0);
  assert.match(stderr, /plugin heddle-authz failed/);
  await startAgent();
  await rig.lab.ready('h1');
  await until('an answer of the engine', 20_000, async () =>
    (await as('alice', 'exec', 'safe', 'id')).code === 0 ? true : undefined,
  );
  await mayNot('bob', 'exec', 'safe', 'id');
});
