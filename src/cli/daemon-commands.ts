/** The daemons: `heddle controller` and `heddle agent`. Their code is loaded only when they run. */
import { flushCompileCache } from 'node:module';
import { type Command, Option } from 'commander';
import type { Logger } from 'pino';
import type { Agent } from '../agent/main.ts';
import { controllerSocket } from '../client/transport.ts';
import { HeddleError } from '../model/errors.ts';
import { defaultRates } from '../model/rates.ts';
import { groupId } from './accounts.ts';
import { type AuthorityTyped, parseAuthorityFlags, withAuthority } from './authority-flags.ts';
import { collect, defaults, duration, integer, makeCommand, size } from './command.ts';
import { type ServiceTyped, serveAsService } from './controller-service.ts';
import type { Io } from './io.ts';
import { joinCommand } from './join-command.ts';
import { readTokenFile } from './login/prompt.ts';
import { type OidcTyped, oidcOf, withOidc } from './oidc-flags.ts';
import { parseLimits } from './quota-text.ts';
import { version } from './version.ts';

/** Runs until a signal, a fatal error, or its own end, then disposes. */
async function serve(
  io: Io,
  start: (onFatal: (cause: unknown) => void, onEnd: () => void) => Promise<AsyncDisposable>,
): Promise<void> {
  // What a daemon makes is for its owner alone, unless it says otherwise.
  process.umask(0o077);
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  io.signal.addEventListener('abort', () => resolve(), { once: true });
  await using _daemon = await start(reject, resolve);
  // Else it is written at the end only, and one that is killed would start no faster the next time.
  flushCompileCache();
  if (!io.signal.aborted) await ended;
}

const levels = ['trace', 'debug', 'info', 'warn', 'error'] as const;

export function controllerCommand(io: Io): Command {
  const command = makeCommand('controller', 'Run the controller: the API, the store, and the streams to the hosts', [
    'heddle controller',
    'heddle controller --listen 192.0.2.1:7470 --tls-name heddle.example.org --install',
    'heddle controller --oidc-issuer https://login.example.org/realms/staff --oidc-client-id heddle',
  ])
    .option(
      '--listen <address:port>',
      'TCP address to listen on, by TLS (repeatable; default: 127.0.0.1:7470)',
      collect,
    )
    .option(
      '--tls-name <name>',
      'a name or address by which others than heddle call it, for its certificate (repeatable)',
      collect,
    )
    .option('--fd <number>', 'a listening socket inherited as this file descriptor', integer)
    .option('--socket <path>', 'unix socket to listen on; only root can open it', controllerSocket)
    .option('--db <file>', 'the store’s file', '/var/lib/heddle/controller.db')
    .option(
      '--host-silence <duration>',
      'delete hosts that were not connected for so long (30d, 12h, 90m), as "heddle host delete --gone" does; they come back by a new token; default: never',
      duration,
    )
    .option('--history <duration>', 'what was at any time of so long ago can still be read, and gone back to', '30d')
    .option(
      '--history-size <size>',
      'most that is kept of the past (1M or more): beyond it the oldest goes earlier',
      '256M',
    )
    .option('--audit <duration>', 'records of what was done and refused so long ago are kept', '365d')
    .option(
      '--audit-size <size>',
      'most that is kept of them (8M or more), an eighth of it of refusals: beyond it the oldest go of the tenant that has most',
      '512M',
    )
    .option(
      '--tenant-quota <unit=limit>',
      'what a new tenant may have of a unit, as ports=1000; default: any number (repeatable)',
      collect,
    )
    .option(
      '--write-rate <number>',
      'writes a second of one user or host, or of an address that shows nothing; 0: any number',
      integer,
      defaultRates.write,
    )
    .option('--read-rate <number>', 'the same of lists and watches', integer, defaultRates.read);
  return withOidc(withAuthority(command))
    .option('--log-level <level>', levels.join(', '), 'info')
    .option('--install', 'be a service of systemd with these options: install it, start it, and wait until it answers')
    .option('--uninstall', 'end the service, and take its unit away; the store stays')
    .addOption(new Option('--json', 'with --install and --uninstall: print JSON, and errors as problem objects'))
    .action(async (typed: ControllerTyped) => {
      const oidc = await oidcOf(typed);
      const bounds = boundsOf(typed);
      if (typed.install || typed.uninstall || typed.json) return serveAsService(io, process.argv.slice(2), typed);
      const { startController } = await import('../controller/main.ts');
      const givenAuthority = await parseAuthorityFlags(typed);
      const { openLog } = await import('../listen/log.ts');
      const log = openLog(typed.logLevel);
      const { db, fd } = typed;
      const tcp = typed.listen ?? (fd === undefined ? ['127.0.0.1:7470'] : []);
      // The socket is the last: who answers there answers everywhere.
      const listen = [...tcp.map((t) => ({ tcp: t })), ...(fd === undefined ? [] : [{ fd }]), { unix: typed.socket }];
      const names = typed.tlsName ?? [];
      const silence = typed.hostSilence === undefined ? {} : { silenceMs: typed.hostSilence };
      const isAuthorityLost = typed.newAuthority === true;
      const given = { ...(oidc && { oidc }), ...(givenAuthority && { givenAuthority }), isAuthorityLost };
      await serve(io, (onFatal) =>
        startController({ listen, db, names, log, onFatal, version, ...silence, ...bounds, ...given }),
      );
    });
}

/** What an installation may have, keep and ask. @throws USAGE */
const boundsOf = (typed: ControllerTyped) => ({
  keep: keepOf(typed),
  auditKeep: auditKeepOf(typed),
  tenantQuota: parseLimits(typed.tenantQuota ?? []),
  rates: { write: typed.writeRate, read: typed.readRate },
});

/** @throws USAGE */
function keepOf({ history, historySize }: ControllerTyped): { ms: number; bytes: number } {
  const bytes = size(historySize);
  if (bytes < size('1M')) throw new HeddleError('USAGE', { problem: '--history-size is at least 1M' });
  return { ms: duration(history), bytes };
}

/** @throws USAGE */
function auditKeepOf({ audit, auditSize }: ControllerTyped): { ms: number; bytes: number } {
  const bytes = size(auditSize);
  if (bytes < size('8M')) throw new HeddleError('USAGE', { problem: '--audit-size is at least 8M' });
  return { ms: duration(audit), bytes };
}

interface ControllerTyped extends OidcTyped, AuthorityTyped, ServiceTyped {
  listen?: string[];
  tlsName?: string[];
  fd?: number;
  socket: string;
  db: string;
  hostSilence?: number;
  history: string;
  historySize: string;
  audit: string;
  auditSize: string;
  tenantQuota?: string[];
  writeRate: number;
  readRate: number;
  logLevel: string;
}

/** The agent as the network driver of its host's Docker engine. */
async function docker(
  typed: Omit<AgentTyped, 'name' | 'logLevel'>,
  tenants: readonly string[],
  { thisHost, client, workloads, refusals }: Agent,
  log: Logger,
): Promise<AsyncDisposable> {
  const { startDocker } = await import('../docker/main.ts');
  return startDocker({
    workloads,
    refusals,
    thisHost,
    log,
    client,
    stateDir: typed.stateDir,
    tenants,
    socket: typed.dockerPlugin,
    engine: typed.dockerEngine,
    pool: typed.dockerPool,
    authz: typed.dockerAuthz === undefined ? undefined : { users: typed.dockerAuthz, socket: typed.dockerAuthzPlugin },
  });
}

interface AgentTyped {
  name?: string;
  vtep?: string;
  controller?: string;
  joinTokenFile?: string;
  stateDir: string;
  socket: string;
  socketGroup?: number;
  bpfDir: string;
  vxlanPort: number;
  guard?: string[];
  metricsListen?: string;
  resolvConf: string;
  dockerTenant?: string[];
  dockerPlugin: string;
  dockerEngine: string;
  dockerPool: string;
  dockerAuthz?: string;
  dockerAuthzPlugin: string;
  logLevel: string;
}

export function agentCommand(io: Io): Command {
  return makeCommand('agent', 'Run this host’s agent: it makes the kernel carry what the controller says', [
    'heddle agent join https://192.0.2.1:7470 hdj_… --install',
    'heddle agent',
    'heddle agent --controller https://192.0.2.1:7470 --join-token-file /etc/heddle/token',
    'heddle agent --name h1 --vtep 198.18.0.1 --controller unix:/run/heddle/controller.sock',
  ])
    .addCommand(joinCommand(io))
    .addOption(
      new Option(
        '--controller <address>',
        'the controller: https://address:port, or unix:/path; default: what this host joined, or the one on this machine',
      ).env('HEDDLE_CONTROLLER'),
    )
    .option('--join-token-file <file>', 'join with the token in it, if this host has not joined')
    .option('--name <name>', 'this host’s name, if its controller has not given it one; default: the machine’s')
    .option('--vtep <address>', 'its underlay address; default: the source address of the default route')
    .option('--state-dir <folder>', 'attachments and the last known state', '/var/lib/heddle/agent')
    .option('--socket <path>', 'unix socket of the local API', defaults.agent)
    .option(
      '--socket-group <group>',
      'a group whose members may read what it tells there, and attach taps of their own; default: root alone may',
      (group) => groupId(group, '--socket-group'),
    )
    .option('--bpf-dir <folder>', 'a bpffs, for programs and maps; mounted if it is not', '/sys/fs/bpf/heddle')
    .option('--vxlan-port <port>', 'UDP port of VXLAN', integer, 4789)
    .option(
      '--guard <prefix|none>',
      'addresses that no workload of this host gets to, besides those of other hosts; none: these neither (repeatable)',
      collect,
    )
    .option(
      '--metrics-listen <address:port>',
      'serve metrics there too, by TLS with the certificate of a host that has joined; default: on the socket alone',
    )
    .option('--resolv-conf <file>', 'names the resolvers for what is no network’s own name', '/etc/resolv.conf')
    .option(
      '--docker-tenant <tenant>',
      'be the network driver of this host’s Docker engine, whose users may touch this tenant; the first is the default (repeatable)',
      collect,
    )
    .option(
      '--docker-plugin <path>',
      'unix socket on which the engine finds the driver',
      '/run/docker/plugins/heddle.sock',
    )
    .option('--docker-engine <path>', 'unix socket of the engine’s API', '/run/docker.sock')
    .option('--docker-pool <prefix>', 'where networks without --subnet get theirs, a /24 each', '10.128.0.0/9')
    .option(
      '--docker-authz <file>',
      'be the engine’s authorization plug-in too: the file says which tenants each of its users may touch',
    )
    .option(
      '--docker-authz-plugin <path>',
      'unix socket on which the engine finds it',
      '/run/docker/plugins/heddle-authz.sock',
    )
    .option('--log-level <level>', levels.join(', '), 'info')
    .action(async ({ logLevel, joinTokenFile, ...typed }: AgentTyped) => {
      const { startAgent } = await import('../agent/main.ts');
      const { openLog } = await import('../listen/log.ts');
      const log = openLog(logLevel);
      await serve(io, async (onFatal, onEnd) => {
        await using open = new AsyncDisposableStack();
        const driver = new AsyncDisposableStack();
        const leaving = {
          integrations: () => driver.disposeAsync(),
          onLeft: (cause?: unknown) => (cause === undefined ? onEnd() : onFatal(cause)),
        };
        const joinToken =
          joinTokenFile === undefined ? undefined : () => readTokenFile('--join-token-file', joinTokenFile);
        const agent = open.use(
          await startAgent({ ...typed, ...leaving, ...(joinToken && { joinToken }), version, log }),
        );
        open.use(driver);
        if (typed.dockerAuthz !== undefined && !typed.dockerTenant)
          throw new HeddleError('USAGE', { problem: '--docker-authz needs --docker-tenant' });
        if (typed.dockerTenant) driver.use(await docker(typed, typed.dockerTenant, agent, log));
        return open.move();
      });
    });
}
