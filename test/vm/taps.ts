/** Ports of guests: attached with the command line, as an administrator would. */
import type { ReasonName } from '../../src/datapath/reasons.ts';
import type { LabHost } from '../../src/lab/lab.ts';
import { must } from '../../src/lab/run.ts';
import type { PortCounters } from '../../src/model/host-state.ts';
import type { Port } from '../../src/model/kinds.ts';
import type { Attached } from '../../src/model/local-api.ts';
import { launcher } from '../cli/heddle.ts';
import type { Stage } from '../traffic/stage.ts';
import type { Guest } from './guest.ts';

/** A port whose workload is whoever opens its tap. */
export interface Tap {
  readonly host: LabHost;
  readonly tenant: string;
  readonly port: Port;
  readonly ifname: string;
  readonly mac: string;
  readonly ip4: string;
  readonly ip6: string;
}

/** Runs `heddle` on a host, which must succeed; what it prints. */
const heddle = (host: LabHost, ...words: string[]): Promise<string> => must([launcher, ...words], { env: host.env });

/** Attaches a tap on a host. */
export async function attachTap(
  host: LabHost,
  { tenant, network }: { tenant: string; network: string },
  ...words: string[]
): Promise<Tap> {
  const where = ['--tenant', tenant, '--network', network];
  const { port, ifname } = JSON.parse(await heddle(host, 'attach', 'tap', ...where, ...words, '--json')) as Attached;
  const ip4 = port.addresses.find((a) => a.includes('.')) ?? '';
  const ip6 = port.addresses.find((a) => a.includes(':')) ?? '';
  return { host, tenant, port, ifname, mac: port.mac, ip4, ip6 };
}

/** QEMU's arguments for it. */
export async function qemuArgs({ host, port }: Tap): Promise<string[]> {
  return (await heddle(host, 'vm', 'qemu-args', port.name)).trim().split(' ');
}

/** Gives the guest's device the port's addresses: as an administrator would, or IPv4 as DHCP says. */
export async function configure(guest: Guest, { ip4, ip6 }: Tap, how: 'static' | 'dhcp'): Promise<void> {
  const dhcp = 'udhcpc -i eth0 -n -q -t 10 -T 1 -O mtu';
  // The kernel asks whether somebody has an IPv6 address already, as every guest does; until then it is tentative.
  await guest.must(`ip link set eth0 up
    ip address add ${ip6}/64 dev eth0
    ${how === 'dhcp' ? dhcp : `ip address add ${ip4}/24 dev eth0`} || exit
    while ip -6 address show dev eth0 | grep -q tentative; do usleep 50000; done
    ! ip -6 address show dev eth0 | grep dadfailed`);
}

/** How often a reason was counted for a port. */
export async function countOf(stage: Stage, { port, tenant }: Tap, reason: ReasonName): Promise<number> {
  return Number((await countersOf(stage, { port, tenant })).reasons[reason] ?? 0);
}
/** A port's counters, as the API gives them. */
export async function countersOf(stage: Stage, { port, tenant }: Pick<Tap, 'port' | 'tenant'>): Promise<PortCounters> {
  const answer = await stage.client.get('port', port.id, { tenant, counters: true });
  return (answer as Port & { counters: PortCounters }).counters;
}
