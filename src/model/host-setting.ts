import type { Ip } from './address.ts';

/** Answer of the agent's `GET /v1/setting`: how it runs, and whom it knows, for those who look at this host from outside it. */
export interface HostSetting {
  readonly name: string;
  readonly vtep: Ip;
  /** UDP port of VXLAN. */
  readonly vxlanPort: number;
  /** Address of the controller. */
  readonly controller: string;
  readonly stateDir: string;
  readonly bpfDir: string;
  readonly resolvConf: string;
  /** VTEPs of all other hosts that it was told of. */
  readonly vteps: readonly Ip[];
  /** Networks of which this host is a member. */
  readonly networks: readonly {
    /** "tenant/name". */
    readonly name: string;
    readonly prefixes: readonly string[];
    /** Its workloads get outside under this host's address. */
    readonly sourceNat: boolean;
  }[];
}
