/** The hosts themselves, each as a port of both networks; the first is also the client. Beside it, it serves in a namespace of its own. */
import { must } from '../../src/lab/run.ts';
import type { Cast } from './cast.ts';
import { hosts, type Leg, sides, type Town, tenants } from './town.ts';

const machineOf = (host: string): string => `server-${host}`;

/** `netns`: the name of a namespace to be in instead of the host's own. */
async function server(town: Town, host: string, machine: string = machineOf(host), netns?: string): Promise<Leg[]> {
  const inside = netns === undefined ? town.rig.lab.host(host).argv([]) : ['ip', 'netns', 'exec', netns];
  const devices: string[] = [];
  for (const side of sides) {
    const name = `${machine}-${side}`;
    const where = { tenant: tenants.own, network: side, port: name, ...(netns !== undefined && { netns }) };
    const { port, ifname } = await town.attach(host, { kind: 'host', ...where });
    await must([...inside, 'sh', '-ec', town.ownWay(port, side, ifname)]);
    devices.push(ifname);
  }
  const heard = town.serve(inside, town.serving(machine, devices));
  return sides.map((side) => ({ name: `${machine}-${side}`, machine, host, side, heard }));
}

export async function machines(town: Town): Promise<Cast> {
  const servers = await Promise.all(hosts.map((host) => server(town, host)));
  const beside = await server(town, 'h1', 'server-apart', `hd-${town.rig.lab.name}-apart`);
  const onHost = (...argv: string[]) => must(town.rig.lab.host('h1').argv(argv));
  return {
    client: {
      machine: machineOf('h1'),
      port: `${machineOf('h1')}-left`,
      resolver: 'gateway',
      ask: (words) => onHost(town.probe, ...words),
      widen: (mtuBytes) => onHost('ip', 'link', 'set', 'heddle0', 'mtu', `${mtuBytes}`),
    },
    servers: servers.flat(),
    beside,
  };
}
