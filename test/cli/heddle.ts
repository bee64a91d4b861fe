/** Runs the launcher as a user would, against a controller process of its own. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { openClient } from '../../src/client/client.ts';
import { until } from '../../src/lab/processes.ts';
import { type Ran, run } from '../../src/lab/run.ts';
import { hasCode } from '../../src/model/errors.ts';

export const project = resolve(import.meta.dirname, '../..');
export const launcher = join(project, 'heddle');

/** Runs `heddle` with these words; the environment's own HEDDLE_ variables have no say. */
export function heddle(words: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ran> {
  const clean = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(HEDDLE_(?!TEST)|NO_COLOR)/.test(name)),
  );
  return run([launcher, ...words], { env: { ...clean, ...env } });
}

/** A controller process in a temporary folder, on a unix socket alone. */
export interface TestController extends AsyncDisposable {
  readonly address: string;
  /** The folder, for what goes with the controller. */
  readonly folder: string;
  /** Environment for `heddle`. */
  readonly env: NodeJS.ProcessEnv;
}

export async function startTestController(): Promise<TestController> {
  const dir = await mkdtemp(join(tmpdir(), 'heddle-cli-'));
  const socket = join(dir, 'controller.sock');
  const child = spawn(
    launcher,
    ['controller', '--socket', socket, '--db', join(dir, 'db'), '--listen', '127.0.0.1:0'],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  const ended = new Promise((done) => child.once('exit', done));
  const address = `unix:${socket}`;
  const stop = async () => {
    child.kill('SIGTERM');
    await ended;
    await rm(dir, { recursive: true });
  };
  try {
    await until('the controller’s first answer', 20_000, async () => {
      try {
        return await openClient(address).list('host');
      } catch (e) {
        if (hasCode(e, 'CONTROLLER_UNREACHABLE')) return undefined;
        throw e;
      }
    });
  } catch (e) {
    await stop();
    throw e;
  }
  return {
    address,
    folder: dir,
    env: { HEDDLE_CONTROLLER: address, HEDDLE_TENANT: 'acme' },
    [Symbol.asyncDispose]: stop,
  };
}
