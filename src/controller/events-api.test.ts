/** What happens to objects, as the API tells it. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { HeddleError, toProblem } from '../model/errors.ts';
import { type Event, type EventLine, eventLimits } from '../model/events.ts';
import type { Connected } from './presence.ts';
import { openFurnishedApi, openTestApi, type TestApi } from './test-api.ts';
import { linesOf } from './test-lines.ts';

const ports = '/v1/tenants/acme/ports';
const told = (items: readonly Event[]) => items.map(({ type, text }) => `${type}: ${text}`);
const eventsOf = async (api: TestApi, query: string): Promise<Event[]> =>
  (await api.ok('GET', `/v1/events?${query}`)).items;

/** A host's agent, as far as what it says goes. */
function connect(api: TestApi, name: string) {
  const { id } = api.world.find('host', '-', name)!.record;
  const connected = {
    hello: { version: '0.1.0', kernel: '6.18' },
    applied: -1n,
    ports: new Map(),
    lagMs: () => 0,
    dismiss: () => api.presence.leave(id, connected),
  } as unknown as Connected;
  api.presence.arrive(id, connected);
  return {
    says: (port: string, about: object) =>
      api.presence.report(id, connected, {
        type: 'report',
        revision: '1',
        ports: [{ id: port, condition: 'up', ...about }],
      } as never),
    leaves: () => api.presence.leave(id, connected),
  };
}

it('tells a port’s life: made, bound, wired, failed, moved, its hosts lost, deleted; and what is said twice once', async () => {
  await using api = await openFurnishedApi();
  const [h1, h2] = [connect(api, 'h1'), connect(api, 'h2')];
  const { id } = await api.ok('POST', ports, { name: 'db1', network: 'web', host: 'h1' });
  h1.says(id, { condition: 'pending', code: 'NOT_ATTACHED', message: 'nothing is attached' });
  for (let i = 0; i < 3; i++) h1.says(id, { device: 'hd1' });
  h1.says(id, { condition: 'error', code: 'KERNEL', message: 'no device' });
  await api.ok('PATCH', `${ports}/db1`, { standby: 'h2' });
  await api.ok('PATCH', `${ports}/db1`, { host: 'h2' });
  await api.ok('PATCH', `${ports}/db1`, { standby: null });
  h2.says(id, { device: 'hd2' });
  h2.leaves();
  await api.ok('PATCH', `${ports}/db1`, { labels: { tier: 'db' } });
  await api.ok('PATCH', `${ports}/db1`, { host: null });
  const alive = await eventsOf(api, 'kind=port&object=db1&tenant=acme');
  assert.deepEqual(told(alive), [
    'created: created',
    'bound: bound to h1',
    'waiting: nothing is attached',
    'wired: up on h1, hd1',
    'failed: no device',
    'updated: standby written',
    'moved: moved from h1 to h2',
    'updated: standby written',
    'wired: up on h2, hd2',
    'updated: labels written',
    'unbound: no longer on h2',
  ]);
  assert.deepEqual([alive[4]!.code, alive[4]!.host, alive[4]!.severity], ['KERNEL', 'h1', 'warning']);
  await api.ok('DELETE', `${ports}/db1`);
  const gone = await eventsOf(api, `kind=port&object=${id}`);
  assert.deepEqual([gone.at(-1)!.type, gone.length], ['deleted', 12], 'by its id, after it is gone');
  assert.deepEqual(gone, await eventsOf(api, 'kind=port&object=db1&tenant=acme'), 'and by its name');
});

it('tells that the host of a port was lost and came back, while the port is there', async () => {
  await using api = await openFurnishedApi();
  connect(api, 'h1').leaves();
  const { id } = await api.ok('POST', ports, { name: 'db1', network: 'web', host: 'h2' });
  connect(api, 'h2').leaves();
  assert.deepEqual(told(await eventsOf(api, `kind=port&object=${id}`)).slice(2), [
    'online: connected; version 0.1.0, kernel 6.18',
    'offline: not connected any more; 1 port is there',
  ]);
  assert.equal((await eventsOf(api, 'kind=host&object=h2')).length, 3, 'created, online, offline');
});

it('says who is refused in the name of a host', async () => {
  await using api = await openFurnishedApi();
  api.presence.refused('h1', toProblem(new HeddleError('PROTOCOL_MISMATCH', { have: 1, want: 2 })));
  const [event] = await eventsOf(api, 'kind=host&type=refused');
  assert.deepEqual([event!.name, event!.code], ['h1', 'PROTOCOL_MISMATCH']);
});

it('filters by tenant, kind, type and time, and pages', async () => {
  await using api = await openFurnishedApi();
  await api.ok('POST', '/v1/tenants', { name: 'globex' });
  await api.ok('POST', '/v1/tenants/globex/networks', { name: 'web' });
  const names = (items: Event[]) => items.map(({ kind, name }) => `${kind} ${name}`);
  assert.deepEqual(names(await eventsOf(api, 'tenant=globex')), ['tenant globex', 'network web']);
  assert.deepEqual(names(await eventsOf(api, 'kind=host')), ['host h1', 'host h2']);
  assert.deepEqual(names(await eventsOf(api, 'kind=network&object=web&tenant=globex')), ['network web']);
  assert.equal((await eventsOf(api, 'kind=network&object=web')).length, 2, 'of any tenant');
  assert.deepEqual(await eventsOf(api, 'type=deleted'), []);
  assert.deepEqual(await eventsOf(api, 'since=2999-01-01T00:00:00Z'), []);
  assert.equal((await eventsOf(api, 'tenant=globex&since=90m')).length, 2);
  assert.equal((await eventsOf(api, 'since=2000-01-01T00:00:00Z')).length, (await eventsOf(api, 'since=9999d')).length);
  const first = await api.ok('GET', '/v1/events?limit=3');
  const rest = await api.ok('GET', `/v1/events?after=${first.next}`);
  assert.deepEqual([...first.items, ...rest.items], await eventsOf(api, ''));
  assert.equal(rest.next, undefined);
  assert.ok(Date.parse(first.since) <= Date.parse(first.items[0].at));
});

it('knows a tenant that is gone by its name, until its events are', async () => {
  await using api = await openFurnishedApi();
  await api.ok('POST', '/v1/tenants', { name: 'globex' });
  await api.ok('DELETE', '/v1/tenants/globex');
  assert.deepEqual(told(await eventsOf(api, 'tenant=globex')), ['created: created', 'deleted: deleted']);
});

it('refuses what it cannot understand, and names of which nothing is known', async () => {
  await using api = await openFurnishedApi();
  for (const query of [
    'kind=planet',
    'type=exploded',
    'since=yesterday',
    'limit=0',
    'object=db1',
    'colour=red',
    'follow=maybe',
  ])
    await api.refused('INVALID', 'GET', `/v1/events?${query}`);
  await api.refused('NOT_FOUND', 'GET', '/v1/events?kind=port&object=nosuch');
  await api.refused('NOT_FOUND', 'GET', '/v1/events?tenant=nosuch');
});

it('follows: what is kept, then what comes, of what was asked for alone', async () => {
  await using api = await openFurnishedApi();
  await api.ok('POST', ports, { name: 'a', network: 'web' });
  await api.app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = api.app.server.address() as { port: number };
  const stop = new AbortController();
  const answer = await fetch(`http://127.0.0.1:${port}/v1/events?kind=port&follow=true`, { signal: stop.signal });
  assert.equal(answer.headers.get('content-type'), 'application/x-ndjson');
  const lines = linesOf(answer.body!);
  assert.deepEqual(await next(lines), 'created a');
  await api.ok('POST', '/v1/tenants/acme/networks', { name: 'other' });
  await api.ok('POST', ports, { name: 'b', network: 'other' });
  assert.deepEqual(await next(lines), 'created b');
  await api.ok('DELETE', `${ports}/a`);
  assert.deepEqual(await next(lines), 'deleted a');
  stop.abort();
});

it('a follower hears of events that it missed of its own tenant, and not of how many others had', async () => {
  await using api = await openTestApi();
  await api.ok('POST', '/v1/tenants', { name: 'globex' });
  await api.ok('POST', '/v1/tenants', { name: 'acme' });
  for (let i = 0; i < 2 * eventLimits.perObject; i++)
    await api.ok('PATCH', '/v1/tenants/globex', { labels: { n: String(i) } });
  await api.app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = api.app.server.address() as { port: number };
  const first = async (query: string) => {
    const stop = new AbortController();
    const { body } = await fetch(`http://127.0.0.1:${port}/v1/events?follow=true&after=1&${query}`, {
      signal: stop.signal,
    });
    const { value } = await linesOf(body!).next();
    stop.abort();
    return value!;
  };
  const own = await first('tenant=acme');
  assert.ok('name' in own && own.name === 'acme', JSON.stringify(own));
  assert.deepEqual(await first('tenant=globex'), { lost: eventLimits.perObject + 1 });
});

async function next(lines: AsyncIterator<EventLine>): Promise<string> {
  const { value } = await lines.next();
  return `${value.type} ${value.name}`;
}
