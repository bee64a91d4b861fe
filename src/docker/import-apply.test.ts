import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeddleError, hasCode } from '../model/errors.ts';
import { applyStep } from './import-apply.ts';
import type { Step } from './import-plan.ts';

const place = { container: 'db', addresses: ['10.0.0.2', 'fd00::2'], aliases: ['pg'] };
const move: Step = { do: 'move', place, from: 'shop', to: 'shop-heddle' };

/** An engine that refuses some requests. */
function stage(refuses: (path: string) => boolean = () => false) {
  const said: string[] = [];
  const post = async (path: string, body?: unknown) => {
    said.push(`${path} ${JSON.stringify(body)}`);
    if (refuses(path)) throw new HeddleError('ENGINE_REFUSED', { request: path, status: 500, problem: 'no' });
  };
  const create = async (kind: string, body: unknown) => {
    said.push(`create ${kind} ${JSON.stringify(body)}`);
    return undefined as never;
  };
  return { said, to: { engine: { post }, client: { create }, tenant: 'acme' } };
}
const config = { IPAMConfig: { IPv4Address: '10.0.0.2', IPv6Address: 'fd00::2' }, Aliases: ['pg'] };
const connected = (network: string) =>
  `/networks/${network}/connect ${JSON.stringify({ Container: 'db', EndpointConfig: config })}`;

test('a container leaves the old network and joins the new one with its addresses and aliases', async () => {
  const { said, to } = stage();
  await applyStep(move, to);
  assert.deepEqual(said, ['/networks/shop/disconnect {"Container":"db"}', connected('shop-heddle')]);
});

test('a container that cannot join goes back to where it was, and the reason is told', async () => {
  const { said, to } = stage((path) => path === '/networks/shop-heddle/connect');
  await assert.rejects(applyStep(move, to), (e) => hasCode(e, 'ENGINE_REFUSED'));
  assert.equal(said.at(-1), connected('shop'));
});

test('a container that can go nowhere is named', async () => {
  const { to } = stage((path) => path.endsWith('/connect'));
  await assert.rejects(applyStep(move, to), /container db, which is on neither network now/);
});

test('network and subnet are made at the controller, the Docker network at the engine', async () => {
  const { said, to } = stage();
  const range = { subnet: '10.0.0.0/24', gateway: '10.0.0.1', reserved: {} };
  const from = { id: 'n1', name: 'shop', driver: 'bridge', internal: true, ranges: [range], places: [], losses: [] };
  await applyStep({ do: 'make-network', name: 'shop', sourceNat: false, labels: {} }, to);
  await applyStep({ do: 'make-subnet', name: 'shop-1', network: 'shop', range }, to);
  await applyStep({ do: 'join', name: 'shop-heddle', network: 'shop', from }, to);
  assert.deepEqual(said.slice(0, 2), [
    'create network {"name":"shop","sourceNat":false,"labels":{}}',
    'create subnet {"name":"shop-1","network":"shop","cidr":"10.0.0.0/24","gateway":"10.0.0.1"}',
  ]);
  assert.match(said[2]!, /"Options":\{"heddle.tenant":"acme","heddle.network":"shop"\}/);
});
