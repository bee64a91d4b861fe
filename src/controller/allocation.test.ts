/**
 * Many hosts want the last few addresses at once, of two controllers on one store, of which one dies in between: none is
 * given twice, none is lost.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { it } from 'node:test';
import fc from 'fast-check';
import { compileHost } from '../compile/compile-host.ts';
import { hasCode } from '../model/errors.ts';
import { newId, VNI_MAX } from '../model/ids.ts';
import type { Store } from '../store/contract.ts';
import { openSqlite } from '../store/sqlite.ts';
import { follow } from './follow.ts';
import { assertNoLeak } from './test-claims.ts';
import { World } from './world.ts';
import { Writer } from './writer.ts';

const ALLOCATORS = 64;
const ADDRESSES = 10;
const ROUNDS = 63;
/** ALLOCATORS × ROUNDS × RUNS is 10⁵ and some. */
const RUNS = 25;

class Crash extends Error {}

/** A store whose process dies after so many transactions: the last one is written, or not; its answer nobody hears. */
class MortalStore implements Pick<Store, 'txn'> {
  readonly store: Store;
  left = Number.POSITIVE_INFINITY;
  lastIsWritten = false;
  constructor(store: Store) {
    this.store = store;
  }
  readonly txn: Store['txn'] = async (txn) => {
    if (this.left < 0) throw new Crash();
    if (this.left-- > 0) return this.store.txn(txn);
    if (this.lastIsWritten) await this.store.txn(txn);
    throw new Crash();
  };
}

/** A controller that can be ended at any moment. */
async function openController(
  store: Store,
): Promise<AsyncDisposable & { world: World; writer: Writer; store: MortalStore }> {
  const world = new World();
  const mortal = new MortalStore(store);
  const following = await follow(store, world, assert.ifError);
  const vniPool = { first: 1, last: VNI_MAX };
  const ctx = { world, now: () => new Date(0), newId, randomBytes, vniPool, tenantQuota: {} };
  const writer = new Writer(mortal, ctx, () => false);
  return { world, writer, store: mortal, [Symbol.asyncDispose]: () => following[Symbol.asyncDispose]() };
}

const steps = ['take', 'take', 'lease 1', 'lease 3', 'use', 'use', 'drop', 'drop', 'return', 'unlease'] as const;
type Step = (typeof steps)[number];
const round = fc.record({
  step: fc.array(fc.constantFrom(...steps), { minLength: ALLOCATORS, maxLength: ALLOCATORS }),
  crash: fc.option(fc.record({ after: fc.nat(12), written: fc.boolean() }), { freq: 3 }),
});

/** What a host's agent believes, from the answers that it has had. */
class Allocator {
  readonly host: string;
  lease: string[] | undefined;
  ports = new Map<string, readonly string[]>();
  constructor(host: string) {
    this.host = host;
  }
  get addresses(): string[] {
    return [...(this.lease ?? []), ...[...this.ports.values()].flat()].sort();
  }

  async run(step: Step, writer: Writer, tenant: string): Promise<void> {
    const { host } = this;
    const [oldest] = this.ports.keys();
    const name = `web-${host}`;
    switch (step) {
      case 'take':
      case 'use': {
        const addresses = step === 'use' && this.lease?.[0] ? { addresses: [this.lease[0]] } : {};
        const input = { network: 'web', host, ephemeral: true, ...addresses };
        const { change } = await writer.create('port', tenant, input);
        const { id, addresses: given } = change.after!.record;
        this.ports.set(id, given);
        this.lease = this.lease?.filter((a) => !given.includes(a as never));
        return;
      }
      case 'lease 1':
      case 'lease 3': {
        const input = { network: 'web', host, size: Number(step.slice(-1)) };
        this.lease = addressesOf(await writer.create('lease', tenant, input));
        return;
      }
      case 'drop':
        if (!oldest) return;
        await writer.remove('port', tenant, oldest, undefined);
        this.lease?.push(...this.ports.get(oldest)!);
        this.ports.delete(oldest);
        return;
      case 'return':
        if (!this.lease) return;
        await writer.update('lease', tenant, name, undefined, (have) => ({ ...have, size: 0, addresses: [] }));
        this.lease = [];
        return;
      case 'unlease':
        if (!this.lease) return;
        await writer.remove('lease', tenant, name, undefined);
        this.lease = undefined;
    }
  }

  /** Its state anew, as the stream brings it to an agent that comes back. */
  reconcile(world: World): void {
    const id = world.find('host', '-', this.host)!.record.id;
    this.lease = undefined;
    this.ports.clear();
    const { number } = world.host.get(id)!.record;
    for (const item of compileHost(world, id).values()) {
      if (item.kind === 'lease') this.lease = item.addresses.map(({ ip }) => ip);
      if (item.kind === 'port' && item.host === number) this.ports.set(item.id, item.addresses);
    }
  }
}
const addressesOf = ({ change }: Awaited<ReturnType<Writer['create']>>): string[] =>
  (change.after!.record as unknown as { addresses: { ip: string }[] }).addresses.map(({ ip }) => ip);

/** A tenant with a network of ten addresses, and the hosts. */
async function furnish(writer: Writer): Promise<string> {
  const tenant = (await writer.create('tenant', '-', { name: 'acme' })).change.after!.record.id;
  await writer.create('network', tenant, { name: 'web' });
  const pools = [{ first: '10.0.0.20', last: `10.0.0.${19 + ADDRESSES}` }];
  await writer.create('subnet', tenant, { name: 's', network: 'web', cidr: '10.0.0.0/24', pools });
  const host = (_: unknown, n: number) => writer.create('host', '-', { name: `h${n}`, vtep: `198.18.0.${n + 1}` });
  await Promise.all(Array.from({ length: ALLOCATORS }, host));
  return tenant;
}

async function caughtUp(store: Store, ...worlds: readonly World[]): Promise<void> {
  const { revision } = await store.range('/cursor/');
  for (const world of worlds) await world.reached(revision);
}

/** A recall, which changes the leases of some while these change them too. */
async function recallSome(allocators: readonly Allocator[], writer: Writer, tenant: string): Promise<void> {
  const some = allocators.filter(({ lease }, n) => lease && n % 4 === 0);
  const lower = ({ host }: Allocator) =>
    writer
      .update('lease', tenant, `web-${host}`, undefined, (have) => ({ ...have, size: 0 }))
      .catch((e: unknown) => assert.ok(hasCode(e, 'NOT_FOUND'), String(e)));
  await Promise.all(some.map(lower));
}

/** All steps of a round at once. @returns those whose outcome nobody knows */
async function runRound(
  allocators: readonly Allocator[],
  step: readonly Step[],
  writers: readonly Writer[],
  tenant: string,
) {
  const lost: Allocator[] = [];
  await Promise.all(
    allocators.map((a, i) =>
      a.run(step[i]!, writers[i % writers.length]!, tenant).catch((e: unknown) => {
        if (e instanceof Crash) lost.push(a);
        else if (!hasCode(e, 'ADDRESS_POOL_EXHAUSTED')) throw e;
      }),
    ),
  );
  return lost;
}

it(`${ALLOCATORS} allocators on the last ${ADDRESSES} addresses, with crashes: no duplicate, and no leak after reconciliation`, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(round, { minLength: ROUNDS, maxLength: ROUNDS }), async (rounds) => {
      await using store = await openSqlite(':memory:');
      await using other = await openController(store);
      let mortal = await openController(store);
      const tenant = await furnish(other.writer);
      const allocators = Array.from({ length: ALLOCATORS }, (_, n) => new Allocator(`h${n}`));
      for (const { step, crash } of rounds) {
        if (crash) Object.assign(mortal.store, { left: crash.after, lastIsWritten: crash.written });
        await caughtUp(store, mortal.world, other.world);
        const recalled = recallSome(allocators, other.writer, tenant);
        const lost = await runRound(allocators, step, [mortal.writer, other.writer], tenant);
        await recalled;
        if (crash) {
          await mortal[Symbol.asyncDispose]();
          mortal = await openController(store);
        }
        await caughtUp(store, mortal.world, other.world);
        for (const a of lost) a.reconcile(mortal.world);
        const all = allocators.flatMap((a) => a.addresses);
        assert.equal(new Set(all).size, all.length, `no address twice: ${all}`);
        for (const a of allocators) {
          const told = new Allocator(a.host);
          told.reconcile(other.world);
          assert.deepEqual(a.addresses, told.addresses, `${a.host} has what the controller says`);
        }
      }
      const { world, writer } = other;
      await assertNoLeak(store);
      for (const a of allocators) {
        for (const id of a.ports.keys()) await writer.remove('port', tenant, id, undefined);
        if (a.lease) await writer.remove('lease', tenant, `web-${a.host}`, undefined);
      }
      const whole = await writer.create('lease', tenant, { network: 'web', host: 'h0', size: ADDRESSES + 1 });
      assert.equal(addressesOf(whole).length, ADDRESSES, 'all can be given again');
      assert.equal(world.port.size, 0);
      await mortal[Symbol.asyncDispose]();
    }),
    { numRuns: RUNS, endOnFailure: true },
  );
});
