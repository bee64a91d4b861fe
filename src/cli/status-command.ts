/** `heddle status`: is the installation well, and what this host needs of it? */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import type { Condition } from '../model/condition.ts';
import { HeddleError, toProblem } from '../model/errors.ts';
import { agentRequest } from './agent-request.ts';
import { controllerClient, defaults, makeCommand, printJson, type Typed, withShared } from './command.ts';
import type { Io } from './io.ts';
import { type Answer, type Asked, type OwnStatus, ownTroubles } from './status-problems.ts';
import { statusText } from './status-text.ts';

/** What does not answer so soon is not well; who asks does not want to wait for more. */
const deadlineMs = 3_000;

export function statusCommand(io: Io): Command {
  const command = makeCommand(
    'status',
    'Show whether the installation is well, what is not and what to do, and this host’s agent',
    ['heddle status', 'heddle status --json'],
    'Exit codes: 0 all is well, or there are warnings only; 1 something is not; 3 the controller or this host’s agent does not answer.',
  );
  return withShared(command, 'controller', 'agent', 'json').action(async (typed: Typed) => {
    const { agent: socket = defaults.agent } = typed;
    const client = controllerClient(typed);
    const [condition, agent] = await Promise.all([
      ask<Condition>(client.status({ deadlineMs })),
      hasAgent(command, socket) ? ask<OwnStatus>(agentRequest(typed, 'GET', '/v1/status', { deadlineMs })) : undefined,
    ]);
    const asked = { controller: client.address, condition, socket, agent };
    const well = condition.ok && condition.value.well && ownTroubles(asked).length === 0;
    if (typed.json) printJson(io, asJson(asked, well));
    else io.out(statusText(io, asked));
    if (!condition.ok || agent?.ok === false) process.exitCode = 3;
    else if (!well) process.exitCode = 1;
  });
}

async function ask<T>(question: Promise<unknown>): Promise<Answer<T>> {
  try {
    return { ok: true, value: (await question) as T };
  } catch (e) {
    if (e instanceof HeddleError) return { ok: false, error: e };
    throw e;
  }
}

/** There need not be one where the command is run: then nobody has named one, and none is where it would be. */
const hasAgent = (command: Command, socket: string): boolean =>
  command.getOptionValueSource('agent') !== 'default' || existsSync(socket);

function asJson({ controller: address, condition, agent }: Asked, well: boolean): object {
  const own = agent && (agent.ok ? { ok: true, ...agent.value } : { ok: false, problem: toProblem(agent.error) });
  if (!condition.ok) {
    const controller = { address, ok: false, problem: toProblem(condition.error) };
    return { well, controller, hosts: null, ports: null, problems: null, more: null, agent: own ?? null };
  }
  const { well: _, version, startedAt, revision, ...rest } = condition.value;
  return { well, controller: { address, ok: true, version, startedAt, revision }, ...rest, agent: own ?? null };
}
