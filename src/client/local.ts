import { HeddleError } from '../model/errors.ts';
import { type RequestOptions, readJson, send } from './transport.ts';

/** An agent asks the controller and then waits for the kernel before it answers an attach. */
const agentMs = 30_000;

/** A client of this host's agent. */
export interface LocalClient {
  /** Any request; the parsed answer. It may take 30 s to begin, unless `deadlineMs` says otherwise. @throws AGENT_UNREACHABLE and the agent's codes */
  request(method: string, path: string, options?: RequestOptions): Promise<unknown>;
}

/** A client of the agent on a unix socket. */
export function openLocal(socket: string): LocalClient {
  const unreachable = (problem: string, cause: unknown) =>
    new HeddleError('AGENT_UNREACHABLE', { socket, problem }, cause);
  return {
    request: async (method, path, options = {}) =>
      readJson(
        await send({ address: `unix:${socket}` }, method, path, { deadlineMs: agentMs, ...options }, unreachable),
      ),
  };
}
