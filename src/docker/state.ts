/** What the plug-in must remember of Docker's calls, because Docker says each thing only once. */
import { join } from 'node:path';
import { Records } from '../agent/records.ts';
import type { NetworkId } from '../model/ids.ts';

/** A pool that Docker requested of our IPAM driver. Each request gets its own, also of the same prefix. */
export interface PoolState {
  /** The PoolID that Docker has. */
  readonly id: string;
  readonly tenant: string;
  /** The Heddle network that was asked for, or that was made for the pool alone; else the Docker network has it. */
  readonly network?: NetworkId;
  /** That network was made by a plug-in for Docker, or is being made for this pool. */
  readonly made: boolean;
  readonly cidr: string;
  /** --ip-range, for a network that is to be made. */
  readonly range?: string;
  readonly gateway?: string;
  /** --aux-address, of a network that is to be made. */
  readonly reserved: readonly string[];
  /** IPAM options as Docker gave them. */
  readonly options: Readonly<Record<string, string>>;
  /** The Docker network that has it, if its driver is ours. */
  readonly claimedBy?: string;
  /** When it was requested, ms since 1970. */
  readonly at: number;
}

/** An address that Docker took from a pool; what is taken and not on record is given back at the next start. */
export interface AddressState {
  /** Also names the owner for `Workloads`. */
  readonly id: string;
  readonly pool: string;
  readonly ip: string;
  readonly prefixLength: number;
  /** Docker chose it. */
  readonly explicit: boolean;
  /** Docker was told. */
  readonly answered: boolean;
  /** The endpoint that has it. */
  readonly endpoint?: string;
  /** An endpoint had it: what comes next is its release, or the restart of a container that has it for good. */
  readonly spent?: boolean;
  /** --aux-address: no container gets it. */
  readonly reserved?: boolean;
}

/** A Docker network whose driver is ours. */
export interface NetworkState {
  /** Docker's id of it. */
  readonly id: string;
  readonly tenant: string;
  /** None until one is made. */
  readonly network?: NetworkId;
  /** It was made by a plug-in for Docker, here or on another host: it goes with its last Docker network. */
  readonly made: boolean;
  /** Its workloads get no default route. */
  readonly internal: boolean;
  /** A running container's interface is made in the container. */
  readonly direct?: boolean;
  readonly pools: readonly string[];
  /** --aux-address of an IPAM driver that is not ours, claimed for it. */
  readonly aux: readonly string[];
  readonly subnets: readonly { readonly cidr: string; readonly gateway?: string }[];
  readonly state: 'making' | 'made' | 'removing';
}

/** One container's place on a network. */
export interface EndpointState {
  /** Docker's id of it; also names the owner for `Workloads`. */
  readonly id: string;
  /** Docker's network id. */
  readonly network: string;
  /** As Docker gave them, canonical. */
  readonly addresses: readonly string[];
  /** If Docker gave one. */
  readonly mac?: string;
  readonly state: 'made' | 'removing';
  /** The namespace that it was last joined to. */
  readonly sandbox?: string;
  /** Its interface was made there, and the engine knows of none. */
  readonly direct?: boolean;
}

/** A network that was made for Docker, and is to be deleted at the controller. */
export interface RemovalState {
  /** Docker's id of the network, or ours of the pool, that ended. */
  readonly id: string;
  readonly tenant: string;
  /** The Heddle network; none if it is not known whether one was made: then it is looked for. */
  readonly network?: NetworkId;
}

/** Records of one kind, by their ids. */
class Kept<R extends { readonly id: string }> extends Records<R> {
  readonly #sync: boolean;

  /** @param sync they must outlive the machine's fall, because Docker's do */
  constructor(directory: string, { sync }: { sync: boolean }) {
    super(directory, (r) => r.id);
    this.#sync = sync;
  }

  all = (): readonly R[] => [...this.values()];
  /** Writes it, and gives it back. */
  override put(record: R): R {
    super.put(record, { sync: this.#sync });
    return record;
  }
}

/** All records, under the agent's state directory. */
export class DockerState {
  readonly pools: Kept<PoolState>;
  readonly addresses: Kept<AddressState>;
  readonly networks: Kept<NetworkState>;
  readonly endpoints: Kept<EndpointState>;
  readonly removals: Kept<RemovalState>;

  constructor(stateDir: string) {
    const open = (kind: string) => join(stateDir, 'docker', kind);
    const lasting = { sync: true };
    // Containers do not outlive the machine's fall: neither need what they had.
    const running = { sync: false };
    this.pools = new Kept(open('pools'), lasting);
    this.addresses = new Kept(open('addresses'), running);
    this.networks = new Kept(open('networks'), lasting);
    this.endpoints = new Kept(open('endpoints'), running);
    this.removals = new Kept(open('removals'), lasting);
  }

  /** The Heddle network of a pool, if it has one by now. */
  networkOf(pool: PoolState): NetworkId | undefined {
    return pool.network ?? this.networks.get(pool.claimedBy ?? '')?.network;
  }
  /** The record of an address in a pool. */
  addressIn(pool: string, ip: string): AddressState | undefined {
    return this.addresses.all().find((a) => a.pool === pool && a.ip === ip);
  }
}

/** The names under which `Workloads` knows what is Docker's. */
export const owners = {
  endpoint: (id: string): string => `docker:endpoint:${id}`,
  address: (id: string): string => `docker:address:${id}`,
  network: (id: string): string => `docker:network:${id}`,
  pool: (id: string): string => `docker:pool:${id}`,
  /** --aux-address of a network or pool. */
  aux: (id: string, ip: string): string => `docker:aux:${id}:${ip}`,
} as const;
