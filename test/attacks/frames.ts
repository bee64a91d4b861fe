/** Frames of every kind, from every attacker, to a neighbour on its host and to one on another. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { until } from '../../src/lab/processes.ts';
import { contains } from '../traffic/packets.ts';
import type { Station } from '../traffic/stage.ts';
import type { Attack, Attacks } from './attack.ts';
import type { Leg } from './attacker.ts';
import { fragments4, fragments6 } from './fragments.ts';
import { floods, forSwitches } from './link.ts';
import type { Scene } from './scene.ts';
import { rogueServers, withoutIp6 } from './services.ts';
import { askingAsOthers, asOthers, byOthersMacs } from './spoofs.ts';

const lists: readonly [string, Attacks, 'web' | 'four'][] = [
  ['A1: nobody sends as another', asOthers, 'web'],
  ['A2: nor by another’s MAC', byOthersMacs, 'web'],
  ['A3, A4: nor asks or answers as another', askingAsOthers, 'web'],
  ['A5: nobody acts as a DHCP server', rogueServers, 'web'],
  ['A6: who invents addresses fills no table, and reaches nobody', floods, 'web'],
  ['A7: frames for switches and routers, and tagged ones, reach nobody', forSwitches, 'web'],
  ['A10: fragments, options and odd headers get past no check', fragments4, 'web'],
  ['A10: fragments and chains of headers of IPv6 get past no check', fragments6, 'web'],
  ['A14: a network without IPv6 carries none', withoutIp6, 'four'],
];

/** The attack is counted for its reason, once for each frame, nobody is given it, and its legal twin arrives, there alone. */
async function refused(scene: Scene, from: Leg, to: Station, { reason, hostile, legal }: Attack): Promise<void> {
  const marks = { hostile: randomBytes(12), legal: randomBytes(12) };
  const frames = hostile(marks.hostile);
  const before = await scene.count(from, reason);
  const seen = scene.seen();
  await from.send(...frames, ...legal(marks.legal));
  const gotBy = (mark: Uint8Array) => new Set(seen.filter(({ frame }) => contains(frame, mark)).map(({ by }) => by));
  await until('the arrival of the legal twin', 5_000, () => {
    seen.push(...scene.seen());
    return gotBy(marks.legal).has(to) ? true : undefined;
  });
  const counted = (await scene.count(from, reason)) - before;
  // A kernel of its own multicasts now and then, to join groups and to find routers.
  const isNoisy = reason === 'multicast' || reason === 'nd_forbidden';
  assert.ok(counted === frames.length || (isNoisy && counted > frames.length), `${counted} counted as ${reason}`);
  assert.deepEqual(gotBy(marks.hostile), new Set());
  const isElsewhere = to.host.name !== 'h1';
  assert.deepEqual(gotBy(marks.legal), new Set<Station | 'wire'>(isElsewhere ? ['wire', to] : [to]));
}

/** All of them, or those whose name begins so. */
export function frameTests(scene: Scene, only = /^A/): void {
  for (const { what, legs } of scene.attackers)
    for (const [name, list, network] of lists.filter(([one]) => only.test(one)))
      test(`${name} (from ${what})`, async (t) => {
        const targets: readonly Station[] = network === 'web' ? scene.neighbours : scene.neighbours4;
        for (const [i, to] of targets.entries())
          for (const attack of list(legs[network], to))
            await t.test(`${attack.does}, to a neighbour ${i === 0 ? 'here' : 'elsewhere'}`, () =>
              refused(scene, legs[network], to, attack),
            );
      });
}
