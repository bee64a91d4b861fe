/** Where attacks happen: two hosts, the attackers on the first, and everybody whom they could harm. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ReasonName } from '../../src/datapath/reasons.ts';
import type { LabHost } from '../../src/lab/lab.ts';
import { netnsPath } from '../../src/lab/plan.ts';
import { must } from '../../src/lab/run.ts';
import { qemuArguments } from '../../src/vm/qemu-args.ts';
import { Town } from '../gateway/town.ts';
import { openPackets, type Packets } from '../traffic/packets.ts';
import type { Stage, Station } from '../traffic/stage.ts';
import { Guest } from '../vm/guest.ts';
import { writeGuestImage } from '../vm/image.ts';
import { attachTap, qemuArgs } from '../vm/taps.ts';
import { type Attacker, containerLeg, deviceOf, guestLeg, type Leg, namespaceLeg, trunkLeg } from './attacker.ts';
import { Container, joinNetworks } from './container.ts';

const cidrs = ['10.8.0.0/24', 'fd08::/64'];
const cidr4 = '10.9.0.0/24';
/** The gateway's addresses of network "web", of either tenant. */
export const gateway = { mac: '02:68:67:00:00:01', ip4: '10.8.0.1', ip6: 'fd08::1' } as const;
/** That of network "four". */
export const gateway4 = '10.9.0.1';
/** A guest's device whose tap is no port yet. */
export const late = { ifname: 'late0', mac: '02:00:00:00:08:99', ip4: '10.8.0.99' } as const;
/** The neighbours, and of the other tenant their twins. */
const people = [
  { host: 0, mac: '02:00:00:00:08:21', addresses: ['10.8.0.21', 'fd08::21'] },
  { host: 1, mac: '02:00:00:00:08:22', addresses: ['10.8.0.22', 'fd08::22'] },
];

/** A frame, and who was given it. */
export interface Seen {
  readonly by: Station | 'wire';
  readonly frame: Uint8Array;
}

export class Scene implements AsyncDisposable {
  readonly town: Town;
  /** Absent where no guest and no container attacks. */
  readonly guest?: Guest;
  /** The path of "frames" for containers. */
  readonly program?: string;
  readonly attackers: readonly Attacker[];
  /** On the attackers' network "web": on their host, and on the other. */
  readonly neighbours: readonly Station[];
  /** On their network "four", which has no IPv6. */
  readonly neighbours4: readonly Station[];
  /** Another tenant's, with the neighbours' addresses and MACs. */
  readonly twins: readonly Station[];
  readonly #watched: ReadonlyMap<Station | 'wire', Packets>;
  readonly #open: AsyncDisposableStack;

  private constructor(cast: Cast, watched: ReadonlyMap<Station | 'wire', Packets>, open: AsyncDisposableStack) {
    if (cast.guest) this.guest = cast.guest;
    if (cast.program) this.program = cast.program;
    ({
      town: this.town,
      attackers: this.attackers,
      neighbours: this.neighbours,
      neighbours4: this.neighbours4,
      twins: this.twins,
    } = cast);
    this.#watched = watched;
    this.#open = open;
  }

  /** Of workloads: a namespace, a trunk's sub-ports, a container and a guest. */
  static open(): Promise<Scene> {
    return Scene.of(assemble);
  }
  /** Of whom a function puts there. */
  static async of(make: (open: AsyncDisposableStack) => Promise<Cast>): Promise<Scene> {
    await using open = new AsyncDisposableStack();
    const cast = await make(open);
    const { stage } = cast.town;
    const all = [...cast.neighbours, ...cast.neighbours4, ...cast.twins];
    const watched = new Map<Station | 'wire', Packets>(all.map((s) => [s, open.use(openPackets(s.netns, s.ifname))]));
    watched.set('wire', open.use(openPackets(netnsPath(stage.lab.plan.netns), 'h1')));
    return new Scene(cast, watched, open.move());
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#open[Symbol.asyncDispose]();
  }

  get stage(): Stage {
    return this.town.stage;
  }
  /** What everybody was given since the last call, and on the wire what left the attackers' host, encapsulated or not. */
  seen(): Seen[] {
    return [...this.#watched].flatMap(([by, packets]) => packets.received().map((frame) => ({ by, frame })));
  }
  /** How often a reason was counted for an attacker's port. */
  count(leg: Leg, reason: ReasonName): Promise<number> {
    const { port, counts } = leg.front && reason === 'src_mac' ? leg.front : { port: leg.port, counts: reason };
    return this.stage.count({ port, tenant: leg.tenant } as Station, counts);
  }
}

/** Who is there. */
export type Cast = Pick<Scene, 'town' | 'guest' | 'program' | 'attackers' | 'neighbours' | 'neighbours4' | 'twins'>;

/** Of these people, one tenant's on a network. */
export const attachPeople = (stage: Stage, tenant: string, network: string): Promise<Station[]> =>
  Promise.all(
    people.map((one) => stage.attach({ tenant, network, ...(network === 'four' ? { host: one.host } : one) })),
  );
/** Both tenants' networks "web", with their neighbours, and a way outside. */
export async function openTown(
  engines: Parameters<typeof Town.open>[1],
  open: AsyncDisposableStack,
): Promise<Pick<Cast, 'town' | 'neighbours' | 'twins'>> {
  const town = open.use(await Town.open(2, engines));
  for (const tenant of ['t', 'u']) {
    await town.stage.network(tenant, 'web', cidrs);
    await town.set(tenant, { sourceNat: true });
  }
  const [neighbours, twins] = [await attachPeople(town.stage, 't', 'web'), await attachPeople(town.stage, 'u', 'web')];
  return { town, neighbours, twins };
}

async function assemble(open: AsyncDisposableStack): Promise<Cast> {
  const dir = await mkdtemp(join(tmpdir(), 'heddle-attacks-'));
  open.defer(() => rm(dir, { recursive: true }));
  const program = await compile(dir);
  const image = writeGuestImage(dir, [program]);
  const { town, neighbours, twins } = await openTown({ dockerTenants: { h1: ['t'] } }, open);
  const { stage } = town;
  await stage.network('t', 'four', [cidr4]);
  const neighbours4 = await attachPeople(stage, 't', 'four');
  const namespace = {
    web: namespaceLeg(await stage.attach({ host: 0, tenant: 't', network: 'web' })),
    four: namespaceLeg(await stage.attach({ host: 0, tenant: 't', network: 'four' })),
  };
  const trunk = await openTrunk(stage, open);
  const container = await startContainer(stage, program, open);
  const { guest, legs } = await bootGuest(stage, await image, open);
  for (const leg of [namespace, container, legs].flatMap((l) => Object.values(l))) open.use(leg);
  for (const one of [...neighbours, ...twins, ...neighbours4]) await stage.settled(one);
  const attackers = [
    { what: 'a namespace', legs: namespace },
    { what: 'a trunk’s sub-ports', legs: trunk },
    { what: 'a container', legs: container },
    { what: 'a guest', legs },
  ];
  return { town, guest, program, attackers, neighbours, neighbours4, twins };
}

/** A sub-port on each network behind one port; the attacker has its device. */
async function openTrunk(stage: Stage, open: AsyncDisposableStack): Promise<Attacker['legs']> {
  const behind = await stage.attach({ host: 0, tenant: 't', network: 'four' });
  const leg = async (network: string, vlan: number): Promise<Leg> => {
    const body = { name: `sub${vlan}`, network, behind: behind.port.name, vlan };
    // Each sees all that comes by the device.
    const device = open.use(namespaceLeg(behind));
    return trunkLeg(device, await stage.client.create('port', body, { tenant: 't', waitMs: 20_000 }));
  };
  return { web: await leg('web', 220), four: await leg('four', 221) };
}

/** A container of the host's engine, on both networks. */
async function startContainer(stage: Stage, program: string, open: AsyncDisposableStack): Promise<Attacker['legs']> {
  const [host] = stage.lab.hosts as [LabHost];
  await joinNetworks(host, 't', [
    { name: 'web', cidrs },
    { name: 'four', cidrs: [cidr4] },
  ]);
  const container = open.use(await Container.start(host, 'attacker', 'web', [program]));
  await container.docker('network', 'connect', 'four', container.name);
  const leg = async (network: string) => containerLeg(container, await container.station(stage, 't', network));
  return { web: await leg('web'), four: await leg('four') };
}

async function bootGuest(stage: Stage, image: Awaited<ReturnType<typeof writeGuestImage>>, open: AsyncDisposableStack) {
  const host = stage.lab.hosts[0]!;
  const [web, four] = [
    await attachTap(host, { tenant: 't', network: 'web' }),
    await attachTap(host, { tenant: 't', network: 'four' }),
  ];
  await must(host.argv(['ip', 'tuntap', 'add', 'dev', late.ifname, 'mode', 'tap']));
  await must(host.argv(['ip', 'link', 'set', 'dev', late.ifname, 'up']));
  const network = [...(await qemuArgs(web)), ...(await qemuArgs(four)), ...qemuArguments({ ...late, mtuBytes: 1450 })];
  const guest = open.use(await Guest.boot({ image, host, network }));
  // Its own kernel is to say nothing.
  await guest.must('for all in /proc/sys/net/ipv6/conf/*/disable_ipv6; do echo 1 >$all; done');
  for (const { mac } of [web, four, late]) await guest.must(`ip link set ${deviceOf(mac)} up`);
  return { guest, legs: { web: guestLeg(guest, web), four: guestLeg(guest, four) } };
}

/** The guest's program. */
async function compile(dir: string): Promise<string> {
  const to = join(dir, 'frames');
  const source = join(import.meta.dirname, 'frames.c');
  await promisify(execFile)('gcc', ['-O2', '-Wall', '-Wextra', '-Werror', '-std=gnu11', '-static', '-o', to, source]);
  return to;
}
