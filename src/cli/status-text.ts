/** What `heddle status` says: what is not well first, then how much there is. */
import type { Condition } from '../model/condition.ts';
import { type Io, paint } from './io.ts';
import { type Asked, type OwnStatus, problemsOf, type Wrong } from './status-problems.ts';
import { printable } from './table.ts';

/** Problems that one screen has room for. */
const shownProblems = 20;

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

function problemText(io: Pick<Io, 'colour'>, { severity, text, next }: Wrong): string {
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
