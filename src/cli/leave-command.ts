/** `heddle leave`: this server leaves Heddle, through its agent's socket. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { HeddleError, hasCode } from '../model/errors.ts';
import type { LeavePlan, Left } from '../model/leave.ts';
import { agentRequest } from './agent-request.ts';
import { hasOutlived, removeAgent } from './agent-service.ts';
import { defaults, makeCommand, printJson, type Typed, withShared } from './command.ts';
import { withHint } from './exit.ts';
import type { Io } from './io.ts';
import { progress } from './progress.ts';
import { printable } from './table.ts';

/** Thousands of devices take the kernel minutes. */
const leaveMs = 600_000;
const stepMs = 200;

interface LeaveTyped extends Typed {
  readonly yes?: true;
  readonly force?: true;
}

export function leaveCommand(io: Io): Command {
  const command = makeCommand(
    'leave',
    'Take this server off Heddle: all that is attached, and every trace that its agent has made, in the kernel, on the disk and at the controller, and the service of --install; units, hooks and networks that were put there with other tools stay',
    ['heddle leave', 'heddle leave --yes', 'heddle leave --yes --force --json'],
  )
    .option('--yes', 'do it; without, it is only shown what would go')
    .option('--force', 'also if something is in the way: what runs loses its network, what cannot be told stays');
  return withShared(command, 'agent', 'json').action(async (typed: LeaveTyped) => {
    if (!typed.yes) return await show(io, typed);
    const socket = typed.agent ?? defaults.agent;
    const left = await leave(io, typed).catch((e: unknown) => {
      // What was interrupted after the agent had done its part.
      if (hasCode(e, 'AGENT_UNREACHABLE') && hasOutlived(socket)) return undefined;
      throw e;
    });
    const uninstalled = await removeAgent(socket);
    if (typed.json) return printJson(io, { ...left, ...(uninstalled && { uninstalled }) });
    const who = left ? `${left.host} has left Heddle; its agent ends` : 'this server had left Heddle';
    io.out(`${who}${uninstalled ? ', and its service is gone' : ''}\n`);
    for (const what of left?.stays ?? []) io.out(`stays: ${printable(what)}\n`);
  });
}

/** What would be done. @throws USAGE always, for a script that has forgotten to say yes */
async function show(io: Io, typed: LeaveTyped): Promise<void> {
  const plan = await agentRequest<LeavePlan>(typed, 'GET', '/v1/leave');
  if (typed.json) printJson(io, plan);
  else {
    io.out(`${plan.host} would leave Heddle; ${plan.attached.length || 'nothing'} attached would be detached\n`);
    for (const port of plan.attached) io.out(`  ${printable(port)}\n`);
    for (const problem of plan.inTheWay) io.out(`in the way: ${printable(problem)}\n`);
  }
  throw withHint(new HeddleError('USAGE', { problem: 'nothing was done: say --yes' }), 'heddle leave --yes');
}

async function leave(io: Io, typed: LeaveTyped): Promise<Left> {
  using shown = progress(io, typed.json);
  const body = typed.force ? { force: true } : {};
  let over = false;
  const leaving = agentRequest<Left>(typed, 'POST', '/v1/leave', { body, deadlineMs: leaveMs }).finally(() => {
    over = true;
  });
  const [left] = await Promise.all([
    leaving.catch((e: unknown) => {
      throw hasCode(e, 'LEAVE_BLOCKED') ? withHint(e, '--force leaves all the same') : e;
    }),
    tell(
      typed,
      (step) => shown.step(step),
      () => over,
    ),
  ]);
  return left;
}

/** Tells the steps until it is over. */
async function tell(typed: Typed, onStep: (step: string) => void, isOver: () => boolean): Promise<void> {
  let said = '';
  while (!isOver()) {
    const { step = '' } = await agentRequest<Partial<LeavePlan>>(typed, 'GET', '/v1/leave').catch(gone);
    if (step !== said && step !== '') onStep(step);
    said = step;
    await delay(stepMs);
  }
}

/** The agent has ended. */
function gone(e: unknown): Partial<LeavePlan> {
  if (hasCode(e, 'AGENT_UNREACHABLE')) return {};
  throw e;
}
