/** Guests under QEMU: a client, and on every host one that serves on both networks. */
import type { Port } from '../../src/model/kinds.ts';
import { qemuArguments } from '../../src/vm/qemu-args.ts';
import { Guest } from '../vm/guest.ts';
import { type GuestImage, writeGuestImage } from '../vm/image.ts';
import type { Cast } from './cast.ts';
import { hosts, type Leg, type Side, sides, type Town, tenants } from './town.ts';

/** An interface of a guest. */
interface Nic {
  readonly side: Side;
  readonly port: Port;
  readonly qemu: readonly string[];
}

async function nic(town: Town, host: string, side: Side, name: string): Promise<Nic> {
  const tap = { kind: 'tap', tenant: tenants.own, network: side, port: name };
  const { port, ifname, mtuBytes } = await town.attach(host, tap);
  return { side, port, qemu: qemuArguments({ ifname, mac: port.mac, mtuBytes }) };
}

/** The name of a guest's device is known by its MAC alone. */
const device = ({ port }: Nic): string => `$(grep -l ${port.mac} /sys/class/net/*/address | cut -d/ -f5)`;

/** Starts a guest; IPv4 is as DHCP says. */
async function boot(town: Town, image: GuestImage, host: string, nics: readonly Nic[]): Promise<Guest> {
  const network = nics.flatMap(({ qemu }) => qemu);
  const guest = town.keep(await Guest.boot({ image, host: town.rig.lab.host(host), network }));
  for (const one of nics) {
    const ip6 = one.port.addresses.find((ip) => ip.includes(':'));
    await guest.must(`dev=${device(one)}
      ip link set $dev up
      ip address add ${ip6}/64 dev $dev
      udhcpc -i $dev -n -q -t 10 -T 1 -O mtu || exit
      while ip -6 address show dev $dev | grep -q tentative; do usleep 50000; done
      set -e
      ${town.ownWay(one.port, one.side, '$dev')}`);
  }
  return guest;
}

async function server(town: Town, image: GuestImage, host: string): Promise<Leg[]> {
  const machine = `guest-${host}`;
  const nics = await Promise.all(sides.map((side) => nic(town, host, side, `${machine}-${side}`)));
  const guest = await boot(town, image, host, nics);
  const program = town.serving(machine, nics.map(device), tenants.own, 'probe');
  await guest.must(`setsid ${program.join(' ')} </dev/null >/tmp/heard 2>&1 &`);
  const heard = () => guest.must('cat /tmp/heard');
  return nics.map(({ side, port }) => ({ name: port.name, machine, host, side, heard }));
}

export async function guests(town: Town): Promise<Cast> {
  const image = await writeGuestImage(town.dir, [town.probe]);
  const asker = async (): Promise<Guest> => {
    const one = await nic(town, 'h1', 'left', 'guest');
    // Without the MTU, by which the guest could not be widened.
    return boot(town, image, 'h1', [{ ...one, qemu: one.qemu.map((word) => word.replace(/,host_mtu=\d+/, '')) }]);
  };
  const [client, ...servers] = await Promise.all([asker(), ...hosts.map((host) => server(town, image, host))]);
  return {
    client: {
      machine: 'guest',
      port: 'guest',
      resolver: 'own',
      ask: (words) => client.must(`probe ${words.join(' ')}`, 150),
      widen: (mtuBytes) => client.must(`ip link set eth0 mtu ${mtuBytes}`),
    },
    servers: servers.flat(),
  };
}
