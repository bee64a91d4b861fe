/** Containers of real Docker engines: a client, and one for every server. */
import type { Cast } from './cast.ts';
import { hosts, type Leg, prefixes, sides, type Town, tenants } from './town.ts';

export async function containers(town: Town): Promise<Cast> {
  const { rig } = town;
  const probe = ['--volume', `${town.probe}:/probe:ro`];
  const onHost = async (host: string): Promise<Leg[]> => {
    // Named, because the host has a route there: it is itself on the network.
    for (const side of sides) {
      const { four, six } = prefixes[side];
      const subnets = ['--subnet', `${four}.0/24`, '--ipv6', '--subnet', `${six}:/64`];
      await rig.join(host, side, tenants.own, side, ...subnets);
    }
    const started = sides.map(async (side): Promise<Leg> => {
      const name = `container-${host}-${side}`;
      await rig.runs(host, name, side, probe, town.serving(name, ['eth0'], tenants.own, '/probe'));
      return { name, machine: name, host, side, heard: () => rig.docker(host, 'logs', name) };
    });
    return Promise.all(started);
  };
  const servers = await Promise.all(hosts.map(onHost));
  const name = 'container';
  await rig.run('h1', name, 'left', ...probe);
  return {
    client: {
      machine: name,
      port: name,
      resolver: 'own',
      ask: (words) => rig.told('h1', name, '/probe', ...words),
      widen: (mtuBytes) => rig.inside('h1', name, 'ip', 'link', 'set', 'eth0', 'mtu', `${mtuBytes}`),
    },
    servers: servers.flat(),
  };
}
