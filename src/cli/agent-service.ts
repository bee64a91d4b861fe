/** The agent as a service of systemd. */
import { parseArgs } from 'node:util';
import { openLocal } from '../client/local.ts';
import { hasCode } from '../model/errors.ts';
import { defaults } from './command.ts';
import { installService, isInstalled, removeService, type Service } from './service.ts';

const unit = 'heddle-agent.service';

/** An agent with these options. Ending it ends the process alone: what the kernel carries goes on. */
export function agentService(argv: readonly string[]): Service {
  const { socket } = parseArgs({ args: [...argv], options: { socket: { type: 'string' } }, strict: false }).values;
  return {
    unit,
    description: 'Heddle agent',
    argv: ['agent', ...argv],
    socket: typeof socket === 'string' ? socket : defaults.agent,
    unitLines: [
      '# An engine that boots without its network driver does not start its containers.',
      'Before=docker.service',
    ],
    serviceLines: ['KillMode=process', 'LimitMEMLOCK=infinity'],
  };
}

/** Installs and starts it, and resolves when it is connected to its controller. It may be done again. @throws SERVICE_FAILED */
export const installAgent = (service: Service, signal: AbortSignal): Promise<void> =>
  installService(service, () => isConnected(service.socket), signal);

/** Takes the service of the agent on this socket away, if it was installed here. @returns whether it was. @throws SERVICE_FAILED */
export async function removeAgent(socket: string): Promise<boolean> {
  if (!isInstalled({ unit, socket })) return false;
  await removeService(unit);
  return true;
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
