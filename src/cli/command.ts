/** The parts that all commands share: making them, their options, their examples. */
import { Command, Option } from 'commander';
import { type Client, openClient } from '../client/client.ts';
import { HeddleError } from '../model/errors.ts';
import { type Kind, kinds } from '../model/kinds.ts';
import type { Io } from './io.ts';
import { controllerOf } from './login/controller-of.ts';

/** Where this host's agent is found if nobody says. */
export const defaults = { agent: '/run/heddle/agent.sock' } as const;

/** A command's action: what was typed, and the io it talks to. */
export interface Typed {
  readonly json?: boolean;
  readonly controller?: string;
  readonly context?: string;
  readonly agent?: string;
  readonly tenant?: string;
}

/** What a command was made with, for the reference page. */
interface Made {
  readonly examples: readonly string[];
  readonly note?: string;
}

/** A command that throws instead of ending the process, with examples and perhaps a note at the end of its help. */
export function makeCommand(name: string, description: string, examples: readonly string[], note?: string): Command {
  const command = new Command(name)
    .description(description)
    .enablePositionalOptions()
    .exitOverride()
    .helpOption('-h, --help', 'show this help')
    .showSuggestionAfterError(true);
  const shown = ['Examples:', ...examples.map((example) => `  ${example}`)].join('\n');
  command.addHelpText('after', `\n${shown}\n${note === undefined ? '' : `\n${note}\n`}`);
  made.set(command, { examples, ...(note !== undefined && { note }) });
  return command;
}
const made = new WeakMap<Command, Made>();

/** The examples and the note that a command was made with. */
export const madeWith = (command: Command): Made => made.get(command) ?? { examples: [] };

const json = () => new Option('--json', 'print JSON, and errors as problem objects');
const controller = () => [
  new Option(
    '--controller <address>',
    'the controller: unix:/path or https://address:port; default: this machine’s own, else the current context',
  ).env('HEDDLE_CONTROLLER'),
  new Option('--context <name>', 'the controller of this context (heddle context list)').env('HEDDLE_CONTEXT'),
];
const agent = () =>
  new Option('--agent <socket>', 'unix socket of this host’s agent').env('HEDDLE_AGENT').default(defaults.agent);
const tenant = () => new Option('--tenant <name>', 'the tenant, by name or id').env('HEDDLE_TENANT');
const shared = { json, controller, agent, tenant } as const;

/** Adds options that several commands have, always with the same meaning. */
export function withShared(command: Command, ...names: (keyof typeof shared)[]): Command {
  for (const option of names.flatMap((name) => shared[name]())) command.addOption(option);
  return command;
}

/** Seconds that a bare `--wait` waits. */
const waitDefault = 30;

/** Adds `--wait` to a command that writes. */
export function withWait(command: Command): Command {
  return command.option(
    '--wait [seconds]',
    `return when every concerned host has applied it, at the latest after so long (default ${waitDefault})`,
  );
}
/** How long that is, milliseconds; undefined: not at all. @throws USAGE */
export const waitMsOf = (wait: true | string | undefined): number | undefined =>
  wait === undefined ? undefined : (wait === true ? waitDefault : integer(wait)) * 1000;

/** A kind that was typed. @throws USAGE */
export function parseKind(text: string): Kind {
  const all = Object.keys(kinds) as Kind[];
  const kind = all.find((name) => name === text);
  if (!kind) throw new HeddleError('USAGE', { problem: `${text} is no kind: one of ${all.join(', ')}` });
  return kind;
}

/** Accumulates a repeatable option. */
export const collect = (text: string, before: readonly string[] = []): string[] => [...before, text];

/** A whole number of an option. @throws USAGE */
export function integer(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new HeddleError('USAGE', { problem: `${text} is no whole number` });
  return Number(text);
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A duration of an option, "90s", "12h", "30d", in milliseconds; at least one. @throws USAGE */
export function duration(text: string): number {
  const match = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text);
  const ms = match ? Number(match[1]) * unitMs[match[2]!]! : 0;
  if (ms === 0)
    throw new HeddleError('USAGE', { problem: `${text} is no duration: write it as 500ms, 90s, 10m, 12h or 30d` });
  return ms;
}

const unitBytes: Readonly<Record<string, number>> = { K: 1 << 10, M: 1 << 20, G: 2 ** 30 };

/** A size of an option, "512K", "256M", "2G", in bytes. @throws USAGE */
export function size(text: string): number {
  const match = /^(\d{1,6})([KMG])$/.exec(text);
  if (!match) throw new HeddleError('USAGE', { problem: `${text} is no size: write it as 512K, 256M or 2G` });
  return Number(match[1]) * unitBytes[match[2]!]!;
}

/** A client of the controller that was typed, set in the environment, or is the default. @throws as `controllerOf` */
export function controllerClient(typed: Typed): Client {
  const { address, credentials } = controllerOf(typed);
  return openClient(address, credentials);
}

/** What is of one tenant or of all, and how to ask for all where a tenant is set. */
export interface Whose extends Typed {
  readonly installation?: boolean;
}

/** Adds what says whose objects are meant. */
export const withWhose = (command: Command): Command =>
  withShared(command, 'tenant').option('--installation', 'everybody’s, even if a tenant is set in the environment');

/** The tenant whose objects are meant; undefined: everybody's. */
export const tenantOf = ({ tenant, installation }: Whose): string | undefined =>
  installation || !tenant ? undefined : tenant;

/** The tenant that was typed or is set. @throws USAGE */
export function requireTenant(typed: Typed): string {
  if (!typed.tenant) throw new HeddleError('USAGE', { problem: 'which tenant? Give --tenant or set HEDDLE_TENANT' });
  return typed.tenant;
}

/** Prints a value as JSON, for programs and for people with eyes. */
export const printJson = (io: Io, value: unknown): void => io.out(`${JSON.stringify(value, undefined, 2)}\n`);
