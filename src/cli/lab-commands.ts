/** `heddle lab …`: several hosts on this machine. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { type Command, Option } from 'commander';
import { HeddleError, hasCode } from '../model/errors.ts';
import { collect, integer, makeCommand, printJson, withShared } from './command.ts';
import { type Io, paint } from './io.ts';
import { launcher, projectRoot, rootLauncher } from './launcher.ts';
import { progress } from './progress.ts';
import { table } from './table.ts';

interface LabTyped {
  readonly name: string;
  readonly json?: boolean;
}
/** The flag that leads to a lab, where one is needed. */
const nameFlag = (name: string): string => (name === 'lab' ? '' : ` --name ${name}`);

const load = () => import('../lab/lab.ts');

/** Labs take network namespaces and eBPF. @throws USAGE */
export function requireRoot(what: string): void {
  if (process.geteuid?.() !== 0) throw new HeddleError('USAGE', { problem: `${what} needs root; use sudo` });
}

function labAction(name: string, description: string, examples: readonly string[]): Command {
  return makeCommand(name, description, examples).addOption(
    new Option('--name <lab>', 'which lab').env('HEDDLE_LAB').default('lab'),
  );
}

/** The group `heddle lab`. */
export function labCommand(io: Io): Command {
  const group = makeCommand('lab', 'Several hosts on this machine, to try, test and measure with', [
    'heddle lab up --hosts 3',
    'heddle lab exec h1 -- ip address',
    'heddle lab down',
  ]);
  for (const make of [up, down, status, environment, exec, workload, cut, heal, kill, restart])
    group.addCommand(make(io));
  return group;
}

function up(io: Io): Command {
  const command = labAction('up', 'Make a lab: hosts, underlay, a controller, and an agent on every host', [
    'heddle lab up',
    'heddle lab up --name big --hosts 20 --subnets 4',
    'heddle lab up --name pair --wire',
    'heddle lab up --docker',
  ])
    .option('--hosts <number>', 'how many hosts, at most 250 (default: 3)', integer)
    .option('--subnets <number>', 'underlay prefixes that they are spread over, with a router between', integer, 1)
    .option('--mtu <bytes>', 'underlay MTU', integer, 1500)
    .option('--wire', 'two hosts joined by one cable, for measurements')
    .option('--docker', 'a Docker engine on every host, with Heddle as network driver')
    .option(
      '--docker-tenant <tenant>',
      'a tenant that the engines’ users may touch, the first is the default; made with the lab (repeatable; default: lab)',
      collect,
    );
  type Up = LabTyped & { hosts?: number; subnets: number; mtu: number; wire?: boolean } & Docker;
  type Docker = { docker?: true; dockerTenant?: string[] };
  return withShared(command, 'json').action(async ({ json, docker, dockerTenant, ...options }: Up) => {
    requireRoot('lab up');
    const { createLab } = await load();
    using shown = progress(io, json ?? false);
    const dockerTenants = dockerTenant ?? (docker && ['lab']);
    const lab = await createLab({
      ...options,
      ...(dockerTenants && { dockerTenants }),
      signal: io.signal,
      onProgress: shown.step,
    });
    shown.done(`lab ${lab.name} is up: ${lab.hosts.length} hosts`);
    if (json) return printJson(io, describe(lab));
    const name = nameFlag(lab.name);
    const asRoot = rootLauncher();
    io.out(`
API         ${lab.apiAddress}, with the authority in ${lab.caFile} and a token
this shell  eval "$(${launcher()} lab env${name})"
a host      ${asRoot} lab exec${name} h1 -- sh${dockerTenants ? `\ndocker      ${asRoot} lab exec${name} h1 -- docker network create -d heddle web` : ''}
stop        ${asRoot} lab down${name}
`);
  });
}

/** A lab as JSON: where everything is and whether it runs. */
function describe(lab: import('../lab/lab.ts').Lab) {
  return {
    name: lab.name,
    api: lab.apiAddress,
    ca: lab.caFile,
    controller: { address: lab.controllerAddress, pid: lab.pid('controller') ?? null, log: lab.logFile('controller') },
    hosts: lab.hosts.map((h) => ({
      name: h.name,
      vtep: h.vtep,
      netns: h.netns,
      agent: { socket: h.agentSocket, pid: lab.pid(h.name) ?? null, log: h.log },
      ...(h.engine && { docker: { socket: h.engine.socket, pid: h.engine.pid ?? null, log: h.engine.log } }),
    })),
  };
}

function down(io: Io): Command {
  const command = labAction('down', 'Remove every trace of a lab, whatever state it is in', [
    'heddle lab down',
    'heddle lab down --name big',
    'heddle lab down --all',
  ]).option(
    '--all',
    'all labs of this machine; without this and --name: "lab", and labs of which no daemon runs any more',
  );
  return withShared(command, 'json').action(async (typed: LabTyped & { all?: boolean }, self: Command) => {
    requireRoot('lab down');
    const [{ labNames, labRuns, removeLab }, { lockLab }] = await Promise.all([
      import('../lab/remove.ts'),
      import('../lab/lock.ts'),
    ]);
    const named = self.getOptionValueSource('name') !== 'default';
    const chosen = (name: string) => typed.all || name === typed.name || (!named && !labRuns(name));
    const removed: string[] = [];
    for (const name of named && !typed.all ? [typed.name] : labNames().filter(chosen)) {
      const implied = !typed.all && name !== typed.name;
      await using lock = await lockLab(name).catch((e: unknown) => {
        if (implied && hasCode(e, 'LAB_BUSY')) return undefined; // it is being made, so it is not dead
        throw e;
      });
      if (!lock || (implied && labRuns(name))) continue;
      if (await removeLab(name)) removed.push(name);
    }
    const left = labNames();
    if (typed.json) return printJson(io, { removed, left });
    io.out(removed.length > 0 ? `removed: ${removed.join(', ')}\n` : 'nothing to remove\n');
    if (!named && left.length > 0) io.err(`still up: ${left.join(', ')}; name them, or use --all\n`);
  });
}

function status(io: Io): Command {
  const command = labAction('status', 'Show labs, their hosts and daemons', [
    'heddle lab status',
    'heddle lab status --name big --json',
  ]);
  return withShared(command, 'json').action(async (typed: LabTyped, self: Command) => {
    const [{ openLab }, { labNames }] = await Promise.all([load(), import('../lab/remove.ts')]);
    const one = self.getOptionValueSource('name') !== 'default';
    const labs = (one ? [typed.name] : labNames()).map((name) => {
      try {
        return describe(openLab(name));
      } catch (e) {
        if (one || !(e instanceof HeddleError) || e.code !== 'NOT_FOUND') throw e;
        return { name, broken: `half made or half removed; "${rootLauncher()} lab down" removes the rest` };
      }
    });
    if (typed.json) return printJson(io, { labs });
    if (labs.length === 0) io.out(`no lab is up; "${rootLauncher()} lab up" makes one\n`);
    for (const lab of labs) io.out(labText(io, lab));
  });
}

type Described = ReturnType<typeof describe> | { name: string; broken: string };
function labText(io: Io, lab: Described): string {
  if ('broken' in lab) return `lab ${lab.name}: ${paint(io, 'red', lab.broken)}\n`;
  const state = (pid: number | null) => (pid === null ? 'not running' : `pid ${pid}`);
  const engines = lab.hosts.some((h) => h.docker);
  const rows = lab.hosts.map((h) => {
    const docker = h.docker ? [state(h.docker.pid), h.docker.socket] : [];
    return [h.name, h.vtep, state(h.agent.pid), h.agent.socket, ...docker];
  });
  const titles = ['host', 'vtep', 'agent', 'socket', ...(engines ? ['docker', 'engine’s socket'] : [])];
  return `lab ${lab.name}: controller ${state(lab.controller.pid)}, ${lab.api}, ${lab.controller.address}\n${table(titles, rows)}`;
}

function environment(io: Io): Command {
  const command = labAction('env', 'Print what makes a shell’s commands talk to the lab’s controller', [
    'eval "$(heddle lab env)"',
    'heddle lab env --json',
  ]);
  return withShared(command, 'json').action(async (typed: LabTyped) => {
    const { openLab } = await load();
    const lab = openLab(typed.name);
    const { env } = lab;
    if (typed.json) return printJson(io, env);
    for (const [name, value] of Object.entries(env)) io.out(`export ${name}=${value}\n`);
  });
}

function exec(): Command {
  const command = labAction('exec', 'Run a program on a host; its exit code and its output are passed on', [
    'heddle lab exec h1 -- ip address',
    'heddle lab exec h1 -- heddle attach netns w1 --tenant acme --network web',
    'heddle lab exec --workload w1 -- ping -c 1 10.0.0.3',
  ])
    .argument('[words...]', 'the host, then the program and its arguments')
    .option('--workload <name>', 'in the namespace of this workload instead of on a host')
    .passThroughOptions();
  return withShared(command, 'json').action(async (words: string[], typed: LabTyped & { workload?: string }) => {
    requireRoot('lab exec');
    const [{ openLab }, { netnsPath, workloadNetns }] = await Promise.all([load(), import('../lab/plan.ts')]);
    const lab = openLab(typed.name);
    const host = typed.workload === undefined ? lab.host(words.shift() ?? usage('which host?')) : undefined;
    const program = words[0] === '--' ? words.slice(1) : words;
    if (program.length === 0) usage('which program?');
    const netns = host?.netns ?? netnsPath(workloadNetns(lab.name, typed.workload ?? ''));
    process.exitCode = await passThrough(['nsenter', `--net=${netns}`, '--', ...program], {
      ...(host?.env ?? { ...process.env, HEDDLE_CONTROLLER: lab.controllerAddress }),
      PATH: `${process.env.PATH}:${projectRoot}`,
    });
  });
}

function usage(problem: string): never {
  throw new HeddleError('USAGE', { problem });
}

/**
 * Runs a program on this terminal; its exit code as a shell would say it. Ctrl-C reaches it from the terminal itself, and
 * it alone decides what that means; other signals are passed on.
 */
async function passThrough(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const child = spawn(argv[0]!, argv.slice(1), { stdio: 'inherit', env });
  process.on('SIGINT', () => undefined);
  for (const name of ['SIGTERM', 'SIGHUP'] as const) process.on(name, () => child.kill(name));
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.on('error', reject);
  child.on('exit', (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)));
  return promise;
}

function workload(io: Io): Command {
  const group = makeCommand('workload', 'Empty network namespaces to attach; "lab down" removes them too', [
    'heddle lab workload add w1',
    'heddle lab workload delete w1',
  ]);
  const add = labAction('add', 'Make one; prints the path to attach', ['heddle lab workload add w1']);
  withShared(add.argument('<workload>'), 'json').action(async (name: string, typed: LabTyped) => {
    requireRoot('lab workload');
    const path = await (await load()).openLab(typed.name).addWorkload(name);
    if (typed.json) return printJson(io, { path });
    io.out(`${path}\n`);
  });
  const remove = labAction('delete', 'Delete one and its devices', ['heddle lab workload delete w1']);
  withShared(remove.argument('<workload>'), 'json').action(async (name: string, typed: LabTyped) => {
    requireRoot('lab workload');
    await (await load()).openLab(typed.name).removeWorkload(name);
    if (typed.json) return printJson(io, { deleted: [name] });
    io.out(`workload ${name} deleted\n`);
  });
  return group.addCommand(add).addCommand(remove);
}

function cut(io: Io): Command {
  const command = labAction('cut', 'Take the cable out of a host', ['heddle lab cut h2']).argument('<host>');
  return withShared(command, 'json').action(async (host: string, typed: LabTyped) => {
    requireRoot('lab cut');
    await (await load()).openLab(typed.name).cut(host);
    if (typed.json) return printJson(io, { host, cut: true });
    io.out(`${host} is cut off; "${rootLauncher()} lab heal${nameFlag(typed.name)} ${host}" joins it again\n`);
  });
}

function heal(io: Io): Command {
  const command = labAction('heal', 'Plug the cable in again', ['heddle lab heal h2']).argument('<host>');
  return withShared(command, 'json').action(async (host: string, typed: LabTyped) => {
    requireRoot('lab heal');
    await (await load()).openLab(typed.name).heal(host);
    if (typed.json) return printJson(io, { host, cut: false });
    io.out(`${host} is joined again\n`);
  });
}

function kill(io: Io): Command {
  const command = labAction('kill', 'Kill an agent or the controller', [
    'heddle lab kill h2',
    'heddle lab kill controller --signal 15',
  ])
    .argument('<daemon>', 'a host or "controller"')
    .option('--signal <number>', 'which signal', integer, 9);
  return withShared(command, 'json').action(async (daemon: string, typed: LabTyped & { signal: number }) => {
    requireRoot('lab kill');
    const found = Object.entries(constants.signals).find(([, n]) => n === typed.signal);
    if (!found) usage(`${typed.signal} is no signal`);
    const [signal] = found;
    await (await load()).openLab(typed.name).kill(daemon, signal as NodeJS.Signals);
    if (typed.json) return printJson(io, { daemon, signal });
    io.out(
      `${daemon} got ${signal}; "${rootLauncher()} lab restart${nameFlag(typed.name)} ${daemon}" starts it again\n`,
    );
  });
}

function restart(io: Io): Command {
  const command = labAction('restart', 'Restart an agent or the controller, and wait until it is up', [
    'heddle lab restart h2',
    'heddle lab restart controller',
  ]).argument('<daemon>', 'a host or "controller"');
  return withShared(command, 'json').action(async (daemon: string, typed: LabTyped) => {
    requireRoot('lab restart');
    const lab = (await load()).openLab(typed.name);
    await lab.restart(daemon);
    if (typed.json) return printJson(io, { daemon, pid: lab.pid(daemon) ?? null });
    io.out(`${daemon} is up\n`);
  });
}
