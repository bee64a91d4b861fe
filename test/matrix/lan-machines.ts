/**
 * Machines without an agent behind a NIC of each host: a VLAN for each network, and a switch of its own for each host. Who asks
 * is behind another NIC: on one wire they would not need us.
 */
import { must } from '../../src/lab/run.ts';
import { Workload } from '../agent/workload.ts';
import { Lan, macOf } from '../segment/lan.ts';
import type { Cast, Client } from './cast.ts';
import { gateways, hosts, type Leg, mtu, type Side, sides, type Town, tenants } from './town.ts';

const vlans: Record<Side, number> = { left: 120, right: 130 };

/** A NIC of a host, with segments of these networks, and its switch. */
interface Plant {
  readonly lan: Lan;
  readonly host: string;
  readonly device: string;
}

async function openPlant(town: Town, host: string, device: string, networks: readonly Side[]): Promise<Plant> {
  const { lab } = town.rig;
  let made = 0;
  const makeWorkload = async (): Promise<Workload> => {
    const name = `${device}.${++made}.${host}`;
    return new Workload(lab, name, await lab.addWorkload(name));
  };
  const lan = await Lan.open(lab, makeWorkload, [host], device);
  for (const side of networks) {
    const body = { kind: 'device', ifname: device, vlan: vlans[side], port: `${host}-${device}-${side}`, learn: 0 };
    await town.attach(host, { ...body, tenant: tenants.own, network: side });
  }
  return { lan, host, device };
}

/** A machine with a port; what to run a program on it with. It has a LAN's MTU, which is more than the network's. */
async function machine(town: Town, { lan, host, device }: Plant, side: Side, name: string): Promise<string[]> {
  const workload = await lan.machine({ vlan: vlans[side], addresses: [] });
  const body = { name, network: side, behind: `${host}-${device}-${side}`, mac: macOf(workload) };
  const { addresses } = await town.rig.client.create('port', body, { tenant: tenants.own, waitMs: 20_000 });
  const lines = [
    ...addresses.map((ip) => `address add ${ip}/${ip.includes(':') ? '64 nodad' : '24'} dev eth0`),
    ...([4, 6] as const).map((family) => `route add default via ${gateways(side)[family]} dev eth0`),
  ];
  await must(workload.argv(['ip', '-batch', '-']), { input: `${lines.join('\n')}\n` });
  return workload.argv([]);
}

async function servers(town: Town, host: string): Promise<Leg[]> {
  const plant = await openPlant(town, host, 'eth2', sides);
  const legs: Leg[] = [];
  for (const side of sides) {
    const name = `lan-machine-${host}-${side}`;
    const inside = await machine(town, plant, side, name);
    legs.push({ name, machine: name, host, side, heard: town.serve(inside, town.serving(name, ['eth0'])) });
  }
  return legs;
}

async function client(town: Town): Promise<Client> {
  const name = 'lan-machine';
  const inside = await machine(town, await openPlant(town, 'h1', 'eth3', ['left']), 'left', name);
  const widen = (mtuBytes: number) => must([...inside, 'ip', 'link', 'set', 'eth0', 'mtu', `${mtuBytes}`]);
  await widen(mtu);
  return {
    machine: name,
    port: name,
    resolver: 'gateway',
    ask: (words) => must([...inside, town.probe, ...words]),
    widen,
  };
}

export async function lanMachines(town: Town): Promise<Cast> {
  const [one, ...legs] = await Promise.all([client(town), ...hosts.map((host) => servers(town, host))] as const);
  return { client: one, servers: legs.flat() };
}
