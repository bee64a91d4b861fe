/** Every route there is, from the table of routes, and a request of each that is taken, for tests. */
import { fastify } from 'fastify';
import { limits } from '../model/fields.ts';
import { makeRequest } from '../trust/request.ts';
import { registerRoutes } from './app.ts';
import type { Method } from './test-api.ts';
import type { Furnished } from './test-principals.ts';

export interface Route {
  readonly method: Method;
  /** With ":tenant". */
  readonly url: string;
  readonly bodyLimit: number;
}

export const routes: Route[] = [];
{
  const app = fastify({ exposeHeadRoutes: false });
  app.addHook('onRoute', ({ method, url, bodyLimit = limits.bodyBytes }) => {
    routes.push({ method: method as Method, url, bodyLimit });
  });
  registerRoutes(app, {} as never);
  await app.close();
}
export const nameOf = ({ method, url }: Pick<Route, 'method' | 'url'>): string => `${method} ${url}`;
/** Those that read no body. */
export const bodiless: readonly string[] = ['POST /v1/hosts/:host/revoke', 'POST /v1/ca/rotate'];
/** Those whose path names a tenant in which something else is. */
export const isInTenant = ({ url }: Route): boolean => url.includes('/:tenant/');

const { csr } = await makeRequest('more');

/** A body that each route takes, against what `openTwoTenants` makes. */
const legal: Readonly<Record<string, object>> = {
  'POST /v1/tenants': { name: 'more' },
  'POST /v1/hosts': { name: 'more', vtep: '198.18.0.77' },
  'POST /v1/grants': { name: 'more', subject: 'user:more', role: 'operator' },
  'POST /v1/tokens': { user: 'more' },
  'POST /v1/host-tokens': { name: 'more' },
  'POST /v1/hosts/:host/certificate': { csr },
  'POST /v1/hosts/:host/refusals': {
    items: [{ at: '2026-01-31T08:00:00Z', who: 'bob', asked: 'GET /x', why: 'not his', code: 'ENGINE_FORBIDDEN' }],
  },
  'POST /v1/ca/retire': { force: true },
  'POST /v1/tenants/:tenant/networks': { name: 'more' },
  'POST /v1/tenants/:tenant/subnets': { name: 'more', network: 'web', cidr: '10.7.0.0/24' },
  'POST /v1/tenants/:tenant/ports': { name: 'more', network: 'web' },
  'POST /v1/tenants/:tenant/addresses': { name: 'more', network: 'web', ports: ['p1'] },
  'POST /v1/tenants/:tenant/leases': { network: 'web', host: 'h2', size: 1 },
  'POST /v1/tenants/:tenant/routers': { name: 'more' },
  'POST /v1/tenants/:tenant/grants': { name: 'more', subject: 'user:more', role: 'viewer' },
  ...Object.fromEntries(
    ['tenants/:tenant', 'hosts/:host', 'grants/:grant'].map((path) => [`PATCH /v1/${path}`, { labels: { a: 'b' } }]),
  ),
  ...Object.fromEntries(
    ['network', 'subnet', 'port', 'router', 'lease', 'grant'].map((kind) => [
      `PATCH /v1/tenants/:tenant/${kind}s/:${kind}`,
      { labels: { a: 'b' } },
    ]),
  ),
  'PATCH /v1/tenants/:tenant/addresses/:address': { labels: { a: 'b' } },
  'PATCH /v1/tenants/:tenant/quota': { limits: { ports: 9 } },
  'POST /v1/apply': { documents: [{ kind: 'network', tenant: 'acme', name: 'more' }] },
  'POST /v1/rollback': { to: '10', tenant: 'acme', dryRun: true },
};
export function legalBody(api: Furnished, route: Pick<Route, 'method' | 'url'>): object | undefined {
  const name = nameOf(route);
  if (name === 'POST /v1/join') return { token: api.made.joinToken, csr, name: 'more', vtep: '198.18.0.77' };
  return legal[name];
}

/** Routes that ask for a query. */
export const legalQuery: Readonly<Record<string, string>> = { 'GET /v1/diff': 'since=1' };

/** The route's path with the object "it"; what is in a tenant is in acme. */
export const legalPath = (api: Furnished, { url }: Pick<Route, 'url'>, tenant = 'acme'): string =>
  url
    .replace(/:tenant(?=\/)/, tenant)
    .replace(/host-tokens\/:token/, `host-tokens/${api.made.joinTokenId}`)
    .replace(/tokens\/:token/, `tokens/${api.made.tokenId}`)
    .replace(/:\w+/g, 'it');
