import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../model/errors.ts';
import { connectEngine } from './engine-api.ts';
import { TestEngine, testContainer, testNetwork } from './test-engine.ts';

test('an engine’s containers and networks are read, and those it does not have are undefined', async () => {
  await using fake = await new TestEngine().start();
  fake.containers.set('c1', testContainer({ id: 'c1', name: 'web', networks: {} }));
  fake.networks.set('n1', testNetwork({ id: 'n1', name: 'net', subnet: '10.0.0.0/24' }));
  const engine = await connectEngine(fake.socket);
  assert.equal((await engine.info()).Name, 'h1');
  assert.equal((await engine.container('c1'))?.Name, '/web');
  assert.equal(await engine.container('c2'), undefined);
  assert.deepEqual(
    (await engine.networks()).map((n) => n.Name),
    ['net'],
  );
  assert.equal(await engine.network('n2'), undefined);
});

test('an engine that is too old, or away, is named with what is wrong', async () => {
  await using fake = await new TestEngine().start();
  fake.apiVersion = '1.39';
  await assert.rejects(connectEngine(fake.socket), /1\.39/);
  await fake.stop();
  await assert.rejects(connectEngine(fake.socket), (e) => hasCode(e, 'ENGINE_UNREACHABLE'));
});

test('an answer that is not Docker’s is refused instead of believed', async () => {
  await using fake = await new TestEngine().start();
  fake.containers.set('c1', { Id: 'c1' } as never);
  const engine = await connectEngine(fake.socket);
  await assert.rejects(engine.container('c1'), (e) => hasCode(e, 'ENGINE_UNREACHABLE'));
});

test('events are told from the moment that they were asked for, until the engine goes', async () => {
  await using fake = await new TestEngine().start();
  const engine = await connectEngine(fake.socket);
  const events = (await engine.events(new AbortController().signal))[Symbol.asyncIterator]();
  fake.emit({ Type: 'container', Action: 'start', Actor: { ID: 'c1', Attributes: null } });
  const first = await events.next();
  assert.equal(first.value?.Actor.ID, 'c1');
  const last = events.next();
  await Promise.all([assert.rejects(last), fake.stop()]);
});
