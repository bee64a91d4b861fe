/** `heddle agent join`: makes this server a host of a controller. */
import type { Command } from 'commander';
import { HeddleError } from '../model/errors.ts';
import type { HostSetting } from '../model/host-setting.ts';
import { parseName } from '../model/ids.ts';
import { agentRequest } from './agent-request.ts';
import { agentService, installAgent } from './agent-service.ts';
import { makeCommand, printJson, withShared } from './command.ts';
import type { Io } from './io.ts';
import { launcherWarning, rootLauncher } from './launcher.ts';
import { parseToken, readToken } from './login/prompt.ts';
import { progress } from './progress.ts';
import { requireRoom } from './service.ts';
import { printable } from './table.ts';

interface JoinTyped {
  readonly name?: string;
  readonly stateDir: string;
  readonly install?: true;
  readonly json?: true;
}

export function joinCommand(io: Io): Command {
  const command = makeCommand(
    'join',
    'Make this server a host of a controller: with a token of "heddle host token create", once',
    [
      'heddle agent join https://192.0.2.1:7470 hdj_… --install',
      'heddle agent join https://192.0.2.1:7470 hdj_… --install -- --docker-tenant acme',
      'heddle agent join https://192.0.2.1:7470 - <token-file',
    ],
    'The token names the controller’s authority, so nobody can put himself between. The key is made here and stays here.',
  )
    .argument('<controller>', 'its address, https://address:port')
    .argument('<token>', 'the token; "-" reads it from standard input, where no list of processes shows it')
    .argument('[options...]', 'behind "--": further options of "heddle agent" for the unit of --install')
    .option('--name <name>', 'what the host is to be called (default: what the token is for, or the machine’s name)')
    .option('--state-dir <folder>', 'where the agent keeps what it must remember', '/var/lib/heddle/agent')
    .option('--install', 'install the agent as a service of systemd, start it, and wait until it is connected');
  return withShared(command, 'json').action(
    async (controller: string, given: string, options: string[], typed: JoinTyped) => {
      const name = typed.name === undefined ? undefined : parseName(typed.name);
      if (!typed.install && options.length > 0)
        throw new HeddleError('USAGE', { problem: `what are ${options.join(' ')} for? They belong to --install` });
      const token = given === '-' ? await readToken(process.stdin) : parseToken(given);
      const service = typed.install && agentService(typed.stateDir, options);
      if (service) await requireRoom(service);
      using shown = progress(io, typed.json);
      shown.step('looking at this host');
      await refuseUnfit(io, controller, typed.stateDir);
      shown.step(`joining ${controller}`);
      const { ensureJoined, joinController } = await import('../agent/join.ts');
      const { stateDir } = typed;
      const asked = { controller, token, name, stateDir, signal: io.signal };
      // Only what comes after it can be wanted again.
      const { identity, refused } = service ? await ensureJoined(asked) : { identity: await joinController(asked) };
      const { host } = identity;
      if (refused) io.err(`warning: this server is host ${host.name} already, and stays it: ${refused.message}\n`);
      if (service) {
        shown.step('installing the service');
        await installAgent(service, io.signal);
      }
      shown[Symbol.dispose]();
      const untaken = service && launcherWarning();
      if (untaken) io.err(`warning: ${untaken}\n`);
      const already = refused !== undefined;
      if (typed.json) printJson(io, { controller, host, installed: typed.install === true, already });
      else io.out(`${host.name} is a host of ${controller}\n`);
      if (service) return await lookAround(io, service.socket, typed.json);
      if (typed.json) return;
      const [agent, doctor] = [`${rootLauncher()} agent --state-dir ${typed.stateDir}`, `${rootLauncher()} doctor`];
      io.out(`next: ${agent}\n      and when it runs, for the ways to other hosts: ${doctor}\n`);
    },
  );
}

/** What the agent would refuse to start for is said before a token is used up. @throws HOST_UNFIT */
async function refuseUnfit(io: Io, controller: string, stateDir: string): Promise<void> {
  const { openNetlink, openSite, checkAtStart } = await doctor();
  using nl = openNetlink();
  await checkAtStart(openSite(nl, { controller, stateDir }, undefined), warningsTo(io));
}

/** What only a host that is connected can see. It has joined, whatever is found. @throws the signal's reason */
async function lookAround(io: Io, agent: string, json?: true): Promise<void> {
  const { openNetlink, openSite, checkJoined } = await doctor();
  using nl = openNetlink();
  using shown = progress(io, json);
  shown.step('looking at the ways to other hosts; Ctrl-C ends this alone');
  try {
    const setting = await agentRequest<HostSetting>({ agent }, 'GET', '/v1/setting');
    await checkJoined(openSite(nl, {}, setting), warningsTo(io), io.signal);
  } catch (e) {
    if (!(e instanceof HeddleError)) throw e;
    io.err(`warning: the ways to other hosts were not looked at: ${e.message} (heddle doctor does it)\n`);
  }
}

const doctor = async () => ({
  ...(await import('../kernel/netlink.ts')),
  ...(await import('../agent/doctor/open-site.ts')),
  ...(await import('../agent/doctor/at-start.ts')),
});

const warningsTo = (io: Io) => ({
  warn: ({ advice }: { readonly advice?: string }, text: string) =>
    io.err(`warning: ${printable(text)}${advice === undefined ? '' : ` (${printable(advice)})`}\n`),
});
