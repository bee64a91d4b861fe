/** The agent as a service of systemd. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { openLocal } from '../client/local.ts';
import { hasCode } from '../model/errors.ts';
import { defaults } from './command.ts';
import { installService, removeService, requireWholePaths, type Service, socketOf, unitLines } from './service.ts';

const unit = 'heddle-agent.service';
/** Those of its options that name files. */
const fileOptions = [
  ...['state-dir', 'socket', 'bpf-dir', 'resolv-conf', 'join-token-file'],
  ...['docker-plugin', 'docker-engine', 'docker-authz', 'docker-authz-plugin'],
];

/** Before a path in the unit: a server that has left is started as no host, which would join anew where it may. */
const condition = 'ConditionPathExists=';

/**
 * An agent with these options. Ending it ends the process alone: what the kernel carries goes on.
 * @throws USAGE for a path that is not whole
 */
export function agentService(stateDir: string, options: readonly string[]): Service {
  const argv = ['--state-dir', stateDir, ...options];
  requireWholePaths(argv, fileOptions);
  const { socket } = parseArgs({ args: argv, options: { socket: { type: 'string' } }, strict: false }).values;
  return {
    unit,
    description: 'Heddle agent',
    argv: ['agent', ...argv],
    socket: typeof socket === 'string' ? socket : defaults.agent,
    unitLines: [
      `${condition}${join(stateDir, 'identity.json').replaceAll('%', '%%')}`,
      '# An engine that boots without its network driver does not start its containers.',
      'Before=docker.service',
    ],
    serviceLines: ['KillMode=process', 'LimitMEMLOCK=infinity'],
    isOlder: (lines) => unmarkedSocketOf(lines) !== undefined,
  };
}

/** Installs and starts it, and resolves when it is connected to its controller. It may be done again. @throws SERVICE_FAILED */
export const installAgent = (service: Service, signal: AbortSignal): Promise<void> =>
  installService(service, () => isConnected(service.socket), signal);

/** The unit that was installed here for the agent on this socket; undefined: there is none. */
function unitOf(socket: string): readonly string[] | undefined {
  const lines = unitLines(unit);
  return lines && (socketOf(lines) ?? unmarkedSocketOf(lines)) === resolve(socket) ? lines : undefined;
}

/** The first programs that installed units did not mark them. */
export function unmarkedSocketOf(lines: readonly string[]): string | undefined {
  const started = lines.find((line) => line.startsWith('ExecStart='));
  if (!lines.includes('Description=Heddle agent') || !started?.includes('/heddle" "agent" "--state-dir" '))
    return undefined;
  return /"--socket(?:=|" ")([^"]*)"/.exec(started)?.[1] ?? defaults.agent;
}

/** Takes the service of the agent on this socket away, if it was installed here. @returns whether it was. @throws SERVICE_FAILED */
export async function removeAgent(socket: string): Promise<boolean> {
  if (!unitOf(socket)) return false;
  await removeService(unit);
  return true;
}

/** Whether a server that has left has the service still: whoever had it leave was interrupted. */
export function hasOutlived(socket: string): boolean {
  const line = unitOf(socket)?.find((each) => each.startsWith(condition));
  return line !== undefined && !existsSync(line.slice(condition.length).replaceAll('%%', '%'));
}

async function isConnected(socket: string): Promise<boolean> {
  try {
    const status = await openLocal(socket).request('GET', '/v1/status');
    return (status as { controller: { connected: boolean } }).controller.connected;
  } catch (e) {
    if (hasCode(e, 'AGENT_UNREACHABLE')) return false;
    throw e;
  }
}
