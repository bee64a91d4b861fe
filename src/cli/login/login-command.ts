/** `heddle login`, `heddle logout`, `heddle whoami`. What logs in and out is loaded only when it is done. */
import { type Command, Option } from 'commander';
import { HeddleError } from '../../model/errors.ts';
import type { Whoami } from '../../model/login.ts';
import { controllerClient, makeCommand, printJson, type Typed, withShared } from '../command.ts';
import type { Io } from '../io.ts';
import { pairs, printable } from '../table.ts';
import { contextsFile, readContexts } from './contexts.ts';
import { controllerOf } from './controller-of.ts';
import type { LogIn } from './log-in.ts';

/** The context that is made, or ended. */
const context = (meaning: string) => new Option('--context <name>', meaning).env('HEDDLE_CONTEXT');

export function loginCommand(io: Io): Command {
  const command = makeCommand(
    'login',
    'Log in to a controller, and make it the one that commands ask: a context',
    [
      'heddle login https://192.0.2.1:7470',
      'heddle login ctl.example.org --oidc --context prod',
      'heddle login 192.0.2.1 --pin 2nMZ9aZjWcNmJ4FYhLHZqVTYfZgp6R1pQ1D3nZ0vIrA --token <token-file',
      'heddle login --context prod',
    ],
    `The controller's authority is known from before, by --pin or --ca, or is shown and confirmed on a terminal.
A token is never a word of the command line: it is asked for, or comes from standard input or a file.`,
  )
    .argument('[address]', 'https://address:port; default: that of the context')
    .addOption(context('what the context is called; default: as the address'))
    .option('--oidc', 'by the controller’s OpenID provider, in a browser anywhere; the default if it has one')
    .option('--token', 'with an API token, which is asked for, or read from standard input')
    .option('--token-file <file>', 'with the API token in a file')
    .option('--pin <pin>', 'of the controller’s authority, as "heddle ca status" shows it there')
    .option('--ca <file>', 'certificates of the controller’s authority, PEM');
  return withShared(command, 'json').action(async (address: string | undefined, typed: LogIn & { json?: true }) => {
    const { logIn } = await import('./log-in.ts');
    const { context, ...done } = await logIn(io, contextsFile(process.env), address, typed);
    if (typed.json) return printJson(io, { context, address: done.address, ...done.you });
    const name = printable(done.you.name);
    io.out(`logged in to ${done.address} as ${name}; context ${context} is the current one\n`);
    if (done.you.roles.length === 0) io.err(`nobody has given ${name} a role yet: heddle grant create\n`);
    const { HEDDLE_CONTROLLER: controller, HEDDLE_CONTEXT: named } = process.env;
    const asked = controllerOf({ controller, context: named });
    if (asked.address !== done.address)
      io.err(`here commands still ask ${asked.address}, unless --context ${context} is said\n`);
  });
}

export function logoutCommand(io: Io): Command {
  const command = makeCommand(
    'logout',
    'Forget what was logged in with; the context stays, and with it the controller’s address and authority',
    ['heddle logout', 'heddle logout --context prod'],
    'An API token counts until it ends, wherever else it is: "heddle token delete" ends it now.',
  ).addOption(context('whose login; default: the current context’s'));
  return withShared(command, 'json').action(async (typed: { context?: string; json?: true }) => {
    const { logOut } = await import('./log-out.ts');
    const file = contextsFile(process.env);
    const name = typed.context ?? readContexts(file).current;
    if (name === undefined) throw new HeddleError('USAGE', { problem: 'nobody is logged in anywhere' });
    await logOut(io, file, name);
    if (typed.json) return printJson(io, { context: name });
    io.out(`logged out of context ${name}\n`);
  });
}

export function whoamiCommand(io: Io): Command {
  const command = makeCommand('whoami', 'Show who you are to the controller, and which roles you have', [
    'heddle whoami',
    'heddle whoami --context prod --json',
  ]);
  return withShared(command, 'controller', 'json').action(async (typed: Typed) => {
    const you = await controllerClient(typed).whoami({ signal: io.signal });
    if (typed.json) return printJson(io, you);
    io.out(whoamiText(you));
  });
}

const kinds = { local: 'root of the controller’s machine', host: 'a host', user: 'a user' } as const;
const means = { token: ', by an API token', oidc: ', by a login' } as const;

function whoamiText({ kind, name, groups = [], via, scope, roles }: Whoami): string {
  const where = (tenant: string | undefined) => (tenant === undefined ? 'in the installation' : `in ${tenant}`);
  const less = [
    ...(scope?.tenants ? [`in ${scope.tenants.join(', ')} alone`] : []),
    ...(scope?.readOnly ? ['reads alone'] : []),
  ];
  return pairs([
    ['name', name],
    ['is', `${kinds[kind]}${via ? means[via] : ''}`],
    ...(groups.length > 0 ? [['groups', groups.join(', ')] as const] : []),
    ['roles', roles.map(({ role, tenant }) => `${role} ${where(tenant)}`).join(', ') || 'none'],
    ...(less.length > 0 ? [['token', less.join(', ')] as const] : []),
  ]);
}
