/** `heddle status`: is the installation well, and what this host needs of it? */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import type { Condition } from '../model/condition.ts';
import { HeddleError, toProblem } from '../model/errors.ts';
import { agentRequest } from './attach-commands.ts';
import { controllerClient, defaults, makeCommand, printJson, type Typed, withShared } from './command.ts';
import { hostLines } from './host-lines.ts';
import { type Io, paint } from './io.ts';
import { printable } from './table.ts';

/** A thing that was asked, and what came of it. */
type Answer<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: HeddleError };

async function ask<T>(question: Promise<T>): Promise<Answer<T>> {
  try {
    return { ok: true, value: await question };
  } catch (e) {
    if (e instanceof HeddleError) return { ok: false, error: e };
    throw e;
  }
}

/** What does not answer so soon is not well; who asks does not want to wait for more. */
const deadlineMs = 3_000;
/** Problems that one screen has room for. */
const shownProblems = 20;

export function statusCommand(io: Io): Command {
  const command = makeCommand(
    'status',
    'Show whether the installation is well, what is not and what to do, and this host’s agent',
    ['heddle status', 'heddle status --json'],
  );
  command.addHelpText(
    'after',
    '\nExit codes: 0 all is well, or there are warnings only; 1 something is not; 3 the controller or this host’s agent does not answer.\n',
  );
  return withShared(command, 'controller', 'agent', 'json').action(async (typed: Typed) => {
    const controller = controllerClient(typed).request('GET', '/v1/status', { deadlineMs }) as Promise<Condition>;
    const [condition, agent] = await Promise.all([
      ask(controller),
      hasAgent(command, typed) ? askAgent(typed) : undefined,
    ]);
    if (typed.json) printJson(io, asJson(typed, condition, agent));
    else print(io, typed, condition, agent);
    if (!condition.ok || agent?.ok === false) process.exitCode = 3;
    else if (!condition.value.well) process.exitCode = 1;
  });
}

type AgentAnswer = Answer<Record<string, unknown>> | undefined;
const askAgent = (typed: Typed) =>
  ask(agentRequest<Record<string, unknown>>(typed, 'GET', '/v1/status', { deadlineMs }));

/** There need not be one where the command is run: then nobody has named one, and none is where it would be. */
const hasAgent = (command: Command, { agent = defaults.agent }: Typed): boolean =>
  command.getOptionValueSource('agent') !== 'default' || existsSync(agent);

function asJson(typed: Typed, condition: Answer<Condition>, agent: AgentAnswer): object {
  const address = typed.controller ?? defaults.controller;
  const own = agent && (agent.ok ? { ok: true, ...agent.value } : { ok: false, problem: toProblem(agent.error) });
  if (!condition.ok) {
    const controller = { address, ok: false, problem: toProblem(condition.error) };
    return { well: false, controller, hosts: null, ports: null, problems: null, more: null, agent: own ?? null };
  }
  const { well, version, startedAt, revision, ...rest } = condition.value;
  return { well, controller: { address, ok: true, version, startedAt, revision }, ...rest, agent: own ?? null };
}

function print(io: Io, typed: Typed, condition: Answer<Condition>, agent: AgentAnswer): void {
  const line = (what: string, ok: boolean, text: string) =>
    io.out(`${what.padEnd(11)} ${paint(io, ok ? 'green' : 'red', ok ? 'ok' : 'no')}  ${printable(text)}\n`);
  const address = typed.controller ?? defaults.controller;
  if (!condition.ok) line('controller', false, condition.error.message);
  else {
    const { version, revision, hosts, ports } = condition.value;
    line('controller', true, `${address}, version ${version}, revision ${revision}`);
    line('hosts', hosts.offline.length === 0, hostsText(hosts));
    line('ports', ports.error === 0, portsText(ports));
  }
  if (agent) line('agent', agent.ok, agent.ok ? (typed.agent ?? defaults.agent) : agent.error.message);
  if (agent?.ok) for (const { what, ok, text } of hostLines(agent.value)) line(what, ok, text);
  if (condition.ok) printProblems(io, condition.value);
}

function printProblems(io: Io, { problems, more }: Condition): void {
  if (problems.length > 0) io.out('\n');
  for (const { severity, kind, name, tenant, text, next } of problems.slice(0, shownProblems)) {
    const mark = severity === 'error' ? paint(io, 'red', 'error  ') : paint(io, 'yellow', 'warning');
    const subject = kind === undefined ? '' : `${kind} ${tenant === undefined ? '' : `${tenant}/`}${name}: `;
    io.out(`${mark}  ${printable(subject + text)}\n         ${paint(io, 'dim', printable(next))}\n`);
  }
  const hidden = more + Math.max(0, problems.length - shownProblems);
  if (hidden > 0) io.out(`and ${hidden} more: heddle status --json\n`);
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
