/** What tests of routers begin with. */
import type { TestApi } from './test-api.ts';

/** Where tenant acme is. */
export const t = '/v1/tenants/acme';

/** Besides network web with v4 (10.0.0.0/24) and v6 (fd00::/64): db with db4 and db6, and lone without gateway. */
export async function furnish(api: TestApi): Promise<void> {
  await api.ok('POST', `${t}/networks`, { name: 'db' });
  for (const [name, cidr] of [
    ['db4', '10.1.0.0/24'],
    ['db6', 'fd00:1::/64'],
  ])
    await api.ok('POST', `${t}/subnets`, { name, network: 'db', cidr });
  await api.ok('POST', `${t}/networks`, { name: 'lone' });
  await api.ok('POST', `${t}/subnets`, { name: 'lone4', network: 'lone', cidr: '10.5.0.0/24', gateway: null });
}
