/** Whether the installation is well: from the world, and what hosts say when they are asked. */
import { ipNumber } from '../model/address.ts';
import {
  behindMs,
  type Condition,
  clockSkewMs,
  nearlyFull,
  type ProblemKind,
  problemsMax,
  type Trouble,
  trouble,
} from '../model/condition.ts';
import type { HostHealth } from '../model/host-state.ts';
import { RENEWABLE_MS } from '../trust/validity.ts';
import type { Access } from './access.ts';
import type { Presence } from './presence.ts';
import type { HostRecord, PortRecord, SubnetRecord } from './records.ts';
import { troublesOfTrust } from './trust-condition.ts';
import type { World } from './world.ts';

/** So long a host may take to say how it is; below what a client waits for the whole. */
const askMs = 2_000;

export interface ConditionContext {
  readonly world: World;
  readonly presence: Presence;
  /** The controller's own certificate (PEM); undefined: nobody reaches it by TLS. */
  readonly certificate: () => string | undefined;
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

type PortCounts = Condition['ports'];

/** All that is known of how an installation is, for whoever asks. */
export interface Judgement extends Pick<Condition, 'version' | 'startedAt' | 'revision' | 'hosts'> {
  /** By tenant's id. */
  readonly ports: ReadonlyMap<string, PortCounts>;
  /** Errors first; with the id of the tenant whose object it is about. */
  readonly troubles: readonly { readonly trouble: Trouble; readonly of?: string }[];
}

/** Asks all connected hosts at once, and looks at the world. Cost: all ports. */
export async function judgementOf(ctx: ConditionContext): Promise<Judgement> {
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
export function judge(ctx: ConditionContext, answers: ReadonlyMap<string, HostAnswer>): Judgement {
  const { world, presence, version, startedAt } = ctx;
  const hosts = [...world.host.values()].map(({ record }) => record);
  const offline = hosts.filter(({ id }) => !presence.get(id)).map(({ name }) => name);
  const ports = new Map<string, PortCounts>();
  const trust = { authority: world.trust.authority?.record, certificate: ctx.certificate(), now: ctx.now() };
  const ofAll = [
    ...troublesOfTrust(trust),
    ...hosts.flatMap((host) => [...troublesOfHost(ctx, host, answers.get(host.id))]),
    ...differentVersions(ctx, hosts),
  ];
  const isError = ({ trouble }: { trouble: Trouble }) => Number(trouble.severity === 'error');
  const troubles = [
    ...ofAll.map((trouble) => ({ trouble })),
    ...troublesOfPorts(ctx, ports),
    ...[...world.subnet.values()].flatMap(({ record }) =>
      [...fullPool(world, record)].map((trouble) => ({ trouble, of: record.tenant })),
    ),
  ].sort((a, b) => isError(b) - isError(a));
  return {
    version,
    startedAt: startedAt.toISOString(),
    revision: String(world.revision),
    hosts: { total: hosts.length, online: hosts.length - offline.length, offline },
    ports,
    troubles,
  };
}

/**
 * As much of it as a principal may know: of the hosts what is wrong, if it reads them; of the tenants that it does not read
 * what is wrong by number alone, if it is one who keeps the installation well.
 */
export function conditionFor(judgement: Judgement, access: Access): Condition {
  const { ports: byTenant, troubles, ...rest } = judgement;
  const readsHosts = access.may('read', 'host', '-');
  const reads = (tenant: string) => access.may('read', 'port', tenant);
  const shown = troubles.flatMap(({ trouble, of }) => {
    if (of === undefined ? readsHosts : reads(of)) return trouble;
    return [];
  });
  const hidden = readsHosts ? troubles.filter(({ of }) => of !== undefined && !reads(of)) : [];
  const all = [...shown, ...countedByTenant(hidden.map(({ trouble }) => trouble))];
  const ports = { ...none };
  for (const [tenant, counts] of byTenant)
    if (readsHosts || reads(tenant))
      for (const condition of Object.keys(none) as (keyof PortCounts)[]) ports[condition] += counts[condition];
  return {
    well: all.every(({ severity }) => severity !== 'error'),
    ...rest,
    ports,
    problems: all.slice(0, problemsMax),
    more: Math.max(0, all.length - problemsMax),
  };
}

const none: Readonly<PortCounts> = { total: 0, up: 0, pending: 0, error: 0, unknown: 0, unbound: 0 };

/** One line for each tenant and problem, without a name of what is in the tenant. */
function countedByTenant(troubles: readonly Trouble[]): Trouble[] {
  const groups = Map.groupBy(troubles, ({ problem, tenant, kind }) => JSON.stringify([problem, tenant, kind]));
  return [...groups.values()].map(([first, ...rest]) => {
    const { problem, severity, tenant = '', kind } = first!;
    const text = `${rest.length + 1} of its ${kind}s`;
    return { problem, severity, tenant, text, next: `whoever may read tenant ${tenant} sees which: heddle status` };
  });
}

function* troublesOfHost(
  { world, presence, now }: ConditionContext,
  { id, name, revoked }: HostRecord,
  answer: HostAnswer | undefined,
): Generator<Trouble> {
  const of = { kind: 'host', name };
  const connected = presence.get(id);
  if (!connected) {
    const count = world.portsOfHost.size(id);
    const { certificate } = world.trust.host(id).record;
    const isOver = certificate !== undefined && Date.parse(certificate.notAfter) + RENEWABLE_MS < now().getTime();
    const refusal = presence.refusal(name);
    const off = refusal ? `not connected; its agent was refused: ${refusal.detail}` : 'not connected';
    const why = revoked ? 'revoked' : isOver ? 'not connected, and its certificate is too old' : off;
    const text = `${why}; ${count} ${count === 1 ? 'port is' : 'ports are'} there`;
    const next =
      revoked || isOver
        ? `to let it in again: heddle host token create --name ${name}, and join with that; for good: heddle host delete ${name} --gone`
        : refusal
          ? `it comes by itself when that is put right; heddle events host ${name} says how often it has tried`
          : `on ${name}: is the agent running, and does it reach the controller? Its log says, and "heddle doctor" there; if the host never comes back: heddle host delete ${name} --gone`;
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
  ports: Map<string, PortCounts>,
): Generator<{ readonly trouble: Trouble; readonly of: string }> {
  for (const { record } of world.port.values()) {
    const { condition, code, message, contested } = presence.portStatus(record, world.bindingOf(record));
    const counts = ports.get(record.tenant) ?? { ...none };
    ports.set(record.tenant, counts);
    counts.total++;
    counts[condition]++;
    const told = (problem: ProblemKind, about: Omit<Trouble, 'problem' | 'severity'>) => ({
      ...{ trouble: trouble(problem, about), of: record.tenant },
    });
    if (condition !== 'error' && !contested) continue;
    const of = { kind: 'port', name: record.name, ...tenantNameOf(world, record) };
    const next = `heddle port show ${record.name} --tenant ${of.tenant}; heddle events port ${record.name} --tenant ${of.tenant}`;
    if (condition === 'error')
      yield told('PORT_FAILED', { ...of, text: [code, message].filter(Boolean).join(': ') || 'failed', next });
    if (contested) {
      const text = `machines on a physical segment have addresses of it: ${contested.map(({ address }) => address).join(', ')}`;
      yield told('ADDRESS_CONTESTED', { ...of, text, next });
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
