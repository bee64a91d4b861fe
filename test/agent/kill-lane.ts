/** A host whose agent is killed at each step of a work, and what must have become of that. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { gone, until } from '../../src/lab/processes.ts';
import { hasCode } from '../../src/model/errors.ts';
import { Rig, type Trace } from './rig.ts';
import { killAtAll, type Steps } from './steps.ts';
import type { Workload } from './workload.ts';

/** A lab in which h1's agent is killed; two of them work through the steps side by side. */
export class Lane implements AsyncDisposable {
  readonly rig: Rig;
  readonly w: Workload;
  readonly far: Workload;
  readonly farIp: string;
  /** Asked for, the port is made at the controller first; if not, on the host. */
  readonly asked: string | undefined;
  before!: Trace;
  /** The same while a lease of the network lingers. */
  #lingering!: Trace;

  private constructor(rig: Rig, w: Workload, far: Workload, farIp: string, asked: string | undefined) {
    this.rig = rig;
    this.w = w;
    this.far = far;
    this.farIp = farIp;
    this.asked = asked;
  }
  /** `asked`: the name of the port to ask for. */
  static async open(asked?: string): Promise<Lane> {
    const rig = await Rig.open();
    try {
      const far = await rig.workload();
      const { port } = await rig.attach('h2', { target: far.path });
      const lane = new Lane(rig, await rig.workload(), far, port.addresses[0]!, asked);
      lane.before = await rig.trace('h1');
      await lane.attach();
      await lane.detach();
      lane.#lingering = asked ? lane.before : await rig.quietTrace('h1');
      return lane;
    } catch (e) {
      await rig[Symbol.asyncDispose]();
      throw e;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.rig[Symbol.asyncDispose]();
  }

  /** The port's name. */
  get victim(): string {
    return this.asked ?? `h1-${this.w.path.split('/').at(-1)}`;
  }
  attach = () => this.rig.attach('h1', { target: this.w.path, ...(this.asked && { port: this.asked }) });
  detach = () => this.rig.detach('h1', this.victim);
  pid = () => this.rig.lab.pid('h1')!;

  /** Takes away all that an attach would find done: what would linger, and what the one before left. */
  async bare(): Promise<void> {
    const { client, tenant } = this.rig;
    for (const { id } of await client.list('lease', { tenant, host: 'h1' }))
      await client.remove('lease', id, { tenant }).catch((e: unknown) => {
        if (!hasCode(e, 'NOT_FOUND')) throw e; // h1 was faster
      });
    await until('h1 has neither lease nor gateway', 20_000, async () => {
      const { leases, gateways } = await this.rig.status('h1');
      return leases.length === 0 && gateways.networks === 0 ? true : undefined;
    });
    await this.rig.back('h1', this.before);
  }

  /** Resolves when h1, or its agent's death, has ended what it does about a lease that nobody uses. */
  leaseEnded = async (): Promise<void> => {
    const { client, tenant } = this.rig;
    await until('h1 has given its lease back', 30_000, async () => {
      if (this.pid() === undefined) return true;
      const held = await client.list('lease', { tenant, host: 'h1' });
      return held.length === 0 && readdirSync(`${this.rig.stateDir('h1')}/leases`).length === 0 ? true : undefined;
    });
  };

  /** What the agent's restart must come to: nothing of the port, or all of it. */
  async settled(): Promise<'old' | 'new'> {
    const old = [this.before, this.#lingering].map((trace) => JSON.stringify(trace));
    let now = '';
    try {
      return await until('', 15_000, async () => {
        now = JSON.stringify(await this.rig.trace('h1'));
        if (old.includes(now)) return 'old';
        const port = await this.rig.portIfThere(this.victim);
        const { items } = (await this.rig.local('h1', 'GET', '/v1/attachments')) as { items: { state: string }[] };
        return port?.status.condition === 'up' && items.length === 1 && items[0]!.state === 'attached'
          ? 'new'
          : undefined;
      });
    } catch (cause) {
      throw new Error(`neither old nor new: ${now}`, { cause });
    }
  }

  /** Kills the agent at a new step of `work`, starts it again, and looks at what has become of it. Returns the step, if there was one. */
  async survive(steps: Steps, work: () => Promise<unknown>): Promise<string | undefined> {
    const pid = this.pid();
    const step = await steps.kill(pid, work);
    try {
      if (step !== undefined) await gone([pid]);
      await this.rig.lab.start('h1');
      await this.rig.inSync('h1');
      await this.settled();
      // Whatever it was, the attach can be repeated, carries traffic, and goes without a trace.
      await this.attach();
      this.far.forgetNeighbours();
      assert.ok(await this.w.reaches(this.farIp, 5), 'no answer after the restart');
    } catch (cause) {
      throw new Error(`killed before ${step}`, { cause });
    }
    return step;
  }
}

/** Kills agents at each step of an attach that has everything to do. */
export async function killAttaching(lanes: readonly Lane[]): Promise<Steps> {
  const killed = await killAtAll(lanes, async (lane, steps) => {
    await lane.bare();
    const step = await lane.survive(steps, lane.attach);
    await lane.detach();
    return step;
  });
  for (const lane of lanes) await lane.bare();
  return killed;
}

/** Kills agents at each step of a detach, up to that at which the controller knows. */
export async function killDetaching(lanes: readonly Lane[]): Promise<Steps> {
  const killed = await killAtAll(lanes, async (lane, steps) => {
    await lane.attach();
    let released = false;
    const detach = async () => {
      released = (await lane.detach()).released;
    };
    return (await lane.survive(steps, detach)) ?? (released ? undefined : 'answered before the controller was told');
  });
  for (const lane of lanes) {
    await lane.detach();
    await lane.rig.back('h1', lane.before);
  }
  return killed;
}

/** What any attach of a port with addresses of both families does, in the order of its first steps. */
export const attaching = [
  ...['write record', 'fsync record', 'rename record', 'told', 'RTM_NEWLINK', 'write setting'],
  ...['RTM_SETLINK RTM_NEWQDISC RTM_NEWTFILTER', 'RTM_SETLINK', 'RTM_SETLINK RTM_NEWADDR RTM_NEWADDR RTM_SETLINK'],
  ...['RTM_NEWROUTE RTM_NEWROUTE', 'MAP_UPDATE_ELEM', 'answer'],
];
/** What any detach does. */
export const detaching = [
  ...['write record', 'rename record', 'MAP_DELETE_ELEM', 'RTM_DELLINK', 'told', 'remove record', 'answer'],
];
