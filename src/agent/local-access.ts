/** Who may ask what of the local API: root everything, members of the socket's group what follows. */
import type { Server, Socket } from 'node:net';
import { type Peer, peerOfSocket } from '../kernel/peer.ts';
import { HeddleError } from '../model/errors.ts';
import type { Attachment, AttachRequest } from '../model/local-api.ts';
import { InFlight, RateLimit } from './dns/limits.ts';

/** What each member may have at once. A host has 4,096 ports, and one thread that answers. */
export const memberLimits = { connections: 64, perSecond: 50, burst: 200, taps: 256 } as const;

/** The routes for members; of those that there are or will be, all others are root's. */
const memberRoutes: ReadonlySet<string> = new Set([
  ...['GET /healthz', 'GET /readyz', 'GET /metrics', 'GET /v1/status', 'GET /v1/setting', 'GET /v1/dns'],
  ...['GET /v1/attachments', 'GET /v1/attachments/:port', 'POST /v1/attachments', 'DELETE /v1/attachments/:port'],
]);

/** What is refused by what is here, and not by the controller to this host. */
export class RefusedHere extends HeddleError<'FORBIDDEN'> {}

/** Somebody who asks. */
export interface Caller {
  readonly uid: number;
  readonly pid: number;
}
const isRoot = ({ uid }: Caller): boolean => uid === 0;

export interface LocalAccessOptions {
  /** Number of the group whose members may ask besides root; default: none. */
  readonly group: number | undefined;
  /** Milliseconds, of a clock that never goes back. */
  readonly now?: () => number;
}

/**
 * Asks the kernel of every connection who has made it, when it comes: that is nothing that who comes can choose, and holds for
 * this connection alone. Of whom it cannot be known is nobody.
 */
export class LocalAccess {
  readonly #group: number | undefined;
  readonly #peers = new WeakMap<Socket, Peer>();
  readonly #connections = new InFlight(memberLimits.connections, Number.POSITIVE_INFINITY);
  readonly #rate: RateLimit;

  constructor({ group, now = () => performance.now() }: LocalAccessOptions) {
    this.#group = group;
    this.#rate = new RateLimit(memberLimits.perSecond, memberLimits.burst, now);
  }

  /** From now on it is known who connects, before anything that they say is read. */
  watch(server: Server): void {
    server.prependListener('connection', (socket: Socket) => this.#heed(socket));
  }

  #heed(socket: Socket): void {
    try {
      const peer = peerOfSocket(socket);
      if (isRoot(peer)) return void this.#peers.set(socket, peer);
      const user = `${peer.uid}`;
      if (!this.#connections.enter(user)) return void socket.destroy();
      socket.once('close', () => this.#connections.leave(user));
      this.#peers.set(socket, peer);
    } catch {
      // Nobody knows who it is: it will be refused whatever it asks, with words.
    }
  }

  /** Who asks, if they may ask this at all. @throws FORBIDDEN, RATE_LIMITED */
  admit(socket: Socket, method: string, route: string): void {
    const caller = this.caller(socket);
    if (isRoot(caller)) return;
    if (!this.#rate.take(`${caller.uid}`)) {
      const { perSecond } = memberLimits;
      const what = method === 'GET' ? 'read' : 'write';
      throw new HeddleError('RATE_LIMITED', { what, perSecond, retryAfterMs: Math.ceil(1000 / perSecond) });
    }
    if (!memberRoutes.has(`${method} ${route}`)) throw forbidden(caller, 'ask for', `${method} ${route}`);
  }

  /** Who is at the other end. @throws FORBIDDEN if it is neither root nor a member, or nobody knows */
  caller(socket: Socket): Caller {
    const peer = this.#peers.get(socket);
    if (peer && (isRoot(peer) || (this.#group !== undefined && peer.groups.has(this.#group)))) return peer;
    const instead =
      this.#group === undefined
        ? 'only root may'
        : `only root may, and who was in group ${this.#group} when it connected`;
    const who = this.nameOf(socket) ?? '';
    throw new RefusedHere('FORBIDDEN', { who, verb: 'ask', what: 'this agent', instead });
  }

  /** What whoever asks is called, as "user 1000"; undefined: root. */
  nameOf(socket: Socket): string | undefined {
    const peer = this.#peers.get(socket);
    if (!peer) return 'somebody whom the kernel does not name';
    return isRoot(peer) ? undefined : `user ${peer.uid}`;
  }
}

const forbidden = ({ uid }: Caller, verb: string, what: string, instead = 'ask root to') =>
  new RefusedHere('FORBIDDEN', { who: `user ${uid}`, verb, what, instead });

const kinds = { netns: 'a network namespace', host: 'this host', device: 'a NIC' } as const;

/**
 * What a caller's attach comes to: that of a member is of a tap of its own.
 * @returns the request, and how many taps its owner may have
 * @throws FORBIDDEN
 */
export function permitted(caller: Caller, request: AttachRequest): { request: AttachRequest; mostTaps?: number } {
  if (isRoot(caller)) return { request };
  const refuse = (what: string, instead?: string) => forbidden(caller, 'attach', what, instead);
  if (request.kind !== 'tap')
    throw refuse(kinds[request.kind], 'only root may; you may attach a tap (heddle attach tap)');
  const { owner = caller.uid, ifname, standby } = request;
  if (owner !== caller.uid) throw refuse(`a tap of user ${owner}`, 'leave --owner out, and it is yours');
  // Who stands by is heard as the port, and so takes it from where it is.
  if (standby) throw refuse('a tap that stands by for a port of another host', 'only root may');
  // Other names mean something to other programs: what is called eth1 they would configure.
  if (ifname !== undefined && !ifname.startsWith('tap'))
    throw refuse(`a tap named ${ifname}`, 'take a name that begins with "tap", or none');
  return { request: { ...request, owner }, mostTaps: memberLimits.taps };
}

/** @throws FORBIDDEN if it is not the caller's to detach */
export function requireOwn(caller: Caller, attachment: Attachment): void {
  if (!isOwn(caller, attachment))
    throw forbidden(caller, 'detach', `port ${attachment.name}`, 'only whose tap it is may, and root');
}

/** As the caller may see it: what the controller is told of a port (user data and keys, labels) only of its own. */
export function shownTo(caller: Caller, attachment: Attachment): Attachment {
  if (isOwn(caller, attachment)) return attachment;
  const { local: _, ...rest } = attachment;
  return rest as Attachment;
}

const isOwn = (caller: Caller, a: Attachment): boolean => isRoot(caller) || (a.kind === 'tap' && a.uid === caller.uid);
