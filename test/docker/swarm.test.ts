/** Services of a Swarm on a Heddle network, over the managed plug-in. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { tail } from '../../src/lab/log-tail.ts';
import { until } from '../../src/lab/processes.ts';
import { must } from '../../src/lab/run.ts';
import { DockerRig } from './rig.ts';
import { swarmPlugin } from './swarm-plugin.ts';

const driver = 'heddle-swarm:latest';
let rig: DockerRig;
/** By its id, which every node has: a name would be looked for in a registry first. */
let image: string;
before(async () => {
  rig = await DockerRig.open();
  const folder = await swarmPlugin();
  for (const host of ['h1', 'h2']) {
    await rig.docker(host, 'plugin', 'create', 'heddle-swarm', folder);
    await rig.docker(host, 'plugin', 'enable', 'heddle-swarm');
  }
  const [h1, h2] = rig.lab.hosts.map((h) => h.vtep);
  // Heddle has the usual port of VXLAN.
  await rig.docker('h1', 'swarm', 'init', '--advertise-addr', h1!, '--data-path-port', '7789');
  const token = await rig.docker('h1', 'swarm', 'join-token', '--quiet', 'worker');
  await rig.docker('h2', 'swarm', 'join', '--advertise-addr', h2!, '--token', token, `${h1}:2377`);
  image = await shareImage();
});
after(() => rig[Symbol.asyncDispose]());

/** Gives both engines the very same image; its id. */
async function shareImage(): Promise<string> {
  const archive = `${rig.lab.plan.dir}/shared.tar`;
  await rig.docker('h1', 'save', '--output', archive, 'busybox');
  await rig.docker('h2', 'load', '--input', archive);
  await must(['rm', archive]);
  return rig.docker('h1', 'image', 'inspect', '--format', '{{.Id}}', 'busybox');
}

const service = (name: string, ...options: string[]) => {
  const flags = ['--detach', '--no-resolve-image', '--name', name, '--network', 'web', '--stop-signal', 'KILL'];
  return rig.docker('h1', 'service', 'create', ...flags, ...options, image, 'sleep', '1000000');
};
/** The ports of a service's tasks, when they are so many and up. */
const tasks = (name: string, count: number) =>
  until(`${count} tasks of ${name}`, 60_000, async () => {
    const own = (await rig.ports('acme')).filter((p) => p.dnsNames.includes(name));
    return own.length === count && own.every((p) => p.status.condition === 'up') ? own : undefined;
  }).catch(async (cause: unknown) => {
    const asked = [['h1', 'service', 'ps', '--no-trunc', name] as const, ['h1', 'node', 'ls'], ['h2', 'plugin', 'ls']];
    const told = await Promise.all(asked.map(([host, ...words]) => rig.lab.engine(host).try(...words)));
    const text = told.map(({ stdout, stderr }) => `${stdout}${stderr}`).join('\n');
    throw new Error(`not ${count} tasks of ${name}:\n${text}\n${tail(rig.lab.engine('h2').log)}`, { cause });
  });
/** A container of a service on a host. */
const containerOf = async (host: string, name: string) =>
  (await rig.docker(host, 'ps', '--quiet', '--filter', `name=${name}.`)).split('\n')[0]!;

test('a labelled network gets a config-only network on every node, and a network of the Swarm is made from it', async () => {
  await rig.addNetwork('acme', 'web', '10.50.0.0/24');
  await rig.client.update('network', 'web', { labels: { 'docker.swarm': 'true' } }, { tenant: 'acme' });
  for (const host of ['h1', 'h2'])
    await until(`the config-only network of ${host}`, 30_000, async () => {
      const { code } = await rig.lab.engine(host).try('network', 'inspect', 'acme.web');
      return code === 0 ? true : undefined;
    });
  const options = ['--scope', 'swarm', '--driver', driver, '--config-from', 'acme.web', '--attachable'];
  await rig.docker('h1', 'network', 'create', ...options, 'web');
});

test('replicas on two nodes get addresses of the network, resolve by name and reach each other; nothing is left of them', async () => {
  await service('front', '--replicas', '4', '--endpoint-mode', 'dnsrr');
  const ports = await tasks('front', 4);
  assert.equal(new Set(ports.map((p) => p.host)).size, 2);
  const addresses = ports.flatMap((p) => p.addresses).toSorted();
  for (const address of addresses) assert.match(address, /^10\.50\.0\./);
  assert.equal(new Set(addresses).size, 4);
  for (const host of ['h1', 'h2']) {
    const container = await containerOf(host, 'front');
    for (const address of addresses) await rig.reached(host, container, address);
    await until(`all tasks by the service's name on ${host}`, 20_000, async () => {
      const { stdout } = await rig.exec(host, container, 'nslookup', 'front');
      return addresses.every((a) => stdout.includes(`Address: ${a}\n`)) ? true : undefined;
    });
  }
  await rig.docker('h1', 'service', 'rm', 'front');
  await tasks('front', 0);
});

test('a service that asks for a VIP gets none: its name leads to its tasks', async () => {
  await service('vip', '--replicas', '2');
  const addresses = (await tasks('vip', 2)).flatMap((p) => p.addresses);
  const container = await containerOf('h1', 'vip');
  await until('both tasks by the name', 20_000, async () => {
    const { stdout } = await rig.exec('h1', container, 'nslookup', 'vip');
    return addresses.every((a) => stdout.includes(`Address: ${a}\n`)) ? true : undefined;
  });
  await rig.docker('h1', 'service', 'rm', 'vip');
  await tasks('vip', 0);
});

test('an engine that starts while the agent is away knows the driver when it is back', async () => {
  const engine = rig.lab.engine('h2');
  await rig.lab.kill('h2');
  await engine.stop();
  await engine.start();
  await engine.ready();
  await rig.lab.start('h2');
  await rig.lab.ready('h2');
  await service('again', '--mode', 'global', '--endpoint-mode', 'dnsrr');
  const ports = await tasks('again', 2);
  assert.equal(new Set(ports.map((p) => p.host)).size, 2);
  await rig.docker('h1', 'service', 'rm', 'again');
  await tasks('again', 0);
});

test('a manager that is killed, and a node that is cut off: tasks come up again, and nothing is left of the old ones', async () => {
  await service('tough', '--replicas', '2', '--endpoint-mode', 'dnsrr');
  await tasks('tough', 2);
  const manager = rig.lab.engine('h1');
  await manager.kill();
  await manager.start();
  await manager.ready();
  await until('the manager at work', 30_000, async () => {
    const { code } = await manager.try(
      'service',
      'update',
      '--detach',
      '--no-resolve-image',
      '--replicas',
      '4',
      'tough',
    );
    return code === 0 ? true : undefined;
  });
  await tasks('tough', 4);
  const h1 = await rig.client.get('host', 'h1');
  await rig.lab.cut('h2');
  await until('all tasks on the node that is left', 90_000, async () => {
    const own = (await rig.ports('acme')).filter((p) => p.dnsNames.includes('tough') && p.host === h1.id);
    return own.length === 4 ? true : undefined;
  });
  await rig.lab.heal('h2');
  await tasks('tough', 4);
  await rig.docker('h1', 'service', 'rm', 'tough');
  await tasks('tough', 0);
  assert.deepEqual(await rig.ports('acme'), []);
});
