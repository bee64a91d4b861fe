/** How long it takes to attach and detach a workload, and until another host can reach it. */
import { release } from 'node:os';
import type { Lab } from '../src/lab/lab.ts';
import { attach, benchLab, detach, network, tenant } from './paths/heddle.ts';
import type { Site } from './paths/path.ts';
import { type Prober, startPing } from './ping.ts';
import { quantile, significant } from './statistics.ts';

/** Middle and slow end of a latency, milliseconds. */
export interface Latency {
  readonly p50: number;
  readonly p99: number;
}

/** What a run found out; the object that `--json` prints. */
export interface AttachResult {
  readonly kernel: string;
  /** ISO 8601, UTC. */
  readonly date: string;
  readonly count: number;
  /** Request to answer on the agent's socket, port creation and address allocation included. */
  readonly attach_ms: Latency;
  readonly detach_ms: Latency;
  /** From before the port is created through the API, over the attach, to the first ping answered from another host. */
  readonly reach_ms: Latency;
}

/** Attached before the measured ones, so that the networks of both hosts are in use as they usually are. */
const warmUp = 5;

/** Measures `count` attaches, detaches and reaches on a lab of its own. */
export async function measureAttach(site: Site, count: number, now: () => Date): Promise<AttachResult> {
  await using stack = new AsyncDisposableStack();
  const lab = await benchLab(stack, site, `${site.prefix}a`);
  const prober = await addProber(lab);
  const times = { attach: [] as number[], detach: [] as number[], reach: [] as number[] };
  for (let i = -warmUp; i < count; i++) {
    site.signal.throwIfAborted();
    if (i >= 0 && i % 50 === 0) site.progress(`${i} of ${count}`);
    const once = await attachOnce(lab, `a${i}`);
    const reach = await reachOnce(lab, prober, i + warmUp);
    if (i < 0) continue;
    times.attach.push(once.attach);
    times.detach.push(once.detach);
    times.reach.push(reach);
  }
  return {
    kernel: release(),
    date: now().toISOString(),
    count,
    attach_ms: latency(times.attach),
    detach_ms: latency(times.detach),
    reach_ms: latency(times.reach),
  };
}

const latency = (samples: readonly number[]): Latency => ({
  p50: significant(quantile(samples, 0.5)),
  p99: significant(quantile(samples, 0.99)),
});

/** Milliseconds that something takes. */
async function timed<T>(action: () => Promise<T>): Promise<{ ms: number; value: T }> {
  const start = performance.now();
  const value = await action();
  return { ms: performance.now() - start, value };
}

/** One workload comes and goes; making its namespace is not part of it. */
async function attachOnce(lab: Lab, name: string): Promise<{ attach: number; detach: number }> {
  const host = lab.host('h2');
  const netns = await lab.addWorkload(name);
  const attached = await timed(() => attach(host, netns));
  const detached = await timed(() => detach(host, attached.value.port.id));
  await lab.removeWorkload(name);
  return { attach: attached.ms, detach: detached.ms };
}

async function addProber(lab: Lab): Promise<Prober> {
  const netns = await lab.addWorkload('prober');
  const { port, ifname } = await attach(lab.host('h1'), netns);
  return { netns, ifname, address: port.addresses[0]! };
}

/** A new port at an address that is already being pinged; milliseconds until it answers. */
async function reachOnce(lab: Lab, prober: Prober, index: number): Promise<number> {
  const name = `r${index}`;
  // Far from what the allocator gives out, and another one every time.
  const address = `10.99.${200 + (Math.floor(index / 250) % 50)}.${1 + (index % 250)}`;
  const netns = await lab.addWorkload(name);
  using ping = await startPing(prober, address);
  const start = process.hrtime.bigint();
  await lab.client().create('port', { name, network, addresses: [address] }, { tenant });
  const { port } = await attach(lab.host('h2'), netns, name);
  const answered = await ping.answered;
  await detach(lab.host('h2'), port.id);
  await lab.client().remove('port', port.id, { tenant });
  await lab.removeWorkload(name);
  return Number(answered - start) / 1e6;
}
