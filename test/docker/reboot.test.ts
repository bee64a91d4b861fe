/** F6: a host that is rebooted has lost all that its kernel had; its containers come back by their policies, and nothing of the others stays. */
import { readdirSync, rmSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { layoutHash } from '../../src/datapath/layouts.ts';
import { openPinnedMap } from '../../src/kernel/bpf.ts';
import { unmountUnder } from '../../src/lab/mounts.ts';
import { gone, pidsInNetns, signalPid, until } from '../../src/lab/processes.ts';
import { must } from '../../src/lab/run.ts';
import { untilEqual } from '../until-equal.ts';
import { DockerRig, type Left } from './rig.ts';

let rig: DockerRig;
let empty: Left;
before(async () => {
  rig = await DockerRig.open();
  empty = await rig.joinWeb('--subnet', '10.0.0.0/24');
  await rig.run('h2', 'far', 'web');
  await rig.run('h1', 'kept', 'web', '--restart', 'always', '-p', '8080:80');
  await rig.run('h1', 'ended', 'web', '--ip', '10.0.0.50');
});
after(() => rig[Symbol.asyncDispose]());

/** The rows of a host's maps that say who is where. */
const rows = (host: string): string[] =>
  (['ports', 'fdb', 'neigh4', 'neigh6'] as const).flatMap((name) => {
    using map = openPinnedMap(`${rig.lab.plan.bpfDir}/${host}/${layoutHash}/${name}`);
    return map.keys().map((key) => `${host} ${name} ${Buffer.from(key).toString('hex')}`);
  });

/** Ends all that runs on a host and takes away what is not on a disk: devices, rules, maps, namespaces, the engine's /run. */
async function crash(host: string): Promise<void> {
  const { lab } = rig;
  const engine = lab.engine(host);
  const { dir, netns } = engine.plan;
  const ids = (await engine.docker('ps', '--quiet')).split('\n');
  const inits = (await engine.docker('inspect', '--format', '{{.State.Pid}}', ...ids)).split('\n').map(Number);
  const pids = [...pidsInNetns([netns]), ...inits];
  for (const pid of pids) signalPid(pid, 'SIGKILL');
  await gone(pids);

  const plan = lab.plan.hosts.find(({ name }) => name === host)!;
  const on = (...argv: string[]) => must(lab.host(host).argv(argv));
  await on('nft', 'flush', 'ruleset');
  const links = JSON.parse(await on('ip', '-json', 'link')) as { ifname: string }[];
  // It may be gone already, with its peer.
  for (const { ifname } of links)
    if (/^(h[dgo]\w+|docker0)$/.test(ifname)) await lab.host(host).exec(['ip', 'link', 'delete', ifname]);
    else if (ifname !== 'lo') await on('tc', 'qdisc', 'delete', 'dev', ifname, 'clsact');
  for (const folder of [`${plan.dir}/netns`, `${dir}/mnt`]) {
    await unmountUnder(folder);
    rmSync(folder, { recursive: true, force: true });
  }
  const pins = `${lab.plan.bpfDir}/${host}`;
  for (const entry of readdirSync(pins)) rmSync(`${pins}/${entry}`, { recursive: true });
  rmSync(`${dir}/storage-driver`);
}

test('after a reboot containers are on their networks again as their policies say, and the others have left nothing', async () => {
  const { lab } = rig;
  const far = await rig.place('h2', 'far', 'web');
  await rig.reached('h1', 'kept', far);
  await crash('h1');
  await lab.start('h1');
  await lab.engine('h1').start();
  await lab.engine('h1').ready(60_000);
  await until('the restart of "kept"', 30_000, async () => {
    const { code } = await rig.exec('h1', 'kept', 'true');
    return code === 0 ? true : undefined;
  });
  await rig.reached('h1', 'kept', far);
  await rig.reached('h2', 'far', await rig.place('h1', 'kept', 'web'));
  await until('the port of "ended" gone', 30_000, async () =>
    (await rig.ports('acme')).every(({ name }) => name !== 'ended') ? true : undefined,
  );
  await rig.run('h2', 'heir', 'web', '--ip', '10.0.0.50');
  await rig.reached('h1', 'kept', '10.0.0.50');
  await rig.docker('h2', 'rm', '--force', 'heir', 'far');
  await rig.docker('h1', 'start', 'ended');
  await rig.reached('h1', 'kept', '10.0.0.50');
  await rig.docker('h1', 'rm', '--force', 'kept', 'ended');
  for (const host of ['h1', 'h2']) await rig.docker(host, 'network', 'rm', 'web');
  await rig.leaves(empty);
  await untilEqual([], 20_000, async () => ['h1', 'h2'].flatMap(rows));
});
