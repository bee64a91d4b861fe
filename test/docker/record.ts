/**
 * Records what a real engine calls: `node test/docker/record.ts [scenario…]`, as root, with Docker installed. A proxy between
 * the engine and the agent writes each call and its answer to recordings/<scenario>.jsonl.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { dirname, join } from 'node:path';
import { readText } from '../../src/client/transport.ts';
import type { Engine } from '../../src/lab/engine.ts';
import { createLab } from '../../src/lab/lab.ts';
import { until } from '../../src/lab/processes.ts';
import { type Call, folder } from './recording.ts';

const joined = ['--driver', 'heddle', '--ipam-driver', 'heddle', '--ipam-opt', 'heddle.network=web'];
const made = ['--driver', 'heddle', '--ipam-driver', 'heddle'];
type Docker = (...args: string[]) => Promise<string>;

/** What is done to the engine; each leaves nothing, but for those that say so. */
const scenarios: Readonly<Record<string, (docker: Docker, engine: Engine) => Promise<unknown>>> = {
  async join(docker) {
    await docker('network', 'create', ...joined, 'n1');
    await docker(...container('c1', 'n1'));
    await docker('inspect', 'c1');
    await docker('rm', '--force', 'c1');
    await docker('network', 'rm', 'n1');
  },
  async 'join-dual-stack'(docker) {
    await docker('network', 'create', ...joined, '--ipv6', 'n1');
    await docker(...container('c1', 'n1'));
    await docker(...container('c2', 'n1'));
    await docker('rm', '--force', 'c1', 'c2');
    await docker('network', 'rm', 'n1');
  },
  async 'join-options'(docker, engine) {
    const options = ['--subnet', '10.0.0.0/24', '--gateway', '10.0.0.1', '--aux-address', 'printer=10.0.0.200'];
    await docker('network', 'create', ...joined, ...options, '--ipam-opt', 'heddle.tenant=globex', 'n1');
    await docker(...container('c1', 'n1', '--ip', '10.0.0.77'));
    await refused(docker, 'run', '--network', 'n1', '--ip', '10.0.0.77', 'busybox', 'true');
    await refused(docker, 'run', '--network', 'n1', '--ip', '10.0.0.200', 'busybox', 'true');
    await create(engine, 'c2', { MacAddress: '02:11:22:33:44:55', HostConfig: { NetworkMode: 'n1' } });
    await docker('start', 'c2');
    await docker('rm', '--force', '--volumes', 'c1', 'c2');
    await docker('container', 'prune', '--force');
    await docker('network', 'rm', 'n1');
  },
  async make(docker) {
    await docker('network', 'create', ...made, 'n1');
    await docker(...container('c1', 'n1'));
    await docker('rm', '--force', 'c1');
    await docker('network', 'rm', 'n1');
  },
  async 'make-options'(docker) {
    const v4 = ['--subnet', '10.9.0.0/16', '--ip-range', '10.9.8.0/24', '--gateway', '10.9.0.254'];
    const v6 = ['--ipv6', '--subnet', 'fd00:9::/64'];
    const aux = ['--aux-address', 'router=10.9.8.7', '--aux-address', 'six=fd00:9::7'];
    const rest = ['--opt', 'com.docker.network.driver.mtu=1400', '--label', 'a=b', '--attachable'];
    await docker('network', 'create', ...made, ...v4, ...v6, ...aux, ...rest, 'n1');
    await docker(...container('c1', 'n1'));
    await docker(...container('c2', 'n1', '--ip6', 'fd00:9::77'));
    await docker('rm', '--force', 'c1', 'c2');
    await docker('network', 'rm', 'n1');
  },
  async 'default-ipam'(docker) {
    const options = ['--aux-address', 'a=172.30.0.9', '--subnet', '172.30.0.0/24'];
    await docker('network', 'create', '--driver', 'heddle', ...options, 'n1');
    await docker(...container('c1', 'n1'));
    await docker('rm', '--force', 'c1');
    await docker('network', 'rm', 'n1');
  },
  async 'bridge-with-our-ipam'(docker) {
    await docker('network', 'create', '--driver', 'bridge', '--ipam-driver', 'heddle', 'n1');
    await docker(...container('c1', 'n1'));
    await docker('rm', '--force', 'c1');
    await docker('network', 'rm', 'n1');
  },
  async internal(docker) {
    await docker('network', 'create', ...made, '--internal', 'n1');
    await docker(...container('c1', 'n1', '--publish', '8080:80'));
    await docker('rm', '--force', 'c1');
    await docker('network', 'rm', 'n1');
  },
  async publish(docker) {
    await docker('network', 'create', ...joined, 'n1');
    const ports = ['8080:80', '127.0.0.1:9000-9002:90/udp', '81'].flatMap((p) => ['--publish', p]);
    await docker(...container('c1', 'n1', ...ports, '--expose', '82'));
    await docker('stop', '--time', '0', 'c1');
    await docker('start', 'c1');
    await refused(docker, 'run', '--network', 'n1', '--publish', '83:83/sctp', 'busybox', 'true');
    await docker('rm', '--force', 'c1');
    await docker('container', 'prune', '--force');
    await docker('network', 'rm', 'n1');
  },
  async connect(docker) {
    await docker('network', 'create', ...joined, 'n1');
    await docker('network', 'create', ...made, '--subnet', '10.7.0.0/24', 'n2');
    await docker(...container('c1', 'n1', '--publish', '8080:80'));
    await docker('network', 'connect', '--alias', 'db', 'n2', 'c1');
    await docker('network', 'disconnect', 'n1', 'c1');
    await docker('network', 'connect', 'n1', 'c1');
    await docker('network', 'disconnect', '--force', 'n2', 'c1');
    await docker('rm', '--force', 'c1');
    await docker('network', 'rm', 'n1', 'n2');
  },
  async 'same-network-twice'(docker) {
    await docker('network', 'create', ...joined, 'n1');
    await docker('network', 'create', ...joined, 'n2');
    await docker(...container('c1', 'n1'));
    await docker(...container('c2', 'n2'));
    await docker('rm', '--force', 'c1');
    await docker('network', 'rm', 'n1');
    await docker('rm', '--force', 'c2');
    await docker('network', 'rm', 'n2');
  },
  async refused(docker) {
    for (const wrong of [
      ['--driver', 'heddle', '--opt', 'heddle.network=web', 'n1'],
      [...made, '--ipam-opt', 'heddle.network=nonesuch', 'n1'],
      [...made, '--ipam-opt', 'heddle.tenant=other', 'n1'],
      [...joined, '--subnet', '10.99.0.0/24', 'n1'],
      [...joined, '--opt', 'heddle.colour=blue', 'n1'],
      [...joined, '--opt', 'heddle.network=four', 'n1'],
    ])
      await refused(docker, 'network', 'create', ...wrong);
  },
  async 'engine-killed'(docker, engine) {
    await docker('network', 'create', ...joined, 'n1');
    await docker(...container('c1', 'n1', '--restart', 'always'));
    await docker(...container('c2', 'n1'));
    await engine.kill();
    await engine.start();
    await engine.ready();
    await until('the restart of c1', 30_000, async () =>
      (await docker('inspect', '--format', '{{.State.Running}}', 'c1')) === 'true' ? true : undefined,
    );
    await docker('start', 'c2');
    await docker('rm', '--force', 'c1', 'c2');
    await docker('network', 'rm', 'n1');
  },
  async 'engine-stopped'(docker, engine) {
    await docker('network', 'create', ...joined, 'n1');
    await docker(...container('c1', 'n1', '--stop-signal', 'KILL', '--restart', 'always'));
    await engine.stop();
    await engine.start();
    await engine.ready();
    await docker('rm', '--force', 'c1');
    await docker('network', 'rm', 'n1');
  },
  async 'live-restore'(docker, engine) {
    await docker('network', 'create', ...joined, 'n1');
    await docker(...container('c1', 'n1', '--publish', '8080:80'));
    await engine.kill();
    writeFileSync(join(engine.plan.dir, 'daemon.json'), '{"live-restore":true}');
    await engine.start();
    await engine.ready();
    await docker('rm', '--force', 'c1');
    await docker(...container('c2', 'n1', '--publish', '8080:80'));
    await engine.kill();
    await engine.start();
    await engine.ready();
    await docker('exec', 'c2', 'true');
    await docker('rm', '--force', 'c2');
    await docker('network', 'rm', 'n1');
  },
  /** Leaves a network and two containers. */
  async 'left-running'(docker) {
    await docker('network', 'create', ...joined, 'n1');
    await docker(...container('c1', 'n1', '--publish', '8080:80'));
    await docker(...container('c2', 'n1'));
  },
};

/** Arguments for a container that only sleeps. */
function container(name: string, network: string, ...options: string[]): string[] {
  return ['run', '--detach', '--name', name, '--network', network, ...options, 'busybox', 'sleep', 'infinity'];
}

/** @throws if the engine does it */
async function refused(docker: Docker, ...args: string[]): Promise<void> {
  const done = await docker(...args).then(
    () => true,
    () => false,
  );
  if (done) throw new Error(`not refused: ${args.join(' ')}`);
}

/** Makes a container by the API: newer clients do not pass all that this engine takes. */
async function create(engine: Engine, name: string, config: object): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const outgoing = request(
    {
      socketPath: engine.socket,
      path: `/v1.41/containers/create?name=${name}`,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
    },
    (response) =>
      readText(response).then((text) => (response.statusCode === 201 ? resolve() : reject(new Error(text))), reject),
  );
  outgoing.on('error', reject).end(JSON.stringify({ Image: 'busybox', Cmd: ['sleep', 'infinity'], ...config }));
  await promise;
}

/** Listens where the engine looks for the agent, and passes on. */
async function proxy(socket: string, agent: string, calls: Call[]): Promise<Disposable> {
  const server = createServer(async (incoming, outgoing) => {
    const body = await readText(incoming);
    const call: { -readonly [K in keyof Call]: Call[K] } = {
      method: (incoming.url ?? '').slice(1),
      request: body === '' ? null : JSON.parse(body),
      reply: null,
    };
    calls.push(call);
    const onward = request(
      { socketPath: agent, path: incoming.url ?? '', method: incoming.method ?? '' },
      async (answer) => {
        const text = await readText(answer);
        call.reply = JSON.parse(text);
        outgoing.writeHead(answer.statusCode ?? 500, answer.headers).end(text);
      },
    );
    onward.on('error', () => outgoing.destroy()).end(body);
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return {
    [Symbol.dispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function record(name: string): Promise<void> {
  const host = 'h1';
  const lab = await createLab({
    name: `r${randomBytes(4).toString('hex')}`,
    hosts: 1,
    dockerTenants: ['acme', 'globex'],
  });
  try {
    const client = lab.client();
    for (const tenant of ['acme', 'globex']) {
      await client.create('network', { name: 'web' }, { tenant });
      await client.create('subnet', { name: 'web4', network: 'web', cidr: '10.0.0.0/24' }, { tenant });
      await client.create('subnet', { name: 'web6', network: 'web', cidr: 'fd00:1::/64' }, { tenant });
    }
    await client.create('network', { name: 'four' }, { tenant: 'acme' });
    await client.create(
      'subnet',
      { name: 'four4', network: 'four', cidr: '10.4.0.0/24', gateway: null },
      { tenant: 'acme' },
    );
    const engine = lab.engine(host);
    const socket = `${lab.plan.hosts[0]!.dir}/plugins/heddle.sock`;
    const aside = `${lab.plan.hosts[0]!.dir}/plugin.sock`;
    renameSync(socket, aside);
    const calls: Call[] = [];
    using _proxy = await proxy(socket, aside, calls);
    await scenarios[name]!((...args) => engine.docker(...args), engine);
    const version = await engine.docker('version', '--format', '{{.Server.Version}}');
    const lines = [{ engine: version }, ...calls].map((line) => `${JSON.stringify(line)}\n`);
    writeFileSync(join(folder, `${name}.jsonl`), lines.join(''));
    process.stderr.write(`${name}: ${calls.length} calls\n`);
  } finally {
    await lab.down();
  }
}

mkdirSync(folder, { recursive: true });
const wanted = process.argv.slice(2);
for (const name of wanted.length > 0 ? wanted : Object.keys(scenarios)) {
  if (!scenarios[name]) throw new Error(`there is no scenario ${name} in ${dirname(import.meta.filename)}`);
  rmSync(join(folder, `${name}.jsonl`), { force: true });
  await record(name);
}
