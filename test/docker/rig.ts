/** A lab with Docker engines, and what the tests of Docker do with it. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import type { Client } from '../../src/client/client.ts';
import { createLab, type Lab } from '../../src/lab/lab.ts';
import type { LabOptions } from '../../src/lab/plan.ts';
import { until } from '../../src/lab/processes.ts';
import { type Ran, run } from '../../src/lab/run.ts';
import type { Port } from '../../src/model/kinds.ts';
import { keepLogs } from '../lab/keep-logs.ts';
import { statusIfServed } from '../lab/status.ts';
import { labName } from '../lab/trace.ts';
import { untilEqual } from '../until-equal.ts';

/** Everything that containers and networks of Docker leave on a host and at the controller, as lines to compare. */
export interface Left {
  readonly links: string[];
  readonly files: string[];
  readonly api: string[];
}

/** Disposing it removes all. */
export class DockerRig implements AsyncDisposable {
  readonly lab: Lab;
  readonly client: Client;
  readonly tenants: readonly string[];

  private constructor(lab: Lab, tenants: readonly string[]) {
    this.lab = lab;
    this.client = lab.client();
    this.tenants = tenants;
  }

  /** Two hosts, unless told otherwise, with engines whose users may touch the tenants "acme" and "globex". */
  static async open(options: Omit<LabOptions, 'name'> = {}): Promise<DockerRig> {
    const dockerTenants = options.dockerTenants ?? ['acme', 'globex'];
    const lab = await createLab({ hosts: 2, ...options, dockerTenants, name: labName(), deadlineMs: 60_000 });
    return new DockerRig(lab, [...new Set(lab.plan.hosts.flatMap((h) => h.engine?.tenants ?? []))]);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    keepLogs(this.lab);
    await this.lab.down();
  }

  /** Runs docker on a host; what it prints. It must succeed. */
  docker(host: string, ...args: string[]): Promise<string> {
    return this.lab.engine(host).docker(...args);
  }
  /** Runs docker on a host, which must refuse; what it says. */
  async refused(host: string, ...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.lab.engine(host).try(...args);
    assert.notEqual(code, 0, `docker ${args.join(' ')}: ${stdout}`);
    return stderr;
  }
  /** Starts a container that does nothing. The engine does not wait for its end when it stops it. */
  run(host: string, name: string, network: string, ...options: string[]): Promise<string> {
    return this.runs(host, name, network, options, ['sleep', 'infinity']);
  }
  /** Starts a container that runs a program. */
  runs(host: string, name: string, network: string, options: string[], program: string[]): Promise<string> {
    const flags = ['--detach', '--stop-signal', 'KILL', '--name', name, '--network', network];
    return this.docker(host, 'run', ...flags, ...options, 'busybox', ...program);
  }
  /** Runs a program in a container. */
  exec(host: string, container: string, ...argv: string[]): Promise<Ran> {
    return this.lab.engine(host).try('exec', container, ...argv);
  }
  /** The output of a program in a container, which must succeed. */
  async told(host: string, container: string, ...argv: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.exec(host, container, ...argv);
    assert.equal(code, 0, `${container}: ${argv.join(' ')}: ${stdout}${stderr}`);
    return stdout;
  }
  /** The path of a container's network namespace. */
  async netns(host: string, container: string): Promise<string> {
    return `/proc/${await this.docker(host, 'inspect', '--format', '{{.State.Pid}}', container)}/ns/net`;
  }
  /** Runs a program of the machine's in a container's namespace. */
  async inside(host: string, container: string, ...argv: string[]): Promise<Ran> {
    return run(['nsenter', `--net=${await this.netns(host, container)}`, '--', ...argv]);
  }
  /** True if an address answers a ping from a container; the first may wait for a neighbour. */
  async reaches(host: string, container: string, address: string): Promise<boolean> {
    const { code } = await this.exec(host, container, 'ping', '-c', '1', '-W', '2', address);
    return code === 0;
  }
  /** Resolves when a ping from a container is answered. */
  reached(host: string, container: string, address: string): Promise<true> {
    return until(`an answer of ${address} to ${container}`, 10_000, async () =>
      (await this.reaches(host, container, address)) ? true : undefined,
    );
  }
  /** What an engine says of a container's place on a network: "10.0.0.2", of IPv6 with `GlobalIPv6Address`. */
  place(host: string, container: string, network: string, field = 'IPAddress'): Promise<string> {
    const format = `{{(index .NetworkSettings.Networks "${network}").${field}}}`;
    return this.docker(host, 'inspect', '--format', format, container);
  }

  /** Makes a network with a subnet at the controller. */
  async addNetwork(tenant: string, network: string, ...cidrs: string[]): Promise<void> {
    await this.client.create('network', { name: network }, { tenant });
    for (const [i, cidr] of cidrs.entries())
      await this.client.create('subnet', { name: `${network}${i}`, network, cidr }, { tenant });
  }
  /** Makes a Docker network that is a network of the controller's. */
  join(host: string, name: string, tenant: string, network: string, ...options: string[]): Promise<string> {
    const ipam = ['--ipam-driver', 'heddle', '--ipam-opt', `heddle.network=${network}`];
    const of = ['--ipam-opt', `heddle.tenant=${tenant}`];
    return this.docker(host, 'network', 'create', '--driver', 'heddle', ...ipam, ...of, ...options, name);
  }
  /** Makes acme's network `web`, and one of that name on both engines. Returns what was there between the two. */
  async joinWeb(...options: string[]): Promise<Left> {
    await this.addNetwork('acme', 'web', '10.0.0.0/24');
    const empty = await this.left();
    for (const host of ['h1', 'h2']) await this.join(host, 'web', 'acme', 'web', ...options);
    return empty;
  }
  /** A port when it is as it should be; it may follow the container's by a moment. */
  port(tenant: string, name: string, is: (port: Port) => boolean = () => true): Promise<Port> {
    return until(`port ${name} of ${tenant} as it should be`, 10_000, async () =>
      (await this.ports(tenant)).find((p) => p.name === name && is(p)),
    );
  }
  ports(tenant: string): Promise<Port[]> {
    return this.client.list('port', { tenant });
  }

  /** Resolves when a host's agent that runs now has been told everything. */
  async inSync(host: string): Promise<void> {
    await until(`the agent of ${host} in sync`, 20_000, async () => {
      const status = await statusIfServed(this.lab.host(host).agentSocket);
      return status?.synced && status.controller.connected ? true : undefined;
    });
  }

  /** What is there now. */
  async left(): Promise<Left> {
    const lines = await Promise.all(this.lab.hosts.map((host) => this.#onHost(host.name)));
    const api: string[] = [];
    // Not by name: a port's follows its container's by a moment.
    for (const tenant of this.tenants)
      for (const kind of ['network', 'port', 'lease'] as const)
        for (const { id } of await this.client.list(kind, { tenant })) api.push(`${tenant} ${kind} ${id}`);
    return { links: lines.flatMap((l) => l.links), files: lines.flatMap((l) => l.files), api: api.sort() };
  }
  async #onHost(host: string): Promise<{ links: string[]; files: string[] }> {
    const { stdout } = await this.lab.host(host).exec(['ip', '-brief', 'link']);
    const links = stdout.split('\n').flatMap((line) => /^h[dpgo]\w+/.exec(line)?.[0] ?? []);
    const folder = `${this.lab.plan.dir}/${host}`;
    const files = [`${folder}/state`, `${folder}/netns`].filter(existsSync).flatMap((top) =>
      readdirSync(top, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => `${entry.parentPath.slice(folder.length + 1)}/${entry.name}`),
    );
    const kept = files.filter((file) => !file.endsWith('/host-state.json'));
    return { links: links.map((l) => `${host} ${l}`).sort(), files: kept.map((f) => `${host} ${f}`).sort() };
  }
  /** Resolves when it is as it was: what the API knows follows by a moment. */
  async leaves(before: Left): Promise<void> {
    await untilEqual(before, 20_000, () => this.left());
  }
}
