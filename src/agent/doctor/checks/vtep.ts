import { addressList } from '../../../kernel/address.ts';
import { linkList } from '../../../kernel/link.ts';
import type { Ip } from '../../../model/address.ts';
import { makeCheck } from '../check.ts';
import { type Finding, fail, ok, refuse, warn } from '../finding.ts';

/** IPv6 needs 1280 bytes (RFC 8200 §5), and encapsulation in IPv6 takes 70. */
const leastMtuBytes = 1_350;

/** The underlay address and its device. */
interface VtepFacts {
  readonly vtep?: Ip | undefined;
  readonly device?:
    | { readonly name: string; readonly up: boolean; readonly carrier: boolean; readonly mtuBytes: number }
    | undefined;
}

export function judgeVtep({ vtep, device }: VtepFacts): Finding[] {
  if (vtep === undefined)
    return [
      refuse('this host has no default route to take the VTEP address from', 'name one: heddle agent --vtep <address>'),
    ];
  if (!device)
    return [
      refuse(
        `no network device of this host has the VTEP address ${vtep}`,
        'set the address, or name another: heddle agent --vtep <address>',
      ),
    ];
  const { name, up, carrier, mtuBytes } = device;
  if (!up || !carrier)
    return [
      fail(
        `${name}, which has the VTEP address ${vtep}, ${up ? 'has no carrier' : 'is down'}`,
        up ? 'look at its cable, and at the switch' : `ip link set ${name} up`,
      ),
    ];
  if (mtuBytes < leastMtuBytes)
    return [
      warn(
        `the MTU of ${name} is ${mtuBytes}: what is left for workloads is too little for IPv6`,
        `ip link set ${name} mtu 1500, if the network carries it`,
      ),
    ];
  return [ok(`${vtep} on ${name}, MTU ${mtuBytes}`)];
}

export const vtep = makeCheck({
  name: 'vtep',
  about: 'the underlay address, and the device that has it',
  atStart: true,
  gather: ({ nl, vtep: ip }): VtepFacts => {
    const address = addressList(nl).find((a) => a.ip === ip);
    return { vtep: ip, device: linkList(nl).find((l) => l.ifindex === address?.ifindex) };
  },
  judge: judgeVtep,
});
