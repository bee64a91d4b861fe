/** `npm run bench -- datapath | attach | docker | restart | apply`: measures Heddle beside what it is compared with. Needs root. */
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { engineMissing } from '../src/lab/engine.ts';
import { must } from '../src/lab/run.ts';
import { documentLimits } from '../src/model/document.ts';
import { HeddleError } from '../src/model/errors.ts';
import { measureApply } from './apply.ts';
import { measureAttach } from './attach.ts';
import { allowedCores, reserveCore } from './cores.ts';
import { measureDatapath } from './datapath.ts';
import { measureDocker } from './docker.ts';
import { allPaths } from './paths/all.ts';
import type { Site } from './paths/path.ts';
import { measureRestart } from './restart.ts';
import { applyTable, attachTable, datapathTable, dockerTable, restartTable } from './table.ts';

const progress = (text: string) => void process.stderr.write(`bench: ${text}\n`);

/** A flag's value that is a number from `min` on, to `max` if there is one. */
const number =
  (min: number, { any = false, max = Number.POSITIVE_INFINITY } = {}) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= min && value <= max) || !(any || Number.isInteger(value))) {
      const range = max === Number.POSITIVE_INFINITY ? `from ${min} on` : `from ${min} to ${max}`;
      throw new InvalidArgumentError(`It must be ${any ? 'a number' : 'a whole number'} ${range}.`);
    }
    return value;
  };

const pathNames = (text: string): string[] => {
  const known = allPaths.map((p) => p.name);
  const names = text.split(',');
  const unknown = names.find((n) => !known.includes(n));
  if (unknown !== undefined) throw new InvalidArgumentError(`"${unknown}" is none of ${known.join(', ')}.`);
  return names;
};

/** What every benchmark needs before it begins. */
async function prepare(): Promise<void> {
  if (process.getuid?.() !== 0)
    throw new HeddleError('USAGE', { problem: 'the benchmarks make network namespaces: run them as root' });
  await must(['make', '--silent', '-C', fileURLToPath(new URL('.', import.meta.url))]);
}

function newSite(signal: AbortSignal): Site {
  const prefix = `hdb${randomBytes(3).toString('hex')}`;
  progress(`all that this run makes is named ${prefix}…`);
  return { prefix, signal, progress };
}

interface DatapathFlags {
  json?: boolean;
  rounds: number;
  seconds: number;
  paths?: string[];
  core?: number;
}

async function datapath(flags: DatapathFlags, signal: AbortSignal): Promise<void> {
  await prepare();
  const core = await reserveCore(flags.core);
  progress(`both ends of every measurement run on core ${core}`);
  const result = await measureDatapath({
    paths: allPaths.filter((p) => flags.paths?.includes(p.name) ?? true),
    manyFlows: ['heddle'],
    rounds: flags.rounds,
    measuring: { core, seconds: flags.seconds, signal },
    site: newSite(signal),
    now: () => new Date(),
  });
  process.stdout.write(flags.json ? `${JSON.stringify(result)}\n` : datapathTable(result));
}

async function attach(flags: { json?: boolean; count: number }, signal: AbortSignal): Promise<void> {
  await prepare();
  const result = await measureAttach(newSite(signal), flags.count, () => new Date());
  process.stdout.write(flags.json ? `${JSON.stringify(result)}\n` : attachTable(result));
}

interface DockerFlags {
  json?: boolean;
  quick?: boolean;
  count: number;
  seconds: number;
}

async function docker(flags: DockerFlags, signal: AbortSignal): Promise<void> {
  await prepare();
  const missing = engineMissing();
  if (missing) throw new HeddleError('USAGE', { problem: missing });
  const core = allowedCores().at(-1)!;
  const result = await measureDocker({
    count: flags.quick ? 1 : flags.count,
    measuring: { core, seconds: flags.quick ? 0.2 : flags.seconds, signal },
    site: newSite(signal),
    now: () => new Date(),
    reserve: () => reserveCore(core),
  });
  process.stdout.write(flags.json ? `${JSON.stringify(result)}\n` : dockerTable(result));
}

interface RestartFlags {
  json?: boolean;
  ports: number;
  count: number;
}

async function restart({ json, ports, count }: RestartFlags, signal: AbortSignal): Promise<void> {
  await prepare();
  const result = await measureRestart(newSite(signal), { ports, count }, () => new Date());
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : restartTable(result));
}

interface ApplyFlags {
  json?: boolean;
  documents: number;
  writes: number;
  count: number;
}

async function apply({ json, ...plan }: ApplyFlags, signal: AbortSignal): Promise<void> {
  const result = await measureApply(newSite(signal), plan, () => new Date());
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : applyTable(result));
}

const examples = [
  'datapath',
  'datapath --json --rounds 15 --paths host,docker-overlay,heddle',
  'attach --json',
  'docker --json',
  'restart --ports 1000',
  'apply --json',
];

function program(signal: AbortSignal): Command {
  const program = new Command('bench')
    .description('Measures Heddle beside what it is compared with. Needs root; leaves nothing behind.')
    .exitOverride()
    .showHelpAfterError('(--help shows the options)')
    .addHelpText('after', `\nExamples:\n${examples.map((e) => `  npm run bench -- ${e}`).join('\n')}`);
  program
    .command('datapath')
    .description('round trip, connect-request-close, stream and packet rate of every path, side by side')
    .option('--json', 'print one JSON object')
    .option('--rounds <n>', 'rounds, of which the median counts', number(1), 7)
    .option('--seconds <s>', 'length of one measurement', number(0.2, { any: true }), 1)
    .option('--paths <names>', `some of ${allPaths.map((p) => p.name).join(',')}`, pathNames)
    .option('--core <n>', 'the core for both ends (default: the last one)', number(0))
    .action((flags: DatapathFlags) => datapath(flags, signal));
  program
    .command('attach')
    .description('latency of attaching and detaching a workload, and until another host reaches it')
    .option('--json', 'print one JSON object')
    .option('--count <n>', 'repetitions', number(1), 200)
    .action((flags: { json?: boolean; count: number }) => attach(flags, signal));
  program
    .command('docker')
    .description('docker run, network connect and traffic on Heddle, a bridge and a Swarm overlay, on the same engines')
    .option('--json', 'print one JSON object')
    .option('--count <n>', 'rounds, of which the median counts', number(1), 15)
    .option('--seconds <s>', 'length of one measurement of traffic', number(0.2, { any: true }), 1)
    .option('--quick', 'one short round, to see that it works')
    .action((flags: DockerFlags) => docker(flags, signal));
  program
    .command('restart')
    .description('how soon a killed agent is in step again, on a network of many ports')
    .option('--json', 'print one JSON object')
    .option('--ports <n>', 'ports that it knows', number(1), 10_000)
    .option('--count <n>', 'restarts, of which the median counts', number(1), 7)
    .action((flags: RestartFlags) => restart(flags, signal));
  program
    .command('apply')
    .description(
      'how soon heddle apply has written many documents, and how many single writes a second the controller takes',
    )
    .option('--json', 'print one JSON object')
    .option(
      '--documents <n>',
      `documents of a set, up to ${documentLimits.documents}`,
      number(50, { max: documentLimits.documents }),
      1000,
    )
    .option('--writes <n>', 'single writes of a round, of each sort', number(1), 500)
    .option('--count <n>', 'rounds, of which the median counts', number(1), 5)
    .action((flags: ApplyFlags) => apply(flags, signal));
  return program;
}

/** Exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted. */
async function main(): Promise<number> {
  const interrupt = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(name, () => {
      if (!interrupt.signal.aborted) progress(`${name}: removing what was set up`);
      interrupt.abort();
    });
  try {
    await program(interrupt.signal).parseAsync();
    return 0;
  } catch (e) {
    if (interrupt.signal.aborted) return 130;
    if (e instanceof CommanderError) return e.exitCode === 0 ? 0 : 2; // it has said what is wrong
    progress(e instanceof Error ? describe(e) : String(e));
    return e instanceof HeddleError && e.code === 'USAGE' ? 2 : 1;
  }
}

/** An error and its causes, for people. */
const describe = (e: Error): string => (e.cause instanceof Error ? `${e.message}: ${describe(e.cause)}` : e.message);

process.exitCode = await main();
