/** Docker on this host: the plug-in that its engine calls, and beside it what follows the engine. */
import type { Refusals } from '../agent/refusals.ts';
import { agentHeader, newAgentSecret, openDockerAuthz } from './authz/main.ts';
import { openDockerNames } from './names.ts';
import { type DockerPluginOptions, openDockerPlugin } from './plugin.ts';

export interface DockerOptions extends DockerPluginOptions {
  /** The engine's unix socket. */
  readonly engine: string;
  /** What the authorization plug-in refuses is told there. */
  readonly refusals: Pick<Refusals, 'note'>;
  /** The plug-in, if there is to be one: its file of users, and its socket. */
  readonly authz?: { readonly users: string; readonly socket: string } | undefined;
}

/** Starts them. Disposing ends them, and leaves all that they made. @throws PREFIX_INVALID, USAGE */
export async function startDocker(options: DockerOptions): Promise<AsyncDisposable> {
  await using open = new AsyncDisposableStack();
  const { records } = open.use(await openDockerPlugin(options));
  const { authz, socket: driver } = options;
  const secret = newAgentSecret();
  if (authz) open.use(await openDockerAuthz({ ...options, ...authz, driver, secret, records }));
  const engineHeaders = authz && { [agentHeader]: secret };
  open.use(openDockerNames({ ...options, engineHeaders, records }));
  return open.move();
}
