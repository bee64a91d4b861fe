/** `heddle context`: the controllers that somebody uses. */
import type { Command } from 'commander';
import { HeddleError } from '../../model/errors.ts';
import { parseName } from '../../model/ids.ts';
import { makeCommand, printJson, withShared } from '../command.ts';
import type { Io } from '../io.ts';
import { pairs, table } from '../table.ts';
import { type Context, changeContexts, contextOf, contextsFile, readContexts, withContext } from './contexts.ts';

type Typed = { readonly json?: true };

export function contextCommand(io: Io): Command {
  return makeCommand(
    'context',
    'The controllers that you use, each with its authority and your login; commands ask that of the current context',
    ['heddle context list', 'heddle context use prod', 'heddle port list --tenant acme --context dev'],
    'They are in $XDG_CONFIG_HOME/heddle/config.json (~/.config), for you alone. "heddle login" makes them.',
  )
    .addCommand(listCommand(io))
    .addCommand(showCommand(io))
    .addCommand(useCommand(io))
    .addCommand(addCommand(io))
    .addCommand(removeCommand(io));
}

const file = (): string => contextsFile(process.env);

/** How a context's user is known, without what is secret. */
function loginOf({ token, oidc }: Context) {
  if (oidc) {
    const { issuer, expiresAt, refreshToken } = oidc;
    return { by: 'oidc', issuer, expiresAt, renewed: refreshToken !== undefined } as const;
  }
  if (token === undefined) return undefined;
  return { by: 'token', id: /^hdt_([0-9a-f]+)_/.exec(token)?.[1] ?? 'unknown' } as const;
}
const loginText = (context: Context): string => {
  const login = loginOf(context);
  if (!login) return context.address.startsWith('unix:') ? 'as who may open it' : 'none';
  return login.by === 'oidc' ? `by ${login.issuer}` : `API token ${login.id}`;
};

function listCommand(io: Io): Command {
  const command = makeCommand('list', 'List them; the current one has a star', [
    'heddle context list',
    'heddle context list --names',
  ]).option('--names', 'names alone, one a line');
  return withShared(command, 'json').action((typed: Typed & { names?: true }) => {
    const { contexts, current } = readContexts(file());
    const all = [...contexts].sort(([a], [b]) => a.localeCompare(b));
    if (typed.json) {
      const items = all.map(([name, c]) => ({
        name,
        current: name === current,
        address: c.address,
        login: loginOf(c),
      }));
      return printJson(io, { items });
    }
    if (typed.names) return io.out(all.map(([name]) => `${name}\n`).join(''));
    const rows = all.map(([name, c]) => [name === current ? '*' : '', name, c.address, loginText(c)]);
    io.out(table(['', 'name', 'controller', 'login'], rows));
  });
}

function showCommand(io: Io): Command {
  const command = makeCommand('show', 'Show one, without what is secret; without a name the current one', [
    'heddle context show',
    'heddle context show prod --json',
  ]).argument('[name]');
  return withShared(command, 'json').action(async (typed: string | undefined, { json }: Typed) => {
    const contexts = readContexts(file());
    const name = typed ?? contexts.current;
    if (name === undefined) throw new HeddleError('USAGE', { problem: 'there is no current context: name one' });
    const context = contextOf(contexts, name);
    const authorities = await authoritiesOf(context);
    const login = loginOf(context);
    const current = name === contexts.current;
    if (json) return printJson(io, { name, current, address: context.address, authorities, login });
    io.out(
      pairs([
        ['name', current ? `${name}, the current one` : name],
        ['controller', context.address],
        ...authorities.map(({ pin, notAfter }) => ['authority', `${pin}, until ${notAfter}`] as const),
        ['login', loginText(context)],
        ...(login?.by === 'oidc' ? [['until', login.renewed ? 'the provider ends it' : login.expiresAt] as const] : []),
      ]),
    );
  });
}

async function authoritiesOf({ ca }: Context): Promise<{ pin: string; notAfter: string }[]> {
  if (ca === undefined) return [];
  const { parseBundle, pinOf } = await import('../../trust/bundle.ts');
  return parseBundle(ca).map((c) => ({ pin: pinOf(c), notAfter: c.validToDate.toISOString() }));
}

function useCommand(io: Io): Command {
  const command = makeCommand('use', 'Make one the current one', ['heddle context use prod']).argument('<name>');
  return withShared(command, 'json').action(async (name: string, { json }: Typed) => {
    const after = await changeContexts(file(), (before) => {
      contextOf(before, name);
      return { ...before, current: name };
    });
    if (json) return printJson(io, { name, address: contextOf(after, name).address });
    io.out(`commands ask ${contextOf(after, name).address} now\n`);
  });
}

interface AddTyped extends Typed {
  readonly address: string;
  readonly pin?: string;
  readonly ca?: string;
  readonly tokenFile?: string;
  readonly use?: true;
}

function addCommand(io: Io): Command {
  const command = makeCommand(
    'add',
    'Add one without asking its controller, but for the authority of --pin: for programs, and for unix sockets',
    [
      'heddle context add ci --address https://192.0.2.1:7470 --ca ca.pem --token-file token',
      'heddle context add here --address unix:/run/heddle/controller.sock --use',
    ],
  )
    .argument('<name>')
    .requiredOption('--address <address>', 'the controller: https://address:port or unix:/path')
    .option('--ca <file>', 'certificates of its authority, PEM')
    .option('--pin <pin>', 'of its authority, which is then asked for')
    .option('--token-file <file>', 'the API token in a file')
    .option('--use', 'make it the current one');
  return withShared(command, 'json').action(async (text: string, typed: AddTyped) => {
    const name = parseName(text);
    const context = await contextFor(io, typed);
    await changeContexts(file(), (before) => {
      if (before.contexts.has(name)) throw new HeddleError('NAME_TAKEN', { kind: 'context', name });
      return { ...withContext(before, name, context), ...(typed.use && { current: name }) };
    });
    if (typed.json) return printJson(io, { name, address: context.address });
    io.out(`added context ${name}\n`);
  });
}

/** @throws USAGE, INVALID, CA_MISMATCH */
async function contextFor(io: Io, typed: AddTyped): Promise<Context> {
  const [{ parseAddress }, { askAuthority }, { readTokenFile }] = await Promise.all([
    import('./address.ts'),
    import('./authority.ts'),
    import('./prompt.ts'),
  ]);
  if (typed.address.startsWith('unix:')) return { address: typed.address };
  const address = parseAddress(typed.address);
  if (typed.pin === undefined && typed.ca === undefined)
    throw new HeddleError('USAGE', { problem: 'by what is its authority known? Say --ca or --pin' });
  const ca = await askAuthority(io, address, typed, undefined);
  return {
    address,
    ca,
    ...(typed.tokenFile !== undefined && { token: readTokenFile('--token-file', typed.tokenFile) }),
  };
}

function removeCommand(io: Io): Command {
  const command = makeCommand('remove', 'Forget one, and what was logged in with', ['heddle context remove dev']);
  return withShared(command.argument('<name>'), 'json').action(async (name: string, { json }: Typed) => {
    const { logOut } = await import('./log-out.ts');
    await logOut(io, file(), name);
    await changeContexts(file(), ({ current, contexts }) => ({
      ...(current !== undefined && current !== name && { current }),
      contexts: new Map([...contexts].filter(([other]) => other !== name)),
    }));
    if (json) return printJson(io, { name });
    io.out(`removed context ${name}\n`);
  });
}
