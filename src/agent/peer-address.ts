import type { Socket } from 'node:net';

/**
 * The address of a connection's client; undefined for one that is gone, and for a link-local one: Node looks for the name of
 * its interface in the agent's namespace, where that is another one or none, and throws.
 */
export function peerAddress(socket: Socket): string | undefined {
  try {
    const address = socket.remoteAddress;
    return address?.includes('%') ? undefined : address;
  } catch {
    return undefined;
  }
}
