import type { Command } from 'commander';
import { type Kind, kinds } from '../model/kinds.ts';
import { applyCommand, exportCommand, planCommand } from './apply-commands.ts';
import { attachCommand, detachCommand } from './attach-commands.ts';
import { auditCommand } from './audit-command.ts';
import { caCommand } from './ca-command.ts';
import { makeCommand, printJson, withShared } from './command.ts';
import { completionCommand } from './completion.ts';
import { agentCommand, controllerCommand } from './daemon-commands.ts';
import { demoCommand } from './demo/command.ts';
import { diffCommand } from './diff-command.ts';
import { dnsCommand } from './dns-commands.ts';
import { doctorCommand } from './doctor-command.ts';
import { eventsCommand } from './events-command.ts';
import { exitCodesHelp } from './exit.ts';
import { historyCommand, rollbackCommand } from './history-commands.ts';
import { hostTokenCommand, revokeCommand } from './host-trust-commands.ts';
import { importCommand } from './import-command.ts';
import type { Io } from './io.ts';
import { kindCommand } from './kind-commands.ts';
import { labCommand } from './lab-commands.ts';
import { leaveCommand } from './leave-command.ts';
import { contextCommand } from './login/context-command.ts';
import { loginCommand, logoutCommand, whoamiCommand } from './login/login-command.ts';
import { quotaCommand } from './quota-command.ts';
import { statusCommand } from './status-command.ts';
import { tokenCommand } from './token-command.ts';
import { version } from './version.ts';
import { vmCommand } from './vm-commands.ts';

/** The whole tree of commands; `completion` and the reference page are generated from it. */
export function buildProgram(io: Io): Command {
  const program = makeCommand(
    'heddle',
    'One virtual network for containers, virtual machines and bare-metal servers',
    [
      'heddle demo',
      'heddle tenant create acme',
      'heddle network create web --tenant acme',
      'heddle subnet create web-v4 --tenant acme --network web --cidr 10.0.0.0/24',
      'heddle attach netns w1 --tenant acme --network web',
    ],
    exitCodesHelp,
  );
  for (const kind of Object.keys(kinds) as Kind[]) program.addCommand(kindCommand(io, kind));
  program.commands
    .find((command) => command.name() === 'host')!
    .addCommand(hostTokenCommand(io))
    .addCommand(revokeCommand(io));
  program.addCommand(caCommand(io));
  program.addCommand(quotaCommand(io));
  for (const make of [
    attachCommand,
    detachCommand,
    vmCommand,
    dnsCommand,
    statusCommand,
    eventsCommand,
    auditCommand,
    doctorCommand,
    leaveCommand,
  ])
    program.addCommand(make(io));
  for (const make of [applyCommand, planCommand, exportCommand]) program.addCommand(make(io));
  for (const make of [historyCommand, diffCommand, rollbackCommand]) program.addCommand(make(io));
  for (const make of [loginCommand, logoutCommand, whoamiCommand, contextCommand, tokenCommand])
    program.addCommand(make(io));
  for (const make of [labCommand, demoCommand, importCommand]) program.addCommand(make(io));
  for (const make of [controllerCommand, agentCommand, versionCommand]) program.addCommand(make(io));
  program.addCommand(completionCommand(io, () => program));
  configure(program, io);
  return program;
}

/** Output through `io` everywhere; errors are printed by `reportError` alone; a group without a command shows its help. */
function configure(command: Command, io: Io): void {
  command.configureOutput({ writeOut: io.out, writeErr: io.err, outputError: () => undefined });
  if (command.commands.length > 0) command.helpCommand(false);
  for (const sub of command.commands) configure(sub as Command, io);
}

function versionCommand(io: Io): Command {
  const command = makeCommand('version', 'Show the version', ['heddle version', 'heddle version --json']);
  return withShared(command, 'json').action(({ json }: { json?: boolean }) => {
    if (json) printJson(io, { version, node: process.version });
    else io.out(`heddle ${version} (Node ${process.version})\n`);
  });
}
