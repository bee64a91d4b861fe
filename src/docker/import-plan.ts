/** How an engine's own networks become Heddle networks: what there is, and the steps. Pure. */
import type { Network, Subnet } from '../model/kinds.ts';
import { asName } from './container-names.ts';
import type { EngineContainer, EngineNetwork } from './engine-api.ts';
import { ends, wholePrefix } from './prefixes.ts';

/** The label by which a second run, or another engine of the same Swarm, finds the network that a first one made. */
const originLabel = 'docker.network';
/** Networks that Docker makes for itself; containers cannot be told from it by names there. */
const dockersOwn = ['bridge', 'docker_gwbridge', 'ingress', 'host', 'none'];
const drivers = ['bridge', 'overlay'];

/** A subnet of a Docker network. */
interface Range {
  readonly subnet: string;
  readonly gateway?: string;
  /** The part of it that containers get by themselves. */
  readonly pool?: { readonly first: string; readonly last: string };
  /** Addresses of it that no container gets. */
  readonly reserved: Readonly<Record<string, string>>;
}

/** A container's place on a network, as it is to be kept. */
export interface Place {
  readonly container: string;
  readonly addresses: readonly string[];
  readonly aliases: readonly string[];
  /** The service whose task it is: Swarm moves it, not we. */
  readonly service?: string;
}

/** A network that can be moved. */
export interface Movable {
  readonly id: string;
  readonly name: string;
  readonly driver: string;
  readonly internal: boolean;
  readonly mtuBytes?: number;
  readonly ranges: readonly Range[];
  readonly places: readonly Place[];
  /** What does not come along. */
  readonly losses: readonly string[];
}

/** One step of a move. */
export type Step =
  | {
      readonly do: 'make-network';
      readonly name: string;
      readonly mtuBytes?: number;
      readonly sourceNat: boolean;
      readonly labels: Readonly<Record<string, string>>;
    }
  | { readonly do: 'make-subnet'; readonly name: string; readonly network: string; readonly range: Range }
  | { readonly do: 'join'; readonly name: string; readonly network: string; readonly from: Movable }
  | { readonly do: 'move'; readonly place: Place; readonly from: string; readonly to: string };

/** The bridge and overlay networks that users made, and who is on them. */
export function movable(networks: readonly EngineNetwork[], containers: readonly EngineContainer[]): Movable[] {
  return networks
    .filter((n) => drivers.includes(n.Driver) && !dockersOwn.includes(n.Name) && !n.Ingress && !n.ConfigOnly)
    .map((n) => {
      const mtu = Number(n.Options?.['com.docker.network.driver.mtu']?.split(',')[0]);
      return {
        id: n.Id,
        name: n.Name,
        driver: n.Driver,
        internal: n.Internal,
        ...(mtu > 0 && { mtuBytes: mtu }),
        ranges: (n.IPAM.Config ?? []).flatMap(rangeOf),
        places: containers.flatMap((c) => placeOf(c, n)),
        losses: lossesOf(n),
      };
    });
}

function rangeOf(config: NonNullable<EngineNetwork['IPAM']['Config']>[number]): Range[] {
  if (!config.Subnet) return [];
  return [
    {
      subnet: config.Subnet,
      // An older engine writes it with the prefix's length.
      ...(config.Gateway && { gateway: config.Gateway.replace(/\/.*$/, '') }),
      ...(config.IPRange && { pool: ends(wholePrefix(config.IPRange, config.IPRange.includes(':')).cidr) }),
      reserved: config.AuxiliaryAddresses ?? {},
    },
  ];
}

function placeOf(container: EngineContainer, network: EngineNetwork): Place[] {
  const name = container.Name.replace(/^\//, '');
  const service = container.Config.Labels?.['com.docker.swarm.service.name'];
  return Object.entries(container.NetworkSettings.Networks ?? {})
    .filter(([called, e]) => e.NetworkID === network.Id || (e.NetworkID === '' && called === network.Name))
    .map(([, e]) => ({
      container: name,
      addresses: [
        e.IPAddress || e.IPAMConfig?.IPv4Address || '',
        e.GlobalIPv6Address || e.IPAMConfig?.IPv6Address || '',
      ].filter((a) => a !== ''),
      // Docker adds the short id by itself.
      aliases: (e.Aliases ?? []).filter((a) => a !== container.Id.slice(0, 12) && a !== name),
      ...(service && { service }),
    }));
}

function lossesOf({ Options }: EngineNetwork): string[] {
  const options = Object.entries(Options ?? {});
  const encrypted = options.some(([key, value]) => key === 'encrypted' && value !== 'false');
  return encrypted ? ['it is encrypted between hosts, and a Heddle network is not yet'] : [];
}

/** What there is already where the networks go. */
export interface Present {
  /** The tenant's networks and subnets. */
  readonly networks: readonly Pick<Network, 'id' | 'name' | 'labels'>[];
  readonly subnets: readonly Pick<Subnet, 'network' | 'cidr'>[];
  /** Names of the engine's networks. */
  readonly docker: readonly string[];
  /** The engine's machine. */
  readonly engine: string;
}

/** The steps that move a network; those that were done before are left out. */
export function stepsOf(network: Movable, { networks, subnets, docker, engine }: Present): Step[] {
  const made = networks.find((n) => n.labels[originLabel] === network.id);
  const wanted = asName(network.name) ?? `docker-${network.id.slice(0, 12)}`;
  const taken = networks.some((n) => n.name === wanted);
  const name = made?.name ?? (taken ? `${wanted}-${engine}`.slice(0, 63) : wanted);
  const { mtuBytes } = network;
  const to = `${network.name}-heddle`;
  const steps: Step[] = [];
  if (!made) {
    const labels = { [originLabel]: network.id };
    steps.push({ do: 'make-network', name, sourceNat: !network.internal, labels, ...(mtuBytes && { mtuBytes }) });
  }
  for (const [i, range] of network.ranges.entries())
    if (!subnets.some((have) => have.network === made?.id && have.cidr === range.subnet))
      steps.push({ do: 'make-subnet', name: `${name}-${i + 1}`.slice(-63), network: name, range });
  if (!docker.includes(to)) steps.push({ do: 'join', name: to, network: name, from: network });
  for (const place of network.places) if (!place.service) steps.push({ do: 'move', place, from: network.name, to });
  return steps;
}
