/** The controller as a service of systemd. */
import { realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { openClient } from '../client/client.ts';
import { HeddleError, hasCode } from '../model/errors.ts';
import { printJson } from './command.ts';
import type { Io } from './io.ts';
import { launcherWarning, rootLauncher } from './launcher.ts';
import { progress } from './progress.ts';
import {
  installService,
  removeService,
  requireRoom,
  requireWholePaths,
  type Service,
  socketOf,
  unitLines,
} from './service.ts';

const unit = 'heddle-controller.service';

/** What was typed of it, beside the controller's own options. */
export interface ServiceTyped {
  readonly install?: true;
  readonly uninstall?: true;
  readonly json?: true;
  readonly socket: string;
  /** The addresses by TCP. */
  readonly listen?: readonly string[];
}

/**
 * The service of a controller with these words, `heddle`'s own.
 * @throws USAGE for a word that is for one start, or means another file where a service runs
 */
export function controllerService(words: readonly string[], socket: string): Service {
  const once = words.find((word) => /^--(fd|ca-certificate|ca-key|new-authority)(=|$)/.test(word));
  if (once !== undefined)
    throw new HeddleError('USAGE', {
      problem: `${once.split('=')[0]} is for one start: begin with it by hand, and install the service after that`,
    });
  requireWholePaths(words, ['socket', 'db', 'oidc-ca']);
  const { db } = parseArgs({ args: [...words], options: { db: { type: 'string' } }, strict: false }).values;
  if (typeof db === 'string' && readOnly.test(placeOf(resolve(db))))
    throw new HeddleError('USAGE', {
      problem: `${db}: its service does not write there; /var/lib and /srv are for that`,
    });
  return {
    unit,
    description: 'Heddle controller',
    argv: words.filter((word) => word !== '--install' && word !== '--json'),
    socket,
    serviceLines: confined,
  };
}

/** It writes its store and its socket, and no more; an agent, which makes devices and mounts, cannot be held so. */
const confined = [
  'NoNewPrivileges=yes',
  'CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_DAC_OVERRIDE CAP_CHOWN CAP_FOWNER',
  'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK',
  'ProtectSystem=full',
  'PrivateDevices=yes',
  'ProtectKernelModules=yes',
  'ProtectKernelTunables=yes',
  'UMask=0077',
];

/** What ProtectSystem=full leaves it to read (systemd.exec(5)). */
const readOnly = /^\/(usr|boot|efi|etc)\//;

/** Where a file is, or would be: folders on the way may be links, as /lib is to /usr/lib. */
function placeOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return join(placeOf(dirname(path)), basename(path));
  }
}

/** Installs it, or takes it away, and says so. @throws USAGE, SERVICE_FAILED */
export async function serveAsService(io: Io, words: readonly string[], typed: ServiceTyped): Promise<void> {
  const { install, uninstall, json, socket, listen } = typed;
  if (install && uninstall) throw new HeddleError('USAGE', { problem: '--install and --uninstall: say one of them' });
  if (!install && !uninstall) throw new HeddleError('USAGE', { problem: '--json belongs to --install' });
  if (uninstall) return await remove(io, typed);
  const service = controllerService(words, socket);
  await requireRoom(service);
  using shown = progress(io, json);
  shown.step('installing the service');
  await installService(service, () => answersAt(socket), io.signal);
  shown[Symbol.dispose]();
  const untaken = launcherWarning();
  if (untaken) io.err(`warning: ${untaken}\n`);
  if (json) return printJson(io, { unit, installed: true, socket, listen: listen ?? [] });
  io.out(`${unit} runs, and will after every boot\n`);
  if (listen) io.out(`next: ${rootLauncher()} host token create\n`);
  else io.err('warning: it listens on this machine alone: other hosts need --listen <address:port>\n');
}

/** It listens on its socket last: who answers there answers everywhere. */
async function answersAt(socket: string): Promise<boolean> {
  try {
    await openClient(`unix:${socket}`).list('host');
    return true;
  } catch (e) {
    if (hasCode(e, 'CONTROLLER_UNREACHABLE')) return false;
    throw e;
  }
}

async function remove(io: Io, { socket, json }: Pick<ServiceTyped, 'socket' | 'json'>): Promise<void> {
  if (socketOf(unitLines(unit) ?? []) !== resolve(socket))
    throw new HeddleError('USAGE', { problem: `no ${unit} with the socket ${socket} was installed here` });
  await removeService(unit);
  if (json) return printJson(io, { unit, installed: false });
  io.out(`${unit} is gone; its store stays\n`);
}
