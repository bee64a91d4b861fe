/** Users and groups of this machine, by name and number: by way of the C library, which knows those of directories too. */
import { spawnSync } from 'node:child_process';
import { HeddleError } from '../model/errors.ts';

const isNumber = (text: string): boolean => /^\d+$/.test(text);
const most = 0xffff_fffe;

/** A user's number. @throws USAGE */
export function userId(user: string, flag: string): number {
  if (isNumber(user)) return inRange(user, flag, 'user');
  const { status, stdout } = spawnSync('id', ['-u', '--', user], { encoding: 'utf8' });
  if (status !== 0) throw new HeddleError('USAGE', { problem: `${flag} ${user}: there is no such user` });
  return Number(stdout);
}

/** A group's number. @throws USAGE */
export function groupId(group: string, flag: string): number {
  if (isNumber(group)) return inRange(group, flag, 'group');
  const id = entryOf(group)?.id;
  if (id === undefined)
    throw new HeddleError('USAGE', {
      problem: `${flag} ${group}: there is no such group (groupadd --system ${group})`,
    });
  return id;
}

/** A group's name, or its number if it has none. */
export const groupName = (id: number): string => entryOf(`${id}`)?.name ?? `${id}`;

/** By name or number. */
function entryOf(group: string): { name: string; id: number } | undefined {
  const { status, stdout } = spawnSync('getent', ['group', '--', group], { encoding: 'utf8' });
  const [name, , id] = stdout?.split(':') ?? [];
  return status === 0 && name && id ? { name, id: Number(id) } : undefined;
}

function inRange(text: string, flag: string, what: string): number {
  if (Number(text) <= most) return Number(text);
  throw new HeddleError('USAGE', { problem: `${flag} ${text}: ${what} numbers end at ${most}` });
}
