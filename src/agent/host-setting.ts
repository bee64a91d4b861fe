import type { Ip } from '../model/address.ts';
import type { HostSetting } from '../model/host-setting.ts';
import type { HostItem, ItemKey, NetworkItem } from '../model/host-state.ts';

/** Other hosts, by their VTEPs: heeds items of the host's state. */
export class OtherHosts {
  readonly #vteps = new Map<ItemKey, Ip>();

  /** An item may have changed, or is gone. */
  heed(key: ItemKey, item: HostItem | undefined): void {
    const vtep = item?.kind === 'server' ? item.addresses[0] : undefined;
    if (vtep !== undefined) this.#vteps.set(key, vtep);
    else this.#vteps.delete(key);
  }

  /** Whether another host has the address as its VTEP. */
  has(ip: Ip): boolean {
    for (const vtep of this.#vteps.values()) if (vtep === ip) return true;
    return false;
  }

  get vteps(): readonly Ip[] {
    return [...this.#vteps.values()];
  }
}

/** Of each network of which the host is a member, what the setting tells. */
export const settingNetworks = (networks: Iterable<NetworkItem>): HostSetting['networks'] =>
  [...networks]
    .filter(({ member }) => member)
    .map(({ tenant, name, subnets, sourceNat }) => ({
      name: `${tenant}/${name}`,
      prefixes: subnets.map(({ cidr }) => cidr),
      sourceNat,
    }));
