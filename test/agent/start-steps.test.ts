/** F4: an agent killed at any step of its start harms no traffic, and the next one comes to the same state, whatever it finds. */
// exclusive: not one ping may be lost, and a flood in another test fills the queues that all namespaces share
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { agentDaemon } from '../../src/lab/daemons.ts';
import { gone, startDaemon, until } from '../../src/lab/processes.ts';
import { PingStream } from '../traffic/ping-stream.ts';
import { Rig, type Trace } from './rig.ts';
import { type Damage, damage } from './start-damage.ts';
import { killAtAll, type Steps } from './steps.ts';
import type { Workload } from './workload.ts';

/** A workload on h1 without traffic, in whose state there is damage for each start to mend. */
interface Idle {
  readonly workload: Workload;
  readonly device: string;
}

/** A lab in which h1's agent is killed while it starts; two of them work through the steps side by side. */
class Lane {
  readonly #rig: Rig;
  readonly #idle: Idle;
  readonly #far: string;
  readonly #traffic: readonly PingStream[];
  readonly #before: string;

  private constructor(rig: Rig, idle: Idle, far: string, traffic: readonly PingStream[], before: Trace) {
    this.#rig = rig;
    this.#idle = idle;
    this.#far = far;
    this.#traffic = traffic;
    this.#before = comparable(before);
  }

  /** Traffic goes from a workload on h1 to a neighbour there and to one on h2, all the time. */
  static async open(): Promise<Lane> {
    const rig = await Rig.open();
    try {
      const onHost = async (host: string, port: string) => {
        const workload = await rig.workload();
        const { device } = await rig.attach(host, { target: workload.path, port });
        return { workload, device, ip: (await rig.portIs(port, 'up')).addresses[0]! };
      };
      const [from, near, idle] = [await onHost('h1', 'from'), await onHost('h1', 'near'), await onHost('h1', 'idle')];
      const far = await onHost('h2', 'far');
      for (const { ip } of [near, far]) assert.ok(await from.workload.reaches(ip, 5));
      await rig.lab.restart('h1'); // an agent that ends by itself writes down what was compiled
      const before = await rig.trace('h1');
      const traffic = [near, far].map(({ ip }) => new PingStream(from.workload.path, ip, { everyMs: 20 }));
      return new Lane(rig, idle, far.ip, traffic, before);
    } catch (e) {
      await rig[Symbol.asyncDispose]();
      throw e;
    }
  }
  async close(): Promise<void> {
    for (const stream of this.#traffic) await stream[Symbol.asyncDispose]();
    await this.#rig[Symbol.asyncDispose]();
  }

  /** Kills an agent that starts at a new step, starts another, and looks at what it has come to. Returns the step, if there was one. */
  async survive(steps: Steps): Promise<string | undefined> {
    const { lab } = this.#rig;
    const { pid, damage } = await this.#startStopped();
    const step = await steps.kill(pid, () => this.#run(pid, damage));
    try {
      await lab.kill('h1');
      await gone([pid]);
      await lab.start('h1');
      await this.#rig.inSync('h1', 60_000);
      await this.#asBefore(damage);
      await this.#rig.portIs('idle', 'up', 30_000);
      assert.ok(await this.#idle.workload.reaches(this.#far, 10), 'the workload without traffic reaches nobody');
    } catch (cause) {
      throw new Error(`killed before ${step}`, { cause });
    }
    return step;
  }

  /** Ends the traffic. None of it may have been lost. */
  async lostNothing(): Promise<void> {
    for (const { sent, received } of await Promise.all(this.#traffic.map((stream) => stream.stop())))
      assert.equal(received, sent);
  }

  /** An agent that does not run yet, over damage. */
  async #startStopped(): Promise<{ pid: number; damage: Damage }> {
    const { plan } = this.#rig.lab;
    await this.#rig.lab.kill('h1');
    const toMend = damage(this.#rig, this.#idle.workload, this.#idle.device);
    const daemon = agentDaemon(plan, plan.hosts.find((h) => h.name === 'h1')!);
    const pid = await startDaemon({ ...daemon, argv: ['sh', '-c', 'kill -STOP $$; exec "$@"', 'sh', ...daemon.argv] });
    await until('the process has stopped itself', 10_000, () =>
      /\) T /.test(readFileSync(`/proc/${pid}/stat`, 'utf8')) ? true : undefined,
    );
    return { pid, damage: toMend };
  }
  /** Lets it run until it has mended all and written the host's state, the last things of a start, or has ended. */
  async #run(pid: number, damage: Damage): Promise<void> {
    const written = () => statSync(`${this.#rig.stateDir('h1')}/host-state.json`).mtimeMs;
    const old = written();
    process.kill(pid, 'SIGCONT');
    await until('the agent has started or ended', 60_000, () =>
      this.#rig.lab.pid('h1') === undefined || (written() !== old && damage.left().length === 0) ? true : undefined,
    );
  }

  async #asBefore(damage: Damage): Promise<void> {
    let now = '';
    await until('', 30_000, async () => {
      now = comparable(await this.#rig.trace('h1'));
      return now === this.#before && damage.left().length === 0 ? true : undefined;
    }).catch((cause: unknown) => {
      throw new Error(`h1 was ${this.#before}\nbut is ${now} ${damage.left().join()}`, { cause });
    });
  }
}

/** The slow path's device is another one after each start. */
function comparable(trace: Trace): string {
  const links = trace.links.map((line) => line.replace(/^\d+ (?=hdvx0 )/, '')).sort();
  return JSON.stringify({ ...trace, links, filters: [...trace.filters].sort() }, null, 1);
}

// What Node compiles is kept for the next agent, which starts in two thirds of the time.
const compiled = mkdtempSync(join(tmpdir(), 'heddle-compiled-'));
process.env.NODE_COMPILE_CACHE = compiled;
const lanes = await Promise.all([Lane.open(), Lane.open()]);
after(async () => {
  await Promise.all(lanes.map((lane) => lane.close()));
  rmSync(compiled, { recursive: true });
});

test('an agent killed at any step of its start loses nothing, and the next one mends what it finds', async (t) => {
  const killed = await killAtAll(lanes, (lane, steps) => lane.survive(steps), { sparse: true });
  t.diagnostic(`${killed}`);
  for (const lane of lanes) await lane.lostNothing();
  killed.include(
    [
      ...['MAP_CREATE', 'PROG_LOAD', 'OBJ_PIN', 'rename pin', 'MAP_UPDATE_ELEM', 'MAP_DELETE_ELEM', 'remove pin'],
      ...['RTM_NEWLINK', 'RTM_NEWQDISC', 'RTM_NEWTFILTER', 'RTM_SETLINK', 'RTM_DELLINK'],
      ...['bind', 'listen', 'told', 'write state', 'rename state', 'write record', 'remove record'],
    ],
    35,
  );
});
