import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { linkList } from '../../../kernel/link.ts';
import { makeCheck } from '../check.ts';
import { type Finding, ok, refuse, warn } from '../finding.ts';
import { boundTo } from '../udp-sockets.ts';

/** Who is on the UDP port of VXLAN. */
interface PortFacts {
  readonly port: number;
  /** Heddle's own device is up, and so has the port. */
  readonly held: boolean;
  /** Others' VXLAN devices of that port here. */
  readonly devices: readonly { readonly name: string; readonly up: boolean }[];
  /** What else has bound it: programs by name; "": no program, but the kernel for a device that is not here. */
  readonly others: readonly string[];
}

export function judgePort({ port, held, devices, others }: PortFacts): Finding[] {
  const elsewhere = `take another port on every host: heddle agent --vxlan-port ${port === 4_790 ? 4_791 : 4_790}`;
  const found = devices.map(({ name, up }) => {
    if (held)
      return warn(
        `VXLAN device ${name}, which is not Heddle’s, is for UDP port ${port} as well: it ${up ? 'gets nothing of what comes' : 'cannot be brought up'}`,
        `remove it, or ${elsewhere}`,
      );
    return up
      ? refuse(`UDP port ${port} is taken by VXLAN device ${name}, which is not Heddle’s`, `remove it, or ${elsewhere}`)
      : warn(
          `VXLAN device ${name}, which is not Heddle’s, is for UDP port ${port} too: the first one that is up has it`,
          `remove it, or ${elsewhere}`,
        );
  });
  if (!held && !devices.some(({ up }) => up))
    found.push(
      ...others.map((program) =>
        program === ''
          ? refuse(
              `UDP port ${port} is taken by no program that can be seen from here: by a VXLAN device in another namespace, as Docker Swarm’s overlay networks have them`,
              `leave the swarm, or ${elsewhere}`,
            )
          : refuse(`UDP port ${port} is taken by ${program}`, `end it, or ${elsewhere}`),
      ),
    );
  return found.length > 0 ? found : [ok(`UDP port ${port} is ${held ? 'Heddle’s' : 'free'}`)];
}

/** The program that has the socket: its name, and its process; '' if none has. */
function ownerOf(inode: number): string {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name)))
    try {
      for (const fd of readdirSync(`/proc/${pid}/fd`))
        if (readlinkSync(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]`)
          return `${readFileSync(`/proc/${pid}/comm`, 'utf8').trim()} (process ${pid})`;
    } catch {
      // The process, or the file that it had open, has gone meanwhile, or is not ours to look at.
    }
  return '';
}

export const port = makeCheck({
  name: 'port',
  about: 'the UDP port of VXLAN: nobody else has it',
  atStart: true,
  gather: ({ nl, vxlanPort }): PortFacts => {
    const devices = linkList(nl).filter((l) => l.vxlan?.udpPort === vxlanPort);
    const held = devices.some((l) => l.alias === 'heddle:vxlan' && l.up);
    const inodes = held ? [] : boundTo(vxlanPort);
    return {
      port: vxlanPort,
      held,
      devices: devices.filter((l) => l.alias !== 'heddle:vxlan').map(({ name, up }) => ({ name, up })),
      others: [...new Set(inodes.map(ownerOf))],
    };
  },
  judge: judgePort,
});
