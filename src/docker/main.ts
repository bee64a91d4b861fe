/** Docker on this host: the plug-in that its engine calls, and beside it what follows the engine. */
import { openDockerNames } from './names.ts';
import { type DockerPluginOptions, openDockerPlugin } from './plugin.ts';

export interface DockerOptions extends DockerPluginOptions {
  /** The engine's unix socket. */
  readonly engine: string;
}

/** Starts both. Disposing ends them, and leaves all that they made. @throws PREFIX_INVALID */
export async function startDocker(options: DockerOptions): Promise<AsyncDisposable> {
  await using open = new AsyncDisposableStack();
  const { records } = open.use(await openDockerPlugin(options));
  open.use(openDockerNames({ ...options, records }));
  return open.move();
}
