/** A physical network beside a lab: a switch with VLANs, a NIC of each host on it, and machines without an agent. */
import { linkList } from '../../src/kernel/link.ts';
import { openNetlink } from '../../src/kernel/netlink.ts';
import { openNetns } from '../../src/kernel/netns.ts';
import type { Lab } from '../../src/lab/lab.ts';
import { workloadNetns } from '../../src/lab/plan.ts';
import { ipBatch, must } from '../../src/lab/run.ts';
import type { Workload } from '../agent/workload.ts';
import { objectOf, runAt } from './objects.ts';

/** The hosts' NIC on the LAN. */
export const nic = 'eth2';

/** What a machine is. */
export interface MachineOptions {
  /** 0: it is in none. */
  readonly vlan: number;
  /** "address/length". */
  readonly addresses: readonly string[];
  readonly mac?: string;
  readonly via?: readonly string[];
}

/** The LAN; its namespaces go with the lab. The kernel's bridge need not know VLANs: a program at each machine's port does. */
export class Lan {
  readonly #lab: Lab;
  readonly #makeWorkload: () => Promise<Workload>;
  readonly #switch: Workload;
  #ports = 0;

  private constructor(lab: Lab, makeWorkload: () => Promise<Workload>, own: Workload) {
    this.#lab = lab;
    this.#makeWorkload = makeWorkload;
    this.#switch = own;
  }

  /** With a NIC of each host, or of these, which hears all VLANs. */
  static async open(
    lab: Lab,
    makeWorkload: () => Promise<Workload>,
    hosts: readonly string[] = lab.hosts.map(({ name }) => name),
    device: string = nic,
  ): Promise<Lan> {
    const lan = new Lan(lab, makeWorkload, await makeWorkload());
    await ipBatch(
      ['link add br0 type bridge forward_delay 0 stp_state 0 mcast_snooping 0', 'link set br0 up'],
      lan.#netns,
    );
    for (const host of hosts) await lan.plug(host, device);
    return lan;
  }

  get #netns(): string {
    return workloadNetns(this.#lab.name, this.#switch.name);
  }

  /** Puts a cable between a NIC of a host, which is made, and the switch. */
  async plug(host: string, name: string): Promise<void> {
    const port = `p${host}${name}`;
    const commands = `link add ${name} type veth peer name ${port} netns ${this.#netns}\nlink set ${name} up\n`;
    await must(this.#lab.host(host).argv(['ip', '-batch', '-']), { input: commands });
    await ipBatch([`link set ${port} master br0 up`], this.#netns);
  }

  /** Takes the cable of a host's NIC out at the switch: the NIC loses its carrier. Or puts it in again. */
  async cable(host: string, state: 'up' | 'down'): Promise<void> {
    await ipBatch([`link set p${host}${nic} ${state}`], this.#netns);
  }

  /** A machine on the switch, its device "eth0". */
  async machine({ vlan, addresses, mac, via = [] }: MachineOptions): Promise<Workload> {
    const machine = await this.#makeWorkload();
    const port = `m${++this.#ports}`;
    const address = mac === undefined ? '' : `address ${mac} `;
    await ipBatch(
      [
        `link add eth0 ${address}type veth peer name ${port} netns ${this.#netns}`,
        'link set eth0 up',
        ...addresses.map((a) => `address add ${a} dev eth0${a.includes(':') ? ' nodad' : ''}`),
        ...via.map((gateway) => `route add default via ${gateway}`),
      ],
      workloadNetns(this.#lab.name, machine.name),
    );
    await this.#access(port, vlan);
    await ipBatch([`link set ${port} master br0 up`], this.#netns);
    return machine;
  }

  async #access(port: string, vlan: number): Promise<void> {
    const object = await objectOf(this.#lab, 'access-port.bpf.c', { VLAN: vlan });
    await runAt(this.#switch.argv([]), port, 'ingress', object, 'in');
    await runAt(this.#switch.argv([]), port, 'egress', object, 'out');
  }

  /** A host's NIC as the kernel has it, with the filters on it. */
  async nicOf(host: string): Promise<object> {
    using ns = openNetns(this.#lab.host(host).netns);
    using nl = openNetlink(ns);
    const { up, promiscuous, mtuBytes, alias, mac } = linkList(nl).find((l) => l.name === nic)!;
    const filters = await must(this.#lab.host(host).argv(['tc', 'filter', 'show', 'dev', nic, 'ingress']));
    const qdiscs = await must(this.#lab.host(host).argv(['tc', 'qdisc', 'show', 'dev', nic]));
    return { up, promiscuous, mtuBytes, alias, mac, filters, qdiscs };
  }
}

/** The MAC of a machine's device. */
export const macOf = (machine: Workload): string => machine.inside().link('eth0')!.mac!;
