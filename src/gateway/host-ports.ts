import { closeSync } from 'node:fs';
import { openBoundSocket } from '../kernel/inet-socket.ts';
import { hasErrno, listen } from '../kernel/libc.ts';
import { type Ip, ipFamily } from '../model/address.ts';
import { HeddleError } from '../model/errors.ts';
import type { PortId } from '../model/ids.ts';
import type { Publish } from '../model/kinds.ts';
import { type PublishedPlace, publishedPlace } from '../model/published-place.ts';

/**
 * The host's ports that are given to workloads. Each is bound as long as it is published, so that no other program can get
 * it and two ports cannot publish the same; nothing is received there, because packets are sent on before.
 */
export class HostPorts implements Disposable {
  /** By port, then by place: the sockets. */
  readonly #held = new Map<PortId, Map<PublishedPlace, readonly number[]>>();
  /** Called when others are held. */
  onChange: () => void = () => undefined;

  /** What is held, the oldest first: nothing else can be reached there but what it is published for. */
  get held(): PublishedPlace[] {
    return [...this.#held.values()].flatMap((places) => [...places.keys()]);
  }

  /**
   * Takes exactly these for a port; what it had besides is given up.
   * @throws HOST_PORT_TAKEN; then nothing has changed
   */
  reserve(port: PortId, publish: readonly Publish[]): void {
    const have = this.#held.get(port) ?? new Map<PublishedPlace, readonly number[]>();
    const next = new Map<PublishedPlace, readonly number[]>();
    try {
      for (const p of publish) next.set(publishedPlace(p), have.get(publishedPlace(p)) ?? bindAll(p));
    } catch (e) {
      for (const [place, fds] of next) if (!have.has(place)) fds.forEach(closeSync);
      throw e;
    }
    for (const [place, fds] of have) if (!next.has(place)) fds.forEach(closeSync);
    if (next.size > 0) this.#held.set(port, next);
    else this.#held.delete(port);
    if (have.size > 0 || next.size > 0) this.onChange();
  }

  [Symbol.dispose](): void {
    for (const port of [...this.#held.keys()]) this.reserve(port, []);
  }
}

/** @throws HOST_PORT_TAKEN */
function bindAll(p: Publish): readonly number[] {
  const addresses = (p.hostAddress === undefined ? ['0.0.0.0', '::'] : [p.hostAddress]) as Ip[];
  const fds: number[] = [];
  try {
    for (const address of addresses) fds.push(...bindOne(p, address));
    return fds;
  } catch (cause) {
    fds.forEach(closeSync);
    if (!hasErrno(cause, 'EADDRINUSE')) throw cause;
    const { protocol, hostPort, hostAddress } = p;
    throw new HeddleError(
      'HOST_PORT_TAKEN',
      { protocol, hostPort, ...(hostAddress !== undefined && { hostAddress }) },
      cause,
    );
  }
}

/** None on a kernel without IPv6. */
function bindOne(p: Publish, address: Ip): number[] {
  try {
    return [openBoundSocket(p.protocol, address, p.hostPort, { exclusive: true })];
  } catch (e) {
    if (ipFamily(address) === 6 && hasErrno(e, 'EAFNOSUPPORT')) return [];
    if (p.protocol !== 'tcp' || !hasErrno(e, 'EADDRINUSE')) throw e;
    return [besideRemains(p, address)];
  }
}

/** Where only the ends of old connections are in the way, the port is free; to keep others out, this one must listen. @throws KERNEL with EADDRINUSE */
function besideRemains(p: Publish, address: Ip): number {
  const fd = openBoundSocket(p.protocol, address, p.hostPort);
  try {
    listen(fd, 0);
    return fd;
  } catch (e) {
    closeSync(fd);
    throw e;
  }
}
