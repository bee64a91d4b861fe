import assert from 'node:assert/strict';
import { it } from 'node:test';
import { limits } from '../model/fields.ts';
import type { Port, SharedAddress } from '../model/kinds.ts';
import { openFurnishedApi } from './test-api.ts';
import { assertNoLeak } from './test-claims.ts';

const t = '/v1/tenants/acme';

/** Ports lb1, lb2 and db in network web, and address vip that the first two share. */
async function openShared() {
  const api = await openFurnishedApi();
  const port = (name: string): Promise<Port> => api.ok('POST', `${t}/ports`, { name, network: 'web' });
  const ports = { lb1: await port('lb1'), lb2: await port('lb2'), db: await port('db') };
  const share = (name: string, more: object = {}): Promise<SharedAddress> =>
    api.ok('POST', `${t}/addresses`, { name, network: 'web', ports: ['lb1', 'lb2'], ...more });
  const vip = await share('vip', { address: '10.0.0.100' });
  const hold = (holder: string | null): Promise<SharedAddress> => api.ok('PATCH', `${t}/addresses/vip`, { holder });
  return { api, ports, share, vip, hold, [Symbol.asyncDispose]: () => api[Symbol.asyncDispose]() };
}

it('an address is shared by those that it names, and one of them has it at a time', async () => {
  await using rig = await openShared();
  const { api, ports, vip, hold } = rig;
  assert.deepEqual([vip.address, vip.ports, vip.holder], ['10.0.0.100', ['lb1', 'lb2'], undefined]);
  assert.equal((await hold('lb1')).holder, ports.lb1.id);
  const { revision } = await hold(ports.lb2.id);
  assert.equal((await hold('lb2')).revision, revision, 'it has it already: nothing is written');
  for (const holder of ['db', 'lb3'])
    await api.refused(holder === 'db' ? 'INVALID' : 'NOT_FOUND', 'PATCH', `${t}/addresses/vip`, { holder });
  assert.equal((await hold(null)).holder, undefined);
  await assertNoLeak(api.store);
});

it('nobody else gets it: no port, by itself or asked for, and no second address', async () => {
  await using rig = await openShared();
  const { api, share } = rig;
  const taken = { network: 'web', addresses: ['10.0.0.100'] };
  assert.deepEqual(await api.refused('ADDRESS_TAKEN', 'POST', `${t}/ports`, taken), {
    address: '10.0.0.100',
    shared: 'vip',
  });
  const again = { name: 'vip2', network: 'web', address: '10.0.0.100', ports: ['db'] };
  await api.refused('ADDRESS_TAKEN', 'POST', `${t}/addresses`, again);
  const { address } = await share('next');
  const { addresses } = await api.ok('POST', `${t}/ports`, { network: 'web' });
  assert.ok(!addresses.includes(address), 'one of the pools is out of them');
  const other = { name: 'x', network: 'web', address: addresses[0], ports: ['db'] };
  await api.refused('ADDRESS_TAKEN', 'POST', `${t}/addresses`, other);
  await api.refused('ADDRESS_RESERVED', 'POST', `${t}/addresses`, { ...other, address: '10.0.0.1' });
  await api.refused('ADDRESS_OUTSIDE', 'POST', `${t}/addresses`, { ...other, address: '10.9.0.1' });
  await assertNoLeak(api.store);
});

it('a port that goes, or may have it no longer, has it no more; one of the same name may', async () => {
  await using rig = await openShared();
  const { api, hold } = rig;
  const holder = async () => (await api.ok('GET', `${t}/addresses/vip`)).holder;
  await hold('lb1');
  await api.ok('DELETE', `${t}/ports/lb1`);
  assert.equal(await holder(), undefined);
  const { id } = await api.ok('POST', `${t}/ports`, { name: 'lb1', network: 'web' });
  assert.equal(await holder(), undefined);
  await api.ok('PATCH', `${t}/addresses/vip`, { labels: { a: 'b' } });
  assert.equal((await hold('lb1')).holder, id);
  await api.ok('PATCH', `${t}/addresses/vip`, { ports: ['lb2', 'later'] });
  assert.equal(await holder(), undefined);
  await hold('lb2');
  await api.ok('PATCH', `${t}/addresses/vip`, { name: 'web-vip' });
  assert.ok((await api.ok('GET', `${t}/addresses/web-vip`)).holder, 'a change of something else leaves it where it is');
});

it('a port that has no interface of its own cannot have it', async () => {
  await using rig = await openShared();
  const { api } = rig;
  const refused = (holder: string) => api.refused('INVALID', 'PATCH', `${t}/addresses/vip`, { holder });
  await api.ok('PATCH', `${t}/addresses/vip`, { ports: ['lan', 'sub', 'far'] });
  await api.ok('POST', `${t}/ports`, { name: 'lan', network: 'web', segment: {} });
  await api.ok('POST', `${t}/ports`, { name: 'sub', network: 'web', behind: 'lb1' });
  await api.ok('POST', `${t}/networks`, { name: 'other' });
  await api.ok('POST', `${t}/ports`, { name: 'far', network: 'other' });
  for (const holder of ['lan', 'sub', 'far']) await refused(holder);
});

it('a port may have so many, and a subnet with one stays', async () => {
  await using rig = await openShared();
  const { api, share } = rig;
  for (let n = 1; n < limits.sharedPerPort; n++) await share(`more${n}`);
  const many = { name: 'many', network: 'web', ports: ['db', 'lb2'] };
  assert.deepEqual(await api.refused('SHARED_LIMIT', 'POST', `${t}/addresses`, many), {
    of: 'port lb2',
    limit: limits.sharedPerPort,
  });
  const ports = Array.from({ length: limits.portsPerShared + 1 }, (_, n) => `p${n}`);
  await api.refused('INVALID', 'POST', `${t}/addresses`, { ...many, ports });
  await api.refused('INVALID', 'POST', `${t}/addresses`, { ...many, ports: [] });
  for (const { name } of (await api.ok('GET', `${t}/ports`)).items) await api.ok('DELETE', `${t}/ports/${name}`);
  await api.refused('IN_USE', 'DELETE', `${t}/subnets/v4`);
  for (const { name } of (await api.ok('GET', `${t}/addresses`)).items)
    await api.ok('DELETE', `${t}/addresses/${name}`);
  await api.ok('DELETE', `${t}/subnets/v4`);
  await assertNoLeak(api.store);
});

it('the last word counts, and not the one that came last: an agent that was away tells what is old by then', async () => {
  await using rig = await openShared();
  const { api, ports, hold } = rig;
  const heard = (holder: string, heardMs: number): Promise<SharedAddress> =>
    api.ok('PATCH', `${t}/addresses/vip`, { holder, heardMs });
  assert.equal((await heard('lb1', 60_000)).holder, ports.lb1.id, 'the first word, however old');
  assert.equal((await heard('lb2', 30_000)).holder, ports.lb2.id);
  const { revision } = await heard('lb1', 45_000);
  assert.equal((await api.ok('GET', `${t}/addresses/vip`)).holder, ports.lb2.id);
  assert.equal((await heard('lb2', 30_000)).revision, revision, 'it has said so already');
  assert.notEqual((await heard('lb2', 10_000)).revision, revision, 'and has said so again');
  assert.equal((await heard('lb1', 20_000)).holder, ports.lb2.id, 'before that');
  assert.equal((await heard('lb1', 5_000)).holder, ports.lb1.id);
  assert.equal((await hold(null)).holder, undefined);
  assert.equal((await heard('lb1', 2_000)).holder, undefined, 'it was taken from everybody since');
  assert.equal((await heard('lb1', 0)).holder, ports.lb1.id);
  assert.equal((await hold('lb2')).holder, ports.lb2.id, 'by hand is now');
});

it('many that are made at once are as many as may be; one too many, as controllers make it at once, moves like all others', async () => {
  await using rig = await openShared();
  const { api, share } = rig;
  const made = await Promise.allSettled(Array.from({ length: 12 }, (_, n) => share(`many${n}`)));
  assert.equal(made.filter(({ status }) => status === 'fulfilled').length, limits.sharedPerPort - 1);
  for (const { name } of (await api.ok('GET', `${t}/addresses`)).items)
    await api.ok('PATCH', `${t}/addresses/${name}`, { ports: ['lb2'] });
  const names = (await api.ok('GET', `${t}/addresses`)).items.map(({ name }: SharedAddress) => name);
  for (let n = names.length; n < limits.sharedPerPort + 2; n++) {
    names.push(`more${n}`);
    await share(`more${n}`, { ports: ['db'] }).catch(() => share(`more${n}`, { ports: ['later'] }));
  }
  // Each counts the others as they were: nothing is written before the last one has.
  const [txn, all] = [api.store.txn.bind(api.store), Promise.withResolvers<void>()];
  let waiting = 0;
  api.store.txn = async (what) => {
    if (++waiting === names.length) all.resolve();
    await all.promise;
    return txn(what);
  };
  await Promise.all(names.map((name: string) => api.ok('PATCH', `${t}/addresses/${name}`, { ports: ['lb1'] })));
  for (const name of names) {
    assert.ok((await api.ok('PATCH', `${t}/addresses/${name}`, { holder: 'lb1' })).holder);
    await api.ok('PATCH', `${t}/addresses/${name}`, { labels: { a: 'b' } });
  }
  await api.refused('SHARED_LIMIT', 'POST', `${t}/addresses`, { name: 'x', network: 'web', ports: ['lb1'] });
  await assertNoLeak(api.store);
});

it('a port without an address of its own of a family cannot have one', async () => {
  await using rig = await openShared();
  const { api } = rig;
  await api.ok('POST', `${t}/ports`, { name: 'six', network: 'web', addresses: ['fd00::66'] });
  await api.ok('PATCH', `${t}/addresses/vip`, { ports: ['six'] });
  await api.refused('INVALID', 'PATCH', `${t}/addresses/vip`, { holder: 'six' });
});
