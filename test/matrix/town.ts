/** What the matrix is played in: two hosts with Docker engines, and two tenants whose networks and routers are the same. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLocal } from '../../src/client/local.ts';
import { until } from '../../src/lab/processes.ts';
import { must } from '../../src/lab/run.ts';
import { hasCode } from '../../src/model/errors.ts';
import type { Port } from '../../src/model/kinds.ts';
import type { Attached } from '../../src/model/local-api.ts';
import { DockerRig } from '../docker/rig.ts';

export const hosts = ['h1', 'h2'] as const;
/** Networks; a router joins them. */
export const sides = ['left', 'right'] as const;
export type Side = (typeof sides)[number];
export const prefixes: Record<Side, { readonly four: string; readonly six: string }> = {
  left: { four: '10.71.0', six: 'fd71:' },
  right: { four: '10.72.0', six: 'fd72:' },
};
export const gateways = (side: Side) => ({ 4: `${prefixes[side].four}.1`, 6: `${prefixes[side].six}:1` });
/** Of both networks, on this underlay. */
export const mtu = 1450;
/** The tenant whose workloads are asked, and the one that has the same addresses. */
export const tenants = { own: 'a', other: 'b' } as const;

/** A port at which a workload is to be reached. Its name is the port's. */
export interface Leg {
  readonly name: string;
  /** The workload, which may have several. */
  readonly machine: string;
  readonly host: string;
  readonly side: Side;
  /** What the workload has heard of the other tenant so far: a line for each frame. */
  heard(): Promise<string> | string;
}

/** The tenants' networks, and what the workloads of all kinds have in common. Disposing removes all. */
export class Town implements AsyncDisposable {
  readonly rig: DockerRig;
  readonly dir: string;
  /** The path of the probe, a static program: probe.c. */
  readonly probe: string;
  readonly #open: AsyncDisposableStack;

  private constructor(rig: DockerRig, dir: string, open: AsyncDisposableStack) {
    [this.rig, this.dir, this.#open] = [rig, dir, open];
    this.probe = join(dir, 'probe');
  }

  static async open(): Promise<Town> {
    await using open = new AsyncDisposableStack();
    const dir = await mkdtemp(join(tmpdir(), 'heddle-matrix-'));
    open.defer(() => rm(dir, { recursive: true }));
    const compile = ['-O2', '-Wall', '-Wextra', '-Werror', '-std=gnu11', '-static', '-o', join(dir, 'probe')];
    const compiled = must(['gcc', ...compile, join(import.meta.dirname, 'probe.c')]);
    const rig = open.use(await DockerRig.open({ dockerTenants: [tenants.own] }));
    await compiled;
    await rig.client.create('tenant', { name: tenants.other });
    for (const tenant of Object.values(tenants)) {
      for (const side of sides)
        await rig.addNetwork(tenant, side, `${prefixes[side].four}.0/24`, `${prefixes[side].six}:/64`);
      const subnets = sides.flatMap((side) => [`${side}0`, `${side}1`]);
      await rig.client.create('router', { name: 'r', subnets }, { tenant, waitMs: 20_000 });
    }
    return new Town(rig, dir, open.move());
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#open[Symbol.asyncDispose]();
  }
  /** Disposes it with the town, before what was there earlier. */
  keep<T extends AsyncDisposable>(one: T): T {
    return this.#open.use(one);
  }

  /** Attaches a workload on a host. */
  async attach(host: string, body: object): Promise<Attached> {
    const { agentSocket } = this.rig.lab.host(host);
    return (await openLocal(agentSocket).request('POST', '/v1/attachments', { body })) as Attached;
  }
  /** A port of that name; it may follow a container's by a moment. */
  port(tenant: string, name: string): Promise<Port> {
    return until(`port ${name} of ${tenant}`, 10_000, async () => {
      try {
        return await this.rig.client.get('port', name, { tenant });
      } catch (e) {
        if (hasCode(e, 'NOT_FOUND')) return undefined;
        throw e;
      }
    });
  }

  /** What to run as a workload that answers as `machine`, and watches these of its devices for the other tenant. */
  serving(machine: string, devices: readonly string[], tenant: string = tenants.own, probe = this.probe): string[] {
    const stranger = tenant === tenants.own ? tenants.other : tenants.own;
    return [probe, 'serve', tenant, machine, stranger, ...devices];
  }
  /** Runs such a program until the end; what it has heard. */
  serve(through: readonly string[], program: readonly string[]): () => string {
    const [file = '', ...args] = ['setpriv', '--pdeathsig', 'KILL', ...through, ...program];
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let heard = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      heard += text;
    });
    const ended = once(child, 'exit').then(([code]) => {
      if (code !== null) heard += `${program.join(' ')} ended with ${code}\n`;
    });
    this.#open.defer(async () => {
      child.kill('SIGKILL');
      await ended;
    });
    return () => heard;
  }

  /** A script by which a workload with several legs answers at each with the leg's own address. `device`: as the shell says it. */
  ownWay({ addresses }: Port, side: Side, device: string): string {
    const table = 100 + sides.indexOf(side);
    const lines = ([4, 6] as const).map((family) => {
      const ip = addresses.find((address) => address.includes(family === 4 ? '.' : ':'));
      const prefix = family === 4 ? `${prefixes[side].four}.0/24` : `${prefixes[side].six}:/64`;
      return `ip -${family} rule add from ${ip} lookup ${table}
        ip -${family} route add ${prefix} dev ${device} table ${table}
        ip -${family} route add default via ${gateways(side)[family]} dev ${device} table ${table}`;
    });
    return lines.join('\n');
  }
}
