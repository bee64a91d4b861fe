/** The controller's own program, on a store of its own in a temporary folder, asked by TLS with the first admin's token. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { projectRoot } from '../src/cli/launcher.ts';
import { shownAuthority } from '../src/client/authority.ts';
import { type Client, openClient } from '../src/client/client.ts';
import { type Ran, run } from '../src/lab/run.ts';
import type { Site } from './paths/path.ts';

export interface BenchController {
  /** Its folder, for what goes with it. */
  readonly folder: string;
  readonly client: Client;
  /** Runs `heddle` with these words, as the admin. */
  readonly heddle: (...words: string[]) => Promise<Ran>;
}

/** Starts one at a free port of 127.0.0.1, without limits of rates; the stack ends and removes it. */
export async function benchController(stack: AsyncDisposableStack, site: Site, name: string): Promise<BenchController> {
  const folder = join(tmpdir(), `${site.prefix}${name}`);
  const [db, socket, ca] = [join(folder, 'db'), join(folder, 'socket'), join(folder, 'ca.pem')];
  mkdirSync(folder, { mode: 0o700 });
  stack.defer(() => rmSync(folder, { recursive: true }));
  const where = ['--db', db, '--socket', socket, '--listen', '127.0.0.1:0'];
  // Not even kill −9 of the bench leaves it behind.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', launcher, 'controller', ...where, '--write-rate', '0'], {
    env: clean,
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true, // a Ctrl-C is for us
  });
  const ended = once(child, 'exit');
  stack.defer(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  let address: string | undefined;
  const log = createInterface({ input: child.stdout });
  // It says its addresses in their order, the socket last; what it says later is read, too, for a pipe must not fill.
  await new Promise<void>((resolve, reject) => {
    log.on('line', (line) => {
      const said = JSON.parse(line) as { address?: string };
      if (said.address?.startsWith('https:')) address = said.address;
      if (said.address?.startsWith('unix:')) resolve();
    });
    ended.then(() => reject(new Error('the controller ended')), reject);
  });
  writeFileSync(ca, await shownAuthority(address!));
  const token = readFileSync(`${db}.admin-token`, 'utf8').trim();
  const env = { ...clean, HEDDLE_CONTROLLER: address, HEDDLE_CA: ca, HEDDLE_TOKEN: token };
  return {
    folder,
    client: openClient(address!, { ca: readFileSync(ca, 'utf8'), token }),
    heddle: (...words) => run([launcher, ...words], { env, signal: site.signal }),
  };
}

const launcher = join(projectRoot, 'heddle');

/** Without what would have a say in what a command does. */
const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HEDDLE_')));
