/** A lab with IPv6 in the underlay, so that there is an outside of both families: the underlay's router, in the lab's own namespace. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { agentStatus } from '../../src/agent/status.ts';
import { openLocal } from '../../src/client/local.ts';
import { until } from '../../src/lab/processes.ts';
import { must, type Ran, run } from '../../src/lab/run.ts';
import type { Publish } from '../../src/model/kinds.ts';
import { openStage, type Stage, type Station } from '../traffic/stage.ts';

const ask = [
  process.execPath,
  '--disable-warning=ExperimentalWarning',
  fileURLToPath(new URL('ask.ts', import.meta.url)),
];
/** Addresses outside. */
export const outside = { v4: '198.18.0.254', v6: '2001:db8:f::fe' } as const;
/** A host's own addresses; `n` from 1. */
export const hostAddress = (n: number) => ({ v4: `198.18.0.${n}`, v6: `2001:db8:f::${n}` });

export class Town implements AsyncDisposable {
  readonly stage: Stage;
  /** Path of the namespace outside. */
  readonly outside: string;

  private constructor(stage: Stage) {
    this.stage = stage;
    this.outside = `/run/netns/${stage.lab.plan.netns}`;
  }

  static async open(hosts = 1, engines: Parameters<typeof openStage>[2] = {}): Promise<Town> {
    const stage = await openStage(hosts, 1, engines);
    const town = new Town(stage);
    try {
      await town.in(town.outside, 'ip', 'address', 'add', `${outside.v6}/64`, 'dev', 'br0', 'nodad');
      for (const [i, { netns }] of stage.lab.hosts.entries()) {
        await town.in(netns, 'ip', 'address', 'add', `${hostAddress(i + 1).v6}/64`, 'dev', 'eth0', 'nodad');
        await town.in(netns, 'ip', 'route', 'add', 'default', 'via', outside.v6, 'dev', 'eth0');
      }
      return town;
    } catch (e) {
      await stage[Symbol.asyncDispose]();
      throw e;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stage[Symbol.asyncDispose]();
  }

  /** Runs a program in a namespace; it must succeed. */
  in(netns: string, ...argv: string[]): Promise<string> {
    return must(['nsenter', `--net=${netns}`, '--', ...argv]);
  }
  /** Asks from a namespace; "ok <answer>" or "no <why>". */
  async ask(netns: string, protocol: 'tcp' | 'udp', address: string, port: number): Promise<string> {
    const { code, stdout }: Ran = await run(['nsenter', `--net=${netns}`, '--', ...ask, protocol, address, `${port}`]);
    return `${code === 0 ? 'ok' : 'no'} ${stdout.trim()}`;
  }
  /** None of these is answered from a namespace. */
  async silent(netns: string, protocol: 'tcp' | 'udp', addresses: readonly string[], port: number): Promise<void> {
    const answers = await Promise.all(addresses.map((address) => this.ask(netns, protocol, address, port)));
    for (const [i, answer] of answers.entries())
      if (answer.startsWith('ok')) throw new Error(`${protocol} ${addresses[i]} ${port} answers: ${answer}`);
  }
  /** Asks until it is answered so, as a client would. */
  async becomes(want: string | RegExp, ...question: Parameters<Town['ask']>): Promise<void> {
    const end = performance.now() + 15_000;
    for (;;) {
      const have = await this.ask(...question);
      if (typeof want === 'string' ? have === want : want.test(have)) return;
      if (performance.now() > end) throw new Error(`${question.slice(1).join(' ')} is "${have}", not "${want}"`);
    }
  }
  /** A connection that goes on until it is told to end; then the number of its answers. @throws when it did not live so long */
  async keep(netns: string, address: string, port: number): Promise<() => Promise<number>> {
    const child = spawn('nsenter', [`--net=${netns}`, '--', ...ask, 'keep', address, `${port}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    const ended = once(child, 'close');
    await once(child.stdout, 'data');
    return async () => {
      child.kill('SIGINT');
      const [code] = await ended;
      if (code !== 0) throw new Error(`the connection ended: ${text}`);
      return Number(text.trim().split('\n').at(-1));
    };
  }

  /** A network on 10.0.0.0/24 and fd00:1::/64 (each tenant may have the same) with one workload on a host. */
  async resident(tenant: string, options: { host?: number; sourceNat?: boolean } = {}): Promise<Station> {
    await this.stage.network(tenant, 'web', ['10.0.0.0/24', 'fd00:1::/64']);
    await this.set(tenant, { sourceNat: options.sourceNat ?? true });
    return this.stage.attach({ host: options.host ?? 0, tenant, network: 'web' });
  }
  /** Resolves when the way outside is open for a workload: it follows its attach by some tens of milliseconds. */
  async opened(station: Station): Promise<void> {
    for (const address of [outside.v4, outside.v6])
      await until(`${station.workload} gets to ${address}`, 10_000, async () =>
        (await this.stage.lab.execIn(station.workload, ['ping', '-n', '-c', '1', '-W', '1', address])).code === 0
          ? true
          : undefined,
      );
  }
  async set(tenant: string, change: { sourceNat?: boolean; publishFrom?: string[] }): Promise<void> {
    await this.stage.client.update('network', 'web', change, { tenant });
  }
  async publish({ port, tenant }: Station, publish: Publish[]): Promise<void> {
    await this.stage.client.update('port', port.id, { publish }, { tenant, waitMs: 10_000 });
  }

  /** An agent's status. */
  status(host = 0): Promise<ReturnType<typeof agentStatus>> {
    return openLocal(this.stage.lab.hosts[host]!.agentSocket).request('GET', '/v1/status') as never;
  }
}
