/** What is measured, and one measurement: a server and a client of `measure.c`, each in its end of a path. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { run } from '../src/lab/run.ts';
import { HeddleError } from '../src/model/errors.ts';
import type { Ends } from './paths/path.ts';

/** The measuring program, as bench/Makefile builds it. */
export const program = fileURLToPath(new URL('../build/bench/measure', import.meta.url));

interface Metric {
  /** Which measurement of measure.c. */
  readonly what: 'rr' | 'crr' | 'stream' | 'udp' | 'flows';
  /** Which end knows the result. */
  readonly by: 'server' | 'client';
  readonly unit: 'us' | 'Gbit/s' | 'packets/s';
  readonly title: string;
  /** Source ports that packets are spread over. */
  readonly flows?: number;
}

/** Every metric, in the order of the tables. */
export const metrics = {
  rr_us: { what: 'rr', by: 'client', unit: 'us', title: 'TCP round trip' },
  crr_us: { what: 'crr', by: 'client', unit: 'us', title: 'connect-request-close' },
  tcp_gbps: { what: 'stream', by: 'server', unit: 'Gbit/s', title: 'one TCP stream' },
  udp_pps: { what: 'udp', by: 'server', unit: 'packets/s', title: 'UDP, 64 bytes' },
  udp_pps_1flow: { what: 'flows', by: 'server', unit: 'packets/s', title: 'one flow, raw', flows: 1 },
  udp_pps_10k: { what: 'flows', by: 'server', unit: 'packets/s', title: '10,000 flows, raw', flows: 10_000 },
} as const satisfies Record<string, Metric>;
export type MetricName = keyof typeof metrics;

/** Measured on every path. */
export const commonMetrics = ['rr_us', 'crr_us', 'tcp_gbps', 'udp_pps'] as const;

/** How one measurement is made. */
export interface Measuring {
  /** The core that both ends are pinned to. */
  readonly core: number;
  readonly seconds: number;
  readonly signal: AbortSignal;
}

/** Ports rotate, so that no connection of an earlier measurement is in the way. */
let nextPort = 10_000;

/** Measures one metric on a path, once; the value in the metric's unit. @throws INTERNAL with what the programs said */
export async function measure(name: MetricName, ends: Ends, how: Measuring): Promise<number> {
  const late = AbortSignal.timeout((how.seconds + 10) * 1000);
  try {
    return await measureUntil(AbortSignal.any([how.signal, late]), name, ends, how);
  } catch (e) {
    if (!late.aborted || how.signal.aborted) throw e;
    throw new HeddleError('INTERNAL', { problem: `${name} to ${ends.address} did not end in time` }, e);
  }
}

async function measureUntil(signal: AbortSignal, name: MetricName, ends: Ends, how: Measuring): Promise<number> {
  const metric: Metric = metrics[name];
  nextPort = nextPort === 19_999 ? 10_000 : nextPort + 1;
  const common = [metric.what, ends.address, String(nextPort), String(how.core)];
  await using server = await startServer(
    ['nsenter', `--net=${ends.server}`, '--', program, 'serve', ...common],
    signal,
  );
  const flows = metric.flows ? [String(metric.flows)] : [];
  const client = await run(
    ['nsenter', `--net=${ends.client}`, '--', program, 'call', ...common, String(how.seconds), ...flows],
    { signal },
  );
  if (client.code !== 0) throw new HeddleError('INTERNAL', { problem: `${name}: the client failed: ${client.stderr}` });
  const text = metric.by === 'client' ? client.stdout : await server.ended;
  return (JSON.parse(text) as { value: number }).value;
}

interface Server extends AsyncDisposable {
  /** What it printed after "ready", once it has ended. */
  readonly ended: Promise<string>;
}

/** Starts the server and resolves when it listens. */
async function startServer(argv: readonly string[], signal: AbortSignal): Promise<Server> {
  const [file = '', ...args] = argv;
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const closed = once(child, 'close');
  const kill = () => void child.kill('SIGKILL');
  signal.addEventListener('abort', kill);
  let stdout = '';
  let stderr = '';
  const listening = Promise.withResolvers<void>();
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    if (stdout.startsWith('ready\n')) listening.resolve();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = closed.then(([code]) => {
    if (code !== 0) throw new HeddleError('INTERNAL', { problem: `the measuring server failed: ${stderr || code}` });
    return stdout.replace(/^ready\n/, '');
  });
  // The failure is reported where the result is awaited, or below while it starts.
  ended.catch(listening.reject);
  await listening.promise;
  return {
    ended,
    async [Symbol.asyncDispose]() {
      signal.removeEventListener('abort', kill);
      kill();
      await closed;
    },
  };
}

/** Resolves when the path carries traffic: an overlay learns of its ends some time after they exist. @throws INTERNAL */
export async function settle(ends: Ends, how: Measuring): Promise<void> {
  const end = performance.now() + 30_000;
  for (;;) {
    const attempt = AbortSignal.any([how.signal, AbortSignal.timeout(1500)]);
    try {
      await measure('rr_us', ends, { ...how, seconds: 0.2, signal: attempt });
      return;
    } catch (cause) {
      how.signal.throwIfAborted();
      if (performance.now() > end)
        throw new HeddleError('INTERNAL', { problem: `${ends.address} did not answer within 30 s` }, cause);
    }
  }
}
