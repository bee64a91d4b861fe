/** Twenty hosts that want a thousand addresses at once, over the real API. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { pino } from 'pino';
import { type Client, openClient } from '../../src/client/client.ts';
import { startController } from '../../src/controller/main.ts';
import { TestAgent } from '../../src/controller/test-agent.ts';
import { assertNoLeak } from '../../src/controller/test-claims.ts';
import { hasCode } from '../../src/model/errors.ts';
import type { Port } from '../../src/model/kinds.ts';
import { openSqlite } from '../../src/store/sqlite.ts';

const HOSTS = 20;
const EACH = 50;
/** Of the first subnet: one in five of what is wanted. */
const POOL = 200;
const tenant = 'acme';
/** Much more than it takes: the point is not time, and the machine may be busy. */
const patient = { tenant, deadlineMs: 120_000 };
const hostNames = Array.from({ length: HOSTS }, (_, n) => `h${n + 1}`);

/** A connected host that gives back what it holds unused, as soon as it is asked to. */
async function connectHost(address: string, client: Client, name: string): Promise<TestAgent> {
  const agent = await new TestAgent(address).hello({ name, vtep: `198.18.0.${name.slice(1)}` });
  agent.onMessage = (message) => {
    if (message.type !== 'changes') return;
    for (const item of message.upserts)
      if (item.kind === 'lease' && item.addresses.length > item.size)
        client.update('lease', item.id, { addresses: [] }, patient).catch((cause) => agent.socket.emit('error', cause));
  };
  await agent.synced();
  return agent;
}

it('gives 1,000 addresses to 20 hosts at once, none twice and none lost, while a subnet is added to the exhausted pool', async () => {
  const dir = mkdtempSync('/dev/shm/heddle-pool-'); // two thousand commits, whose fsync is not the point
  try {
    await serveAll(dir);
    await using store = await openSqlite(join(dir, 'db'));
    await assertNoLeak(store);
    const objects = (await store.range('/')).entries.filter(({ key }) => /^\/(port|lease|claim\/(ip|mac))\//.test(key));
    assert.deepEqual(objects, [], 'all are free again');
  } finally {
    rmSync(dir, { recursive: true });
  }
});

async function serveAll(dir: string): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const listen = [{ unix: join(dir, 'socket') }];
  const log = pino({ level: 'silent' });
  const { addresses } = stack.use(await startController({ db: join(dir, 'db'), listen, log }));
  const [address = ''] = addresses;
  const client = openClient(address);
  await client.create('tenant', { name: tenant });
  await client.create('network', { name: 'web' }, patient);
  const pools = [{ first: '10.0.0.10', last: `10.0.0.${9 + POOL}` }];
  await client.create('subnet', { name: 'v4', network: 'web', cidr: '10.0.0.0/24', pools }, patient);
  for (const name of hostNames) {
    stack.use(await connectHost(address, client, name));
    await client.create('lease', { network: 'web', host: name, size: 4 }, patient);
  }

  const refusals: Error[] = [];
  let grown: Promise<unknown> | undefined;
  const want = async (host: string): Promise<Port> => {
    for (;;) {
      try {
        return await client.create('port', { network: 'web', host }, patient);
      } catch (e) {
        if (!hasCode(e, 'ADDRESS_POOL_EXHAUSTED')) throw e;
        refusals.push(e);
        grown ??= client.create('subnet', { name: 'more', network: 'web', cidr: '10.1.0.0/16' }, patient);
        await grown;
      }
    }
  };
  const wanted = hostNames.flatMap((host) => Array.from({ length: EACH }, () => want(host)));
  const ports = await Promise.all(wanted);

  const given = ports.flatMap((p) => p.addresses);
  assert.equal(new Set(given).size, HOSTS * EACH, 'none twice');
  assert.equal(new Set(ports.map((p) => p.mac)).size, HOSTS * EACH);
  assert.equal(given.filter((a) => a.startsWith('10.0.0.')).length, POOL, 'the first subnet is used to the last one');
  assert.match(
    refusals[0]?.message ?? '',
    /^network web has no free IPv4 address; subnet v4 \(10\.0\.0\.0\/24, pool 10\.0\.0\.10-10\.0\.0\.209\): 200 used by ports, 0 held by hosts\. Add a subnet: heddle subnet create web-more --tenant acme --network web --cidr <prefix>$/,
  );
  await Promise.all(ports.map((p) => client.remove('port', p.id, patient)));
  for (const { id } of await client.list('lease', patient)) await client.remove('lease', id, patient);
}
