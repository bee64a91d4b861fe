/** What `heddle status` says: what is not well first, then how much there is. */
import type { AgentStatus } from '../agent/status.ts';
import type { Condition, Trouble } from '../model/condition.ts';
import type { HeddleError } from '../model/errors.ts';
import { type Io, paint } from './io.ts';
import { printable } from './table.ts';

/** Something that was asked, and what came of it. */
export type Answer<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: HeddleError };

/** What the command has of an agent's status: one of another version may not have all. */
export type OwnStatus = { readonly name: string } & Partial<
  Pick<AgentStatus, 'troubles' | 'startWarnings' | 'leases' | 'pendingUploads'>
>;

/** Both who were asked. */
export interface Asked {
  /** Address of the controller, and what it answered. */
  readonly controller: string;
  readonly condition: Answer<Condition>;
  /** Path of this host's agent; its answer is undefined if none is expected here. */
  readonly socket: string;
  readonly agent: Answer<OwnStatus> | undefined;
}

/** Problems that one screen has room for. */
const shownProblems = 20;

/** What this host's agent knows to be wrong, and the controller's answer does not say: it may be away. */
export function ownTroubles({
  condition,
  agent,
}: Pick<Asked, 'condition' | 'agent'>): NonNullable<OwnStatus['troubles']> {
  if (!agent?.ok) return [];
  const { name, troubles = [] } = agent.value;
  const said = new Set(
    condition.ok ? condition.value.problems.flatMap((p) => (p.kind === 'host' && p.name === name ? p.text : [])) : [],
  );
  return troubles.filter(({ what, text }) => !said.has(`${what}: ${text}`));
}

export function statusText(io: Pick<Io, 'colour'>, asked: Asked): string {
  const problems = problemsOf(asked);
  const shown = problems.slice(0, shownProblems).map((problem) => problemText(io, problem));
  const hidden = problems.length - shown.length + (asked.condition.ok ? asked.condition.value.more : 0);
  const more = hidden > 0 ? [`and ${hidden} more: heddle status --json\n`] : [];
  const lines = linesOf(asked).map(
    ({ what, ok, text }) =>
      `${what.padEnd(11)} ${paint(io, ok ? 'green' : 'red', ok ? 'ok' : 'no')}  ${printable(text)}\n`,
  );
  return [...shown, ...more, ...(shown.length > 0 ? ['\n'] : []), ...lines].join('');
}

/** Errors first. */
function problemsOf(asked: Asked): Pick<Trouble, 'severity' | 'text' | 'next'>[] {
  const { condition, agent } = asked;
  const here = agent?.ok ? agent.value : undefined;
  const told = condition.ok ? condition.value.problems : [];
  const own = ownTroubles(asked).map(({ what, text }) => ({
    severity: 'error' as const,
    text: `host ${here?.name}: ${what}: ${text}`,
    next: 'the agent’s log says more',
  }));
  const atStart = (here?.startWarnings ?? []).map(({ check, text, advice }) => ({
    severity: 'warning' as const,
    text: `host ${here?.name}, when its agent began: ${check}: ${text}`,
    next: `${advice === undefined ? '' : `${advice}; `}"heddle doctor ${check}" says whether it is still so`,
  }));
  return [
    ...told.map((trouble) => ({ ...trouble, text: `${subjectOf(trouble)}${trouble.text}` })),
    ...own,
    ...atStart,
  ].sort((a, b) => Number(b.severity === 'error') - Number(a.severity === 'error'));
}

const subjectOf = ({ kind, tenant, name }: Trouble): string =>
  kind === undefined ? '' : `${kind} ${tenant === undefined ? '' : `${tenant}/`}${name}: `;

function problemText(
  io: Pick<Io, 'colour'>,
  { severity, text, next }: Pick<Trouble, 'severity' | 'text' | 'next'>,
): string {
  const mark = severity === 'error' ? paint(io, 'red', 'error  ') : paint(io, 'yellow', 'warning');
  return `${mark}  ${printable(text)}\n         ${paint(io, 'dim', printable(next))}\n`;
}

interface Line {
  readonly what: string;
  readonly ok: boolean;
  readonly text: string;
}

const linesOf = ({ controller, condition, socket, agent }: Asked): Line[] => [
  ...(condition.ok
    ? installationLines(controller, condition.value)
    : [{ what: 'controller', ok: false, text: condition.error.message }]),
  ...(agent ? [{ what: 'agent', ok: agent.ok, text: agent.ok ? socket : agent.error.message }] : []),
  ...(agent?.ok ? hostLines(agent.value) : []),
];

const installationLines = (controller: string, { version, revision, hosts, ports }: Condition): Line[] => [
  { what: 'controller', ok: true, text: `${controller}, version ${version}, revision ${revision}` },
  { what: 'hosts', ok: hosts.offline.length === 0, text: hostsText(hosts) },
  { what: 'ports', ok: ports.error === 0, text: portsText(ports) },
];

/** Addresses of networks that the host has to give, and what it did that the controller does not know yet. */
function hostLines({ leases = [], pendingUploads = 0 }: OwnStatus): Line[] {
  const sum = (state: 'used' | 'free') => leases.reduce((n, lease) => n + lease[state], 0);
  const networks = `${leases.length} ${leases.length === 1 ? 'network' : 'networks'}`;
  const text = `${networks}: ${sum('used')} addresses in use, ${sum('free')} at hand`;
  const untold = `${pendingUploads} ${pendingUploads === 1 ? 'port' : 'ports'} to tell the controller of`;
  return [
    ...(leases.length > 0 ? [{ what: 'leases', ok: true, text }] : []),
    ...(pendingUploads > 0 ? [{ what: 'untold', ok: false, text: untold }] : []),
  ];
}

const hostsText = ({ total, online, offline }: Condition['hosts']): string =>
  offline.length === 0 ? `${total} online` : `${online} of ${total} online; not: ${someOf(offline)}`;
const someOf = (names: readonly string[]): string =>
  names.length > 10 ? `${names.slice(0, 10).join(', ')} and ${names.length - 10} more` : names.join(', ');
function portsText({ total, ...counts }: Condition['ports']): string {
  const some = Object.entries(counts).filter(([, count]) => count > 0);
  return some.length === 0
    ? `${total}`
    : some.map(([condition, count]) => `${count} ${textOf[condition] ?? condition}`).join(', ');
}
const textOf: Readonly<Record<string, string>> = { error: 'in error', unknown: 'on hosts that are offline' };
