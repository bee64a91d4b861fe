/** A segment's agent, killed before any step of an attach or a detach: the NIC is taken or as it was, and nothing between. */
import assert from 'node:assert/strict';
import { readdirSync, rmSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { gone, until } from '../../src/lab/processes.ts';
import type { AttachmentList } from '../../src/model/local-api.ts';
import { Rig } from '../agent/rig.ts';
import { killAtAll, type Steps } from '../agent/steps.ts';
import { untilEqual } from '../until-equal.ts';
import { Lan, nic } from './lan.ts';

/** It learns nobody, so that no attach waits until all were asked for. */
const request = { kind: 'device', ifname: nic, vlan: 120, port: 'plant', learn: 0 } as const;
/** What is decided, and what the NIC is told; the rest is the same as of any attach. */
const choice = { only: /(rename|remove) record|RTM_SETLINK|QDISC|TFILTER/, sparse: true };
let rig: Rig;
let lan: Lan;
let untouched: object;

before(async () => {
  rig = await Rig.open();
  lan = await Lan.open(rig.lab, () => rig.workload());
  // The host is a member of the network all the time: else its gateway would come and go with each turn.
  await rig.attach('h1', { target: (await rig.workload()).path });
  untouched = await lan.nicOf('h1');
});
after(() => rig?.[Symbol.asyncDispose]());

const attach = () => rig.attach('h1', request);
const detach = () => rig.detach('h1', 'plant');
async function attachments(): Promise<string[]> {
  const { items } = (await rig.local('h1', 'GET', '/v1/attachments')) as AttachmentList;
  return items.flatMap(({ kind, state }) => (kind === 'device' ? [state] : []));
}
const isTaken = async (): Promise<boolean> => JSON.stringify(await lan.nicOf('h1')).includes('heddle:from_segment');

/** Kills the agent at a new step of `work`, starts it again, and has what became of it be whole. */
async function survive(steps: Steps, work: () => Promise<unknown>): Promise<string | undefined> {
  const pid = rig.lab.pid('h1')!;
  const step = await steps.kill(pid, work);
  if (step !== undefined) await gone([pid]);
  await rig.lab.start('h1');
  await rig.inSync('h1');
  await until(`after ${step}, it is attached or not`, 15_000, async () => {
    const [states, taken] = [String(await attachments()), await isTaken()];
    return states === (taken ? 'attached' : '') ? true : undefined;
  });
  if (!(await isTaken())) assert.deepEqual(await lan.nicOf('h1'), untouched, `${step}`);
  await attach();
  assert.ok(await isTaken());
  return step;
}

test('an agent killed at any step of an attach has taken the NIC, or leaves it as it was', async (t) => {
  const killed = await killAtAll(
    [rig],
    async (_, steps) => {
      const step = await survive(steps, attach);
      await detach();
      assert.deepEqual(await lan.nicOf('h1'), untouched);
      return step;
    },
    choice,
  );
  t.diagnostic(`${killed}`);
  killed.include(['rename record', 'RTM_SETLINK', 'RTM_NEWQDISC', 'RTM_NEWTFILTER'], 5);
});

test('an agent killed at any step of a detach has given the NIC back in the end', async (t) => {
  const killed = await killAtAll(
    [rig],
    async (_, steps) => {
      await attach();
      return survive(steps, detach);
    },
    choice,
  );
  t.diagnostic(`${killed}`);
  killed.include(['rename record'], 1);
  await detach();
  assert.deepEqual(await lan.nicOf('h1'), untouched);
});

test('an agent that has lost its records gives back what it finds taken', async () => {
  await attach();
  await rig.lab.kill('h1');
  const records = `${rig.stateDir('h1')}/attachments`;
  for (const name of readdirSync(records)) rmSync(`${records}/${name}`);
  await rig.lab.start('h1');
  await rig.lab.ready('h1');
  await untilEqual(untouched, 10_000, () => lan.nicOf('h1'));
});
