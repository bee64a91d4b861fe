/** Network namespaces: a client, and one for every server. */
import { must } from '../../src/lab/run.ts';
import type { Cast, Client } from './cast.ts';
import { hosts, type Leg, sides, type Town, tenants } from './town.ts';

/** What is asked of a port beside its place. */
interface Wanted {
  readonly name: string;
  readonly host: string;
  readonly side: string;
  readonly tenant?: string;
  readonly addresses?: readonly string[];
  readonly mac?: string;
}

/** Makes one and attaches it; what to run a program in it with. */
async function place(town: Town, { name, host, side, tenant = tenants.own, ...more }: Wanted): Promise<string[]> {
  const target = await town.rig.lab.addWorkload(`${name}.${tenant}`);
  await town.attach(host, { kind: 'netns', target, tenant, network: side, port: name, ifname: 'eth0', ...more });
  return ['nsenter', `--net=${target}`, '--'];
}

/** One that serves; what it has heard. `as`: the tenant that it says it is of. */
export async function serverIn(
  town: Town,
  machine: string,
  wanted: Wanted,
  as: string = wanted.tenant ?? tenants.own,
): Promise<() => string> {
  return town.serve(await place(town, wanted), town.serving(machine, ['eth0'], as));
}

/** One that asks. */
export async function clientIn(town: Town, wanted: Wanted): Promise<Client> {
  const inside = await place(town, wanted);
  return {
    machine: wanted.name,
    port: wanted.name,
    resolver: 'gateway',
    ask: (words) => must([...inside, town.probe, ...words]),
    widen: (mtuBytes) => must([...inside, 'ip', 'link', 'set', 'eth0', 'mtu', `${mtuBytes}`]),
  };
}

export async function namespaces(town: Town): Promise<Cast> {
  const servers = hosts.flatMap((host) =>
    sides.map(async (side): Promise<Leg> => {
      const name = `namespace-${host}-${side}`;
      return { name, machine: name, host, side, heard: await serverIn(town, name, { name, host, side }) };
    }),
  );
  const client = clientIn(town, { name: 'namespace', host: 'h1', side: 'left' });
  return { client: await client, servers: await Promise.all(servers) };
}
