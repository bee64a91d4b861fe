import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Client } from '../client/client.ts';
import type { Network, Port } from '../model/kinds.ts';
import type { WatchEvent } from '../model/page.ts';
import { watchList } from './watch.ts';

const network = (i: number): Network => ({
  id: `n${i}`,
  name: `net${i}`,
  revision: String(i),
  createdAt: '2026-01-01T00:00:00Z',
  tenant: 't1',
  vni: i,
  sourceNat: false,
  publishFrom: [],
  mssClamp: false,
  labels: {},
});
const port = (name: string, revision: number, on: number): Port => ({
  ...{ id: `id-${name}`, name, revision: String(revision), createdAt: '2026-01-01T00:00:00Z', tenant: 't1' },
  ...{
    network: `n${on}`,
    mac: '02:00:00:00:00:01',
    addresses: [],
    dnsNames: [],
    publish: [],
    ephemeral: false,
    labels: {},
    status: { condition: 'unbound' },
  },
});

/** A controller with these objects, and then these events; counts what it is asked. */
function fake(objects: { port?: Port[]; network?: Network[] }, events: WatchEvent<'port'>[]) {
  const asked: string[] = [];
  const listed: Record<string, readonly object[]> = { tenant: [], host: [], ...objects };
  const client = {
    async snapshot(kind: string) {
      asked.push(`list ${kind}`);
      return { revision: '10', items: listed[kind] };
    },
    list: async (kind: string) => (await client.snapshot(kind)).items,
    async get(kind: string, id: string) {
      asked.push(`get ${kind} ${id}`);
      return network(Number(id.slice(1)));
    },
    async *watch(_: string, { from }: { from: bigint }) {
      assert.equal(from, 11n);
      yield* events;
    },
  };
  return { client: client as unknown as Client, asked };
}

async function shown(client: Client, json: boolean): Promise<string[]> {
  let text = '';
  const out = (more: string) => {
    text += more;
  };
  const io = { out, err: () => undefined, colour: false, signal: new AbortController().signal };
  await watchList(io, client, 'port', { tenant: 'acme' }, json);
  return text.trimEnd().split('\n');
}

test('a change is shown from its event alone; only a name that is not known yet is asked for', async () => {
  const { client, asked } = fake({ port: [port('p1', 3, 1)], network: [network(1)] }, [
    { revision: '11', type: 'put', object: port('p2', 11, 1) },
    { revision: '12', type: 'put', object: port('p3', 12, 2) },
    { revision: '13', type: 'put', object: port('p4', 13, 2) },
    { revision: '14', type: 'delete', object: port('p1', 3, 1) },
  ]);
  const rows = (await shown(client, false)).slice(1).map((line) => line.split(/ +/).slice(0, 3).join(' '));
  assert.deepEqual(rows, ['p1 net1 02:00:00:00:00:01', '+ p2 net1', '+ p3 net2', '+ p4 net2', '- p1 net1']);
  assert.deepEqual(
    asked.filter((a) => a.startsWith('get')),
    ['get network n2'],
  );
  assert.equal(asked.filter((a) => a === 'list port').length, 1);
});

test('an event of what the list had already, and the end of what it never had, are no news', async () => {
  const { client } = fake({ port: [port('p1', 12, 1)], network: [network(1)] }, [
    { revision: '11', type: 'put', object: port('p1', 11, 1) },
    { revision: '12', type: 'put', object: port('p1', 12, 1) },
    { revision: '13', type: 'delete', object: port('p0', 2, 1) },
    { revision: '14', type: 'put', object: port('p1', 14, 1) },
  ]);
  const events = (await shown(client, true)).map((line) => JSON.parse(line));
  assert.deepEqual(
    events.map((e) => [e.type, e.object.name, e.revision]),
    [
      ['put', 'p1', '12'],
      ['put', 'p1', '14'],
    ],
  );
});
