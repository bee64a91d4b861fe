/** Networks that users name: asked of the controller, and without one known from what this host has in use. */
import type { Workloads } from '../agent/workloads.ts';
import type { Client } from '../client/client.ts';
import { parsePrefix } from '../model/address.ts';
import { HeddleError, hasCode } from '../model/errors.ts';
import type { NetworkId } from '../model/ids.ts';
import { isMade } from '../model/made-network.ts';
import type { NetworkChoice } from './options.ts';

export interface KnownSubnet {
  /** Only from the controller. */
  readonly id?: string;
  readonly name?: string;
  readonly cidr: string;
  readonly gateway?: string;
}
export interface KnownNetwork {
  readonly id: NetworkId;
  readonly tenant: string;
  readonly name: string;
  readonly made: boolean;
  readonly mtuBytes?: number;
  readonly subnets: readonly KnownSubnet[];
}

export class KnownNetworks {
  readonly #client: Pick<Client, 'get' | 'list'>;
  readonly #workloads: Pick<Workloads, 'used'>;
  /** Whether a network that this host uses was made for Docker. */
  readonly #isMade: (network: NetworkId) => boolean;

  constructor(parts: {
    client: Pick<Client, 'get' | 'list'>;
    workloads: Pick<Workloads, 'used'>;
    isMade: (network: NetworkId) => boolean;
  }) {
    this.#client = parts.client;
    this.#workloads = parts.workloads;
    this.#isMade = parts.isMade;
  }

  /** @throws NOT_FOUND, CONTROLLER_UNREACHABLE if this host does not know it */
  async find({ tenant, network }: { tenant: string; network: string }): Promise<KnownNetwork> {
    try {
      const found = await this.#client.get('network', network, { tenant });
      const subnets = await this.#client.list('subnet', { tenant, network: found.id });
      return {
        id: found.id as NetworkId,
        tenant,
        name: found.name,
        made: isMade(found),
        ...(found.mtuBytes === undefined ? {} : { mtuBytes: found.mtuBytes }),
        subnets: subnets.map(({ id, name, cidr, gateway }) => ({
          id,
          name,
          cidr,
          ...(gateway === undefined ? {} : { gateway }),
        })),
      };
    } catch (cause) {
      const local = [...this.#workloads.used.values()].find(
        (n) => n.tenant === tenant && (n.name === network || n.id === network),
      );
      if (!hasCode(cause, 'CONTROLLER_UNREACHABLE') || !local) throw cause;
      return { ...local, made: this.#isMade(local.id) };
    }
  }
}

/**
 * The subnet that a Docker network's pool is to be: the chosen one, that of the prefix, or the first of the family.
 * @throws USAGE saying what there is
 */
export function chooseSubnet(
  network: KnownNetwork,
  { subnet, cidr, v6 }: { subnet?: string | undefined; cidr?: string | undefined; v6: boolean },
): KnownSubnet {
  const family = v6 ? 6 : 4;
  const there = network.subnets.filter((s) => parsePrefix(s.cidr).family === family);
  const fits = there.filter(
    (s) => (cidr === undefined || s.cidr === cidr) && (subnet === undefined || [s.name, s.id, s.cidr].includes(subnet)),
  );
  if (fits[0]) return fits[0];
  const asked = cidr ?? subnet;
  const has = there.length === 0 ? `no IPv${family} subnet` : `only ${there.map((s) => s.cidr).join(', ')}`;
  const hint =
    there.length > 0
      ? 'leave --subnet out, or give that'
      : v6
        ? 'leave --ipv6 out, or add one'
        : 'Docker needs one: add it';
  throw new HeddleError('USAGE', {
    problem: `network ${network.name} of tenant ${network.tenant} has ${has}${asked === undefined ? '' : `, not ${asked}`}: ${hint}`,
  });
}

/** The command that joins a network, for people to copy. */
export function joinCommand({ tenant, tenantGiven, network }: NetworkChoice, v6: boolean): string {
  const options = [`heddle.network=${network}`, ...(tenantGiven ? [`heddle.tenant=${tenant}`] : [])];
  return `docker network create -d heddle --ipam-driver heddle ${options.map((o) => `--ipam-opt ${o} `).join('')}${v6 ? '--ipv6 ' : ''}NAME`;
}
