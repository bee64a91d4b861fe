/**
 * What real engines called, called again: in order, repeated, in any order, with the plug-in dying between any two calls and at
 * any step within one; the end is the same each time.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Call, type Recording, recordings, Translation } from './recording.ts';
import { type Answer, Stage } from './stage.ts';

const all = recordings();
/** Those in which all steps of a call are tried: together they have every kind of call and option. */
const thorough = all.filter(({ name }) =>
  ['join-dual-stack', 'make-options', 'default-ipam', 'publish', 'bridge-with-our-ipam', 'connect'].includes(name),
);
const problemOf = (reply: Answer): string => (reply?.Err ?? reply?.Error ?? '') as string;
const codeOf = (reply: unknown): string => /^[A-Z_]+(?=:)/.exec(problemOf(reply))?.[0] ?? '';

/** Calls that change nothing. */
const asking = /^Plugin|Get|EndpointOperInfo/;

/** One run of a recording on a stage. */
class Run {
  readonly stage: Stage;
  readonly translation = new Translation();
  /** What the engine knows of: answered, and not ended. */
  readonly endpoints = new Map<string, string>();
  readonly networks = new Set<string>();
  readonly pools = new Set<string>();
  /** As "pool address". */
  readonly addresses = new Set<string>();

  constructor(stage: Stage) {
    this.stage = stage;
  }

  /** Makes a recorded call; what it was answered is what counts from now on. @returns the code of a refusal, or '' */
  async call({ method, request, reply }: Call): Promise<string> {
    const body = this.translation.ask(request) as Answer;
    const answer = await this.stage.post(method, body ?? undefined);
    const code = codeOf(answer.body);
    assert.ok(code !== 'INTERNAL' && answer.status < 500, `${method}: ${JSON.stringify(answer.body)}`);
    if (code === '') {
      this.translation.learn(reply, answer.body);
      this.#heard(method, body, answer.body);
    }
    return code;
  }
  #heard(method: string, request: Answer, reply: Answer): void {
    const [, name] = method.split('.');
    const address = `${request?.PoolID} ${(reply.Address ?? request?.Address ?? '').replace(/\/.*/, '')}`;
    if (name === 'RequestPool') this.pools.add(reply.PoolID);
    if (name === 'ReleasePool') this.pools.delete(request.PoolID);
    if (name === 'RequestAddress') this.addresses.add(address);
    if (name === 'ReleaseAddress') this.addresses.delete(address);
    if (name === 'CreateNetwork') this.networks.add(request.NetworkID);
    if (name === 'DeleteNetwork') this.networks.delete(request.NetworkID);
    if (name === 'CreateEndpoint') this.endpoints.set(request.EndpointID, request.NetworkID);
    if (name === 'DeleteEndpoint') this.endpoints.delete(request.EndpointID);
  }

  /** The same call must be answered as it was then. */
  async same(call: Call): Promise<void> {
    assert.equal(await this.call(call), codeOf(call.reply), `${call.method} ${JSON.stringify(call.request)}`);
  }

  /** `docker rm --force` of all containers, and `docker network rm` of all networks: none of it may fail. */
  async removeAll(): Promise<void> {
    const { stage } = this;
    for (const [EndpointID, NetworkID] of this.endpoints) {
      await stage.ok('NetworkDriver.RevokeExternalConnectivity', { NetworkID, EndpointID });
      await stage.ok('NetworkDriver.Leave', { NetworkID, EndpointID });
      await stage.ok('NetworkDriver.DeleteEndpoint', { NetworkID, EndpointID });
    }
    for (const [PoolID, Address] of [...this.addresses].map((a) => a.split(' ')))
      await stage.ok('IpamDriver.ReleaseAddress', { PoolID, Address });
    for (const PoolID of this.pools) await stage.ok('IpamDriver.ReleasePool', { PoolID });
    for (const NetworkID of this.networks) await stage.ok('NetworkDriver.DeleteNetwork', { NetworkID });
    for (const known of [this.endpoints, this.addresses, this.pools, this.networks]) known.clear();
  }

  /** What follows when the engine is asked what it knows. */
  async sweep(): Promise<void> {
    const { records } = this.stage.plugin;
    for (const { id } of records.endpoints()) if (!this.endpoints.has(id)) await records.forgetEndpoint(id);
    for (const pool of records.pools())
      for (const { address } of pool.addresses)
        if (!this.addresses.has(`${pool.id} ${address}`)) await records.forgetAddress(pool.id, address);
    for (const { id } of records.networks()) if (!this.networks.has(id)) await records.forgetNetwork(id);
    for (const { id } of records.pools()) if (!this.pools.has(id)) await records.forgetPool(id);
  }

  /** All that there is, without what chance has chosen. */
  async shape(): Promise<object> {
    const { users, addresses, ports, pairs, networks, files } = await this.stage.traces();
    const kinds = files.map((f) => f.replace(/\/.*/, '')).sort();
    return {
      users: users.length,
      addresses: addresses.length,
      ports: ports.length,
      pairs: pairs.length,
      networks,
      kinds,
    };
  }
}

/** Whether it leaves something that the engine still knows. */
const leaves = ({ name }: Recording): boolean => name === 'left-running';

for (const recording of all) {
  const { name, calls } = recording;

  test(`${name}: the calls in order are answered as they were`, async () => {
    await using stage = await Stage.open();
    const run = new Run(stage);
    for (const call of calls) await run.same(call);
    if (leaves(recording)) {
      const { users, addresses, ports, pairs } = (await run.shape()) as Record<string, number>;
      assert.deepEqual({ users, addresses, ports, pairs }, { users: 1, addresses: 2, ports: 2, pairs: 2 });
      await run.removeAll();
    }
    await stage.nothingLeft();
  });

  const changing = calls.filter(({ method }) => !asking.test(method));

  test(`${name}: every call twice leads to the same`, async () => {
    await using stage = await Stage.open();
    const once = new Run(stage);
    for (const call of calls) await once.call(call);
    if (!leaves(recording)) await stage.nothingLeft();
    const reference = await once.shape();
    await once.removeAll();
    await stage.nothingLeft();
    await stage.anew();
    const twice = new Run(stage);
    for (const call of calls) {
      // An answer that is lost: Docker asks again.
      const { status, body } = await stage.post(call.method, twice.translation.ask(call.request) ?? undefined);
      assert.ok(status < 500 && codeOf(body) !== 'INTERNAL', `${call.method}: ${JSON.stringify(body)}`);
      await twice.call(call);
    }
    await twice.sweep();
    if (!leaves(recording)) await stage.nothingLeft();
    assert.deepEqual(await twice.shape(), reference);
    await twice.removeAll();
    await stage.nothingLeft();
  });

  test(`${name}: the plug-in is started anew after any call; Docker goes on, or removes all, and nothing is left`, async () => {
    await using stage = await Stage.open();
    for (const cut of changing.keys()) {
      const run = new Run(stage);
      for (const call of changing.slice(0, cut + 1)) await run.same(call);
      await stage.restart();
      if (cut % 2 === 0) for (const call of changing.slice(cut + 1)) await run.same(call);
      await run.removeAll();
      await stage.nothingLeft();
    }
  });
}

/** Steps that a process takes for a recording. */
async function stepsOf(stage: Stage, { calls }: Recording): Promise<number> {
  await stage.anew();
  const run = new Run(stage);
  for (const call of calls) await run.call(call);
  const { steps } = stage.process;
  await run.removeAll();
  await stage.nothingLeft();
  return steps;
}

for (const recording of thorough)
  test(`${recording.name}: the plug-in dies at any step of a call; Docker repeats it, or gives up, and nothing is left`, async () => {
    await using stage = await Stage.open();
    const steps = await stepsOf(stage, recording);
    for (let step = 1; step <= steps; step++)
      for (const { effect, repeats } of [
        { effect: step % 2 === 0, repeats: true },
        { effect: step % 2 === 1, repeats: false },
      ]) {
        await stage.anew({ step, effect });
        const run = new Run(stage);
        for (const call of recording.calls) {
          const { process } = stage;
          const answered = run.call(call).then(() => true);
          if (await Promise.race([answered, process.died.then(() => false)])) continue;
          answered.catch(() => undefined); // its connection is cut at the end
          await stage.restart();
          if (!repeats) break;
          assert.equal(await run.call(call), codeOf(call.reply), `${call.method} after step ${step}`);
        }
        // It may also have died, or die yet, beside the calls.
        await stage.restart();
        await run.removeAll();
        // What Docker was not told of it cannot give back.
        await run.sweep();
        await stage.nothingLeft();
      }
  });

test('calls in any order break nothing, and all can be removed', async () => {
  await using stage = await Stage.open();
  const order = fc
    .constantFrom(...all)
    .chain(({ calls }) => fc.shuffledSubarray(calls as Call[], { minLength: Math.ceil(calls.length / 2) }));
  await fc.assert(
    fc.asyncProperty(order, fc.nat(100), async (calls, cut) => {
      const run = new Run(stage);
      for (const [i, call] of calls.entries()) {
        await run.call(call);
        if (i === cut) await stage.restart();
      }
      await run.removeAll();
      await run.sweep();
      await stage.nothingLeft();
    }),
    { numRuns: 60 },
  );
});

test('calls of several containers at once are answered as one after the other', async () => {
  await using stage = await Stage.open();
  const { calls } = all.find(({ name }) => name === 'same-network-twice')!;
  const first = calls.findIndex(({ method }) => method === 'IpamDriver.RequestAddress');
  const run = new Run(stage);
  for (const call of calls.slice(0, first)) await run.same(call);
  const networks = [...run.networks];
  const pools = [...run.pools];
  const addresses = await Promise.all(
    Array.from({ length: 60 }, async (_, i) => {
      const ids = { NetworkID: networks[i % 2], EndpointID: `${i}`.padStart(64, '0') };
      const PoolID = pools[i % 2];
      const { Address } = await stage.ok('IpamDriver.RequestAddress', { PoolID, Address: '', Options: null });
      await stage.ok('NetworkDriver.CreateEndpoint', { ...ids, Interface: { Address } });
      await stage.ok('NetworkDriver.Join', { ...ids, SandboxKey: `/${i}` });
      await stage.ok('NetworkDriver.Leave', ids);
      await stage.ok('NetworkDriver.DeleteEndpoint', ids);
      await stage.ok('IpamDriver.ReleaseAddress', { PoolID, Address: Address.replace(/\/.*/, '') });
      return Address;
    }),
  );
  assert.equal(addresses.length, 60);
  await run.removeAll();
  await stage.nothingLeft();
});
