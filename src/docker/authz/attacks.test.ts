import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EngineContainer } from '../engine-api.ts';
import { testContainer } from '../test-engine.ts';
import { requireOwn, type View } from './decide.ts';
import { deedOf } from './deed.ts';

const id = (digit: string) => digit.repeat(64);
const shop = { Id: id('5'), Name: 'shop' };
const web = { Id: id('3'), Name: 'web' };
/** One whose name begins as the id of the other tenant's does, and one that is a whole id of theirs. */
const odd = { Id: id('6'), Name: '33' };
/** As an older engine may have let one be called. */
const standard = { Id: id('4'), Name: 'default' };
const networks = [shop, web, odd, standard, { Id: id('b'), Name: 'bridge' }, { Id: id('0'), Name: 'host' }];
const tenants = new Map([
  [shop.Id, 'globex'],
  [odd.Id, 'globex'],
  [standard.Id, 'globex'],
  [web.Id, 'acme'],
]);

/** As an engine shows what it was told nothing of. */
const plain = {
  ...{ NetworkMode: 'shop', Privileged: false, Binds: null, CapAdd: null, IpcMode: 'private', Runtime: 'runc' },
  ...{ LogConfig: { Type: 'json-file', Config: {} }, Devices: [], Annotations: {}, ShmSize: 67_108_864 },
  ...{ MaskedPaths: ['/proc/kcore'], ReadonlyPaths: ['/proc/sys'], CgroupnsMode: 'private', ConsoleSize: [0, 0] },
};
const container = (digit: string, name: string, on: Record<string, string>, host: object = {}): EngineContainer => ({
  ...testContainer({
    ...{ id: id(digit), name },
    networks: Object.fromEntries(Object.entries(on).map(([n, network]) => [n, { network, endpoint: `e${n}` }])),
  }),
  HostConfig: { ...plain, ...host },
});
const containers = [
  container('a', 'front', { shop: shop.Id }),
  container('c', 'fresh', { shop: '' }),
  container('0', 'logged', { shop: shop.Id }, { LogConfig: { Type: 'syslog' }, Runtime: 'runsc' }),
  container('d', 'base', { web: web.Id }),
  container('e', 'both', { shop: shop.Id, web: web.Id }),
  container('f', 'lost', {}),
  container('1', 'later', { web: '' }),
  container('2', 'root', { shop: shop.Id }, { Privileged: true }),
  container('4', 'mounted', { shop: shop.Id }, { Binds: ['/:/host'] }),
  container('7', 'beside', {}, { NetworkMode: `container:${id('a')}` }),
  container('8', 'spy', {}, { NetworkMode: 'container:base' }),
  container('9', 'self', {}, { NetworkMode: 'container:self' }),
  /** One of its own, that is called as the ids of others begin. */
  container('3', 'ee', { shop: shop.Id }),
  container('b', 'open', { shop: shop.Id }, { ReadonlyPaths: [] }),
];
const execs = new Map([
  [id('a'), id('a')],
  [id('d'), id('d')],
]);

const view: View = {
  networks: async () => networks,
  container: async (term) =>
    containers.find((c) => c.Id === term || c.Name === `/${term.replace(/^\//, '')}`) ??
    containers.find((c) => c.Id.startsWith(term)),
  containerOfExec: async (exec) => execs.get(exec),
  tenantOf: (network) => tenants.get(network),
};

interface Request {
  readonly method: string;
  readonly uri: string;
  /** Those of a client that sends no body, unless told otherwise. */
  readonly headers?: Record<string, string>;
  /** A text is sent as it is. */
  readonly body?: object | string;
}
const post = (uri: string, body?: object | string): Request => ({ method: 'POST', uri, ...(body && { body }) });
const get = (uri: string): Request => ({ method: 'GET', uri });
const remove = (uri: string): Request => ({ method: 'DELETE', uri });
/** A container with these fields of HostConfig, and beside it. */
const run = (host: object, beside: object = {}): Request =>
  post('/v1.41/containers/create?name=x', {
    ...{ Image: 'busybox', Cmd: ['sh'], Labels: { any: 'thing' } },
    HostConfig: { NetworkMode: 'shop', Privileged: false, Devices: [], MaskedPaths: null, ...host },
    NetworkingConfig: { EndpointsConfig: { shop: { IPAMConfig: {}, NetworkID: '' } } },
    ...beside,
  });
const join = (endpoints: object) => run({}, { NetworkingConfig: { EndpointsConfig: endpoints } });
const text = (hostConfig: string) => post('/v1.41/containers/create', `{"Image":"busybox","HostConfig":${hostConfig}}`);
const make = (options: object, ipam: object, more: object = {}) =>
  post('/v1.41/networks/create', {
    ...{ Name: 'mine', Driver: 'heddle', Options: options, ConfigFrom: { Network: '' }, ConfigOnly: false },
    ...{ IPAM: { Driver: 'heddle', Options: ipam, Config: [] }, CheckDuplicate: true, Scope: '', ...more },
  });
const globex = { 'heddle.tenant': 'globex' };
const connect = (network: string, of: string, endpoint?: object) =>
  post(`/v1.41/networks/${network}/connect`, { Container: of, EndpointConfig: endpoint });
const exec = (of: string, fields: object = {}) =>
  post(`/v1.41/containers/${of}/exec`, { Cmd: ['sh'], Privileged: false, ...fields });
const named = (name: string) => ({ ...run({}), uri: `/v1.41/containers/create?name=${name}` });
const rename = (name: string) => post(`/v1.41/containers/front/rename?name=${name}`);
/** What it says is not shown. */
const formed = (uri: string): Request => ({ ...post(uri), headers: { 'Content-Length': '14' } });
const update = (fields: object, of = 'front') => post(`/v1.41/containers/${of}/update`, fields);
const mounted = (fields: object) => run({ Mounts: [{ Type: 'volume', Target: '/x', ...fields }] });
const imported = (from: string) => post(`/v1.41/images/create?fromSrc=${from}&repo=x`);
const volume = (fields: object) => post('/v1.41/volumes/create', { Name: 'globex.data', Driver: 'local', ...fields });

/** May a user of globex do it, on an engine of acme and globex? */
async function refusal(
  { method, uri, body, headers = { 'Content-Length': '0' } }: Request,
  user: readonly string[] = ['globex'],
): Promise<string | undefined> {
  const sent = body === undefined ? undefined : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  try {
    const deed = deedOf(
      { method, uri, body: sent, headers },
      { name: 'heddle', tenants: ['acme', 'globex', 'globex.inner'] },
    );
    await requireOwn(deed, user, view);
    return undefined;
  } catch (e) {
    return (e as Error).message;
  }
}

type Attack = readonly [what: string, attack: Request, twin: Request];
const attacks: readonly Attack[] = [
  // Networks, by all that names one.
  ['look at another’s network', get('/v1.41/networks/web'), get('/v1.41/networks/shop')],
  ['by its id', get(`/v1.41/networks/${web.Id}`), get(`/v1.41/networks/${shop.Id}`)],
  ['by the beginning of its id', get('/v1.41/networks/3333'), get('/v1.41/networks/5555')],
  ['by what is the name of one’s own too', get('/v1.41/networks/33'), get(`/v1.41/networks/${odd.Id}`)],
  ['escaped', get('/v1.41/networks/w%65b'), get('/v1.41/networks/sh%6fp')],
  ['escaped twice', get('/v1.41/networks/w%2565b'), get('/v1.41/networks/shop')],
  ['remove it', remove('/v1.41/networks/web'), remove('/v1.41/networks/shop')],
  ['remove the engine’s', remove('/v1.41/networks/bridge'), remove('/networks/shop')],
  ['remove all that nobody uses', post('/v1.41/networks/prune'), get('/v1.41/networks')],
  ['make one of another tenant', make({}, { 'heddle.tenant': 'acme' }), make({}, globex)],
  ['make one of nobody’s choice, which is the first’s', make({}, {}), make(globex, globex)],
  ['say two tenants', make({ 'heddle.tenant': 'acme' }, globex), make(globex, globex)],
  [
    'hide the tenant from who does not give the addresses',
    make({}, globex, { IPAM: { Driver: 'default', Options: {} } }),
    make(globex, {}, { IPAM: { Driver: 'default', Options: {} } }),
  ],
  ['make one of another driver', make({}, globex, { Driver: 'macvlan' }), make({}, globex)],
  ['make one as another is', make({}, globex, { ConfigFrom: { Network: 'acme.web' } }), make({}, globex)],
  ['make a pattern for others', make({}, globex, { ConfigOnly: true }), make({}, globex)],
  ['make a Swarm’s', make({}, globex, { Scope: 'swarm' }), make({}, globex, { Scope: 'local' })],
  ['make one of another’s name', make({}, globex, { Name: 'web' }), make({}, globex, { Name: 'web2' })],
  [
    'make one of a name with a meaning',
    make({}, globex, { Name: 'container:base' }),
    make({}, globex, { Name: 'base' }),
  ],
  ['make one of a default’s name', make({}, globex, { Name: 'default' }), make({}, globex, { Name: 'defaults' })],
  ['connect to another’s', connect('web', 'front'), connect('shop', 'front')],
  ['connect another’s', connect('shop', 'base'), connect('shop', 'front')],
  [
    'connect by the endpoint',
    connect('shop', 'front', { NetworkID: web.Id }),
    connect('shop', 'front', { NetworkID: shop.Id }),
  ],
  [
    'disconnect another’s',
    post('/v1.41/networks/web/disconnect', { Container: 'base', Force: true }),
    post('/v1.41/networks/shop/disconnect', { Container: 'front', Force: true }),
  ],

  // New containers.
  ['run on another’s network', run({ NetworkMode: 'web' }), run({ NetworkMode: 'shop' })],
  ['by its id', run({ NetworkMode: web.Id }), run({ NetworkMode: shop.Id })],
  ['on the engine’s bridge', run({ NetworkMode: 'default' }), run({})],
  ['on the bridge by saying nothing', run({ NetworkMode: '' }), run({})],
  ['on the host’s network', run({ NetworkMode: 'host' }), run({})],
  ['on none, to be connected by whoever likes', run({ NetworkMode: 'none' }), run({})],
  [
    'in another’s namespace',
    run({ NetworkMode: `container:${id('d')}` }),
    run({ NetworkMode: `container:${id('a')}` }),
  ],
  [
    'by a name that may be another’s tomorrow',
    run({ NetworkMode: 'container:front' }),
    run({ NetworkMode: `container:${id('a')}` }),
  ],
  ['on a second network', join({ shop: {}, web: {} }), join({ shop: {}, [odd.Id]: null })],
  ['on one without settings', join({ web: null }), join({ shop: null })],
  ['on one that the endpoint names', join({ shop: { NetworkID: web.Id } }), join({ shop: { NetworkID: shop.Id } })],
  ['privileged', run({ Privileged: true }), run({})],
  ['spelled otherwise', run({ privileged: true }), run({})],
  ['spelled with the sign for kelvin', run({ 'Networ\u212aMode': 'web' }), run({})],
  ['spelled with the long s', run({ 'Sy\u017fctls': null }), run({ Sysctls: null })],
  ['spelled otherwise to take it back', run({ networkmode: '' }), run({})],
  ['with all rights on links', run({ CapAdd: ['NET_ADMIN'] }), run({ CapAdd: ['CAP_NET_RAW'] })],
  ['with all rights', run({ CapAdd: ['all'] }), run({ CapAdd: ['chown'], CapDrop: ['ALL'] })],
  ['with the host’s root', run({ Binds: ['/:/host:ro'] }), run({ Binds: ['globex.data:/data:ro'] })],
  ['with the engine’s socket', run({ Binds: ['/run/docker.sock:/s'] }), run({ Binds: ['/data'] })],
  ['by a path that goes up', run({ Binds: ['../etc:/etc'] }), run({ Binds: ['globex...:/etc'] })],
  [
    'by a mount',
    run({ Mounts: [{ Type: 'bind', Source: '/run', Target: '/x' }] }),
    run({ Mounts: [{ Type: 'volume', Source: 'globex.data', Target: '/x' }] }),
  ],
  [
    'by a mount of no kind',
    run({ Mounts: [{ Source: '/run', Target: '/x' }] }),
    run({ Mounts: [{ Type: 'tmpfs', Target: '/x', TmpfsOptions: { SizeBytes: 1 } }] }),
  ],
  [
    'by a volume with options',
    run({ Mounts: [{ Type: 'volume', Target: '/x', VolumeOptions: { DriverConfig: { Options: { device: '/' } } } }] }),
    run({ Mounts: [{ Type: 'volume', Target: '/x', VolumeOptions: { NoCopy: true, DriverConfig: { Options: {} } } }] }),
  ],
  ['with another’s volumes', run({ VolumesFrom: ['base'] }), run({ VolumesFrom: null })],
  ['with a device', run({ Devices: [{ PathOnHost: '/dev/sda' }] }), run({ Devices: [] })],
  ['with devices by rule', run({ DeviceCgroupRules: ['a *:* rwm'] }), run({ DeviceCgroupRules: null })],
  ['with the host’s processes', run({ PidMode: 'host' }), run({ PidMode: '' })],
  ['with another’s memory', run({ IpcMode: 'container:base' }), run({ IpcMode: 'private' })],
  ['with the host’s users', run({ UsernsMode: 'host' }), run({ UsernsMode: '' })],
  ['with what is hidden in /proc', run({ MaskedPaths: [] }), run({ MaskedPaths: null })],
  [
    'without a filter of calls',
    run({ SecurityOpt: ['seccomp=unconfined'] }),
    run({ SecurityOpt: ['no-new-privileges'] }),
  ],
  ['by another runtime', run({ Runtime: 'mine' }), run({ Runtime: 'runc' })],
  ['in a control group of its choice', run({ CgroupParent: '/' }), run({ CgroupParent: '' })],
  [
    'with a log to where the host gets',
    run({ LogConfig: { Type: 'syslog', Config: {} } }),
    run({ LogConfig: { Type: 'local', Config: { 'max-size': '1m' } } }),
  ],
  ['spelled otherwise', run({ LogConfig: { Type: 'local', type: 'syslog' } }), run({ LogConfig: { Type: '' } })],
  ['by a field that comes one day', run({ Magic: { on: 1 } }), run({ Magic: { on: 0 } })],
  ['beside HostConfig', run({}, { Privileged: true }), run({}, { Tty: true })],
  ['in its place', run({}, { HostConfig: null, NetworkMode: 'shop', Privileged: true }), run({})],
  [
    'by a field that is there twice',
    text('{"Privileged":true},"HostConfig":{"NetworkMode":"shop"}'),
    text('{"NetworkMode":"shop"}'),
  ],
  [
    'twice within',
    text('{"NetworkMode":"web","NetworkMode":"shop"}'),
    text('{"NetworkMode":"shop","ExtraHosts":["a:\\"::1"]}'),
  ],
  ['by a body that is not shown', post('/v1.41/containers/create?x=/auth'), run({})],
  ['by a second body', text('{"NetworkMode":"shop"}} {"a":1'), text('{"NetworkMode":"shop"}')],

  // Containers that are there.
  ['start another’s', post('/v1.41/containers/base/start'), post('/v1.41/containers/front/start')],
  ['by its id', post(`/v1.41/containers/${id('d')}/kill`), post(`/v1.41/containers/${id('a')}/kill`)],
  ['by the beginning of its id', post('/v1.41/containers/dddd/stop'), post('/v1.41/containers/aaaa/stop')],
  ['without the version', remove('/containers/base?force=1'), remove('/containers/front?force=1')],
  ['in an old version', post('/v1.23/containers/front/start', run({}).body), post('/v1.24/containers/front/start')],
  ['in one that only looks new', post('/v1.041/containers/front/start'), post('/v1.41/containers/front/start')],
  ['by two slashes', post('//containers/front/start'), post('/containers/front/start')],
  ['by a path that goes up', get('/v1.41/images/../containers/base/json'), get('/v1.41/images/busybox/json')],
  ['by an escaped path that goes up', get('/images/%2e%2e/containers/base/json'), get('/images/a%2Fb/json')],
  ['by an address with a host', get('http://x/containers/front/json'), get('/containers/front/json')],
  ['by a link’s name', get('/v1.41/containers/front/base/json'), get('/v1.41/containers/front/json')],
  ['in another’s case', get('/V1.41/containers/front/json'), get('/v1.41/containers/front/json')],
  ['by another method', { method: 'post', uri: '/containers/front/start' }, post('/containers/front/start')],
  ['read its files', get('/v1.41/containers/base/archive?path=/'), get('/v1.41/containers/front/archive?path=/')],
  [
    'write them',
    { method: 'PUT', uri: '/containers/base/archive' },
    { method: 'PUT', uri: '/containers/front/archive' },
  ],
  ['attach', get('/v1.41/containers/base/attach/ws'), get('/v1.41/containers/front/attach/ws')],
  ['one that is on another’s network too', exec('both'), exec('front')],
  ['one that is on none', exec('lost'), exec('front')],
  ['one that is to be on another’s', post('/containers/later/start'), post('/containers/fresh/start')],
  ['one that an administrator gave more', exec('root'), exec('front')],
  ['one with the host in it', exec('mounted'), exec('front')],
  ['one that may change the kernel', exec('open'), exec('logged')],
  ['one in another’s namespace', exec('spy'), exec('beside')],
  ['one in its own', exec('self'), exec('beside')],
  ['one that is not there', exec('nobody'), exec('front')],
  ['with all rights', exec('front', { Privileged: true }), exec('front', { User: 'root' })],
  ['in another’s exec', post(`/exec/${id('d')}/start`, {}), post(`/exec/${id('a')}/start`, { Detach: false })],
  ['make an image of it', post('/commit?container=base&repo=x'), post('/commit?container=front&repo=x')],
  ['two at once', post('/commit?container=front&container=base'), post('/commit?container=front')],
  [
    'by what parted queries once',
    post('/commit?a=b;container=base&container=front'),
    post('/commit?a=b&container=front'),
  ],
  ['end all that have stopped', post('/v1.41/containers/prune'), get('/v1.41/containers/json?all=1')],
  ['go on from another’s point', post('/v1.41/containers/front/checkpoints', {}), post('/containers/front/pause')],

  ['by a name that may be the beginning of its id', exec('ee'), exec('33')],
  ['by a form, which the engine reads first', formed('/commit?container=front'), post('/commit?container=front')],
  ['take a name like the beginning of its id', named('dddd'), named('ddddx')],
  ['like its whole id', named(id('d')), named('D'.repeat(64))],
  ['by a slash before it', named('%2Fdddd'), named('%2Fddddx')],
  ['by the second of two', named('x&name=dddd'), named('x&name=y')],
  ['by another name for one that is there', rename('dddd'), rename('ddddx')],
  ['by a form that hides it', formed('/containers/front/rename?name=x'), rename('x')],
  ['make a network of such a name', make({}, globex, { Name: '3333' }), make({}, globex, { Name: '3333x' })],
  ['give one a device later', update({ Devices: [{ PathOnHost: '/dev/sda' }] }), update({ Memory: 1, Devices: null })],
  ['change another’s share', update({ Memory: 1 }, 'base'), update({ Memory: 1 })],

  // Volumes.
  ['use another’s volume', run({ Binds: ['acme.data:/x'] }), run({ Binds: ['globex.data:/x', '/y'] })],
  ['one that is nobody’s', run({ Binds: ['data:/x'] }), run({ Binds: ['globex.x:/x'] })],
  ['of a tenant that one’s own is the beginning of', run({ Binds: ['globex2.x:/x'] }), run({ Binds: null })],
  ['with a dot', run({ Binds: ['globex.inner.x:/x'] }), run({ Binds: ['globex.inn.x:/x'] })],
  ['by a mount', mounted({ Source: 'acme.data' }), mounted({ Source: 'globex.data' })],
  ['by no text', mounted({ Source: ['globex.data'] }), mounted({ Source: '' })],
  ['beside another’s', run({ NetworkMode: `container:${id('a')}`, Binds: ['acme.x:/x'] }), mounted({})],
  ['make one for another', volume({ Name: 'acme.data' }), volume({})],
  ['one of no name', volume({ Name: '' }), volume({ Name: 'globex.y' })],
  ['look at another’s', get('/v1.41/volumes/acme.data'), get('/v1.41/volumes/globex.data')],
  ['remove it', remove('/v1.41/volumes/acme.data?force=1'), remove('/v1.41/volumes/globex.data?force=1')],
  ['remove all that nobody uses', post('/v1.41/volumes/prune'), get('/v1.41/volumes')],

  // The rest of the engine.
  ['an image of a file of the host', imported('/etc/shadow'), imported('-')],
  ['by an address', imported('file:///etc/shadow'), imported('https://example.org/root.tar')],
  ['by the second of two', imported('-&fromSrc=/etc/shadow'), imported('-&fromSrc=')],
  ['remove all images that nobody uses', post('/images/prune'), remove('/images/prune-me')],
  [
    'a volume that is the host’s',
    volume({ DriverOpts: { type: 'none', o: 'bind', device: '/' } }),
    volume({ DriverOpts: {} }),
  ],
  ['a volume of another driver', volume({ Driver: 'sshfs' }), volume({ Labels: { a: 'b' } })],
  ['build on a network', post('/v1.41/build?networkmode=web'), post('/v1.41/images/create?fromImage=busybox')],
  ['build by another way', post('/v1.41/session'), get('/v1.41/info')],
  ['by the whole of the builder', post('/grpc'), get('/_ping')],
  ['a plug-in with rights on the host', post('/v1.41/plugins/pull?remote=x'), get('/v1.41/plugins')],
  ['end this one', post('/v1.41/plugins/heddle/disable'), get('/v1.41/version')],
  ['a Swarm’s service', post('/v1.41/services/create', {}), run({})],
  ['another’s secrets', get('/v1.41/secrets'), get('/v1.41/volumes')],
  ['leave the Swarm', post('/v1.41/swarm/leave?force=1'), get('/v1.41/info')],
  ['look into the engine', get('/debug/pprof/heap'), get('/v1.41/events')],
];

for (const [index, [what, attack, twin]] of attacks.entries())
  test(`A22: ${index + 1}. ${what}: refused, and its legal twin is not`, async () => {
    assert.notEqual(await refusal(attack), undefined, JSON.stringify(attack));
    assert.equal(await refusal(twin), undefined, JSON.stringify(twin));
  });

test('A22: who has both tenants may touch both, and who has none, nothing', async () => {
  assert.equal(await refusal(exec('both'), ['acme', 'globex']), undefined);
  assert.equal(await refusal(connect('web', 'front'), ['acme', 'globex']), undefined);
  for (const request of [exec('front'), run({}), make({}, globex), get('/networks/shop')])
    assert.notEqual(await refusal(request, []), undefined);
  assert.equal(await refusal(get('/version'), []), undefined);
});

test('A22: what is another’s and what is not there are refused with the same words', async () => {
  const words = async (request: Request, name: string) => (await refusal(request))?.replaceAll(name, 'x');
  assert.equal(await words(exec('base'), 'base'), await words(exec('nobody'), 'nobody'));
  assert.equal(await words(exec('root'), 'root'), await words(exec('nobody'), 'nobody'));
  assert.equal(await words(get('/networks/web'), 'web'), await words(get('/networks/none1'), 'none1'));
});
