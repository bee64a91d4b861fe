/**
 * What workload integrations (Docker; later CNI and libvirt) ask of the agent, in its process. Everything is on record
 * before it resolves, repeatable, and answered from this host's state where the host has a lease: the controller learns
 * of it later.
 */
import type { Ip, Mac } from '../model/address.ts';
import type { NetworkItem } from '../model/host-state.ts';
import type { NetworkId, PortId } from '../model/ids.ts';
import type { Publish } from '../model/kinds.ts';

/** A network by the names that people use. */
export interface NetworkRef {
  readonly tenant: string;
  readonly network: string;
}

/**
 * An address to take: any of a family, or this one. `lasting`: it stays taken when the machine falls; else it is a workload's, which
 * falls with it.
 */
export type WantedAddress = { readonly family: 4 | 6 } | { readonly address: Ip; readonly lasting?: true };

/** An address taken for a workload that is about to come. */
export interface TakenAddress {
  readonly ip: Ip;
  /** The MAC that a port of this address alone has. */
  readonly mac: Mac;
  readonly prefixLength: number;
}

/** A port to make on this host. */
export interface WorkloadSpec {
  /** The caller's own id of it, unique on this host: repeating a call with it finds the same port. */
  readonly owner: string;
  readonly network: NetworkId;
  /** Addresses taken before; others are claimed at the controller. */
  readonly addresses: readonly Ip[];
  /** Default: its addresses'. Another one is claimed at the controller. */
  readonly mac?: Mac;
  readonly name: string;
  readonly dnsNames?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  /** Its pair is not begun before {@link Workloads.plug}, which says where its end is to be. */
  readonly placedLater?: boolean;
}

/** A port on this host as an integration sees it. */
export interface WorkloadPort {
  readonly port: PortId;
  readonly owner: string;
  readonly network: NetworkId;
  readonly name: string;
  readonly mac: Mac;
  readonly addresses: readonly Ip[];
  readonly dnsNames: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly publish: readonly Publish[];
}

/** Both ends of a pair whose workload end the caller moves into the workload and configures itself, unless it was made there. */
export interface PluggedPair {
  /** The host-side device. */
  readonly device: string;
  /** The workload's end; in the agent's own network namespace until it is moved, if it is not `inside`. */
  readonly peer: string;
  /** The workload's end was made in the workload, and is set up but for its routes. */
  readonly inside?: true;
  /** MTU of the workload's end, bytes. */
  readonly mtuBytes: number;
}

export interface Workloads {
  /**
   * Holds a network for a user ("docker:<network id>"): lease and host state are at hand as long as it has users.
   * Resolves when this host's state has the network, at once if it had it before.
   * @throws NOT_FOUND, CONTROLLER_UNREACHABLE if the host does not know the network yet
   */
  use(user: string, ref: NetworkRef): Promise<NetworkItem>;
  /** Ends it; resolves when it is on disk. The lease goes back when the controller answers. */
  unuse(user: string): Promise<void>;
  /** The networks that are held, by user; a network whose item has not come (again) yet is left out. */
  readonly used: ReadonlyMap<string, NetworkItem>;

  /**
   * Takes an address of a network from the lease, or the given one. One that the lease does not have is claimed at the
   * controller. The same owner gets the same address again.
   * @throws ADDRESS_POOL_EXHAUSTED, ADDRESS_TAKEN, ADDRESS_OUTSIDE, ADDRESS_RESERVED, CONTROLLER_UNREACHABLE, NOT_FOUND
   */
  takeAddress(owner: string, network: NetworkId, want: WantedAddress): Promise<TakenAddress>;
  /** Gives back what an owner took. An address that a port of this host has by now goes with the port. */
  giveBackAddress(owner: string): Promise<void>;
  /** The owners of all addresses that are taken so. */
  takers(): readonly string[];

  /**
   * Makes a port. The controller is told and the pair begun meanwhile, for `plug` to wait for; of a MAC that no lease holds
   * the controller is asked first. @throws what `takeAddress` does, MAC_TAKEN, CONTROLLER_UNREACHABLE
   */
  addPort(spec: WorkloadSpec): Promise<WorkloadPort>;
  /** The port of an owner. */
  portOf(owner: string): WorkloadPort | undefined;
  /** All ports that integrations have made on this host. */
  ports(): readonly WorkloadPort[];
  /**
   * Makes the port's pair; resolves when its rows are in the kernel, and the controller has taken the port or does not answer
   * soon. `running`: the path of the workload's network namespace, if it runs already: its end is made there, unless there is no
   * such namespace, it has another way to the port's subnets, or a pair is begun. @throws NOT_FOUND, WAIT_TIMEOUT, what keeps it
   * from being up, what the controller refuses the port with
   */
  plug(owner: string, running?: string): Promise<PluggedPair>;
  /** Removes the pair, wherever its other end is now. */
  unplug(owner: string): Promise<void>;
  /** Changes what may change; the controller learns of it when it answers. A name that is taken gets this host's name appended. @throws HOST_PORT_TAKEN */
  update(
    owner: string,
    change: Partial<Pick<WorkloadPort, 'name' | 'dnsNames' | 'labels' | 'publish'>>,
  ): Promise<WorkloadPort>;
  /** Removes port and pair. */
  removePort(owner: string): Promise<void>;
}
