/** What QEMU is told so that a guest's network device is a port. */

/** A tap as the agent made it, and the port behind it. */
export interface GuestNic {
  /** The tap, in the network namespace in which QEMU will run. */
  readonly ifname: string;
  readonly mac: string;
  /** MTU of the network on this host, bytes; the guest's device begins with it. */
  readonly mtuBytes: number;
  /** The tap's queues; default 1. */
  readonly queues?: number;
}

/** What may be chosen of a guest's device. */
export interface QemuOptions {
  /** The kernel's vhost-net carries packets between tap and guest, not QEMU; the host must have /dev/vhost-net. Default false. */
  readonly vhost?: boolean;
}

/** The two arguments with their values; no word of them needs quoting in a shell. */
export function qemuArguments(nic: GuestNic, { vhost = false }: QemuOptions = {}): string[] {
  const { ifname, mac, mtuBytes, queues = 1 } = nic;
  const id = `heddle-${ifname.replaceAll(/[^A-Za-z0-9]/g, '-')}`;
  // Two interrupts for each queue pair, one for the configuration and one for the control queue.
  const many =
    queues > 1 ? { netdev: [`queues=${queues}`], device: ['mq=on', `vectors=${2 * queues + 2}`] } : undefined;
  return [
    '-netdev',
    [
      'tap',
      `id=${id}`,
      // A comma ends a value, unless it is doubled.
      `ifname=${ifname.replaceAll(',', ',,')}`,
      'script=no',
      'downscript=no',
      `vhost=${vhost ? 'on' : 'off'}`,
      ...(many?.netdev ?? []),
    ].join(','),
    '-device',
    ['virtio-net-pci', `netdev=${id}`, `mac=${mac}`, `host_mtu=${mtuBytes}`, ...(many?.device ?? [])].join(','),
  ];
}
