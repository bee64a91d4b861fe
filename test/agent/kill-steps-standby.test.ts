/** F4, for a guest that moves: killed before any step, either agent leaves a state that is repeated or undone. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { gone, until } from '../../src/lab/processes.ts';
import { must } from '../../src/lab/run.ts';
import type { Host } from '../../src/model/kinds.ts';
import type { Attached, AttachmentList } from '../../src/model/local-api.ts';
import { Rig } from './rig.ts';
import { killAtAll, type Steps } from './steps.ts';
import { TapGuest } from './tap-guest.ts';

/** What is decided, and who is told; what the kernel is told besides, and how a record is written, is as of any attach. */
const choice = { only: /rename record|remove record|told/, sparse: true };
const request = { kind: 'tap', port: 'vm', ifname: 'tap-vm' } as const;

let rig: Rig;
let made: Attached;
let hosts: Map<string, string>;

before(async () => {
  rig = await Rig.open();
  // Both hosts are members of the network all the time: else its gateway would come and go with each turn.
  for (const host of ['h1', 'h2']) await rig.attach(host, { target: (await rig.workload()).path });
  made = await rig.attach('h1', request);
  hosts = new Map((await rig.client.list('host')).map(({ id, name }: Host) => [id, name]));
});
after(() => rig?.[Symbol.asyncDispose]());

const attach = (host: string) => rig.attach(host, { ...request, standby: true as const });
const detach = (host: string) => rig.detach(host, 'vm');
async function bindings(): Promise<string> {
  const { host, standby } = await rig.port('vm');
  return [host, standby].flatMap((id) => hosts.get(id ?? '') ?? []).join(' ');
}
const isAt = (...want: string[]): Promise<true> =>
  until(`the port is at ${want}`, 15_000, async () => (want.includes(await bindings()) ? true : undefined));
async function attachments(host: string): Promise<string[]> {
  const { items } = (await rig.local(host, 'GET', '/v1/attachments')) as AttachmentList;
  return items.flatMap(({ kind, state }) => (kind === 'tap' ? [state] : []));
}

/** Kills a host's agent at a new step of `work`, and starts it again. Returns the step, if there was one. */
async function kill(steps: Steps, host: string, work: () => Promise<unknown>): Promise<string | undefined> {
  const pid = rig.lab.pid(host)!;
  const step = await steps.kill(pid, work);
  if (step !== undefined) await gone([pid]);
  await rig.lab.start(host);
  await rig.inSync(host);
  return step;
}

test('an agent killed at any step of having a port stand by undoes it or has done it', async (t) => {
  const killed = await killAtAll(
    [rig],
    async (_, steps) => {
      const step = await kill(steps, 'h2', () => attach('h2'));
      await isAt('h1', 'h1 h2');
      await until('half of it stays nowhere', 15_000, async () => {
        const whole = (await bindings()) === 'h1' ? '' : 'attached';
        return String(await attachments('h2')) === whole ? true : undefined;
      });
      await attach('h2');
      await isAt('h1 h2');
      await detach('h2');
      await isAt('h1');
      return step;
    },
    choice,
  );
  t.diagnostic(`${killed}`);
  killed.include(['rename record', 'told'], 3);
  await attach('h2');
});

test('an agent killed at any step after it heard a guest come has moved its port, or hears it again', async (t) => {
  await using guest = await TapGuest.start(rig, 'h2', made);
  const setGuest = (state: 'up' | 'down') => must(guest.workload.argv(['ip', 'link', 'set', 'dev', 'eth0', state]));
  const speak = () => guest.workload.exec(['ping', '-n', '-q', '-c', '1', '-W', '1', '10.0.0.1']);
  // Its device has just come up, which is heard.
  await isAt('h2 h1');
  const killed = await killAtAll(
    [rig],
    async (_, steps) => {
      await setGuest('down');
      await rig.client.update('port', 'vm', { host: 'h1' }, { tenant: rig.tenant, waitMs: 10_000 });
      const pid = rig.lab.pid('h2')!;
      const step = await kill(steps, 'h2', async () => {
        await setGuest('up');
        await speak();
        await until('it is known, or the agent is dead', 15_000, async () =>
          (await bindings()) === 'h2 h1' || rig.lab.pid('h2') !== pid ? true : undefined,
        );
      });
      await speak();
      await isAt('h2 h1');
      return step;
    },
    choice,
  );
  t.diagnostic(`${killed}`);
  killed.include(['rename record', 'told'], 2);
});

test('an agent killed at any step of leaving a port that has moved leaves it in the end', async (t) => {
  await isAt('h2 h1');
  const killed = await killAtAll(
    [rig],
    async (_, steps) => {
      const step = await kill(steps, 'h1', () => detach('h1'));
      if (step !== undefined && (await bindings()) === 'h2 h1' && (await attachments('h1'))[0] === 'attached')
        await detach('h1');
      await isAt('h2');
      await until('nothing of it stays', 15_000, async () =>
        (await attachments('h1')).length === 0 ? true : undefined,
      );
      assert.equal(
        rig.links('h1').find(({ name }) => name === 'tap-vm'),
        undefined,
      );
      await attach('h1');
      await isAt('h2 h1');
      return step;
    },
    choice,
  );
  t.diagnostic(`${killed}`);
  killed.include(['rename record', 'told', 'remove record'], 3);
});
