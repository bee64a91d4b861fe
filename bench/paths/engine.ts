/** A real Docker engine in a network namespace, for as long as the benchmark runs. */
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { Engine } from '../../src/lab/engine.ts';
import { must } from '../../src/lab/run.ts';
import { program } from '../metrics.ts';
import type { Site } from './path.ts';

/** Name of the image that `startEngine` makes: the measuring program and nothing else. */
export const image = 'heddle-bench';

/** Starts an engine in a named namespace and makes the image; the stack ends and removes all of it. @throws LAB_FAILED */
export async function startEngine(
  stack: AsyncDisposableStack,
  site: Site,
  netns: string,
  flags: readonly string[] = [],
): Promise<Engine> {
  const dir = `${tmpdir()}/${netns}`;
  mkdirSync(dir, { mode: 0o700 });
  // Not even kill −9 of the bench leaves an engine behind.
  const engine = stack.use(new Engine({ netns, dir, flags, through: ['setpriv', '--pdeathsig', 'KILL'] }));
  await engine.start();
  await engine.ready(30_000, site.signal);
  await must(['tar', '-cf', `${dir}/image.tar`, '-C', program.replace(/\/[^/]*$/, ''), 'measure']);
  await engine.docker('import', `${dir}/image.tar`, image);
  return engine;
}

/** Starts a container that does nothing, on a network; its namespace as a path, and its address there. */
export async function startContainer(
  engine: Engine,
  name: string,
  network: string,
): Promise<{ netns: string; address: string }> {
  await engine.docker('run', '--detach', '--name', name, '--network', network, image, '/measure', 'hold');
  const address = `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`;
  const said = await engine.docker('inspect', '--format', `{{.State.Pid}} ${address}`, name);
  const [pid, ip] = said.split(' ');
  return { netns: `/proc/${pid}/ns/net`, address: ip! };
}
