import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { Sweep } from './sweep.ts';
import { testNetwork } from './test-engine.ts';
import { TestRecords } from './test-records.ts';

const silent = pino({ level: 'silent' });
const web = (endpoints: Record<string, { endpoint: string; ip: string }> = {}) =>
  testNetwork({ id: 'n1', name: 'web', subnet: '10.0.0.0/24', endpoints });

test('what two looks in a row do not find is forgotten, in the order in which Docker would', async () => {
  const records = new TestRecords();
  records.addEndpoint('e1', 'n1');
  records.addNetwork('n1');
  records.addPool('p1', '10.0.0.0/24', ['10.0.0.2']);
  const sweep = new Sweep(records, silent);
  await sweep.look([]);
  assert.deepEqual(records.forgotten, []);
  await sweep.look([]);
  assert.deepEqual(records.forgotten, ['endpoint e1', 'network n1', 'pool p1']);
});

test('what the engine knows stays, however often one looks', async () => {
  const records = new TestRecords();
  records.addEndpoint('e1', 'n1');
  records.addNetwork('n1');
  records.addPool('p1', '10.0.0.0/24', ['10.0.0.2']);
  const sweep = new Sweep(records, silent);
  for (let i = 0; i < 3; i++) await sweep.look([web({ c1: { endpoint: 'e1', ip: '10.0.0.2/24' } })]);
  assert.deepEqual(records.forgotten, []);
});

test('an address that no endpoint has goes back, and its pool stays', async () => {
  const records = new TestRecords();
  records.addPool('p1', '10.0.0.0/24', ['10.0.0.2', '10.0.0.3', '10.0.0.9']);
  const known = testNetwork({
    id: 'n1',
    name: 'web',
    subnet: '10.0.0.77/24',
    endpoints: { c1: { endpoint: 'e1', ip: '10.0.0.2/24' } },
    more: { IPAM: { Config: [{ Subnet: '10.0.0.77/24', AuxiliaryAddresses: { router: '10.0.0.9' } }] } },
  });
  const sweep = new Sweep(records, silent);
  await sweep.look([known]);
  await sweep.look([known]);
  assert.deepEqual(records.forgotten, ['address p1 10.0.0.3']);
});

test('a pool of the same prefix for another tenant is not taken for this one', async () => {
  const records = new TestRecords();
  records.addPool('acme', '10.0.0.0/24', [], { 'heddle.tenant': 'acme' });
  records.addPool('beta', '10.0.0.0/24', [], { 'heddle.tenant': 'beta' });
  const known = testNetwork({
    id: 'n1',
    name: 'web',
    subnet: '10.0.0.0/24',
    more: { IPAM: { Options: { 'heddle.tenant': 'acme' }, Config: [{ Subnet: '10.0.0.0/24' }] } },
  });
  const sweep = new Sweep(records, silent);
  await sweep.look([known]);
  await sweep.look([known]);
  assert.deepEqual(records.forgotten, ['pool beta']);
});

test('what a call has touched between two looks is left alone', async () => {
  const records = new TestRecords();
  records.addEndpoint('e1', 'n1');
  const sweep = new Sweep(records, silent);
  await sweep.look([]);
  records.touch('e1');
  await sweep.look([]);
  assert.deepEqual(records.forgotten, []);
  await sweep.look([]);
  assert.deepEqual(records.forgotten, ['endpoint e1']);
});

test('an engine that was away is looked at twice anew', async () => {
  const records = new TestRecords();
  records.addEndpoint('e1', 'n1');
  const sweep = new Sweep(records, silent);
  await sweep.look([]);
  sweep.startAnew();
  await sweep.look([]);
  assert.deepEqual(records.forgotten, []);
});

test('what cannot be forgotten does not keep the rest from it, and is tried again', async () => {
  const records = new TestRecords();
  records.addEndpoint('e1', 'n1');
  records.addEndpoint('e2', 'n1');
  records.refuse = 'e1';
  const sweep = new Sweep(records, silent);
  await sweep.look([]);
  await sweep.look([]);
  assert.deepEqual(records.forgotten, ['endpoint e2']);
  records.refuse = undefined;
  await sweep.look([]);
  assert.deepEqual(records.forgotten, ['endpoint e2', 'endpoint e1']);
});
