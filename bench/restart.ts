/** How soon an agent that was killed is in step again, on a network of many ports. */
import { release } from 'node:os';
import { openLocal } from '../src/client/local.ts';
import type { Lab } from '../src/lab/lab.ts';
import { until } from '../src/lab/processes.ts';
import { hasCode } from '../src/model/errors.ts';
import { attach, benchLab, network, tenant } from './paths/heddle.ts';
import type { Site } from './paths/path.ts';
import { type Summary, significant, summarize } from './statistics.ts';

/** What a run found out; the object that `--json` prints. */
export interface RestartResult {
  readonly kernel: string;
  /** ISO 8601, UTC. */
  readonly date: string;
  readonly count: number;
  readonly ports: number;
  /** From the start of the agent's process until the controller's whole word is in the kernel, milliseconds. */
  readonly in_step_ms: Summary;
}

const atOnce = 16;
const waitMs = 60_000;

/** Measures `count` restarts of an agent that knows `ports` ports, all of them behind another host's segment. */
export async function measureRestart(
  site: Site,
  { ports, count }: { ports: number; count: number },
  now: () => Date,
): Promise<RestartResult> {
  await using stack = new AsyncDisposableStack();
  const lab = await benchLab(stack, site, `${site.prefix}r`);
  site.progress(`making ${ports} ports`);
  await addPorts(lab, ports, site.signal);
  await attach(lab.host('h1'), await lab.addWorkload('local'));
  await inStep(lab, ports);
  const took: number[] = [];
  for (let i = 0; i < count; i++) {
    site.signal.throwIfAborted();
    await lab.kill('h1');
    const began = performance.now();
    await lab.start('h1');
    await inStep(lab, ports);
    took.push(performance.now() - began);
    site.progress(`${i + 1} of ${count}: ${took.at(-1)!.toFixed(0)} ms`);
  }
  const { median, min, max } = summarize(took);
  return {
    kernel: release(),
    date: now().toISOString(),
    count,
    ports,
    in_step_ms: { median: significant(median), min: significant(min), max: significant(max) },
  };
}

/** Ports with an address of each family, behind a segment of a host that has no agent. */
async function addPorts(lab: Lab, ports: number, signal: AbortSignal): Promise<void> {
  const client = lab.client();
  await client.create('subnet', { name: 'v6', network, cidr: 'fd99::/64' }, { tenant });
  await client.create('host', { name: 'elsewhere', vtep: '198.18.0.200' });
  await client.create('port', { name: 'segment', network, host: 'elsewhere', segment: {} }, { tenant });
  let begun = 0;
  const maker = async (): Promise<void> => {
    while (begun++ < ports) {
      signal.throwIfAborted();
      await client.create('port', { network, behind: 'segment' }, { tenant });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, maker));
}

/** Resolves when all is in the kernel: each port's MAC, its addresses and its link-local one. */
const inStep = (lab: Lab, ports: number): Promise<true> =>
  until('the agent being in step', waitMs, async () => {
    try {
      const agent = openLocal(lab.host('h1').agentSocket);
      const { synced, rows } = (await agent.request('GET', '/v1/status')) as AgentStatus;
      return synced && rows.desired >= 4 * ports && rows.actual === rows.desired ? true : undefined;
    } catch (e) {
      if (hasCode(e, 'AGENT_UNREACHABLE')) return undefined;
      throw e;
    }
  });

interface AgentStatus {
  readonly synced: boolean;
  readonly rows: { readonly desired: number; readonly actual: number };
}
