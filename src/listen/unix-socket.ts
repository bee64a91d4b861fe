/** Unix sockets to serve on. */
import { once } from 'node:events';
import { lstatSync, mkdirSync, rmSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { dirname } from 'node:path';
import { HeddleError } from '../model/errors.ts';

/** Connections that wait to be taken: all agents, or a thousand containers, may come at once. The kernel's somaxconn bounds it. */
export const BACKLOG = 4096;

/**
 * Listens on a socket that only root can open; its folder is made, and a socket that a killed process has left is replaced.
 * @throws USAGE if somebody listens there, if something else is in the way, or it cannot be made
 */
export async function listenUnix(server: Server, path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
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
