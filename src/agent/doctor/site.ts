import type { Client } from '../../client/client.ts';
import type { CurrentCredentials } from '../../client/credentials.ts';
import type { Netlink } from '../../kernel/netlink.ts';
import type { Ip } from '../../model/address.ts';
import type { HostSetting } from '../../model/host-setting.ts';

/** The host that is looked at, and how its agent runs or would run. */
export interface Site {
  readonly nl: Netlink;
  /** Undefined: none is named, and there is no default route to take it from. */
  readonly vtep: Ip | undefined;
  readonly vxlanPort: number;
  /** Address of the controller. */
  readonly controller: string;
  /** What the host joined with; undefined: it has not. */
  readonly credentials: CurrentCredentials | undefined;
  readonly client: Client;
  readonly stateDir: string;
  readonly bpfDir: string;
  readonly resolvConf: string;
  /** What the agent says of itself; undefined: none answers. */
  readonly agent: HostSetting | undefined;
}
