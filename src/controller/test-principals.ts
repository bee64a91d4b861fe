/** Two tenants with something of every kind, and principals of every role, for tests. */
import type { Principal } from './principal.ts';
import { openTestApi, type TestApi } from './test-api.ts';

export const user = (name: string, more: Partial<Extract<Principal, { kind: 'user' }>> = {}): Principal => ({
  kind: 'user',
  name,
  groups: [],
  via: 'oidc',
  ...more,
});

/** One for each role; the roles in a tenant are in acme. */
export const users = {
  admin: user('root'),
  operator: user('olga'),
  'tenant-admin': user('ada'),
  'tenant-editor': user('ed'),
  viewer: user('vic', { groups: ['dev'] }),
  /** With no role at all. */
  none: user('nora'),
} as const;

export interface Furnished extends TestApi {
  readonly made: {
    /** A token by which host "more" may join, and its id. */
    readonly joinToken: string;
    readonly joinTokenId: string;
    /** Id of an API token of the admin's. */
    readonly tokenId: string;
  };
}

/** Tenants acme and globex, each with network web, subnets v4 and v6, ports p1 and it, router it, address it, lease it; hosts h1, which was given acme, and h2. */
export async function openTwoTenants(options: Parameters<typeof openTestApi>[0] = {}): Promise<Furnished> {
  const api = await openTestApi(options);
  for (const name of ['acme', 'globex', 'it']) await api.ok('POST', '/v1/tenants', { name });
  for (const n of [1, 2])
    await api.ok('POST', '/v1/hosts', { name: `h${n}`, vtep: `198.18.0.${n}`, tenants: n === 1 ? ['acme'] : [] });
  await api.ok('POST', '/v1/hosts', { name: 'it', vtep: '198.18.0.9' });
  for (const tenant of ['acme', 'globex']) {
    const t = `/v1/tenants/${tenant}`;
    for (const name of ['web', 'it']) await api.ok('POST', `${t}/networks`, { name });
    await api.ok('POST', `${t}/subnets`, { name: 'v4', network: 'web', cidr: '10.0.0.0/24' });
    await api.ok('POST', `${t}/subnets`, { name: 'v6', network: 'web', cidr: 'fd00::/64' });
    await api.ok('POST', `${t}/subnets`, { name: 'it', network: 'web', cidr: '10.8.0.0/24' });
    await api.ok('POST', `${t}/ports`, { name: 'p1', network: 'web', host: 'h1' });
    await api.ok('POST', `${t}/ports`, { name: 'it', network: 'web' });
    await api.ok('POST', `${t}/addresses`, { name: 'it', network: 'web', ports: ['p1'] });
    await api.ok('POST', `${t}/routers`, { name: 'it' });
    await api.ok('POST', `${t}/leases`, { name: 'it', network: 'web', host: 'h1', size: 1 });
    await api.ok('POST', `${t}/grants`, { name: 'it', subject: 'user:somebody', role: 'viewer' });
  }
  await api.ok('POST', '/v1/grants', { name: 'it', subject: 'user:somebody', role: 'operator' });
  await api.ok('POST', '/v1/grants', { name: 'root', subject: 'user:root', role: 'admin' });
  await api.ok('POST', '/v1/grants', { name: 'olga', subject: 'user:olga', role: 'operator' });
  const grants = { ada: 'tenant-admin', ed: 'tenant-editor' };
  for (const [name, role] of Object.entries(grants))
    await api.ok('POST', '/v1/tenants/acme/grants', { name, subject: `user:${name}`, role });
  await api.ok('POST', '/v1/tenants/acme/grants', { name: 'dev', subject: 'group:dev', role: 'viewer' });
  // Made now, and not by the first request that asks for it.
  await api.authority();
  const join = await api.ok('POST', '/v1/host-tokens', {});
  const token = await api.ok('POST', '/v1/tokens', { user: 'root' });
  return Object.assign(api, { made: { joinToken: join.token, joinTokenId: join.id, tokenId: token.id } });
}

/** A host as it comes with its certificate. */
export function hostOf({ world }: TestApi, name: string): Principal {
  const { id } = world.find('host', '-', name)!.record;
  return { kind: 'host', name, host: id, generation: world.trust.host(id).record.generation };
}
