import type { Netlink } from '../kernel/netlink.ts';
import type { Ip } from '../model/address.ts';
import { leaveForeignFirewall, passForeignFirewall } from './foreign-firewall.ts';
import { Forwarding } from './forwarding.ts';
import type { Guard } from './guard.ts';
import { hostRules, type Way } from './host-rules.ts';
import { nftLoad, nftShown, nftTable } from './nft.ts';
import { removeTable } from './ruleset.ts';
import { type ControlPlane, uplinks } from './uplinks.ts';

/** What the host's part is made of. */
export interface HostSideParts {
  readonly nl: Netlink;
  /** Where it is kept what was changed of the host's switches. */
  readonly file: string;
  /** UDP port of the underlay's VXLAN. */
  readonly vxlanPort: number;
  /** This host's address in the underlay. */
  readonly vtep: Ip;
  readonly controlPlane: ControlPlane | undefined;
  readonly guard: Guard;
}

/** The host's own part of all ways outside: one nftables table, its forwarding switches, and what another's firewall lets pass. */
export class HostSide {
  readonly #parts: HostSideParts;
  readonly #forwarding: Forwarding;
  /** The ruleset that holds. Undefined: none that can be trusted; what a restarted agent finds is written once more. */
  #loaded: string | undefined;
  /** It as nft shows it where it is whole; undefined: not asked for yet. */
  #shown: string | undefined;

  constructor(parts: HostSideParts) {
    this.#parts = parts;
    this.#forwarding = new Forwarding(parts.nl, parts.file);
  }

  /** Lets exactly these ways through. `suspicious`: others may have changed something. @throws NAT_UNAVAILABLE, KERNEL */
  async open(ways: readonly Way[], { ipv6, suspicious }: { ipv6: boolean; suspicious: boolean }): Promise<void> {
    const { nl, vtep, vxlanPort, controlPlane, guard } = this.#parts;
    if (suspicious && this.#loaded !== undefined && this.#loaded !== removeTable) {
      this.#shown ??= await nftShown(this.#loaded);
      if ((await nftTable(undefined)) !== this.#shown) this.#loaded = undefined;
    }
    this.#forwarding.open(ipv6);
    const { opened } = this.#forwarding;
    const besides = { vxlanPort, uplinks: uplinks(nl, vtep), controlPlane, guard: guard.rules };
    const rules = hostRules({ ways, opened, ...besides });
    const changed = this.#loaded !== rules;
    if (changed) {
      await nftLoad(undefined, rules);
      // What somebody changes from now on is heard of, and not taken for right.
      this.#loaded = rules;
      this.#shown = undefined;
    }
    if (changed || suspicious) await passForeignFirewall();
  }

  /** No way leads outside any more: the host is as it was. Repeatable. @throws NAT_UNAVAILABLE, KERNEL */
  async close(): Promise<void> {
    if (this.#loaded === removeTable) return;
    if ((await nftTable(undefined)) !== undefined) await nftLoad(undefined, removeTable);
    await leaveForeignFirewall();
    this.#forwarding.close();
    this.#loaded = removeTable;
    this.#shown = undefined;
  }
}
