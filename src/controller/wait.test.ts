import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { FastifyReply } from 'fastify';
import { type Connected, Presence } from './presence.ts';
import { waitForHosts } from './wait.ts';
import type { World, WorldChange } from './world.ts';

const stays = { raw: { destroyed: false, once: () => {} } } as unknown as FastifyReply;

it('waits for all hosts that many changes concern, and gathers them with turns for others in between', async () => {
  const names = new Map(Array.from({ length: 20 }, (_, n) => [`${n}`, { record: { id: `${n}`, name: `h${n}` } }]));
  let looks = 0;
  const viewersOf = (network: string) => {
    looks++;
    return new Set([String(Number(network) % 20)]);
  };
  const world = { host: names, views: { viewersOf } } as unknown as World;
  const presence = new Presence();
  for (const id of names.keys())
    presence.arrive(id, { hello: {}, applied: id === '7' ? 4n : 5n, ports: new Map() } as unknown as Connected);
  const changes = Array.from({ length: 1000 }, (_, n) => ({
    kind: 'network',
    after: { kind: 'network', record: { id: `${n}` } },
  })) as unknown as WorldChange[];

  const inTurn: number[] = [];
  let isDone = false;
  const others = (async () => {
    while (!isDone) {
      await turn();
      inTurn.push(looks);
      looks = 0;
    }
  })();
  await assert.rejects(waitForHosts({ world, presence }, { changes, revision: 5n }, 1, stays), {
    code: 'WAIT_TIMEOUT',
    details: { revision: '5', hosts: ['h7'] },
  });
  isDone = true;
  await others;
  const looked = inTurn.filter((n) => n > 0);
  assert.equal(
    looked.reduce((a, b) => a + b),
    1000,
  );
  assert.ok(Math.max(...looked) <= 100, looked.join());
});
