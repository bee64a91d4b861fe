/** The authorization plug-in: which of an engine's users may touch which tenants' networks. */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { basename } from 'node:path';
import type { Logger } from 'pino';
import type { Refusals } from '../../agent/refusals.ts';
import { HeddleError, hasCode } from '../../model/errors.ts';
import { connectEngine } from '../engine-api.ts';
import type { PluginRecords } from '../records.ts';
import { requireOwn, type View } from './decide.ts';
import { type Driver, deedOf } from './deed.ts';
import { type AuthZRequest, serveAuthz } from './server.ts';
import { everything, UsersFile } from './users.ts';

/** By this header of its own requests the agent is known: they come by the same socket as others'. */
export const agentHeader = 'Heddle-Agent';
/** 256 random bits; another one for each agent that starts. */
export const newAgentSecret = (): string => randomBytes(32).toString('base64url');

export interface DockerAuthzOptions {
  /** The file of users. */
  readonly users: string;
  /** Where the engine finds the plug-in; the file's name is the plug-in's. */
  readonly socket: string;
  /** The network driver's socket; likewise. */
  readonly driver: string;
  /** Those of --docker-tenant. */
  readonly tenants: readonly string[];
  /** The engine's unix socket. */
  readonly engine: string;
  readonly secret: string;
  readonly records: Pick<PluginRecords, 'networks'>;
  /** What is refused is told there. */
  readonly refusals: Pick<Refusals, 'note'>;
  readonly log: Logger;
}

/** Starts it. Without it an engine that was told to ask it refuses everything. @throws USAGE */
export async function openDockerAuthz(options: DockerAuthzOptions): Promise<AsyncDisposable> {
  const { socket, log, users: path } = options;
  const file = new UsersFile(path, log);
  const driver = { name: basename(options.driver, '.sock'), tenants: options.tenants };
  const server = await serveAuthz(socket, (request) => judge(options, file, driver, request), log);
  log.info({ socket, users: path }, 'Docker authorization plug-in ready');
  return server;
}

/** @throws ENGINE_FORBIDDEN, ENGINE_UNREACHABLE */
async function judge(
  options: DockerAuthzOptions,
  file: UsersFile,
  driver: Driver,
  request: AuthZRequest,
): Promise<void> {
  const { User: user = '', UserAuthNMethod: by = '', RequestMethod: method = '', RequestUri: uri = '' } = request;
  if (user === '' && by === '' && isSame(request.RequestHeaders?.[agentHeader], options.secret)) return;
  // A certificate without a common name is not who comes by the socket.
  const isNameless = user === '' && by !== '';
  const tenants = (isNameless ? undefined : file.now().get(user)) ?? [];
  if (tenants.includes(everything)) return;
  try {
    const body = request.RequestBody ? Buffer.from(request.RequestBody, 'base64') : undefined;
    const headers = request.RequestHeaders ?? undefined;
    await requireOwn(deedOf({ method, uri, body, headers }, driver), tenants, look(options));
  } catch (e) {
    if (!(e instanceof HeddleError) || hasCode(e, 'ENGINE_UNREACHABLE')) throw e;
    const who = isNameless
      ? 'a certificate without a common name'
      : user === ''
        ? 'who comes by the engine’s socket'
        : user;
    // It tells of all tenants here, which are not this user's to know.
    const problem = hasCode(e, 'TENANT_FORBIDDEN')
      ? `there is no tenant of yours called ${e.details.tenant}`
      : e.message;
    const refusal = new HeddleError('ENGINE_FORBIDDEN', { who: who.slice(0, 80), tenants, problem }, e);
    // Queries may have secrets: build arguments, addresses with a password.
    const asked = `${method} ${uri.split('?', 1)[0]}`;
    options.log.info(
      { user, asked: asked.slice(0, 200), problem: refusal.message },
      'a request to the engine was refused',
    );
    options.refusals.note({ who: refusal.details.who, asked, code: 'ENGINE_FORBIDDEN', why: problem });
    throw refusal;
  }
}

function isSame(given: string | undefined, secret: string): boolean {
  const [a, b] = [Buffer.from(given ?? ''), Buffer.from(secret)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** The engine by its own words; nothing is asked of it for what touches nothing. */
function look({ engine: socket, secret, records }: DockerAuthzOptions): View {
  const connect = () => connectEngine(socket, { headers: { [agentHeader]: secret } });
  let engine: ReturnType<typeof connect> | undefined;
  const ask = () => {
    engine ??= connect();
    return engine;
  };
  return {
    networks: async () => (await ask()).networks(),
    container: async (term) => (await ask()).container(term),
    containerOfExec: async (id) => (await (await ask()).exec(id))?.ContainerID,
    tenantOf: (network) => records.networks().find((n) => n.id === network)?.tenant,
  };
}
