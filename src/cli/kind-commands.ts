/** create, list, show, update and delete of every kind, made from the kinds table. */
import { type Command, Option } from 'commander';
import type { Client } from '../client/client.ts';
import { article } from '../model/article.ts';
import { HeddleError, hasCode } from '../model/errors.ts';
import type { PortCounters } from '../model/host-state.ts';
import { type Kind, type KindSpec, kinds, type Objects } from '../model/kinds.ts';
import {
  collect,
  controllerClient,
  integer,
  makeCommand,
  printJson,
  requireTenant,
  type Typed,
  tenantOf,
  type Whose,
  waitMsOf,
  withShared,
  withWait,
} from './command.ts';
import { bodyOf, createFlags, exampleLine, type Flag, updateFlags } from './flags.ts';
import type { Io } from './io.ts';
import { countersText, details, listTable, referredNames } from './show.ts';
import { watchList } from './watch.ts';

interface Written extends Whose {
  readonly wait?: true | string;
  readonly [flag: string]: unknown;
}

/** What every command of a kind needs. */
interface Of {
  readonly io: Io;
  readonly kind: Kind;
  readonly spec: KindSpec;
  /** An existing object's name, for examples. */
  readonly sample: string;
}

/** The group of a kind: `heddle network …`. */
export function kindCommand(io: Io, kind: Kind): Command {
  const spec = kinds[kind];
  const of: Of = { io, kind, spec, sample: String(spec.example.name ?? 'web-h1') };
  const group = makeCommand(kind, spec.summary, [exampleLine(kind), `heddle ${kind} list${tenantFlag(of)}`]);
  for (const make of [createCommand, listCommand, showCommand, updateCommand, deleteCommand])
    group.addCommand(make(of));
  return group;
}

const tenantFlag = ({ spec }: Pick<Of, 'spec'>): string => (spec.scope === 'cluster' ? '' : ' --tenant acme');

/** A command of a kind, with the options that it shares with the others. */
function kindAction({ spec, kind }: Of, name: string, description: string, examples: readonly string[]): Command {
  const command = makeCommand(name, description.replace('%', article(kind)), examples);
  if (spec.scope === 'either')
    command.option('--installation', 'those of the installation, even if a tenant is set in the environment');
  return withShared(command, ...(spec.scope === 'cluster' ? [] : (['tenant'] as const)), 'controller', 'json');
}

function addFlags(command: Command, flags: readonly Flag[]): Command {
  for (const flag of flags) {
    const value = flag.isSwitch ? `[${flag.value}]` : `<${flag.value}>`;
    const option = new Option(`--${flag.name} ${value}`, flag.description).makeOptionMandatory(flag.required);
    command.addOption(flag.repeatable ? option.argParser(collect) : option);
  }
  return command;
}

/** The scope of a request: the tenant, where the kind has one, and how long to wait. */
function scopeOf({ spec }: Of, typed: Written) {
  const waitMs = waitMsOf(typed.wait);
  return {
    ...(spec.scope === 'tenant' && { tenant: requireTenant(typed) }),
    ...(spec.scope === 'either' && { tenant: tenantOf(typed) }),
    ...(waitMs !== undefined && { waitMs }),
  };
}

async function printObject({ io, kind }: Of, client: Client, typed: Typed, object: Objects[Kind]): Promise<void> {
  if (typed.json) return printJson(io, object);
  io.out(details(kind, object, await referredNames(client, kind, typed.tenant, [object])));
}

function createCommand(of: Of): Command {
  const { kind, spec } = of;
  const flags = createFlags(kind);
  const named = (spec.input.required as readonly string[]).includes('name');
  const command = kindAction(of, 'create', 'Create %', [exampleLine(kind), `${exampleLine(kind)} --wait --json`]);
  if (repeatable.has(kind)) command.option('--if-absent', 'only if it is not there: one just like it is refused too');
  return withWait(addFlags(command.argument(named ? '<name>' : '[name]', 'its name'), flags)).action(
    async (name: string | undefined, typed: Written & { ifAbsent?: true }) => {
      const client = controllerClient(typed);
      const body = { ...(name !== undefined && { name }), ...bodyOf(flags, typed) };
      const scope = { ...scopeOf(of, typed), ...(typed.ifAbsent && { ifAbsent: true }) };
      await printObject(of, client, typed, await client.create(kind, body as never, scope));
    },
  );
}

/** A create of these is answered with what is there, if that is what is asked for. */
const repeatable: ReadonlySet<Kind> = new Set(['port', 'lease']);

/** What a list is filtered by in examples. */
const filterExamples: Readonly<Record<string, string>> = { network: 'web', host: 'h1', behind: 'lan' };

function listCommand(of: Of): Command {
  const { io, kind, spec } = of;
  const base = `heddle ${kind} list${tenantFlag(of)}`;
  const filter = spec.filters.map((f) => `${base} --${f} ${filterExamples[f]}`);
  const command = kindAction(of, 'list', `List ${spec.plural}`, [base, ...filter, `${base} --label tier=web --json`])
    .option('--label <key=value>', 'only those with this label (repeatable)', collect)
    .option('--name <name>', 'only the one of this name')
    .option('--limit <number>', 'at most so many', integer)
    .option('--watch', 'go on showing changes until interrupted; with --json one event a line')
    .option('--from <revision>', 'with --watch: only changes, from this revision on');
  for (const f of spec.filters)
    command.option(
      `--${f} <${spec.refersTo[f]}>`,
      `only those ${f === 'behind' ? 'behind' : 'of'} this ${spec.refersTo[f]}`,
    );
  return command.action(
    async (typed: Written & { label?: string[]; name?: string; limit?: number; watch?: boolean; from?: string }) => {
      const client = controllerClient(typed);
      const picked = Object.fromEntries(spec.filters.flatMap((f) => (typed[f] ? [[f, String(typed[f])]] : [])));
      const filter = {
        ...scopeOf(of, typed),
        ...picked,
        ...(typed.label && { label: typed.label }),
        ...(typed.name && { name: typed.name }),
        ...(typed.limit && { limit: typed.limit }),
      };
      if (typed.from !== undefined && !typed.watch) throw new HeddleError('USAGE', { problem: '--from is of --watch' });
      const from = typed.from === undefined ? undefined : revisionOf(typed.from);
      if (typed.watch) return watchList(io, client, kind, filter, typed.json ?? false, from);
      const items = await client.list(kind, filter);
      if (typed.json) return printJson(io, { items });
      if (items.length === 0) return io.err(`no ${spec.plural}\n`);
      io.out(listTable(kind, items, await referredNames(client, kind, typed.tenant, items)));
    },
  );
}

/** @throws USAGE */
function revisionOf(text: string): bigint {
  if (!/^\d{1,18}$/.test(text)) throw new HeddleError('USAGE', { problem: `${text} is no revision` });
  return BigInt(text);
}

function showCommand(of: Of): Command {
  const { io, kind, sample } = of;
  const line = `heddle ${kind} show ${sample}${tenantFlag(of)}`;
  const examples = kind === 'port' ? [line, `${line} --counters`] : [line, `${line} --json`];
  const command = kindAction(of, 'show', 'Show %', examples).argument('<name>', 'its name or id');
  if (kind === 'port') command.option('--counters', 'ask its host for packets, bytes and drop reasons');
  return command.action(async (name: string, typed: Written & { counters?: boolean }) => {
    const client = controllerClient(typed);
    const query = typed.counters ? { counters: true } : {};
    const object = await client.get(kind, name, { ...scopeOf(of, typed), ...query });
    await printObject(of, client, typed, object);
    const { counters, behind } = object as { counters?: PortCounters; behind?: string };
    if (typed.json || !counters) return;
    if (behind !== undefined) io.out('\nOf the port that it is behind, with all that are:\n');
    io.out(`\n${countersText(counters)}`);
  });
}

function updateCommand(of: Of): Command {
  const { kind, sample } = of;
  const flags = updateFlags(kind);
  const command = kindAction(of, 'update', 'Change %; what is not given stays', [
    `heddle ${kind} update ${sample}${tenantFlag(of)} --label tier=web`,
    `heddle ${kind} update ${sample}${tenantFlag(of)} --label tier=db --wait`,
  ]).argument('<name>', 'its name or id');
  return withWait(addFlags(command, flags))
    .option('--unlabel <key>', 'remove a label (repeatable)', collect)
    .option('--if-revision <revision>', 'only if it is at this revision')
    .action(async (name: string, typed: Written & { ifRevision?: string; unlabel?: string[] }) => {
      const client = controllerClient(typed);
      const body = bodyOf(flags, typed);
      const unlabel = Object.fromEntries((typed.unlabel ?? []).map((key) => [key, null]));
      if (typed.unlabel) body.labels = { ...(body.labels as object), ...unlabel };
      if (Object.keys(body).length === 0) throw new HeddleError('USAGE', { problem: 'nothing to change was given' });
      const condition = typed.ifRevision ? { ifRevision: typed.ifRevision } : {};
      const object = await client.update(kind, name, body as never, { ...scopeOf(of, typed), ...condition });
      await printObject(of, client, typed, object);
    });
}

function deleteCommand(of: Of): Command {
  const { io, kind, sample } = of;
  const line = `heddle ${kind} delete ${sample}${tenantFlag(of)}`;
  const command = kindAction(
    of,
    'delete',
    'Delete one or several, in the given order; none, if one of them does not exist',
    [line, kind === 'host' ? `${line} --gone` : `${line} --wait`],
  ).argument('<names...>', 'names or ids');
  if (kind === 'host')
    command.option(
      '--gone',
      'it never comes back: its ports go to their standbys; of the others the ephemeral ones are deleted, as its leases, the rest is unbound',
    );
  command.option('--if-revision <revision>', 'only if it is at this revision; for one name');
  return withWait(command).action(async (names: string[], typed: Written & { gone?: true; ifRevision?: string }) => {
    const { ifRevision } = typed;
    if (ifRevision !== undefined && names.length > 1)
      throw new HeddleError('USAGE', { problem: '--if-revision is of one object: name one' });
    const client = controllerClient(typed);
    const { waitMs, ...where } = scopeOf(of, typed);
    const scope = { ...where, waitMs, ifRevision, ...(typed.gone && { gone: true }) };
    const found = await Promise.all(names.map((name) => client.get(kind, name, where)));
    const nameOf = new Map(found.map(({ id }, i) => [id, names[i]!]));
    const deleted: string[] = [];
    const gone = (name: string) => {
      deleted.push(name);
      if (!typed.json) io.out(`${kind} ${name} deleted\n`);
    };
    try {
      for (const [id, name] of nameOf) {
        await client.remove(kind, id, scope).catch((e: unknown) => {
          if (hasCode(e, 'WAIT_TIMEOUT')) gone(name); // only not yet everywhere
          throw e;
        });
        gone(name);
      }
    } finally {
      if (typed.json) printJson(io, { deleted });
    }
  });
}
