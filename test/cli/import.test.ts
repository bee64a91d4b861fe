import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openClient } from '../../src/client/client.ts';
import { TestEngine, testContainer, testNetwork } from '../../src/docker/test-engine.ts';
import { heddle, startTestController } from './heddle.ts';

/** An engine on a socket in the file system, with a bridge and one container. */
async function stage() {
  const stack = new AsyncDisposableStack();
  const controller = stack.use(await startTestController());
  const engine = stack.use(await new TestEngine(`${controller.folder}/docker.sock`).start());
  const more = { Driver: 'bridge' };
  engine.networks.set('n1', testNetwork({ id: 'n1', name: 'shop', subnet: '172.20.0.0/16', more }));
  const networks = { shop: { network: 'n1', endpoint: 'e1', ip: '172.20.0.2', aliases: ['pg'] } };
  engine.containers.set('c1', testContainer({ id: 'c1', name: 'db', networks }));
  const client = openClient(controller.address);
  const words = ['import', 'docker', '--engine', engine.socket];
  return { engine, client, words, env: controller.env, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

test('an engine’s networks are shown with the commands that move them, and nothing is changed', async () => {
  await using s = await stage();
  const { code, stdout, stderr } = await heddle(s.words, s.env);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^NETWORK +DRIVER +SUBNETS +CONTAINERS\nshop +bridge +172\.20\.0\.0\/16 +db\n/);
  assert.match(stdout, /\ndocker network disconnect shop db && docker network connect --ip 172\.20\.0\.2 --alias pg/);
  assert.match(stderr, /nothing was changed/);
  assert.deepEqual(s.engine.changes, []);
});

test('with --apply it is done, at the controller and at the engine', async () => {
  await using s = await stage();
  await s.client.create('tenant', { name: 'acme' });
  const { code, stdout, stderr } = await heddle([...s.words, '--apply', '--json'], s.env);
  assert.equal(code, 0, stderr);
  assert.equal(JSON.parse(stdout).applied, true);
  const [network] = await s.client.list('network', { tenant: 'acme' });
  assert.equal(network?.name, 'shop');
  assert.equal(network?.sourceNat, true);
  const [subnet] = await s.client.list('subnet', { tenant: 'acme' });
  assert.equal(subnet?.cidr, '172.20.0.0/16');
  assert.deepEqual(
    s.engine.changes.map((c) => c.request),
    ['POST /networks/create', 'POST /networks/shop/disconnect', 'POST /networks/shop-heddle/connect'],
  );
});

test('a network that the engine does not have is named, and nothing is done', async () => {
  await using s = await stage();
  const { code, stderr } = await heddle([...s.words, 'shop', 'shpo', '--apply'], s.env);
  assert.equal(code, 1);
  assert.match(stderr, /named shpo.*\[NOT_FOUND\]/);
  assert.deepEqual(s.engine.changes, []);
});

test('an engine that is away is named', async () => {
  const { code, stderr } = await heddle(['import', 'docker', '--tenant', 'acme', '--engine', '/nowhere.sock']);
  assert.equal(code, 3);
  assert.match(stderr, /\/nowhere\.sock.*\[ENGINE_UNREACHABLE\]/);
});
