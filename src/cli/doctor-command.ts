/** `heddle doctor`: what on this host, and between it and others, is in Heddle's way, and what to do about it. */
import { type Command, Option } from 'commander';
import type { Check } from '../agent/doctor/check.ts';
import type { Grade, Outcome } from '../agent/doctor/finding.ts';
import type { SiteOptions } from '../agent/doctor/open-site.ts';
import { HeddleError, hasCode } from '../model/errors.ts';
import type { HostSetting } from '../model/host-setting.ts';
import { agentRequest } from './agent-request.ts';
import { integer, makeCommand, printJson, type Typed, withShared } from './command.ts';
import { type Io, paint } from './io.ts';
import { progress } from './progress.ts';
import { printable } from './table.ts';

/** Whether an agent answers at all is soon known. */
const deadlineMs = 3_000;

type DoctorTyped = Omit<Typed, 'controller'> & SiteOptions & { readonly list?: true };

export function doctorCommand(io: Io): Command {
  const command = makeCommand(
    'doctor',
    'Look for what is in Heddle’s way on this host, and between it and other hosts, and say what to do',
    ['heddle doctor', 'heddle doctor path port', 'heddle doctor --json', 'heddle doctor --list'],
    'Exits with 1 if a check fails, and with 0 if all is well or there are warnings alone.',
  )
    .argument('[check...]', 'only these; default: all of --list')
    .option('--list', 'show what there is to look at, and look at nothing')
    .option('--vtep <address>', 'the underlay address; default: the agent’s, or that of the default route')
    .option('--vxlan-port <port>', 'UDP port of VXLAN; default: the agent’s, or 4789', integer)
    .option('--state-dir <folder>', 'where the agent keeps what it must remember; default: the agent’s own')
    .option('--bpf-dir <folder>', 'the bpffs for programs and maps; default: the agent’s own')
    .option('--resolv-conf <file>', 'names the resolvers; default: the agent’s own')
    .addOption(
      new Option(
        '--controller <address>',
        'the controller; default: the agent’s, or the one that this host joined',
      ).env('HEDDLE_CONTROLLER'),
    );
  withShared(command, 'agent', 'json');
  return command.action(async (names: string[], typed: DoctorTyped) => {
    const { checks } = await import('../agent/doctor/all.ts');
    const chosen = choose(checks, names);
    if (typed.list) return list(io, chosen, typed.json === true);
    const outcomes = await examineAll(io, chosen, typed);
    const { worst } = await import('../agent/doctor/finding.ts');
    const grade = worst(outcomes.map((o) => o.grade));
    if (typed.json) printJson(io, { grade, checks: outcomes });
    if (grade === 'fail') process.exitCode = 1;
  });
}

/** @throws USAGE for a name that is none */
function choose(checks: readonly Check[], names: readonly string[]): readonly Check[] {
  const unknown = names.find((name) => !checks.some((check) => check.name === name));
  if (unknown !== undefined)
    throw new HeddleError('USAGE', {
      problem: `there is no check ${unknown}, only ${checks.map(({ name }) => name).join(', ')}`,
    });
  return names.length === 0 ? checks : checks.filter(({ name }) => names.includes(name));
}

function list(io: Io, checks: readonly Check[], json: boolean): void {
  const rows = checks.map(({ name, about, atStart }) => ({ name, about, atStart }));
  if (json) return printJson(io, { checks: rows });
  for (const { name, about } of rows) io.out(`${name.padEnd(nameWidth)}${about}\n`);
}

async function examineAll(io: Io, checks: readonly Check[], typed: DoctorTyped): Promise<Outcome[]> {
  const [{ openNetlink }, { openSite }, { examine }] = await Promise.all([
    import('../kernel/netlink.ts'),
    import('../agent/doctor/open-site.ts'),
    import('../agent/doctor/examine.ts'),
  ]);
  using nl = openNetlink();
  const site = openSite(nl, typed, await settingOf(typed));
  const outcomes: Outcome[] = [];
  for (const check of checks) {
    // Elsewhere than on a terminal a line for each that is done is enough.
    using shown = progress(io, typed.json || !io.colour);
    shown.step(check.name);
    const outcome = await examine(check, site, io.signal);
    shown[Symbol.dispose]();
    if (!typed.json) tell(io, outcome);
    outcomes.push(outcome);
  }
  return outcomes;
}

/** What the agent says of itself; undefined if none answers, which is a finding and no error. */
async function settingOf(typed: DoctorTyped): Promise<HostSetting | undefined> {
  try {
    return await agentRequest<HostSetting>(typed, 'GET', '/v1/setting', { deadlineMs });
  } catch (e) {
    if (hasCode(e, 'AGENT_UNREACHABLE') || hasCode(e, 'ROUTE_UNKNOWN')) return undefined;
    throw e;
  }
}

const colours = { ok: 'green', warn: 'yellow', fail: 'red', unknown: 'dim' } as const satisfies Record<Grade, string>;
const nameWidth = 12;
const gradeWidth = 9;

function tell(io: Io, { check, findings }: Outcome): void {
  for (const [i, { grade, text, advice }] of findings.entries()) {
    const name = (i === 0 ? check : '').padEnd(nameWidth);
    io.out(`${name}${paint(io, colours[grade], grade.padEnd(gradeWidth))}${printable(text)}\n`);
    if (advice !== undefined) io.out(`${' '.repeat(nameWidth + gradeWidth)}→ ${printable(advice)}\n`);
  }
}
