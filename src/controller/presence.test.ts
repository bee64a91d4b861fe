import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { type Connected, Presence } from './presence.ts';

const hosts = new Map([
  ['1', 'h1'],
  ['2', 'h2'],
]);
const connected = () => ({ hello: {}, applied: -1n, ports: new Map() }) as unknown as Connected;

it('waits until all of the hosts have applied a revision', async () => {
  const presence = new Presence();
  const agents = [...hosts.keys()].map((id) => [id, connected()] as const);
  for (const [id, agent] of agents) presence.arrive(id, agent);
  const applied = presence.applied(hosts, 5n, 600_000, new AbortController().signal);
  for (const [id, agent] of agents) presence.report(id, agent, { type: 'report', revision: '5', ports: [] });
  await applied;
});

it('does not wait when nobody waits for the answer any more, also if that was so before', async (t) => {
  // The end of the time never comes.
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const presence = new Presence();
  const gone = new AbortController();
  const ended: unknown[] = [];
  for (const signal of [gone.signal, AbortSignal.abort()])
    presence.applied(hosts, 5n, 600_000, signal).catch(({ name }) => ended.push(name));
  gone.abort();
  await turn();
  assert.deepEqual(ended, ['AbortError', 'AbortError']);
});
