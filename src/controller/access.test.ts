/**
 * Who may what, by every route there is: the list comes from the table of routes, so that a new one fails here until it is
 * said who may use it. What is expected is said here once more, apart from the table of rights.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fastify } from 'fastify';
import { type Kind, kinds } from '../model/kinds.ts';
import { requireRights } from './admission.ts';
import { openapiPathOf } from './paths.ts';
import type { Principal } from './principal.ts';
import { routeRights } from './route-rights.ts';
import { refusedWith, whoIs } from './test-audit.ts';
import { type Furnished, hostOf, openTwoTenants, users } from './test-principals.ts';
import { isInTenant, legalBody, legalPath, legalQuery, nameOf, type Route, routes } from './test-routes.ts';

type Who = keyof typeof users | 'host';
const everybody = [...(Object.keys(users) as (keyof typeof users)[]), 'host'] as const;
type Outcome = 'ok' | 403 | 404;
const all = (outcome: Outcome) => Object.fromEntries(everybody.map((who) => [who, outcome])) as Record<Who, Outcome>;
const only = (...who: Who[]) => ({ ...all(403), ...Object.fromEntries(who.map((one) => [one, 'ok' as const])) });
const tenants: readonly Who[] = ['tenant-admin', 'tenant-editor', 'viewer'];
/** Of a tenant in which somebody has no role. */
const hidden = { none: 404 } as const;

/** What is to become of each role's request; the host is h1, which was given the tenant. */
const expected: readonly [routes: RegExp, outcome: Readonly<Record<Who, Outcome>>][] = [
  [/^GET \/(readyz|v1\/openapi.json|v1\/whoami)$/, all('ok')],
  [/^GET \/metrics$/, only('admin', 'operator')],
  [/^GET \/v1\/status$/, only('admin', 'operator', ...tenants)],
  [/^GET \/v1\/(events|tokens)$/, { ...all('ok'), host: 403 }],
  // Who has no role makes the controller work for nothing.
  [/^GET \/v1\/(diff|export)$/, only('admin', 'operator', ...tenants)],
  [/^POST \/v1\/tokens$/, only('admin')],
  [/^DELETE \/v1\/tokens\/:token$/, { ...all(404), admin: 'ok', host: 403 }],
  [/^GET \/v1\/audit$/, only('admin', 'tenant-admin')],
  [/^GET \/v1\/(tenants|hosts)$/, all('ok')],
  [/^GET \/v1\/hosts\/:host$/, { ...all('ok'), none: 404 }],
  [/^GET \/v1\/(ca\/status|host-tokens|hosts\/:host\/history)$/, only('admin', 'operator')],
  [/^(POST|PATCH|DELETE) \/v1\/(ca\/(rotate|retire)|host-tokens|host-tokens\/:token)$/, only('admin', 'operator')],
  [/^POST \/v1\/hosts\/:host\/revoke$/, only('admin', 'operator')],
  // One host's certificate is renewed by that host alone, and it alone tells what it refused.
  [/^POST \/v1\/hosts\/:host\/(certificate|refusals)$/, all(403)],
  [/^(POST|PATCH|DELETE) \/v1\/hosts(\/:host)?$/, only('admin', 'operator')],
  [/^\w+ \/v1\/grants(\/:grant)?(\/history)?$/, only('admin')],
  [/^POST \/v1\/tenants$/, only('admin')],
  [/^(PATCH|DELETE) \/v1\/tenants\/:tenant$/, { ...only('admin'), ...hidden }],
  [/^GET \/v1\/tenants\/:tenant$/, { ...all('ok'), ...hidden }],
  [/^GET \/v1\/tenants\/:tenant\/history$/, { ...all('ok'), ...hidden, host: 403 }],
  [/^GET \/v1\/tenants\/:tenant\/quota$/, { ...all('ok'), ...hidden, host: 403 }],
  [/^PATCH \/v1\/tenants\/:tenant\/quota$/, { ...only('admin'), ...hidden }],
  [/^\w+ \/v1\/tenants\/:tenant\/grants(\/:grant)?(\/history)?$/, { ...only('admin', 'tenant-admin'), ...hidden }],
  [/^GET \/v1\/tenants\/:tenant\/\w+\/:\w+\/history$/, { ...only('admin', ...tenants), ...hidden }],
  [/^GET \/v1\/tenants\/:tenant\/\w+(\/:\w+)?$/, { ...only('admin', ...tenants, 'host'), ...hidden }],
  // A lease for h2 is not for h1 to make, nor what no engine wants: what is, host-deeds.test.ts has.
  [
    /^POST \/v1\/tenants\/:tenant\/(networks|subnets|leases|addresses|routers)$/,
    { ...only('admin', 'tenant-admin', 'tenant-editor'), ...hidden },
  ],
  [
    /^(PATCH|DELETE) \/v1\/tenants\/:tenant\/(networks|subnets|addresses|routers)\/:\w+$/,
    { ...only('admin', 'tenant-admin', 'tenant-editor'), ...hidden },
  ],
  [
    /^(POST|PATCH|DELETE) \/v1\/tenants\/:tenant\/(ports|leases)(\/:\w+)?$/,
    { ...only('admin', 'tenant-admin', 'tenant-editor', 'host'), ...hidden },
  ],
  [/^POST \/v1\/apply$/, only('admin', 'tenant-admin', 'tenant-editor')],
  // The legal one is a dry run, which changes nothing.
  [/^POST \/v1\/rollback$/, only('admin', ...tenants)],
];

/** What anybody may ask without credentials. */
const open = ['GET /healthz', 'GET /v1/ca', 'POST /v1/join', 'GET /v1/login'];
const stream = 'GET /v1/stream';
const closed = routes.filter((route) => !open.includes(nameOf(route)) && nameOf(route) !== stream);

const principalOf = (api: Furnished, who: Who): Principal => (who === 'host' ? hostOf(api, 'h1') : users[who]);
/** A tenant itself is asked for as its own people know it; who may delete it takes one that is empty. */
function requestOf(api: Furnished, route: Route, who: Who, tenant = 'acme') {
  const query = legalQuery[nameOf(route)];
  const of = who === 'admin' ? route.url : route.url.replace(/:tenant$|:tenant(?=\/history)/, tenant);
  const path = `${legalPath(api, { url: of }, tenant)}${query ? `?${query}` : ''}`;
  return [route.method, path, legalBody(api, route)] as const;
}

function outcomesAt(route: Route): Readonly<Record<Who, Outcome>> {
  const row = expected.find(([pattern]) => pattern.test(nameOf(route)));
  assert.ok(row, `${nameOf(route)} is new: say in this file who may use it`);
  return row[1];
}

describe('A24, A31: each role, and a host, at each route', () => {
  for (const route of closed)
    it(nameOf(route), async () => {
      const outcomes = outcomesAt(route);
      await using api = await openTwoTenants();
      const anonymous = await refusedWith(api, whoIs(undefined), () =>
        api.as(undefined).request(...requestOf(api, route, 'viewer')),
      );
      assert.deepEqual([anonymous.status, anonymous.body.code], [401, 'UNAUTHENTICATED']);
      assert.equal(anonymous.headers['www-authenticate'], 'Bearer');
      const before = await api.store.range('/');
      for (const who of everybody) {
        const outcome = outcomes[who];
        if (outcome === 'ok') continue;
        const principal = principalOf(api, who);
        const { status, body } = await refusedWith(api, whoIs(principal), () =>
          api.as(principal).request(...requestOf(api, route, who)),
        );
        assert.deepEqual([status, body.code], [outcome, outcome === 403 ? 'FORBIDDEN' : 'NOT_FOUND'], who);
      }
      assert.deepEqual(await api.store.range('/'), before, 'nothing was written');
      for (const who of everybody.filter((one) => outcomes[one] === 'ok')) {
        const change = route.method !== 'GET';
        await using own = change ? await openTwoTenants() : undefined;
        const at = own ?? api;
        const { status, body } = await at.as(principalOf(at, who)).request(...requestOf(at, route, who));
        assert.ok(status < 300, `${who}: ${status} ${JSON.stringify(body)}`);
      }
    });
});

describe('A29: tokens of an admin with a narrower scope, and one without, at each route', () => {
  /** What a token that may only read may send all the same: its legal one is a dry run. */
  const harmless = ['POST /v1/rollback'];
  const namesAcme = (route: Route) =>
    route.url.startsWith('/v1/tenants/:tenant') || ['POST /v1/apply', 'POST /v1/rollback'].includes(nameOf(route));
  for (const route of closed)
    it(nameOf(route), async () => {
      const { admin, 'tenant-admin': chief } = outcomesAt(route);
      const reads = route.method === 'GET' || harmless.includes(nameOf(route));
      const cases: [scope: object, as: Who, outcome: Outcome][] = [
        [{ readOnly: true }, 'admin', reads ? admin : 403],
        [{ tenants: ['globex'] }, 'tenant-admin', namesAcme(route) ? 404 : chief],
        [{ tenants: ['acme'] }, 'tenant-admin', chief],
        [{}, 'admin', admin],
      ];
      for (const [scope, as, outcome] of cases) {
        await using api = await openTwoTenants();
        const { id, token } = await api.ok('POST', '/v1/tokens', { user: 'root', scope });
        const before = await api.store.range('/');
        const [method, path, body] = requestOf(api, route, as);
        const ask = () => api.request(method, path, body, { authorization: `Bearer ${token}` });
        const what = JSON.stringify(scope);
        if (outcome === 'ok') {
          const { status, body: answer } = await ask();
          assert.ok(status < 300, `${what}: ${status} ${JSON.stringify(answer)}`);
          continue;
        }
        const { status } = await refusedWith(api, { kind: 'user', name: 'root', token: id }, ask);
        assert.equal(status, outcome, what);
        assert.deepEqual(await api.store.range('/'), before, `${what}: nothing was written`);
      }
    });
});

it('knows what each route asks for, and starts none of which it does not', async () => {
  const routed = routes.map((route) => openapiPathOf(nameOf(route)));
  assert.deepEqual([...routeRights.keys()].sort(), routed.sort());
  const app = fastify();
  requireRights(app);
  assert.throws(() => app.get('/v1/new', () => ''), /GET \/v1\/new has no entry in the table of rights/);
});

it('answers without credentials what is for everybody, and who shows bad ones is not nobody', async () => {
  await using api = await openTwoTenants();
  for (const path of ['/healthz', '/v1/ca']) assert.equal((await api.as(undefined).request('GET', path)).status, 200);
  const shown = { authorization: 'Bearer hdt_0000000000000000_x' };
  assert.equal((await api.request('GET', '/v1/tenants', undefined, shown)).body.code, 'TOKEN_INVALID');
  assert.equal((await api.request('GET', '/v1/nothing', undefined, shown)).status, 401);
  assert.equal((await api.as(undefined).request('GET', '/v1/nothing')).status, 401);
});

describe('A22, A31, A37: the tenant next door', () => {
  for (const route of closed.filter(isInTenant))
    it(`is as if it were not there: ${nameOf(route)}`, async () => {
      await using api = await openTwoTenants();
      const { id } = api.world.find('tenant', '-', 'globex')!.record;
      const before = await api.store.range('/');
      const answer = async (who: Who, tenant: string) => {
        const principal = principalOf(api, who);
        const { status, headers, body } = await refusedWith(api, whoIs(principal), () =>
          api.as(principal).request(...requestOf(api, route, who, tenant)),
        );
        assert.equal(status, 404, `${who} ${tenant} ${JSON.stringify(body)}`);
        return {
          headers: Object.keys(headers),
          body: JSON.stringify({ ...body, requestId: '' }).replaceAll(tenant, '?'),
        };
      };
      const isLease = route.url.includes('lease'); // those in globex are h1's own
      for (const who of [...tenants, 'none', ...(isLease ? [] : (['host'] as const))] as const) {
        const nowhere = await answer(who, 'nowhere');
        for (const tenant of ['globex', id]) assert.deepEqual(await answer(who, tenant), nowhere);
      }
      // By its id in the path of one's own.
      const kind = /:(\w+)(\/history)?$/.exec(route.url)?.[1];
      if (kind && kind !== 'tenant') {
        const other = api.world.find(kind as 'port', id, 'it')!.record.id;
        const path = legalPath(api, route).replace(/\bit\b/, other);
        const chief = api.as(users['tenant-admin']);
        const ask = () => chief.request(route.method, path, legalBody(api, route));
        // In a tenant of one's own it is a name that nobody has: of reads no record.
        const answer = route.method === 'GET' ? ask() : refusedWith(api, whoIs(users['tenant-admin']), ask);
        assert.equal((await answer).status, 404);
      }
      assert.deepEqual(await api.store.range('/'), before, 'nothing was written');
    });
});

describe('A22: ids of another tenant’s objects', () => {
  const nowhere = '01a1fbe3-73c1-7595-93b3-860e40bdeaf6';
  const tenantKinds = (Object.keys(kinds) as Kind[]).filter((kind) => kinds[kind].scope === 'tenant');
  for (const kind of tenantKinds) {
    const { refersTo, plural, filters, mutable } = kinds[kind];
    for (const [field, target] of Object.entries(refersTo).filter(([, other]) => kinds[other].scope === 'tenant'))
      it(`as ${field} of a ${kind} are as ones that nobody has`, async () => {
        await using api = await openTwoTenants();
        const globex = api.world.find('tenant', '-', 'globex')!.record.id;
        const theirs = api.world.find(target, globex, 'it')!.record.id;
        const chief = api.as(users['tenant-admin']);
        const path = `/v1/tenants/acme/${plural}`;
        const isList = field === 'subnets';
        const body = legalBody(api, { method: 'POST', url: `/v1/tenants/:tenant/${plural}` });
        const bodyOf = (id: string) => ({ [field]: isList ? [id] : id });
        const refusals: (() => Parameters<typeof chief.refused>)[] = [];
        for (const id of [theirs, nowhere]) {
          refusals.push(() => ['NOT_FOUND', 'POST', path, { ...body, ...bodyOf(id) }]);
          if (mutable.includes(field)) refusals.push(() => ['NOT_FOUND', 'PATCH', `${path}/it`, bodyOf(id)]);
          if (filters.includes(field)) refusals.push(() => ['NOT_FOUND', 'GET', `${path}?${field}=${id}`]);
        }
        const details = [];
        for (const refusal of refusals) details.push(JSON.stringify(await chief.refused(...refusal())));
        const half = details.length / 2;
        assert.deepEqual(
          details.slice(0, half).map((text) => text.replace(theirs, nowhere)),
          details.slice(half),
        );
        const document = { kind, tenant: 'acme', name: 'new', ...body, ...bodyOf(theirs) };
        const { problems } = (await chief.refused('DOCUMENTS_REFUSED', 'POST', '/v1/apply', {
          documents: [{ ...document, name: 'new' }],
        })) as { problems: { code: string }[] };
        assert.equal(problems[0]!.code, 'NOT_FOUND');
      });
  }

  // That is how routers of two tenants meet: somebody has told the id.
  it('A25: as peers of a router are taken, and connect nothing by themselves', async () => {
    await using api = await openTwoTenants();
    const { id } = await api.ok('GET', '/v1/tenants/globex/routers/it');
    const chief = api.as(users['tenant-admin']);
    const path = '/v1/tenants/acme/routers/it';
    const router = await chief.ok('PATCH', path, { peers: [id] });
    assert.deepEqual([router.peers, router.activePeers], [[id], []]);
    await chief.refused('NOT_FOUND', 'PATCH', path, { peers: [nowhere] });
  });
});

it('A25: a tenant that has another’s names, prefixes, addresses and MACs takes nothing of it', async () => {
  await using api = await openTwoTenants();
  const make = async (tenant: string) => {
    const t = `/v1/tenants/${tenant}`;
    await api.ok('POST', `${t}/networks`, { name: 'shop' });
    await api.ok('POST', `${t}/subnets`, { name: 'shop', network: 'shop', cidr: '10.44.0.0/24' });
    const port = { name: 'www', network: 'shop', host: 'h1', addresses: ['10.44.0.7'], mac: '52:54:00:00:44:07' };
    await api.ok('POST', `${t}/ports`, { ...port, dnsNames: ['www'] });
    await api.ok('PATCH', `${t}/routers/it`, { subnets: ['shop'] });
  };
  await make('acme');
  const seen = async () => {
    const viewer = api.as(users.viewer);
    const [port, router] = ['ports/www', 'routers/it'].map((path) => viewer.ok('GET', `/v1/tenants/acme/${path}`));
    return [await port, await router, (await viewer.ok('GET', '/v1/export')).documents];
  };
  const before = await seen();
  await make('globex');
  assert.deepEqual(await seen(), before);
  const ids = ['acme', 'globex'].map(async (t) => (await api.ok('GET', `/v1/tenants/${t}/networks/shop`)).vni);
  assert.notEqual(await ids[0], await ids[1], 'each is on a wire of its own');
  // As a part of it, a name means the tenant's own, and there is no way to say another's.
  const chief = api.as(users['tenant-admin']);
  for (const network of ['globex/shop', '../globex/shop'])
    await chief.refused('NOT_FOUND', 'POST', '/v1/tenants/acme/ports', { network });
});
