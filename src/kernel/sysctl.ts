/** Values under /proc/sys/net, which shows the namespace of the thread that looks: so it works inside inNetns. */
import { readFileSync, writeFileSync } from 'node:fs';
import { HeddleError } from '../model/errors.ts';
import { hasErrno } from './libc.ts';
import { inNetns, type Netns } from './netns.ts';

/** A value's place below /proc/sys/net in segments, because interface names may have dots: ['ipv6','conf','eth0.1','disable_ipv6']. */
export type SysctlPath = readonly string[];

function file(path: SysctlPath): string {
  if (path.some((p) => p === '' || p === '.' || p === '..' || p.includes('/')))
    throw new HeddleError('INTERNAL', { problem: `no sysctl path: ${path.join('/')}` });
  return `/proc/sys/net/${path.join('/')}`;
}

/** @throws KERNEL with ENOENT where the kernel has no such value (no IPv6, no such link) */
export function sysctlWrite(ns: Netns | undefined, path: SysctlPath, value: string | number): void {
  access(ns, path, 'write', (target) => writeFileSync(target, String(value)));
}

/** The value without its line end. @throws KERNEL as {@link sysctlWrite} */
export const sysctlRead = (ns: Netns | undefined, path: SysctlPath): string =>
  access(ns, path, 'read', (target) => readFileSync(target, 'utf8').trim());

/** Turns IPv6 off on a link: the kernel itself then says nothing by it, and takes nothing. Where there is no IPv6, or no such link, nothing is to be done. @throws KERNEL */
export function disableIpv6(ns: Netns | undefined, ifname: string): void {
  try {
    sysctlWrite(ns, ['ipv6', 'conf', ifname, 'disable_ipv6'], 1);
  } catch (e) {
    if (!hasErrno(e, 'ENOENT')) throw e;
  }
}

function access<T>(ns: Netns | undefined, path: SysctlPath, operation: string, run: (target: string) => T): T {
  const target = file(path);
  try {
    return ns ? inNetns(ns, () => run(target)) : run(target);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new HeddleError('KERNEL', { operation, errno: code ?? 'EUNKNOWN', object: target }, cause);
  }
}
