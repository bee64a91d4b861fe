/**
 * 10,000 machines behind a segment whose two hosts swap: a host that knows them is sent the segment, and nothing of them.
 * The times are told, not judged.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { TestAgent } from '../../src/controller/test-agent.ts';
import { openFurnishedApi, type TestApi } from '../../src/controller/test-api.ts';
import { assertNoLeak } from '../../src/controller/test-claims.ts';
import { limits } from '../../src/model/fields.ts';
import type { Changes, HostItem, ItemKey, PortItem } from '../../src/model/host-state.ts';

const machines = limits.portsBehind;
const atOnce = 32;
const swaps = 4;
const t = '/v1/tenants/acme';

const isPort = (item: HostItem | ItemKey | undefined): item is PortItem =>
  typeof item === 'object' && item.kind === 'port';
const text = (messages: readonly Changes[]): string => {
  const mib = messages.reduce((sum, m) => sum + JSON.stringify(m).length, 0) / (1 << 20);
  return `${messages.length} messages, ${mib.toFixed(2)} MiB`;
};

/** Makes the machines, each with an address of each family, several at a time. */
async function makeMachines({ world, writer }: TestApi): Promise<void> {
  const tenant = world.find('tenant', '-', 'acme')!.record.id;
  let made = 0;
  const worker = async (): Promise<void> => {
    while (made < machines) {
      const n = ++made;
      const tail = [n >> 8, n & 255];
      const mac = `52:54:00:00:${tail.map((b) => b.toString(16).padStart(2, '0')).join(':')}`;
      const addresses = [`10.64.${tail.join('.')}`, `fd64::1:${n.toString(16)}`];
      await writer.create('port', tenant, { network: 'lan', behind: 'segment', mac, addresses, ephemeral: true });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

/** A host's stream, until it has the whole of a revision: what came since the last call. */
async function caughtUp(agent: TestAgent, revision: string): Promise<Changes[]> {
  await agent.next('changes', (m) => m.synced && BigInt(m.revision) >= BigInt(revision));
  return agent.received.splice(0).filter((m) => m.type === 'changes');
}

async function connect(address: string, n: number): Promise<TestAgent> {
  return new TestAgent(address).hello({ name: `h${n}`, vtep: `198.18.0.${n}` });
}

test(`${machines} machines go from one host to the other with their segment`, async (ctx: TestContext) => {
  await using api = await openFurnishedApi();
  await api.ok('POST', `${t}/networks`, { name: 'lan' });
  for (const [name, cidr, gateway] of [
    ['lan4', '10.64.0.0/16', '10.64.255.254'],
    ['lan6', 'fd64::/64', 'fd64::1'],
  ])
    await api.ok('POST', `${t}/subnets`, { name, network: 'lan', cidr, gateway, pools: [] });
  await api.ok('POST', '/v1/hosts', { name: 'h3', vtep: '198.18.0.3' });
  const body = { name: 'segment', network: 'lan', host: 'h1', standby: 'h2', segment: { learn: machines } };
  await api.ok('POST', `${t}/ports`, body);
  await api.ok('POST', `${t}/ports`, { network: 'lan', host: 'h3', addresses: ['10.64.200.1'] });
  const began = performance.now();
  await makeMachines(api);
  ctx.diagnostic(`made in ${((performance.now() - began) / 1000).toFixed(1)} s`);

  const address = await api.app.listen({ host: '127.0.0.1', port: 0 });
  using viewer = await connect(address, 3);
  using standby = await connect(address, 2);
  for (const agent of [viewer, standby])
    ctx.diagnostic(`the whole state: ${text(await caughtUp(agent, String(api.world.revision)))}`);

  for (let n = 1; n <= swaps; n++) {
    const to = n % 2 ? 'h2' : 'h1';
    const { number } = api.world.find('host', '-', to)!.record;
    const asked = performance.now();
    const { revision } = await api.ok('PATCH', `${t}/ports/segment`, { host: to });
    const written = performance.now();
    const messages = await caughtUp(viewer, revision);
    const had = performance.now();
    await caughtUp(standby, revision);
    const [moved, ...more] = messages.flatMap(({ upserts, deletes }) => [...upserts, ...deletes]);
    assert.deepEqual(more, []);
    assert.ok(isPort(moved) && moved.segment && moved.host === number && moved.standby !== undefined);
    const ms = (from: number, until: number) => `${(until - from).toFixed(0)} ms`;
    ctx.diagnostic(
      `to ${to}: answered in ${ms(asked, written)}, a viewer has it ${ms(asked, had)} after: ${text(messages)}`,
    );
  }

  const asked = performance.now();
  await api.ok('DELETE', `${t}/ports/segment`);
  ctx.diagnostic(`deleted with all of them in ${(performance.now() - asked).toFixed(0)} ms`);
  assert.equal((await api.ok('GET', `${t}/ports`)).items.length, 1);
  await assertNoLeak(api.store);
});
