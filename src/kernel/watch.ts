/** The kernel's notifications of the own namespace, as events. */

import { HeddleError } from '../model/errors.ts';
import { type Address, parseAddress, RTM_DELADDR, RTM_NEWADDR } from './address.ts';
import { decodeMessages, type Message } from './attributes.ts';
import { errnoName, kernelError, recv } from './libc.ts';
import { type Link, parseLink, RTM_DELLINK, RTM_NEWLINK } from './link.ts';
import { isIpNeighbour, type Neighbour, parseNeighbour, RTM_DELNEIGH, RTM_NEWNEIGH } from './neighbour.ts';
import { openRouteSocket, SOCK_NONBLOCK } from './netlink.ts';
import { parseRoute, type Route, RTM_DELROUTE, RTM_NEWROUTE } from './route.ts';
import { watchSocket } from './socket-watch.ts';
import { ifindexOf, RTM_DELQDISC, RTM_DELTFILTER, RTM_NEWTFILTER } from './tc.ts';

const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
/** Multicast groups as bits of sockaddr_nl.nl_groups: bit n − 1 is group n (RTNLGRP_*). */
const groups = {
  links: 1 << 0,
  neighbours: 1 << 2,
  tc: 1 << 3,
  addresses: (1 << 4) | (1 << 8),
  routes: (1 << 6) | (1 << 10),
} as const;

/** Which notifications to receive. */
export type Subjects = { readonly [S in keyof typeof groups]?: boolean };
/** A change that has happened. After `overrun` some were lost: read everything again. */
export type KernelEvent =
  | { readonly kind: 'link'; readonly action: 'put' | 'delete'; readonly link: Link }
  | { readonly kind: 'address'; readonly action: 'put' | 'delete'; readonly address: Address }
  | { readonly kind: 'route'; readonly action: 'put' | 'delete'; readonly route: Route }
  | { readonly kind: 'neighbour'; readonly action: 'put' | 'delete'; readonly neighbour: Neighbour }
  | { readonly kind: 'tc'; readonly action: 'put' | 'delete'; readonly ifindex: number }
  | { readonly kind: 'overrun' };

const AF_UNSPEC = 0;
/** The event of one message; undefined for what we do not follow. */
function parseEvent(m: Message): KernelEvent | undefined {
  switch (m.type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
      // A bridge also tells of its ports, in messages of its own family: RTM_DELLINK there is no deleted link.
      if (m.body[0] !== AF_UNSPEC) return undefined;
      return { kind: 'link', action: m.type === RTM_NEWLINK ? 'put' : 'delete', link: parseLink(m) };
    case RTM_NEWADDR:
    case RTM_DELADDR:
      return { kind: 'address', action: m.type === RTM_NEWADDR ? 'put' : 'delete', address: parseAddress(m) };
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      return { kind: 'route', action: m.type === RTM_NEWROUTE ? 'put' : 'delete', route: parseRoute(m) };
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH:
      if (!isIpNeighbour(m)) return undefined;
      return { kind: 'neighbour', action: m.type === RTM_NEWNEIGH ? 'put' : 'delete', neighbour: parseNeighbour(m) };
    case RTM_DELQDISC: // its filters go with it, without a word of their own
    case RTM_NEWTFILTER:
    case RTM_DELTFILTER:
      return { kind: 'tc', action: m.type === RTM_NEWTFILTER ? 'put' : 'delete', ifindex: ifindexOf(m) };
    default:
      return undefined;
  }
}

/** Everything that waits on the socket, and whether something was lost. */
function drain(fd: number, buffer: Uint8Array): KernelEvent[] {
  const events: KernelEvent[] = [];
  for (;;) {
    const n = recv(fd, buffer, MSG_DONTWAIT | MSG_TRUNC);
    const errno = n < 0 ? errnoName(-n) : undefined;
    if (errno === 'EAGAIN') return events;
    if (errno === 'EINTR') continue;
    if (errno === 'ENOBUFS' || n > buffer.length) events.push({ kind: 'overrun' });
    else if (n < 0) throw kernelError(-n, 'receive', 'kernel notifications');
    else for (const m of decodeMessages(buffer.subarray(0, n))) events.push(...[parseEvent(m) ?? []].flat());
  }
}

/**
 * Calls `onEvent` for each change from now on, in the kernel's order, until disposed. Subscribe first, then list: what
 * happens between is then seen. Keep the returned value: collected as garbage, the watch ends. It keeps no process alive.
 */
export function watchKernel(subjects: Subjects, onEvent: (event: KernelEvent) => void): Disposable {
  const mask = Object.entries(groups).reduce((m, [s, bits]) => (subjects[s as keyof Subjects] ? m | bits : m), 0);
  if (mask === 0) throw new HeddleError('INTERNAL', { problem: 'watchKernel without a subject' });
  const buffer = new Uint8Array(1 << 16);
  return watchSocket(openRouteSocket(undefined, { flags: SOCK_NONBLOCK, groups: mask }), (fd, isOpen) => {
    for (const event of drain(fd, buffer)) if (isOpen()) onEvent(event);
  });
}
