/**
 * The host's own forwarding switches, turned on no further than gateways need and turned back afterwards. What was changed is
 * on disk before it is changed, in a folder that a reboot empties like the switches themselves.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { hasErrno } from '../kernel/libc.ts';
import { linkList } from '../kernel/link.ts';
import type { Netlink } from '../kernel/netlink.ts';
import { leadsByMain, routeList } from '../kernel/route.ts';
import { type SysctlPath, sysctlRead, sysctlWrite } from '../kernel/sysctl.ts';
import { ipFamily } from '../model/address.ts';

/** What this host's agents have turned on. */
interface Changed {
  /** Devices whose IPv4 forwarding was off. */
  ipv4: string[];
  /** IPv6 forwarding was off: the kernel has it for all devices together. */
  ipv6: boolean;
  /** Devices that had IPv6 routes then. */
  routed6: string[];
  /** Devices that took router advertisements only while the host was no router. */
  advertised: string[];
}

const forward4 = (name: string): SysctlPath => ['ipv4', 'conf', name, 'forwarding'];
const forward6: SysctlPath = ['ipv6', 'conf', 'all', 'forwarding'];
const acceptRa = (name: string): SysctlPath => ['ipv6', 'conf', name, 'accept_ra'];
const isOn = (path: SysctlPath): boolean => sysctlRead(undefined, path) !== '0';

/** The switches of one host. */
export class Forwarding {
  readonly #nl: Netlink;
  readonly #file: string;
  #changed: Changed;

  /** `file`: what was changed, as an agent before may have left it. */
  constructor(nl: Netlink, file: string) {
    this.#nl = nl;
    this.#file = file;
    this.#changed = readChanged(file);
  }

  /** Devices that forward because of us; none for IPv4 while the host forwards as a whole. */
  get opened(): { readonly ipv4: readonly string[]; readonly ipv6: readonly string[] } {
    const { ipv4, routed6 } = this.#changed;
    return { ipv4: ipv4.length > 0 && isOn(['ipv4', 'ip_forward']) ? [] : ipv4, ipv6: routed6 };
  }

  /** Makes the devices forward by which routes lead outside. Repeatable: such devices come and go. @throws KERNEL */
  open(ipv6: boolean): void {
    if (!isOn(['ipv4', 'ip_forward'])) this.#openIpv4();
    if (ipv6) this.#openIpv6();
  }

  #openIpv4(): void {
    const shut = this.#routed(4).filter((name) => !isOn(forward4(name)));
    if (shut.length === 0) return;
    this.#record({ ipv4: [...new Set([...this.#changed.ipv4, ...shut])] });
    for (const name of shut) sysctlWrite(undefined, forward4(name), 1);
  }

  /** Devices that routes of the family lead by. */
  #routed(family: 4 | 6): string[] {
    const links = new Map(linkList(this.#nl).map((l) => [l.ifindex, l]));
    const out = routeList(this.#nl).flatMap((route) => {
      const link = links.get(route.oif ?? 0);
      const leads = ipFamily(route.dst) === family && leadsByMain(route);
      return leads && link && !link.alias?.startsWith('heddle:') ? [link.name] : [];
    });
    return [...new Set(out)];
  }

  /** A router takes no advertisements unless told to, and would lose its own default route. */
  #openIpv6(): void {
    try {
      if (isOn(forward6)) return;
    } catch (e) {
      if (hasErrno(e, 'ENOENT')) return; // a kernel without IPv6
      throw e;
    }
    const advertised = linkList(this.#nl)
      .map((l) => l.name)
      .filter((name) => readIfThere(acceptRa(name)) === '1');
    const { routed6 } = this.#changed;
    this.#record({ ipv6: true, advertised, routed6: [...new Set([...routed6, ...this.#routed(6)])] });
    for (const name of advertised) writeIfThere(acceptRa(name), 2);
    sysctlWrite(undefined, forward6, 1);
  }

  /** Turns back what was turned on; what somebody else has turned on as a whole meanwhile stays. @throws KERNEL */
  close(): void {
    const { ipv4, ipv6, advertised } = this.#changed;
    if (!isOn(['ipv4', 'ip_forward'])) for (const name of ipv4) writeIfThere(forward4(name), 0);
    if (ipv6) {
      writeIfThere(forward6, 0);
      for (const name of advertised) writeIfThere(acceptRa(name), 1);
    }
    rmSync(this.#file, { force: true });
    this.#changed = nothing();
  }

  #record(change: Partial<Changed>): void {
    this.#changed = { ...this.#changed, ...change };
    writeFileSync(`${this.#file}.new`, JSON.stringify(this.#changed));
    renameSync(`${this.#file}.new`, this.#file);
  }
}

const nothing = (): Changed => ({ ipv4: [], ipv6: false, routed6: [], advertised: [] });

/** None: no agent has changed anything since the last boot. Nor does a file count that the machine's fall has cut off. */
function readChanged(file: string): Changed {
  try {
    return { ...nothing(), ...(JSON.parse(readFileSync(file, 'utf8')) as Partial<Changed>) };
  } catch (e) {
    if (e instanceof SyntaxError || (e as NodeJS.ErrnoException).code === 'ENOENT') return nothing();
    throw e;
  }
}

function readIfThere(path: SysctlPath): string | undefined {
  try {
    return sysctlRead(undefined, path);
  } catch (e) {
    if (hasErrno(e, 'ENOENT')) return undefined;
    throw e;
  }
}

function writeIfThere(path: SysctlPath, value: number): void {
  try {
    sysctlWrite(undefined, path, value);
  } catch (e) {
    if (!hasErrno(e, 'ENOENT')) throw e;
  }
}
