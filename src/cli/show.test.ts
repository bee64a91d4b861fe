import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Client } from '../client/client.ts';
import { details, listTable, referredNames } from './show.ts';

const [h1, h2, lan, web] = ['id-h1', 'id-h2', 'id-lan', 'id-web'];
const port = (name: string, more: object) => ({
  ...{ id: `id-${name}`, name, network: web, mac: '02:00:00:00:00:01', addresses: ['10.0.0.2'], ...more },
  status: { condition: 'up' },
});

test('a port is listed with its host, its standby, and what it is behind', () => {
  const names = new Map([
    [h1, 'h1'],
    [h2, 'h2'],
    [lan, 'lan'],
    [web, 'web'],
  ]);
  const ports = [
    port('plain', { host: h1 }),
    port('nowhere', {}),
    port('pair', { host: h1, standby: h2 }),
    port('machine', { host: h1, standby: h2, behind: lan }),
    port('sub', { host: h1, behind: lan, vlan: 7 }),
    port('off', { behind: lan }),
  ];
  const rows = listTable('port', ports, names).trimEnd().split('\n').slice(1);
  assert.deepEqual(
    rows.map((row) => row.split(/ {2,}/)[4]),
    ['h1', '-', 'h1 (or h2)', 'h1 (behind lan)', 'h1 (behind lan, vlan 7)', '- (behind lan)'],
  );
  const shown = details(
    'port',
    port('machine', { host: h1, standby: h2, behind: lan, segment: { learn: 5, ageSeconds: 60, router: true } }),
    names,
  );
  for (const line of [
    /^host: +h1$/m,
    /^standby: +h2$/m,
    /^behind: +lan$/m,
    /^segment: +learns up to 5, asks after 60 s, tells of the router$/m,
  ])
    assert.match(shown, line);
});

test('a host that is revoked is listed as that', () => {
  const offline = { number: 1, vtep: '198.18.0.1', mtuBytes: 1500, status: { condition: 'offline' } };
  const hosts = [true, false].map((revoked, i) => ({ ...offline, id: `${i}`, name: `h${i}`, revoked }));
  const rows = listTable('host', hosts, new Map()).trimEnd().split('\n').slice(1);
  assert.deepEqual(
    rows.map((row) => row.split(/ +/)[4]),
    ['revoked', 'offline'],
  );
});

test('of a port it is said which of its addresses machines have too', () => {
  const contested = [{ address: '10.0.0.2', mac: '02:00:00:00:00:0a', segment: lan }];
  const shown = details('port', { ...port('web1', {}), status: { condition: 'up', contested } }, new Map());
  assert.match(shown, /^status: +up\nstatus contested: +10\.0\.0\.2 by 02:00:00:00:00:0a$/m);
});

test('the name of a port that others are behind is taken from the list, or asked for once', async () => {
  const asked: string[] = [];
  const client = {
    async list(kind: string) {
      asked.push(`list ${kind}`);
      return [];
    },
    async get(kind: string, id: string) {
      asked.push(`get ${kind} ${id}`);
      return { name: id.slice(3) };
    },
  } as unknown as Client;
  const machines = ['a', 'b'].map((name) => port(name, { behind: lan }));
  const without = await referredNames(client, 'port', undefined, machines);
  assert.equal(without.get(lan), 'lan');
  assert.deepEqual(
    asked.filter((a) => a.includes('port')),
    ['get port id-lan'],
  );
  asked.length = 0;
  const within = await referredNames(client, 'port', undefined, [port('lan', {}), ...machines]);
  assert.equal(within.get(lan), 'lan');
  assert.deepEqual(
    asked.filter((a) => a.startsWith('get') && a.includes(lan)),
    [],
  );
});
