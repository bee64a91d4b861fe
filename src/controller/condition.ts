/** Whether the installation is well: from the world, and what hosts say when they are asked. */
import { ipNumber } from '../model/address.ts';
import {
  behindMs,
  type Condition,
  clockSkewMs,
  nearlyFull,
  type ProblemKind,
  problemKinds,
  problemsMax,
  type Trouble,
} from '../model/condition.ts';
import type { HostHealth } from '../model/host-state.ts';
import type { Presence } from './presence.ts';
import type { HostRecord, PortRecord, SubnetRecord } from './records.ts';
import type { World } from './world.ts';

/** So long a host may take to say how it is; below what a client waits for the whole. */
const askMs = 2_000;

export interface ConditionContext {
  readonly world: World;
  readonly presence: Presence;
  /** Of this controller. */
  readonly version: string;
  readonly startedAt: Date;
  readonly now: () => Date;
}

/** What a host said of itself: how it is, and by how much its clock differs from ours, milliseconds; or why it said nothing. */
export type HostAnswer =
  | { readonly health: HostHealth; readonly skewMs: number }
  /** `unknown`: the agent is of a version that does not know the question. */
  | { readonly silent: string; readonly unknown: boolean };

/** Asks all connected hosts at once, and looks at the world. Cost: all ports. */
export async function conditionOf(ctx: ConditionContext): Promise<Condition> {
  const asked = [...ctx.presence.hosts()].map(async (host) => [host, await askHost(ctx, host)] as const);
  return judge(ctx, new Map(await Promise.all(asked)));
}

async function askHost({ presence, version, now }: ConditionContext, host: string): Promise<HostAnswer> {
  const connected = presence.get(host)!;
  const before = now().getTime();
  try {
    const health = await connected.health(askMs);
    const after = now().getTime();
    // It looked at its clock between our two looks: what lies between them is no difference.
    const skewMs = health.nowMs < before ? health.nowMs - before : health.nowMs > after ? health.nowMs - after : 0;
    return { health, skewMs };
  } catch (e) {
    const isOther = connected.hello.version !== version;
    return { silent: (e as Error).message, unknown: isOther && (e as { code?: string }).code === 'INTERNAL' };
  }
}

/** What is well and what is not, from what hosts said. */
export function judge(ctx: ConditionContext, answers: ReadonlyMap<string, HostAnswer>): Condition {
  const { world, presence, version, startedAt } = ctx;
  const hosts = [...world.host.values()].map(({ record }) => record);
  const offline = hosts.filter(({ id }) => !presence.get(id)).map(({ name }) => name);
  const ports = { total: world.port.size, up: 0, pending: 0, error: 0, unknown: 0, unbound: 0 };
  const troubles = [
    ...hosts.flatMap((host) => [...troublesOfHost(ctx, host, answers.get(host.id))]),
    ...differentVersions(ctx, hosts),
    ...troublesOfPorts(ctx, (condition) => ports[condition]++),
    ...[...world.subnet.values()].flatMap(({ record }) => [...fullPool(world, record)]),
  ].sort((a, b) => Number(b.severity === 'error') - Number(a.severity === 'error'));
  return {
    well: troubles.every(({ severity }) => severity !== 'error'),
    version,
    startedAt: startedAt.toISOString(),
    revision: String(world.revision),
    hosts: { total: hosts.length, online: hosts.length - offline.length, offline },
    ports,
    problems: troubles.slice(0, problemsMax),
    more: Math.max(0, troubles.length - problemsMax),
  };
}

const trouble = (problem: ProblemKind, about: Omit<Trouble, 'problem' | 'severity'>): Trouble => ({
  problem,
  severity: problemKinds[problem],
  ...about,
  text: about.text.slice(0, 700),
});

function* troublesOfHost(
  { world, presence }: ConditionContext,
  { id, name }: HostRecord,
  answer: HostAnswer | undefined,
): Generator<Trouble> {
  const of = { kind: 'host', name };
  const connected = presence.get(id);
  if (!connected) {
    const count = world.portsOfHost.size(id);
    const text = `not connected; ${count} ${count === 1 ? 'port is' : 'ports are'} there`;
    const next = `on ${name}: is the agent running, and does it reach the controller? Its log says, and "heddle doctor" there; if the host never comes back: heddle host delete ${name} --gone`;
    yield trouble('HOST_OFFLINE', { ...of, text, next });
    return;
  }
  const lagMs = connected.lagMs();
  if (lagMs >= behindMs) {
    const text = `has not applied changes that it was told of ${Math.round(lagMs / 1000)} s ago; it is at revision ${connected.applied}`;
    const next = `on ${name}: "heddle status --json" names under refused what the kernel does not take; its log says why`;
    yield trouble('HOST_BEHIND', { ...of, text, next });
  }
  // It came after the others were asked; or its agent is older than the question, which its version tells.
  if (!answer || ('silent' in answer && answer.unknown)) return;
  if ('silent' in answer) {
    const next = `on ${name}: is the agent busy or stopped? Its log says, and "heddle doctor" there`;
    yield trouble('HOST_SILENT', { ...of, text: `is connected, and does not say how it is: ${answer.silent}`, next });
    return;
  }
  for (const { name: map, entries, max } of answer.health.maps)
    if (entries >= nearlyFull * max) {
      const text = `map ${map} of the datapath has ${entries} of ${max} rows; what does not fit is not forwarded`;
      yield trouble('MAP_NEARLY_FULL', { ...of, text, next: 'spread networks over more hosts, or join fewer of them' });
    }
  if (Math.abs(answer.skewMs) >= clockSkewMs) {
    const seconds = Math.round(Math.abs(answer.skewMs) / 1000);
    const text = `its clock is ${seconds} s ${answer.skewMs > 0 ? 'ahead of' : 'behind'} the controller’s`;
    yield trouble('CLOCKS_DIFFER', { ...of, text, next: 'let both keep time by NTP (systemd-timesyncd, chrony)' });
  }
  for (const { what, text } of answer.health.troubles)
    yield trouble('HOST_LACKS', {
      ...of,
      text: `${what}: ${text}`,
      next: `on ${name}: heddle status, and the agent’s log`,
    });
}

/** One line for every version that is not the controller's, however many hosts have it. */
function differentVersions({ presence, version }: ConditionContext, hosts: readonly HostRecord[]): Trouble[] {
  const byVersion = Map.groupBy(
    hosts.filter(({ id }) => presence.get(id)),
    ({ id }) => presence.get(id)!.hello.version,
  );
  byVersion.delete(version);
  return [...byVersion].map(([other, on]) => {
    const named = on.slice(0, 5).map(({ name }) => name);
    const list = on.length > 5 ? `${named.join(', ')} and ${on.length - 5} more` : named.join(', ');
    const text = `version ${other} on ${list}; the controller has ${version}`;
    return trouble('VERSIONS_DIFFER', { text, next: 'bring them to one version' });
  });
}

function* troublesOfPorts(
  { world, presence }: ConditionContext,
  count: (condition: 'up' | 'pending' | 'error' | 'unknown' | 'unbound') => void,
): Generator<Trouble> {
  for (const { record } of world.port.values()) {
    const { condition, code, message, contested } = presence.portStatus(record, world.bindingOf(record));
    count(condition);
    if (condition !== 'error' && !contested) continue;
    const of = { kind: 'port', name: record.name, ...tenantNameOf(world, record) };
    const next = `heddle port show ${record.name} --tenant ${of.tenant}; heddle events port ${record.name} --tenant ${of.tenant}`;
    if (condition === 'error')
      yield trouble('PORT_FAILED', { ...of, text: [code, message].filter(Boolean).join(': ') || 'failed', next });
    if (contested) {
      const text = `machines on a physical segment have addresses of it: ${contested.map(({ address }) => address).join(', ')}`;
      yield trouble('ADDRESS_CONTESTED', { ...of, text, next });
    }
  }
}

const tenantNameOf = (world: World, { tenant }: Pick<PortRecord, 'tenant'>) => ({
  tenant: world.tenant.get(tenant)?.record.name ?? tenant,
});

function* fullPool(world: World, subnet: SubnetRecord): Generator<Trouble> {
  const pools = subnet.pools.map(({ first, last }) => ({ first: ipNumber(first), last: ipNumber(last) }));
  const room = pools.reduce((n, { first, last }) => n + Number(last - first + 1n), 0);
  const use = world.use(subnet.id);
  if (room === 0 || use.count('port') + use.count('address') < nearlyFull * room) return;
  const taken = use.takenOf(pools);
  if (taken < nearlyFull * room) return;
  const { tenant } = tenantNameOf(world, subnet);
  const network = world.network.get(subnet.network)?.record.name ?? subnet.network;
  yield trouble('POOL_NEARLY_FULL', {
    kind: 'subnet',
    name: subnet.name,
    tenant,
    text: `${taken} of the ${room} addresses in its pools are taken`,
    next: `heddle subnet create ${network}-more --tenant ${tenant} --network ${network} --cidr <prefix>`,
  });
}
