/** What the plug-in has recorded of its engine's objects, as far as names and the sweep need it. */
import type { NetworkId } from '../model/ids.ts';

/**
 * Another one after each call of the engine on the object, and each time one looks while such a call is under way, so that a
 * sweep sees that it was worked on. A call on an endpoint works on its addresses too, one on a network on its pools.
 */
interface Touched {
  readonly touched: number;
}

/** An endpoint: one container's place on one network. */
export interface EndpointRecord extends Touched {
  /** Docker's endpoint id. */
  readonly id: string;
  /** Docker's network id. */
  readonly network: string;
  /** The port's owner, as `Workloads` knows it. */
  readonly owner: string;
}

/** A Docker network of ours. */
export interface NetworkRecord extends Touched {
  /** Docker's network id. */
  readonly id: string;
  readonly network: NetworkId;
  /** The tenant's name. */
  readonly tenant: string;
  /** Nobody named a Heddle network: it was made for this Docker network. */
  readonly made: boolean;
}

/** A pool that Docker asked of our IPAM. */
export interface PoolRecord extends Touched {
  readonly id: string;
  readonly cidr: string;
  /** The IPAM options that it was asked for with. */
  readonly options: Readonly<Record<string, string>>;
  /** All that were taken of it but gateways: an engine does not always tell of those. */
  readonly addresses: readonly (Touched & { readonly address: string })[];
}

/** The plug-in's records, and how to end one as the engine would have. */
export interface PluginRecords {
  endpoints(): readonly EndpointRecord[];
  networks(): readonly NetworkRecord[];
  pools(): readonly PoolRecord[];
  /** Each does nothing if it is gone by then. */
  forgetEndpoint(id: string): Promise<void>;
  forgetNetwork(id: string): Promise<void>;
  /** All references to the pool. */
  forgetPool(id: string): Promise<void>;
  forgetAddress(pool: string, address: string): Promise<void>;
}
