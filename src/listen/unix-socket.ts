/** Unix sockets to serve on. */
import { once } from 'node:events';
import { chmodSync, chownSync, lchownSync, lstatSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { dirname } from 'node:path';
import { HeddleError } from '../model/errors.ts';

/** Connections that wait to be taken: all agents, or a thousand containers, may come at once. The kernel's somaxconn bounds it. */
export const BACKLOG = 4096;

/** Who may open a socket besides root. */
export interface UnixSocketOptions {
  /** Members of the group of this number; default: nobody. */
  readonly group?: number | undefined;
}

/**
 * Makes the folder of a socket, if it is not there: others may pass it, on their way to a socket that is for them too, and see
 * nothing of what is in it.
 */
export function ensureSocketFolder(path: string): void {
  // The process's mask would take that away, as it shall of all else.
  if (mkdirSync(dirname(path), { recursive: true, mode: 0o711 }) !== undefined) chmodSync(dirname(path), 0o711);
}

/**
 * Listens on a socket that only root can open, or members of one group too; its folder is made, and a socket that a killed
 * process has left is replaced.
 * @throws USAGE if somebody listens there, if something else is in the way, or it cannot be made
 */
export async function listenUnix(server: Server, path: string, { group }: UnixSocketOptions = {}): Promise<void> {
  ensureSocketFolder(path);
  const problem = await inTheWay(path);
  if (problem !== undefined) throw new HeddleError('USAGE', { problem });
  rmSync(path, { force: true });
  const listening = once(server, 'listening');
  // Binding is synchronous, so no other file gets this mask.
  const mask = process.umask(0o177);
  server.listen({ path, backlog: BACKLOG });
  process.umask(mask);
  await listening.catch((cause: Error) => {
    throw new HeddleError('USAGE', { problem: `cannot listen: ${cause.message}` }, cause);
  });
  if (group === undefined) return;
  try {
    letThrough(dirname(path), group);
    lchownSync(path, -1, group);
    chmodSync(path, 0o660);
  } catch (e) {
    server.close();
    throw e;
  }
}

/**
 * Lets members of a group pass a folder, if they cannot; they get no other right there, which could be to replace what is in it.
 * Folders above it are somebody else's. @throws USAGE if it is another group's
 */
function letThrough(folder: string, group: number): void {
  const { mode, gid } = statSync(folder);
  if ((mode & (gid === group ? 0o010 : 0o001)) !== 0) return;
  if (gid !== group && gid !== 0 && (mode & 0o070) !== 0)
    throw new HeddleError('USAGE', {
      problem: `members of group ${group} cannot get to a socket in ${folder}, which is group ${gid}'s: choose a folder of its own`,
    });
  chownSync(folder, -1, group);
  chmodSync(folder, (mode & 0o7707) | 0o010);
}

/** Why nobody else may listen on a path, in words; undefined if nothing is there, or a socket that nobody answers on. */
export async function inTheWay(path: string): Promise<string | undefined> {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (!there) return undefined;
  if (!there.isSocket()) return `${path} is in the way: it is no socket`;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const probe = connect(path);
  // Any other refusal is one of a process that is there: its queue is full, say.
  const nobody = ({ code }: NodeJS.ErrnoException) => code === 'ECONNREFUSED' || code === 'ENOENT';
  probe.once('connect', () => resolve(true)).once('error', (e) => resolve(!nobody(e)));
  const answered = await promise;
  probe.destroy();
  return answered ? `another process listens on ${path}` : undefined;
}
