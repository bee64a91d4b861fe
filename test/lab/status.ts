import type { agentStatus } from '../../src/agent/status.ts';
import { openLocal } from '../../src/client/local.ts';
import { hasCode } from '../../src/model/errors.ts';

/** What an agent says of itself. */
export type AgentStatus = ReturnType<typeof agentStatus>;

/** An agent's status; undefined if none answers on the socket. */
export async function statusIfServed(socket: string): Promise<AgentStatus | undefined> {
  try {
    return (await openLocal(socket).request('GET', '/v1/status')) as AgentStatus;
  } catch (e) {
    if (hasCode(e, 'AGENT_UNREACHABLE')) return undefined;
    if ((e as NodeJS.ErrnoException).code === 'ECONNRESET') return undefined; // it ended while it answered
    throw e;
  }
}
