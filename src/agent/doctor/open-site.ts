import { openClient } from '../../client/client.ts';
import { controllerSocket } from '../../client/transport.ts';
import type { Netlink } from '../../kernel/netlink.ts';
import { type Ip, parseIp } from '../../model/address.ts';
import { HeddleError } from '../../model/errors.ts';
import type { HostSetting } from '../../model/host-setting.ts';
import { credentialsOf, readIdentity } from '../identity.ts';
import { defaultVtep } from '../underlay.ts';
import type { Site } from './site.ts';

/** What was asked for; what is absent is as the agent has it, and without an agent as it would have it by default. */
export interface SiteOptions {
  readonly vtep?: string | undefined;
  readonly vxlanPort?: number | undefined;
  readonly controller?: string | undefined;
  readonly stateDir?: string | undefined;
  readonly bpfDir?: string | undefined;
  readonly resolvConf?: string | undefined;
}

/** How an agent runs if nobody says. */
const agentDefaults = {
  controller: `unix:${controllerSocket}`,
  stateDir: '/var/lib/heddle/agent',
  bpfDir: '/sys/fs/bpf/heddle',
  resolvConf: '/etc/resolv.conf',
  vxlanPort: 4_789,
} as const;

/** The host to look at. @throws ADDRESS_INVALID */
export function openSite(nl: Netlink, options: SiteOptions, agent: HostSetting | undefined): Site {
  const stateDir = options.stateDir ?? agent?.stateDir ?? agentDefaults.stateDir;
  const identity = readIdentity(stateDir);
  const controller = options.controller ?? agent?.controller ?? identity?.controller ?? agentDefaults.controller;
  const known = identity && credentialsOf(identity);
  const credentials = known && (() => known);
  return {
    nl,
    agent,
    controller,
    credentials,
    client: openClient(controller, credentials),
    vtep: options.vtep === undefined ? (agent?.vtep ?? vtepByRoute(nl)) : parseIp(options.vtep),
    vxlanPort: options.vxlanPort ?? agent?.vxlanPort ?? agentDefaults.vxlanPort,
    stateDir,
    bpfDir: options.bpfDir ?? agent?.bpfDir ?? agentDefaults.bpfDir,
    resolvConf: options.resolvConf ?? agent?.resolvConf ?? agentDefaults.resolvConf,
  };
}

function vtepByRoute(nl: Netlink): Ip | undefined {
  try {
    return defaultVtep(nl);
  } catch (e) {
    if (e instanceof HeddleError) return undefined; // no way to anywhere
    throw e;
  }
}
