/** Requests of commands to this host's agent. */
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { openLocal } from '../client/local.ts';
import { HeddleError, hasCode } from '../model/errors.ts';
import { groupName } from './accounts.ts';
import { defaults, type Typed } from './command.ts';

/** A request to this host's agent. @throws AGENT_UNREACHABLE, FORBIDDEN if its socket is not for this user, and what the agent refuses */
export async function agentRequest<T>(
  typed: Pick<Typed, 'agent'>,
  method: string,
  path: string,
  options: object = {},
): Promise<T> {
  const socket = typed.agent ?? defaults.agent;
  try {
    return (await openLocal(socket).request(method, path, options)) as T;
  } catch (e) {
    if (hasCode(e, 'AGENT_UNREACHABLE') && isDenied(e.cause)) throw denied(socket, e);
    throw e;
  }
}

const isDenied = (cause: unknown): boolean => (cause as NodeJS.ErrnoException | undefined)?.code === 'EACCES';

/** Says who may, as far as this user may know. */
function denied(socket: string, cause: unknown): HeddleError<'FORBIDDEN'> {
  const group = groupOf(socket);
  const instead =
    group === undefined
      ? 'be root; or have root start the agent with --socket-group, for members of that group'
      : `be root, or a member of group ${group} (usermod --append --groups ${group} <user>, then log in anew)`;
  return new HeddleError(
    'FORBIDDEN',
    { who: 'this user', verb: 'open', what: `the agent's socket ${socket}`, instead },
    cause,
  );
}

/** The group that the socket lets in, or else its folder, where this user does not see further. */
function groupOf(socket: string): string | undefined {
  for (const [path, right] of [
    [socket, 0o020],
    [dirname(socket), 0o010],
  ] as const) {
    try {
      const { mode, gid } = statSync(path);
      return gid !== 0 && (mode & right) !== 0 ? groupName(gid) : undefined;
    } catch (e) {
      if (!isDenied(e)) return undefined;
    }
  }
  return undefined;
}
