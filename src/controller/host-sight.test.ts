/** What a host reads, as one whose certificate is stolen would: h1 was given acme, h2 nothing. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Port } from '../model/kinds.ts';
import { hostOf, openTwoTenants } from './test-principals.ts';

const a = '/v1/tenants/acme';
const g = '/v1/tenants/globex';
const glance = ['id', 'mtuBytes', 'name', 'revision', 'status', 'vtep'];

it('A31: a host sees where all others are, whatever it was given, and no more of them', async () => {
  await using api = await openTwoTenants();
  for (const [self, others] of [
    ['h1', ['h2', 'it']],
    ['h2', ['h1', 'it']],
  ] as const) {
    const host = api.as(hostOf(api, self));
    const { items } = await host.ok('GET', '/v1/hosts');
    assert.deepEqual(items.map(({ name }: { name: string }) => name).sort(), ['h1', 'h2', 'it']);
    for (const other of others) {
      const seen = await host.ok('GET', `/v1/hosts/${other}`);
      assert.deepEqual(Object.keys(seen).sort(), glance, `${other} as ${self} gets it`);
      assert.deepEqual(
        items.find(({ name }: { name: string }) => name === other),
        seen,
      );
    }
    assert.ok('tenants' in (await host.ok('GET', `/v1/hosts/${self}`)));
    for (const path of ['/v1/grants', '/v1/grants/it']) await host.refused('FORBIDDEN', 'GET', path);
  }
});

it('A31: a host reads user data and keys of ports that are its own, and of no other', async () => {
  await using api = await openTwoTenants();
  const briefing = { userData: 'password: hunter2', sshKeys: ['ssh-ed25519 AAAA bob'] };
  const make = (name: string, more: object) =>
    api.ok('POST', `${a}/ports`, { name, network: 'web', ...briefing, ...more });
  await make('own', { host: 'h1' });
  await make('stands-by', { host: 'h2', standby: 'h1' });
  await make('theirs', { host: 'h2' });
  await make('free', {});
  const h1 = api.as(hostOf(api, 'h1'));
  const { items }: { items: Port[] } = await h1.ok('GET', `${a}/ports`);
  for (const name of ['own', 'stands-by', 'theirs', 'free']) {
    const isOwn = name === 'own' || name === 'stands-by';
    const shown = [await h1.ok('GET', `${a}/ports/${name}`), items.find((port) => port.name === name)!];
    for (const { userData, sshKeys } of shown)
      assert.deepEqual({ userData, sshKeys }, isOwn ? briefing : { userData: undefined, sshKeys: undefined }, name);
  }
  const { body } = await h1.request('PATCH', `${a}/ports/free`, { labels: { a: 'b' } });
  assert.deepEqual([body.labels, body.userData, body.sshKeys], [{ a: 'b' }, undefined, undefined]);
  const bound = await h1.ok('PATCH', `${a}/ports/free`, { host: 'h1' });
  assert.equal(bound.userData, briefing.userData, 'it is to run here');
  const left = await h1.ok('PATCH', `${a}/ports/own`, { host: null });
  assert.equal(left.userData, undefined);
  // Whoever has a role in the tenant reads them.
  assert.equal((await api.ok('GET', `${a}/ports/theirs`)).userData, briefing.userData);
});

it('A31: a host that gives up a port in a tenant that it was not given is told what it has written', async () => {
  await using api = await openTwoTenants();
  const h1 = api.as(hostOf(api, 'h1'));
  assert.equal((await h1.ok('PATCH', `${g}/ports/p1`, { host: null })).host, undefined);
  await h1.hidden(`${g}/ports/p1`);
});
