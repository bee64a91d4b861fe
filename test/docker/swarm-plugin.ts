/** The managed plug-in, built. */
import { join } from 'node:path';
import { must } from '../../src/lab/run.ts';
import { project } from '../cli/heddle.ts';

/** Builds it if it is not; the folder that `docker plugin create` takes. */
export async function swarmPlugin(): Promise<string> {
  await must(['make', '--silent', '-C', join(project, 'src/docker/swarm-plugin')]);
  return join(project, 'build/swarm-plugin');
}
