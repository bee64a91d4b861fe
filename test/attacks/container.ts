/** A container of a real Docker engine, as plain `docker run` starts it: with the capabilities and the seccomp filter of every other. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { LabHost } from '../../src/lab/lab.ts';
import { until } from '../../src/lab/processes.ts';
import type { Stage, Station } from '../traffic/stage.ts';

/** A Docker network that is one of the tenant's. */
export interface DockerNetwork {
  readonly name: string;
  /** Of both families, or of IPv4 alone. */
  readonly cidrs: readonly string[];
}

/** What Docker gives a container that asks for nothing, NET_RAW among it. */
const defaultCapabilities = 'CapEff:\t00000000a80425fb';
const filtered = 'Seccomp:\t2';

/** Makes Docker networks of a tenant's networks. */
export async function joinNetworks(host: LabHost, tenant: string, networks: readonly DockerNetwork[]): Promise<void> {
  for (const { name, cidrs } of networks) {
    const subnets = cidrs.flatMap((cidr) => (cidr.includes(':') ? ['--ipv6', '--subnet', cidr] : ['--subnet', cidr]));
    const ipam = [
      '--ipam-driver',
      'heddle',
      '--ipam-opt',
      `heddle.network=${name}`,
      '--ipam-opt',
      `heddle.tenant=${tenant}`,
    ];
    await host.engine!.docker('network', 'create', '--driver', 'heddle', ...ipam, ...subnets, name);
  }
}

/** A container that runs a shell for us; disposing removes it. */
export class Container implements AsyncDisposable {
  readonly name: string;
  readonly #host: LabHost;
  readonly #shell: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(host: LabHost, name: string) {
    this.name = name;
    this.#host = host;
    this.#shell = spawn('docker', ['exec', '--interactive', name, 'sh'], {
      env: host.engine!.env,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#lines = createInterface({ input: this.#shell.stdout! })[Symbol.asyncIterator]();
  }

  /** On a Docker network; `programs` are put into its /bin. */
  static async start(host: LabHost, name: string, network: string, programs: readonly string[]): Promise<Container> {
    const engine = host.engine!;
    await engine.docker('run', '--detach', '--name', name, '--network', network, 'busybox', 'sleep', 'infinity');
    for (const program of programs) await engine.docker('cp', program, `${name}:/bin/`);
    const container = new Container(host, name);
    const status = await container.must('cat /proc/self/status');
    for (const line of [defaultCapabilities, filtered]) assert.ok(status.includes(line), `${line} in ${status}`);
    return container;
  }

  /** Runs a script, which must succeed; what it printed. */
  async must(script: string): Promise<string> {
    this.#shell.stdin!.write(`(\n${script}\n) 2>&1 </dev/null\necho; echo "ended $?"\n`);
    const said: string[] = [];
    for (;;) {
      const { value, done } = await this.#lines.next();
      const code = done ? 'cut off' : /^ended (\d+)$/.exec(value)?.[1];
      if (code === '0') return said.join('\n');
      if (code !== undefined) throw new Error(`in ${this.name}, ${script} ended with ${code}: ${said.join('\n')}`);
      said.push(value);
    }
  }

  docker(...args: string[]): Promise<string> {
    return this.#host.engine!.docker(...args);
  }
  /** Its interface on a network, as others see it. */
  async station(stage: Stage, tenant: string, network: string): Promise<Station> {
    const of = async (field: string) =>
      this.docker('inspect', '--format', `{{(index .NetworkSettings.Networks "${network}").${field}}}`, this.name);
    const mac = await of('MacAddress');
    const ip4 = await of('IPAddress');
    const port = await until(`the port of ${this.name} on ${network}`, 10_000, async () =>
      (await stage.client.list('port', { tenant })).find((p) => p.mac === mac && p.addresses.includes(ip4 as never)),
    );
    const netns = `/proc/${await this.docker('inspect', '--format', '{{.State.Pid}}', this.name)}/ns/net`;
    const ifname = (await this.must(`cd /sys/class/net; grep -l ${mac} */address`)).split('/')[0]!.trim();
    return {
      ...{ workload: this.name, netns, host: this.#host, tenant, port, device: '', ifname, mac, ip4 },
      ip6: port.addresses.find((a) => a.includes(':')) ?? '',
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#shell, 'close');
    this.#shell.stdin!.end();
    await this.docker('rm', '--force', this.name);
    await closed;
  }
}
