/** What kind of step a system call of an agent is. */
import { closeSync, openSync, readlinkSync, readSync } from 'node:fs';
import type { Call } from './ptrace.ts';

/** Commands of bpf(2) that change something (linux/bpf.h). */
const commands: Record<number, string> = {
  ...{
    0: 'MAP_CREATE',
    2: 'MAP_UPDATE_ELEM',
    3: 'MAP_DELETE_ELEM',
    5: 'PROG_LOAD',
    6: 'OBJ_PIN',
    8: 'PROG_ATTACH',
    9: 'PROG_DETACH',
  },
};
/** Requests that change something (linux/rtnetlink.h). */
const requests: Record<number, string> = {
  ...{ 16: 'RTM_NEWLINK', 17: 'RTM_DELLINK', 19: 'RTM_SETLINK', 20: 'RTM_NEWADDR', 21: 'RTM_DELADDR' },
  ...{ 24: 'RTM_NEWROUTE', 25: 'RTM_DELROUTE', 28: 'RTM_NEWNEIGH', 29: 'RTM_DELNEIGH' },
  ...{ 36: 'RTM_NEWQDISC', 37: 'RTM_DELQDISC', 44: 'RTM_NEWTFILTER', 45: 'RTM_DELTFILTER' },
};
/** What is written, renamed or removed, by its path. */
const things: readonly (readonly [RegExp, string])[] = [
  [/\/state\/attachments\//, 'record'],
  [/\/state\/leases\//, 'lease'],
  [/\/state\//, 'state'],
  [/^\/proc\/sys\//, 'setting'],
  [/\/bpf\//, 'pin'],
  [/\/netns\//, 'netns'],
  [/\.sock$/, 'socket'],
];
/** What is told, by how it begins; the controller, by TLS: requests and the stream's frames look alike (RFC 8446 §5.1). */
const words: readonly (readonly [string, string])[] = [
  ['HTTP/1.1 2', 'answer'],
  ['\x17', 'told'],
  ['add table ', 'ruleset'],
];
/** What an agent that leaves writes to its log before each part of it; the thread that does it waits for that. */
const leavingStep = /"step":"([^"]*)".*"msg":"leaving"/;
const AF_UNIX = 1;

/** The step that a call of process `pid` is: "rename record", "RTM_NEWLINK", "RTM_NEWQDISC RTM_NEWTFILTER"; undefined if it changes nothing and tells nobody. */
export function kindOf(pid: number, { name, args }: Call): string | undefined {
  const [first, second, third] = args as [number, number, number];
  switch (name) {
    case 'bpf':
      return commands[first];
    case 'sendto':
      return changes(memory(pid, second, third)) || undefined;
    case 'bind':
      return memory(pid, second, 2).readUInt16LE() === AF_UNIX ? name : undefined;
    case 'listen':
      return name;
    case 'fsync':
    case 'write':
      return onFile(pid, name, first, (bytes) => memory(pid, second, Math.min(third, bytes)));
    case 'writev':
      return onFile(pid, 'write', first, () => memory(pid, Number(memory(pid, second, 8).readBigUInt64LE()), 1));
    case 'renameat':
      return `rename ${thing(text(pid, second)) ?? 'other'}`;
    case 'rename':
      return `rename ${thing(text(pid, first)) ?? 'other'}`;
    case 'unlinkat':
      return `remove ${thing(pathAt(pid, first, text(pid, second))) ?? 'other'}`;
    default:
      return `remove ${thing(text(pid, first)) ?? 'other'}`;
  }
}

/** What the rtnetlink requests of one call change, in order. */
function changes(sent: Buffer): string {
  const found: string[] = [];
  for (let at = 0; at + 16 <= sent.length; at += Math.ceil(Math.max(sent.readUInt32LE(at), 16) / 4) * 4)
    found.push(requests[sent.readUInt16LE(at + 4)] ?? '');
  return found.filter(Boolean).join(' ');
}

function onFile(pid: number, call: string, fd: number, begin: (bytes: number) => Buffer): string | undefined {
  const path = readlinkSync(`/proc/${pid}/fd/${fd}`);
  if (path.endsWith('.log')) {
    const step = leavingStep.exec(begin(4096).toString())?.[1];
    return step && `leaving: ${step}`;
  }
  if (!path.startsWith('socket:')) return thing(path) && `${call} ${thing(path)}`;
  const said = begin(16).toString('latin1');
  return words.find(([begin]) => said.startsWith(begin))?.[1];
}
/** What a call names by a folder that is open and a name in it. */
const pathAt = (pid: number, folder: number, name: string): string =>
  name.startsWith('/') || folder > 0x7fff_ffff || folder < 0
    ? name
    : `${readlinkSync(`/proc/${pid}/fd/${folder}`)}/${name}`;
const thing = (path: string): string | undefined => things.find(([pattern]) => pattern.test(path))?.[1];

/** So many bytes of a process's memory, or fewer where it ends. */
function memory(pid: number, address: number, bytes: number): Buffer {
  const fd = openSync(`/proc/${pid}/mem`, 'r');
  try {
    const into = Buffer.alloc(bytes);
    return into.subarray(0, readSync(fd, into, 0, bytes, address));
  } finally {
    closeSync(fd);
  }
}
/** A string that ends with a zero byte. */
function text(pid: number, address: number): string {
  const bytes = memory(pid, address, 256);
  return bytes.toString('latin1', 0, bytes.indexOf(0));
}
