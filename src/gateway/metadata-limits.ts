/**
 * How fast one workload may ask its gateway for metadata, in the kernel, before connection tracking: all workloads of a network
 * share the server's sockets. By MAC, which the datapath has proved, so that more addresses of a port are no more.
 */
import { ipFamily } from '../model/address.ts';
import { metadataAddresses } from '../model/metadata.ts';
import { chain } from './ruleset.ts';

/** Of one port. A guest's first boot opens a hundred connections, of less than a kilobyte each way to the server. */
const most = { connections: '100/second burst 200 packets', bytes: '64 kbytes/second burst 256 kbytes' } as const;

const destinations = metadataAddresses.map((ip) => `${ipFamily(ip) === 4 ? 'ip' : 'ip6'} daddr ${ip}`);
const set = (name: string): string =>
  `  set ${name} { type ether_addr; size 65535; flags dynamic, timeout; timeout 10s; }`;

/** Sets and chain of the ruleset. */
export const metadataLimits: readonly string[] = [
  set('metadata-connections'),
  set('metadata-bytes'),
  chain('metadata', 'filter hook prerouting priority raw', [
    ...destinations.flatMap((to) => [
      `iifname "tenant" ${to} tcp flags & (syn | ack) == syn update @metadata-connections { ether saddr limit rate over ${most.connections} } drop`,
      `iifname "tenant" ${to} update @metadata-bytes { ether saddr limit rate over ${most.bytes} } drop`,
    ]),
    // Nobody could answer there: the server knows no interface of this namespace.
    'iifname "tenant" ip6 saddr fe80::/10 tcp dport 80 drop',
  ]),
];

/** What a gateway's input lets in for it. */
export const metadataInput: readonly string[] = destinations.map((to) => `iifname "tenant" ${to} tcp dport 80 accept`);
