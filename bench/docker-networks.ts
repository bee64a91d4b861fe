/** Two engines that have the same two hosts, and on them the networks that are compared. */
import type { Engine } from '../src/lab/engine.ts';
import { labImage } from '../src/lab/image.ts';
import { until } from '../src/lab/processes.ts';
import { must } from '../src/lab/run.ts';
import { HeddleError } from '../src/model/errors.ts';
import { benchLab, network as heddleNetwork } from './paths/heddle.ts';
import type { Ends, Site } from './paths/path.ts';
import type { Prober } from './ping.ts';

/** What is compared: Heddle as network driver, and with `heddle.connect=direct`; a user-defined bridge of one host, a Swarm overlay. */
export const networkNames = ['heddle', 'direct', 'bridge', 'overlay'] as const;
export type NetworkName = (typeof networkNames)[number];
/** Those whose containers reach each other's across hosts. */
export type Spanning = Exclude<NetworkName, 'bridge'>;

/** The network that the container which is connected and disconnected is always on: none of those that are compared. */
const home = 'home';
export const subject = 'subject';
/** UDP port of the Swarm's VXLAN; the usual one is Heddle's here. */
const swarmPort = 7789;
const timeWait = 'net.netfilter.nf_conntrack_tcp_timeout_time_wait=1';

/** Both engines, with a running container of each on every network. */
export interface DockerStage {
  /** The engines of the two hosts; what is measured happens on the second. */
  readonly engines: readonly [Engine, Engine];
  /** Name of a network at the engines. */
  readonly called: (name: NetworkName) => string;
  /** The first host's container on a network that spans both hosts. */
  readonly probers: Readonly<Record<Spanning, Prober>>;
  /** The containers of both hosts on such a network, for traffic. */
  readonly ends: Readonly<Record<'heddle' | 'overlay', Omit<Ends, keyof AsyncDisposable>>>;
  /** An address of such a network that nobody has had. */
  readonly freshAddress: (name: Spanning, index: number) => string;
}

/** Sets all of it up; the stack removes it. @throws LAB_FAILED */
export async function dockerStage(stack: AsyncDisposableStack, site: Site): Promise<DockerStage> {
  const lab = await benchLab(stack, site, `${site.prefix}d`, { engines: true });
  const engines = [lab.engine('h1'), lab.engine('h2')] as const;
  const [first, second] = engines;
  site.progress('joining the engines to a Swarm and making the networks');
  const [manager = '', worker = ''] = lab.hosts.map((h) => h.vtep);
  await first.docker('swarm', 'init', '--advertise-addr', manager, '--data-path-port', String(swarmPort));
  const token = await first.docker('swarm', 'join-token', '--quiet', 'worker');
  await second.docker('swarm', 'join', '--advertise-addr', worker, '--token', token, `${manager}:2377`);
  await first.docker(...'network create --driver overlay --attachable --subnet 10.98.0.0/16 overlay'.split(' '));
  // Docker takes --ip only for a prefix that its user gave.
  const subnet = ['--subnet', '10.99.0.0/16'];
  const options = ['--ipam-driver', 'heddle', '--ipam-opt', `heddle.network=${heddleNetwork}`, ...subnet];
  for (const engine of engines) {
    await engine.docker('network', 'create', 'bridge0');
    await engine.docker('network', 'create', home);
    await engine.docker('network', 'create', '--driver', 'heddle', ...options, 'heddle');
    await engine.docker(
      'network',
      'create',
      '--driver',
      'heddle',
      ...options,
      '--opt',
      'heddle.connect=direct',
      'direct',
    );
  }
  const called = (name: NetworkName) => (name === 'bridge' ? 'bridge0' : name);
  await hold(second, subject, home);
  const held: Record<string, Prober> = {};
  // A worker hears of an attachable network only when it asks for it, and may ask before it is told.
  for (const name of networkNames)
    for (const [i, engine] of engines.entries())
      held[`${name}${i + 1}`] = await until(
        `a container of h${i + 1} on ${name}`,
        20_000,
        () => hold(engine, name, called(name)),
        site.signal,
      );
  const ends = (name: NetworkName) => ({
    client: held[`${name}1`]!.netns,
    server: held[`${name}2`]!.netns,
    address: held[`${name}2`]!.address,
  });
  return {
    engines,
    called,
    probers: { heddle: held.heddle1!, direct: held.direct1!, overlay: held.overlay1! },
    ends: { heddle: ends('heddle'), overlay: ends('overlay') },
    // The two of Heddle are one network.
    freshAddress: (name, index) =>
      `10.${name === 'overlay' ? 98 : 99}.${(name === 'direct' ? 150 : 200) + (Math.floor(index / 250) % 50)}.${1 + (index % 250)}`,
  };
}

/** Starts a container that does nothing on a network; its place there. */
async function hold(engine: Engine, name: string, network: string): Promise<Prober> {
  await engine.docker('run', '--detach', '--name', name, '--network', network, labImage, 'sleep', '1000000');
  const format = `{{.State.Pid}} {{(index .NetworkSettings.Networks "${network}").IPAddress}}`;
  const [pid, address = ''] = (await engine.docker('inspect', '--format', format, name)).split(' ');
  const netns = `/proc/${pid}/ns/net`;
  // Docker's resolver has connections tracked in here: what connect-request-close leaves would fill the table in ten rounds.
  await must(['nsenter', `--net=${netns}`, '--', 'sysctl', '--quiet', '--write', timeWait]);
  const shown = await must(['nsenter', `--net=${netns}`, '--', 'ip', '-json', '-4', 'address']);
  const links = JSON.parse(shown) as { ifname: string; addr_info: { local: string }[] }[];
  const link = links.find((l) => l.addr_info.some((a) => a.local === address));
  if (!link) throw new HeddleError('LAB_FAILED', { problem: `container ${name} does not have ${address}` });
  return { netns, address, ifname: link.ifname };
}
