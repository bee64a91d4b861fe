/** `heddle status`: does everything that this host needs answer? */
import type { Command } from 'commander';
import { HeddleError, toProblem } from '../model/errors.ts';
import { agentRequest } from './attach-commands.ts';
import { controllerClient, defaults, makeCommand, printJson, type Typed, withShared } from './command.ts';
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

export function statusCommand(io: Io): Command {
  const command = makeCommand('status', 'Show whether controller, hosts and this host’s agent answer', [
    'heddle status',
    'heddle status --json',
  ]);
  return withShared(command, 'controller', 'agent', 'json').action(async (typed: Typed) => {
    const [hosts, agent] = await Promise.all([
      ask(controllerClient(typed).list('host', { deadlineMs })),
      ask(agentRequest<Record<string, unknown>>(typed, 'GET', '/v1/status', { deadlineMs })),
    ]);
    const offline = hosts.ok ? hosts.value.filter((h) => h.status.condition !== 'online').map((h) => h.name) : [];
    const controller = typed.controller ?? defaults.controller;
    if (typed.json)
      printJson(io, {
        controller: hosts.ok ? { address: controller, ok: true } : { ok: false, problem: toProblem(hosts.error) },
        hosts: hosts.ok ? { total: hosts.value.length, offline } : null,
        agent: agent.ok ? { ok: true, ...agent.value } : { ok: false, problem: toProblem(agent.error) },
      });
    else {
      const mark = (ok: boolean) => paint(io, ok ? 'green' : 'red', ok ? 'ok' : 'no');
      io.out(`controller  ${mark(hosts.ok)}  ${hosts.ok ? controller : printable(hosts.error.message)}\n`);
      if (hosts.ok) io.out(`hosts       ${mark(offline.length === 0)}  ${hostsText(hosts.value.length, offline)}\n`);
      io.out(`agent       ${mark(agent.ok)}  ${agent.ok ? agentText(typed) : printable(agent.error.message)}\n`);
      for (const { network, free, used } of agent.ok ? leasesOf(agent.value) : [])
        io.out(`lease       ${mark(true)}  ${printable(`${network}: ${used} in use, ${free} at hand`)}\n`);
      const untold = agent.ok ? untoldOf(agent.value) : 0;
      if (untold > 0)
        io.out(`untold      ${mark(false)}  ${untold} ${untold === 1 ? 'port' : 'ports'} to tell the controller of\n`);
      const outside = agent.ok ? waysOutside(agent.value) : undefined;
      if (outside) io.out(`outside     ${mark(false)}  ${printable(outside)}\n`);
      for (const { port, held, problem } of agent.ok ? stillSegments(agent.value) : [])
        io.out(
          `segment     ${mark(false)}  ${printable(`${port ?? ''}: ${problem ?? `forwards nothing: ${held}`}`)}\n`,
        );
      for (const { what, network, problem } of agent.ok ? troubles(agent.value) : [])
        io.out(`${what.padEnd(11)} ${mark(false)}  ${printable(`network ${network}: ${problem}`)}\n`);
    }
    if (!hosts.ok || !agent.ok || offline.length > 0) process.exitCode = 3;
  });
}

/** Networks of which the host has addresses to give. */
const leasesOf = ({ leases }: { leases?: { network: string; free: number; used: number }[] }) => leases ?? [];
/** What was done here while the controller was away, or a moment ago. */
const untoldOf = ({ pendingUploads }: { pendingUploads?: number }): number => pendingUploads ?? 0;
/** Why workloads do not get outside, or not all; undefined if nothing is known to be wrong. */
const waysOutside = ({ gateways }: { gateways?: { outside?: string } }): string | undefined => gateways?.outside;
/** Segments that this host should forward for, or stand by for, and does not. */
const stillSegments = ({ segments = [] }: { segments?: { port?: string; held?: string; problem?: string }[] }) =>
  segments.filter(({ held, problem }) => problem !== undefined || (held !== undefined && !waits.has(held)));
/** Nothing is wrong with one that waits for its turn. */
const waits: ReadonlySet<string> = new Set(['standby', 'listening', 'waiting']);
type Trouble = { readonly network: string; readonly problem?: string };
/** What the agent's status may say of a network that it does not serve. */
interface Services {
  readonly gateways?: { readonly problems?: readonly Trouble[] };
  readonly dns?: { readonly failed?: readonly Trouble[] };
  readonly dhcp?: { readonly failed?: readonly Trouble[] };
  readonly metadata?: { readonly failed?: readonly Trouble[] };
}
/** Networks that lack a service on this host, and why. */
const troubles = ({ gateways, dns, dhcp, metadata }: Services) =>
  Object.entries({
    gateway: gateways?.problems,
    names: dns?.failed,
    dhcp: dhcp?.failed,
    metadata: metadata?.failed,
  }).flatMap(([what, list = []]) => list.map((trouble) => ({ what, ...trouble })));
const agentText = (typed: Typed): string => typed.agent ?? defaults.agent;
const hostsText = (total: number, offline: readonly string[]): string =>
  offline.length === 0 ? `${total} online` : `${total - offline.length} of ${total} online; not: ${offline.join(', ')}`;
