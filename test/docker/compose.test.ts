import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { until } from '../../src/lab/processes.ts';
import { run } from '../../src/lab/run.ts';
import { DockerRig } from './rig.ts';

/** Programs that are stopped at once. */
const quick = { image: 'busybox', stop_signal: 'KILL' };
const joined = (network: string, subnet: string) => ({
  driver: 'heddle',
  ipam: { driver: 'heddle', options: { 'heddle.network': network }, config: [{ subnet }] },
});
/** One project, half of which runs on each host: two web servers on h1, the database on h2. */
const project = {
  version: '2.4',
  services: {
    web: {
      ...quick,
      command: ['httpd', '-f', '-p', '80', '-h', '/etc'],
      networks: ['front', 'back'],
      ports: ['8080-8081:80'],
      scale: 2,
    },
    database: {
      ...quick,
      command: ['nc', '-ll', '-p', '5432', '-e', 'echo', 'rows'],
      networks: { back: { aliases: ['storage'] } },
    },
  },
  networks: { front: joined('front', '10.40.0.0/24'), back: joined('back', '10.41.0.0/24') },
};

const folder = mkdtempSync(join(tmpdir(), 'heddle-compose-'));
const file = join(folder, 'docker-compose.json');
let rig: DockerRig;
before(async () => {
  writeFileSync(file, JSON.stringify(project));
  rig = await DockerRig.open();
  await rig.addNetwork('acme', 'front', '10.40.0.0/24');
  await rig.addNetwork('acme', 'back', '10.41.0.0/24');
  await rig.client.update('network', 'front', { sourceNat: true }, { tenant: 'acme' });
});
after(async () => {
  rmSync(folder, { recursive: true });
  await rig[Symbol.asyncDispose]();
});

/** Docker Compose as this machine has it: a plug-in of the client, or a program of its own. */
async function compose(host: string, ...args: string[]): Promise<void> {
  const { env } = rig.lab.engine(host);
  // The engine's own configuration folder would hide the user's plug-ins.
  const { DOCKER_CONFIG: _, ...plain } = env;
  const plugin = (await run(['docker', 'compose', 'version'], { env: plain })).code === 0;
  const argv = [
    ...(plugin ? ['docker', 'compose'] : ['docker-compose']),
    '--file',
    file,
    '--project-name',
    'shop',
    ...args,
  ];
  const { code, stderr } = await run(argv, { env: plain });
  assert.equal(code, 0, `${argv.join(' ')}: ${stderr}`);
}

test('a project has its web servers on one host and its database on another, which find each other by service names', async () => {
  const before = await rig.left();
  await compose('h1', 'up', '--detach', '--no-deps', 'web');
  await compose('h2', 'up', '--detach', '--no-deps', 'database');
  const [web = '', other = ''] = (await rig.docker('h1', 'ps', '--quiet')).split('\n');
  assert.notEqual(other, '');
  const database = await rig.docker('h2', 'ps', '--quiet');
  for (const name of ['database', 'storage']) {
    await until(`an answer of ${name}`, 10_000, async () => {
      const { stdout } = await rig.exec('h1', web, 'nc', '-w', '3', name, '5432');
      return stdout === 'rows\n' ? true : undefined;
    });
  }
  const page = await rig.told('h2', database, 'timeout', '5', 'wget', '-q', '-O', '-', 'http://web/passwd');
  assert.match(page, /^root:/);
  for (const port of [8080, 8081]) {
    const url = `http://198.18.0.1:${port}/passwd`;
    const { stdout } = await rig.lab.host('h2').exec(['curl', '--silent', '--max-time', '5', url]);
    assert.match(stdout, /^root:/, url);
  }
  const both = [await rig.place('h1', web, 'shop_back'), await rig.place('h1', other, 'shop_back')];
  const resolved = await rig.told('h2', database, 'nslookup', '-type=a', 'web');
  for (const address of both) assert.ok(resolved.includes(address), `${address}: ${resolved}`);
  const front = await rig.docker('h1', 'inspect', '--format', '{{.Name}}', web);
  const port = await rig.port('acme', front.slice(1), (p) => p.labels['com.docker.compose.service'] === 'web');
  assert.ok(port.dnsNames.includes('web'));

  await compose('h1', 'up', '--detach', '--no-deps', '--force-recreate', 'web');
  const [again = ''] = (await rig.docker('h1', 'ps', '--quiet')).split('\n');
  assert.ok(again !== web && again !== other);
  assert.equal(await rig.told('h1', again, 'nc', '-w', '3', 'database', '5432'), 'rows\n');
  await compose('h1', 'down');
  await compose('h2', 'down');
  await rig.leaves(before);
});
