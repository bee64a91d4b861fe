/**
 * How many connections workloads may have at once through their gateway, in the kernel: the host tracks those of all its
 * networks in one table. A network has a share of it, and one port a part of the network's, so that it crowds out neither
 * others' networks nor its own. By MAC, which the datapath has proved, so that more addresses of a port are no more.
 */
import { chain } from './ruleset.ts';

/** What one port may take of its network's share. */
const portShare = 1 / 4;

/**
 * The kernel counts a list of connections by going through all of it, for each new one: in one list of 60,000 that takes a
 * CPU half a millisecond. So they are spread over short ones by their ports, but none so short that it is full long before
 * the others are. By which list is chosen only the kernel knows: who could choose would fill those of others.
 */
const listLength = 256;
const listsMax = { network: 256, port: 64 } as const;

interface Lists {
  /** Names one by the ports of a connection; each rule has a seed of its own, made by the kernel. */
  readonly hash: string;
  readonly over: string;
}
function listsOf(most: number, max: number): Lists {
  const count = Math.min(max, Math.max(1, Math.floor(most / listLength)));
  return { hash: `jhash @th,0,32 mod ${count}`, over: `ct count over ${Math.ceil(most / count)}` };
}

/** Sets and chain of the ruleset, for about so many connections of the network. */
export function connectionLimits(connectionsMax: number): readonly string[] {
  const network = listsOf(connectionsMax, listsMax.network);
  const port = listsOf(connectionsMax * portShare, listsMax.port);
  // A list without a connection goes within a second: there is room for as many senders as have any.
  const room = Math.max(1024, 2 * connectionsMax);
  return [
    `  set connections { type mark; size ${listsMax.network}; flags dynamic; }`,
    `  set port-connections { type ether_addr . mark; size ${room}; flags dynamic; }`,
    chain('bounded', undefined, [
      // A mark is no longer there when the packet has left the namespace.
      `meta mark set ${port.hash}`,
      `add @port-connections { ether saddr . meta mark ${port.over} } drop`,
      `add @connections { ${network.hash} ${network.over} } drop`,
    ]),
  ];
}

/** Ends a rule: a connection that begins, beyond what its sender or its network may have, is dropped. */
export const bounded = 'ct state new jump bounded';
