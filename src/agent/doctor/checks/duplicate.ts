import { setTimeout as delay } from 'node:timers/promises';
import { addressList } from '../../../kernel/address.ts';
import { recv } from '../../../kernel/libc.ts';
import { linkList } from '../../../kernel/link.ts';
import type { Netlink } from '../../../kernel/netlink.ts';
import { openPacketSocket, sendBy } from '../../../kernel/packet-socket.ts';
import { watchSocket } from '../../../kernel/socket-watch.ts';
import { type Ip, ipBytes, ipFamily, macText } from '../../../model/address.ts';
import { HeddleError } from '../../../model/errors.ts';
import { whoHasFrame } from '../../segment/probe.ts';
import { makeCheck } from '../check.ts';
import { type Finding, fail, ok, unknown } from '../finding.ts';

const deadlineMs = 3_000;
/** Asked so often, with so long between and after (RFC 5227 §1.1 asks thrice, within some seconds). */
const questions = { count: 3, everyMs: 150 } as const;
const ARP = 0x0806;
const ARP_FRAME_BYTES = 42;

/** Who else has this host's underlay address. */
interface DuplicateFacts {
  readonly vtep: Ip;
  /** Other hosts that have it at the controller. */
  readonly hosts: readonly string[];
  /** MACs that answer for it on the wire. */
  readonly macs: readonly string[];
  /** The kernel has found that another machine has it (IPv6 alone). */
  readonly refused: boolean;
}

export function judgeDuplicate(facts: DuplicateFacts | undefined): Finding[] {
  if (!facts) return [unknown('there is no VTEP address to ask for')];
  const { vtep, hosts, macs, refused } = facts;
  const advice = 'give each host an address of its own, and set it with heddle agent --vtep';
  const found = [
    ...hosts.map((host) => fail(`the controller has ${vtep} as the VTEP of host ${host}`, advice)),
    ...macs.map((mac) => fail(`another machine, with MAC ${mac}, says that it has ${vtep}`, advice)),
    ...(refused ? [fail(`another machine has ${vtep}, and the kernel does not use it`, advice)] : []),
  ];
  return found.length > 0 ? found : [ok(`nobody else has ${vtep}`)];
}

/** MACs of others that say they have an IPv4 address of a device of ours. */
async function othersWith(nl: Netlink, ip: Ip, ifindex: number, signal: AbortSignal): Promise<string[]> {
  const link = linkList(nl).find((l) => l.ifindex === ifindex);
  if (!link?.mac) return [];
  const wanted = new DataView(ipBytes(ip).buffer).getUint32(0);
  const fd = openPacketSocket({
    ifindex,
    ethertype: ARP,
    any: [[{ at: 28, size: 4, is: [wanted] }]],
    bufferBytes: 16_384,
  });
  const macs = new Set<string>();
  const frame = new Uint8Array(ARP_FRAME_BYTES);
  using _answers = watchSocket(fd, (_, isOpen) => {
    while (isOpen() && recv(fd, frame, 0) >= ARP_FRAME_BYTES) macs.add(macText(frame.subarray(22, 28)));
  });
  for (let n = 0; n < questions.count; n++) {
    sendBy(fd, ifindex, whoHasFrame({ mac: link.mac }, ip));
    await delay(questions.everyMs, undefined, { signal });
  }
  macs.delete(link.mac);
  return [...macs].sort();
}

export const duplicate = makeCheck({
  name: 'duplicate',
  about: 'no other host and no other machine has this host’s underlay address',
  gather: async ({ nl, vtep, client, agent }, signal): Promise<DuplicateFacts | undefined> => {
    const address = addressList(nl).find((a) => a.ip === vtep);
    if (vtep === undefined || !address) return undefined;
    const macs = ipFamily(vtep) === 4 ? await othersWith(nl, vtep, address.ifindex, signal) : [];
    const hosts = await client.list('host', { deadlineMs, signal }).catch((e: unknown) => {
      if (e instanceof HeddleError) return []; // that it does not answer is another check's
      throw e;
    });
    const others = hosts.filter((h) => h.vtep === vtep && agent !== undefined && h.name !== agent.name);
    return { vtep, hosts: others.map(({ name }) => name), macs, refused: address.tentative };
  },
  judge: judgeDuplicate,
});
