/** What both halves of the plug-in work with. */
import type { Logger } from 'pino';
import type { Workloads } from '../agent/workloads.ts';
import type { Prefix } from '../model/address.ts';
import type { KnownNetworks } from './known-networks.ts';
import type { Locks } from './locks.ts';
import type { MadeNetworks } from './made-networks.ts';
import type { DockerState } from './state.ts';
import type { Touches } from './touches.ts';

export interface Context {
  readonly state: DockerState;
  readonly workloads: Workloads;
  readonly known: KnownNetworks;
  readonly made: MadeNetworks;
  /** Taken in the order pool, network, endpoint. */
  readonly locks: Locks;
  readonly touches: Touches;
  /** Those that this engine may use; the first is the default. */
  readonly tenants: readonly string[];
  /** What prefixes are taken from that nobody chose. */
  readonly prefixes: Prefix;
  readonly log: Logger;
}

/** The address space of our IPAM driver: by it the network driver tells its pools from others'. */
export const addressSpace = 'heddle';

/** The names of locks and of what calls touch. */
export const names = {
  pool: (id: string): string => `pool ${id}`,
  network: (id: string): string => `network ${id}`,
  endpoint: (id: string): string => `endpoint ${id}`,
  address: (pool: string, ip: string): string => `address ${pool} ${ip}`,
} as const;
