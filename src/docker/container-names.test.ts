import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits } from '../model/fields.ts';
import { asName, portNames } from './container-names.ts';
import { testContainer } from './test-engine.ts';

const id = 'c0ffee'.repeat(10);
const on = (fields: Partial<Parameters<typeof testContainer>[0]>) =>
  portNames(
    testContainer({ id, name: 'db', networks: { net: { network: 'n', endpoint: 'e' } }, ...fields }),
    'net',
    'h1',
  );

test('a port is named after its container, and known by aliases, short id, host name and service', () => {
  const names = on({
    hostname: 'postgres',
    networks: { net: { network: 'n', endpoint: 'e', aliases: ['database', id.slice(0, 12)] } },
    labels: { 'com.docker.compose.service': 'store', 'com.docker.compose.project': 'shop' },
  });
  assert.equal(names.name, 'db');
  assert.deepEqual(names.dnsNames, ['db', 'database', id.slice(0, 12), 'postgres', 'store', 'store.shop']);
});

test('aliases of another network are not taken', () => {
  const names = on({ networks: { other: { network: 'm', endpoint: 'f', aliases: ['elsewhere'] } } });
  assert.ok(!names.dnsNames.includes('elsewhere'));
});

test('a task of a Swarm service is known by the service and by tasks.<service>', () => {
  const { dnsNames } = on({ labels: { 'com.docker.swarm.service.name': 'web' } });
  assert.deepEqual(dnsNames.slice(-2), ['web', 'tasks.web']);
});

test('labels are the container’s and say where it runs; what is beyond our limits is left out', () => {
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`l${i}`, 'x']));
  const { labels } = on({ labels: { ...many, a: 'kept', b: 'x'.repeat(limits.labelChars + 1) } });
  assert.equal(Object.keys(labels).length, limits.labels);
  assert.equal(labels.a, 'kept');
  assert.equal(labels.b, undefined);
  assert.deepEqual([labels['docker.container'], labels['docker.image'], labels['docker.engine']], [id, 'box', 'h1']);
});

test('names that DNS does not carry are left out, and too many as well', () => {
  const aliases = ['has space', '-dash', 'x'.repeat(64), ...Array.from({ length: 40 }, (_, i) => `n${i}`)];
  const { dnsNames } = on({ networks: { net: { network: 'n', endpoint: 'e', aliases } } });
  assert.equal(dnsNames.length, limits.dnsNamesPerPort);
  assert.deepEqual(dnsNames.slice(0, 2), ['db', 'n0']);
});

test('a name of Docker’s that is none of ours is made one', () => {
  assert.equal(asName('shop_default'), 'shop_default');
  assert.equal(asName('_a b'), 'a-b');
  assert.equal(asName('x'.repeat(80))?.length, 63);
  assert.equal(asName('___'), undefined);
  assert.equal(asName('0198c5f2-7f00-7000-8000-000000000000'), undefined);
});
