/** Attacks that start at a machine behind a physical segment, which is a workload as others, on a network that carries floods. */
import { after } from 'node:test';
import { openLocal } from '../../src/client/local.ts';
import { must } from '../../src/lab/run.ts';
import { Workload } from '../agent/workload.ts';
import { Lan, macOf, nic } from '../segment/lan.ts';
import type { Stage, Station } from '../traffic/stage.ts';
import { type Leg, namespaceLeg } from './attacker.ts';
import { connectionTests } from './connections.ts';
import { frameTests } from './frames.ts';
import { headlessTests } from './headless.ts';
import { hostTests } from './hosts.ts';
import { type Cast, openTown, Scene } from './scene.ts';

const vlan = 120;

/** A machine in a VLAN of the first host's NIC, whose port is known. */
async function machineOf(stage: Stage): Promise<Leg> {
  const { lab, client } = stage;
  let made = 0;
  const workload = async () => {
    const name = `lan${++made}`;
    return new Workload(lab, name, await lab.addWorkload(name));
  };
  const lan = await Lan.open(lab, workload);
  const machine = await lan.machine({ vlan, addresses: [] });
  // Its own kernel is to say nothing.
  const quiet = 'for all in /proc/sys/net/ipv6/conf/*/disable_ipv6; do echo 1 >$all; done';
  await must(machine.argv(['sh', '-c', quiet]));
  const [host] = lab.hosts;
  const plant = { kind: 'device', ifname: nic, vlan, port: 'plant', learn: 0, tenant: 't', network: 'web' };
  const answer = await openLocal(host!.agentSocket).request('POST', '/v1/attachments', { body: plant });
  const addresses = ['10.8.0.66', 'fd08::66'];
  const body = { name: 'plc', network: 'web', behind: 'plant', mac: macOf(machine), addresses };
  const port = await client.create('port', body, { tenant: 't', waitMs: 20_000 });
  const station = {
    ...{ workload: machine.name, netns: machine.path, host: host!, tenant: 't', port, device: nic, ifname: 'eth0' },
    ...{ mac: port.mac, ip4: addresses[0]!, ip6: addresses[1]! },
  } satisfies Station;
  const front = (answer as { port: Station['port'] }).port;
  return { ...namespaceLeg(station), front: { port: front, counts: 'src_mac' } };
}

const scene = await Scene.of(async (open): Promise<Cast> => {
  const cast = await openTown({}, open);
  const web = open.use(await machineOf(cast.town.stage));
  for (const one of [...cast.neighbours, ...cast.twins]) await cast.town.stage.settled(one);
  return { ...cast, neighbours4: [], attackers: [{ what: 'a machine behind a segment', legs: { web, four: web } }] };
});
after(() => scene[Symbol.asyncDispose]());
// Whoever takes another's MAC there misleads the LAN's own switches, which no host can help: A2 is in test/segment.
frameTests(scene, /^A([1345]|10)\b/);
hostTests(scene);
connectionTests(scene);
headlessTests(scene);
