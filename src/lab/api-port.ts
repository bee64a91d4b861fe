/** The API's port in this machine's own namespace: each lab keeps one for as long as it exists. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { HeddleError } from '../model/errors.ts';
import { type LabOptions, labRoot } from './plan.ts';

/** What `lab.json` keeps of a lab. */
export interface Saved {
  readonly options: LabOptions;
  readonly apiPort: number;
}

/** What a lab's folder says of it; undefined if it says nothing. */
export function readSaved(dir: string): Saved | undefined {
  const file = `${dir}/lab.json`;
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Saved) : undefined;
}

async function listen(port: number): Promise<Server> {
  const server = createServer();
  const { promise, resolve, reject } = Promise.withResolvers<Server>();
  server.once('error', reject);
  server.listen(port, '127.0.0.1', 511, () => resolve(server));
  return promise;
}
const inUse = (e: unknown): boolean => (e as NodeJS.ErrnoException).code === 'EADDRINUSE';

/** A listening socket on 127.0.0.1, for the controller to serve. @throws LAB_FAILED if something else has the port */
export async function listenAt(port: number): Promise<Server> {
  try {
    return await listen(port);
  } catch (cause) {
    if (!inUse(cause)) throw cause;
    throw new HeddleError('LAB_FAILED', { problem: `port ${port} on 127.0.0.1 is used by another program now` }, cause);
  }
}

/** The first free port and a socket that listens on it. A port of a lab whose controller does not run is not free. */
export async function listenAtFree(first: number): Promise<{ port: number; listener: Server }> {
  const labs = existsSync(labRoot) ? readdirSync(labRoot) : [];
  const kept = new Set(labs.map((lab) => readSaved(`${labRoot}/${lab}`)?.apiPort));
  for (let port = first; port < first + 500; port++) {
    if (kept.has(port)) continue;
    try {
      return { port, listener: await listen(port) };
    } catch (e) {
      if (!inUse(e)) throw e;
    }
  }
  throw new HeddleError('LAB_FAILED', { problem: `no free TCP port from ${first} on 127.0.0.1` });
}
