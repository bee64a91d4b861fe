/** The underlay of a lab: namespaces and links, made with iproute2. */
import { type LabPlan, netnsPath, routerAddress } from './plan.ts';
import { ipBatch, must } from './run.ts';

/** Name of the bridge of an underlay prefix, in the lab's net namespace. */
const bridge = (subnet: number): string => `br${subnet}`;
/** The host's underlay device. */
const underlayDevice = 'eth0';

/** Makes the namespaces and joins them. What exists already is an error: `removeLab` comes first. @throws LAB_FAILED */
export async function makeUnderlay(plan: LabPlan): Promise<void> {
  const names = new Set([plan.netns, ...plan.hosts.map((h) => h.netns)]);
  await ipBatch([...names].map((n) => `netns add ${n}`));
  await (plan.wire ? makeWire(plan) : makeBridges(plan));
  for (const host of plan.hosts)
    await ipBatch(
      [
        'link set lo up',
        `address add ${host.vtep}/24 dev ${underlayDevice}`,
        `link set ${underlayDevice} mtu ${plan.mtu} up`,
        ...(plan.wire ? [] : [`route add default via ${routerAddress(host.subnet)}`]),
      ],
      host.netns,
    );
}

async function makeBridges(plan: LabPlan): Promise<void> {
  const subnets = Array.from({ length: plan.subnets }, (_, i) => i);
  await ipBatch(
    [
      'link set lo up',
      ...subnets.flatMap((s) => [
        // A MAC of its own: a bridge without one takes its lowest port's, and changes it as ports come and go.
        `link add ${bridge(s)} mtu ${plan.mtu} address 02:68:64:00:00:${s.toString(16).padStart(2, '0')} type bridge forward_delay 0 stp_state 0 mcast_snooping 0`,
        `address add ${routerAddress(s)}/24 dev ${bridge(s)}`,
        `link set ${bridge(s)} up`,
      ]),
      ...plan.hosts.flatMap((h) => [
        `link add ${h.bridgePort} mtu ${plan.mtu} type veth peer name ${underlayDevice} netns ${h.netns}`,
        `link set ${h.bridgePort} master ${bridge(h.subnet)} up`,
      ]),
    ],
    plan.netns,
  );
  await must(['nsenter', `--net=${netnsPath(plan.netns)}`, 'sh', '-c', 'echo 1 >/proc/sys/net/ipv4/ip_forward']);
}

async function makeWire(plan: LabPlan): Promise<void> {
  const [a, b] = plan.hosts;
  await ipBatch([`link add ${underlayDevice} type veth peer name ${underlayDevice} netns ${b!.netns}`], a!.netns);
}

/** Cuts a host off its underlay, or joins it again, at the far end of its cable. @throws LAB_FAILED */
export async function setCable(plan: LabPlan, name: string, state: 'up' | 'down'): Promise<void> {
  if (plan.wire) await ipBatch([`link set ${underlayDevice} ${state}`], name);
  else await ipBatch([`link set ${name} ${state}`], plan.netns);
}
