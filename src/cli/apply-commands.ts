/** `heddle apply`, `plan` and `export`: an installation as files. */
import { type Command, Option } from 'commander';
import type { ApplyOptions } from '../client/documents.ts';
import type { ApplyResult } from '../model/apply.ts';
import { HeddleError, hasCode } from '../model/errors.ts';
import { differenceText, doneText, isDifferent, planText } from './change-text.ts';
import {
  collect,
  controllerClient,
  makeCommand,
  printJson,
  type Typed,
  tenantOf,
  type Whose,
  waitMsOf,
  withShared,
  withWait,
  withWhose,
} from './command.ts';
import { withExit } from './exit.ts';
import type { Io } from './io.ts';

/** What the commands that read documents have in common. */
export interface DocumentsTyped extends Typed {
  readonly file: readonly string[];
  readonly set?: string;
  readonly prune?: true;
  readonly take?: true;
  readonly dryRun?: true;
  readonly wait?: true | string;
}

/** The options of all commands that read documents. */
export function withDocuments(command: Command, isMandatory = false): Command {
  const text = 'a file, a folder with its YAML and JSON files, or - for standard input (repeatable)';
  return command
    .addOption(new Option('-f, --file <path>', text).argParser(collect).makeOptionMandatory(isMandatory))
    .option('--set <name>', 'what the documents belong to (default: "default")')
    .option(
      '--prune',
      'delete what was applied with the same --set before, of --tenant if there is one, and is no longer in the files',
    )
    .option('--take', 'take over what belongs to another set');
}
const documentsCommand = (command: Command): Command =>
  withShared(withDocuments(command, true), 'tenant', 'controller', 'json');

export function applyCommand(io: Io): Command {
  const command = makeCommand(
    'apply',
    'Bring tenants, networks, ports, … to what files say, all of them or none; documents without a tenant are of --tenant',
    [
      'heddle apply -f acme.yaml',
      'heddle apply -f network/ --tenant acme --set network --prune',
      'heddle apply -f - --tenant acme --dry-run',
    ],
  ).option('--dry-run', 'say what would change, and write nothing');
  return withWait(documentsCommand(command)).action(async (typed: DocumentsTyped) => {
    const { dryRun = false } = typed;
    const result = await send(typed, { dryRun, waitMs: waitMsOf(typed.wait) });
    if (typed.json) printJson(io, result);
    else io.out(doneText(result, dryRun));
  });
}

export function planCommand(io: Io): Command {
  const command = makeCommand(
    'plan',
    'Show what files would change, and what each host would then know otherwise; nothing is written',
    ['heddle plan -f acme.yaml', 'heddle plan -f network/ --tenant acme --set network --prune --json'],
  );
  return documentsCommand(command).action(async (typed: DocumentsTyped) => {
    const result = await send(typed, { plan: true });
    if (typed.json) return printJson(io, result);
    io.out(differenceText(io, result.changes) || 'nothing differs\n');
    io.out(planText(io, result.hosts ?? []));
  });
}

/** `heddle diff -f`: ends with 1 if something differs, and with 2 if the documents are refused. */
export async function diffFile(io: Io, typed: DocumentsTyped): Promise<void> {
  let result: ApplyResult;
  try {
    result = await send(typed, { dryRun: true });
  } catch (e) {
    throw hasCode(e, 'DOCUMENTS_REFUSED') ? withExit(e, 2) : e;
  }
  const changes = result.changes.filter(isDifferent);
  if (typed.json) printJson(io, { ...result, changes });
  else io.out(differenceText(io, changes));
  if (changes.length > 0) process.exitCode = 1;
}

/** Reads the documents and has them applied. @throws DOCUMENTS_REFUSED with files and lines */
async function send(typed: DocumentsTyped, how: ApplyOptions): Promise<ApplyResult> {
  const { set, prune = false, take = false, tenant } = typed;
  if (prune && !set) throw new HeddleError('USAGE', { problem: '--prune needs --set: it deletes what that set had' });
  const { located, readDocuments } = await import('./documents.ts');
  const { documents, texts } = await readDocuments(typed.file, tenant);
  try {
    return await controllerClient(typed).apply(documents, {
      ...how,
      ...(set && { set }),
      prune,
      ...(tenant && { tenant }),
      take,
    });
  } catch (e) {
    throw located(e, texts);
  }
}

interface ExportTyped extends Whose {
  readonly out?: string;
  readonly bindings?: true;
}

export function exportCommand(io: Io): Command {
  const command = makeCommand(
    'export',
    'Print the files that make the same again, of the installation or of one tenant',
    ['heddle export', 'heddle export --tenant acme > acme.yaml', 'heddle export --out network/'],
  )
    .option('--out <folder>', 'write them there: hosts.yaml, grants.yaml, and a file for each tenant in tenants/')
    .option('--bindings', 'with the hosts that ports are bound to; else only where a file said it');
  return withShared(withWhose(command), 'controller', 'json').action(async (typed: ExportTyped) => {
    const { bindings = false, out } = typed;
    const tenant = tenantOf(typed);
    const exported = await controllerClient(typed).export({ bindings, ...(tenant && { tenant }) });
    if (out !== undefined) {
      const { writeDocuments } = await import('./document-files.ts');
      const files = writeDocuments(out, exported.documents);
      return typed.json ? printJson(io, { files }) : io.out(files.map((file) => `${file}\n`).join(''));
    }
    if (typed.json) return printJson(io, exported);
    const { textOf } = await import('./document-text.ts');
    io.out(textOf(exported.documents));
  });
}
