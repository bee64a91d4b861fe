/**
 * Config-only networks on a Swarm's nodes. A driver of local scope is asked for addresses on each node, and learns from such
 * a network on that very node which Heddle network is meant; without it Docker silently takes prefixes of its own.
 */
import type { Logger } from 'pino';
import type { Client } from '../client/client.ts';
import type { Network, Subnet } from '../model/kinds.ts';
import type { Engine, EngineNetwork, EngineService } from './engine-api.ts';

/** The label of Heddle networks that a Swarm may use. */
const swarmLabel = 'docker.swarm';
/** The label by which we know our config-only networks: the Heddle network's id. */
const ownLabel = 'heddle.network';

/** The body of a request to make a network, as far as we use it. */
export interface ConfigNetwork {
  readonly Name: string;
  readonly ConfigOnly: true;
  readonly Internal: boolean;
  readonly EnableIPv6: boolean;
  readonly Labels: Readonly<Record<string, string>>;
  readonly IPAM: {
    readonly Driver: string;
    readonly Options: Readonly<Record<string, string>>;
    readonly Config: readonly { readonly Subnet: string; readonly Gateway?: string }[];
  };
}

/** The config-only network of a Heddle network: "acme.web". */
export function configOf(tenant: string, network: Network, subnets: readonly Subnet[], driver: string): ConfigNetwork {
  const own = subnets.filter((s) => s.network === network.id);
  return {
    Name: `${tenant}.${network.name}`,
    ConfigOnly: true,
    Internal: false,
    EnableIPv6: own.some((s) => s.cidr.includes(':')),
    Labels: { [ownLabel]: network.id },
    IPAM: {
      Driver: driver,
      Options: { 'heddle.tenant': tenant, 'heddle.network': network.id },
      Config: own.map((s) => ({ Subnet: s.cidr, ...(s.gateway && { Gateway: s.gateway }) })),
    },
  };
}

/** What is to be removed and made, so that an engine has exactly these. Only networks that have our label are removed. Pure. */
export function planConfigs(
  want: readonly ConfigNetwork[],
  have: readonly EngineNetwork[],
): { readonly remove: readonly EngineNetwork[]; readonly make: readonly ConfigNetwork[] } {
  const ours = have.filter((n) => n.ConfigOnly && n.Labels?.[ownLabel] !== undefined);
  const asWanted = (n: EngineNetwork) => want.some((w) => keyOf(w) === keyOf(n));
  return {
    remove: ours.filter((n) => !asWanted(n)),
    make: want.filter((w) => !ours.some((n) => keyOf(n) === keyOf(w))),
  };
}

/** All that may differ. */
const keyOf = ({ Name, Labels, IPAM }: ConfigNetwork | EngineNetwork): string =>
  JSON.stringify([
    ...[Name, Labels?.[ownLabel], IPAM.Driver, IPAM.Options?.['heddle.tenant'], IPAM.Options?.['heddle.network']],
    (IPAM.Config ?? []).map((c) => `${c.Subnet} ${c.Gateway ?? ''}`).toSorted(),
  ]);

export interface SwarmConfigsOptions {
  readonly client: Pick<Client, 'list'>;
  /** Those that the engine's users may touch. */
  readonly tenants: readonly string[];
  readonly log: Logger;
}

/** Makes and removes an engine's config-only networks. */
export class SwarmConfigs {
  readonly #options: SwarmConfigsOptions;
  /** What was said, to say it once. */
  readonly #said = new Set<string>();

  constructor(options: SwarmConfigsOptions) {
    this.#options = options;
  }

  /** Brings an engine to what the controller says; nothing, if the engine is in no Swarm or has no managed plug-in of ours. */
  async look(engine: Engine, have: readonly EngineNetwork[]): Promise<void> {
    const driver = await engine.swarmDriver();
    if (driver === undefined) return;
    const want: ConfigNetwork[] = [];
    for (const tenant of this.#options.tenants) want.push(...(await this.#wanted(tenant, driver)));
    const { remove, make } = planConfigs(want, have);
    for (const { Id, Name } of remove) await this.#attempt(`remove ${Name}`, () => engine.remove(`/networks/${Id}`));
    for (const body of make) await this.#attempt(`make ${body.Name}`, () => engine.post('/networks/create', body));
    for (const { ID, Spec } of withVip(await engine.services(), have, driver))
      this.#once(`service ${ID}`, (log) =>
        log.warn(
          { service: Spec.Name },
          'the service asks for a virtual address, and a Heddle network has none for it: its name leads to its tasks, as with --endpoint-mode dnsrr',
        ),
      );
  }

  async #wanted(tenant: string, driver: string): Promise<ConfigNetwork[]> {
    const { client } = this.#options;
    const networks = await client.list('network', { tenant, label: `${swarmLabel}=true` });
    if (networks.length === 0) return [];
    const subnets = await client.list('subnet', { tenant });
    return networks.map((network) => configOf(tenant, network, subnets, driver));
  }

  /** One that is in use cannot be removed, and its new form not be made: that is no reason to leave out the others. */
  async #attempt(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.#said.delete(what);
    } catch (err) {
      this.#once(what, (log) => log.warn({ err }, `could not ${what}, for the Swarm; tried again`));
    }
  }

  #once(what: string, say: (log: Logger) => void): void {
    if (!this.#said.has(what)) say(this.#options.log);
    this.#said.add(what);
  }
}

/** Services that ask for a VIP on a network of ours. Docker does not give them one there, and does not say so. */
function withVip(services: readonly EngineService[], have: readonly EngineNetwork[], driver: string): EngineService[] {
  const ours = new Set(have.filter((n) => n.Driver === driver).flatMap((n) => [n.Id, n.Name]));
  return services.filter(
    ({ Spec }) =>
      Spec.EndpointSpec?.Mode !== 'dnsrr' && (Spec.TaskTemplate.Networks ?? []).some((n) => ours.has(n.Target)),
  );
}
