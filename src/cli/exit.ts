/** How a command ends: the exit code and the one line of an error. */
import { CommanderError } from 'commander';
import { type Code, errors, HeddleError, hasCode, toProblem } from '../model/errors.ts';
import { masked } from '../model/masked.ts';
import { type Io, paint } from './io.ts';

/** Every exit code there is. */
export const exitCodes = {
  0: 'done',
  1: 'refused: the request is wrong or conflicts with what exists; of diff -f, status, doctor: something differs, or is not well',
  2: 'usage: the command line cannot be understood',
  3: 'unavailable: no answer, or not in time; try again',
  4: 'broken: a fault of Heddle or of this machine',
  130: 'interrupted',
} as const;

/** The exit codes for `--help`. */
export const exitCodesHelp = `Exit codes:
${Object.entries(exitCodes)
  .map(([code, text]) => `  ${code.padEnd(4)} ${text}`)
  .join('\n')}`;

const hints: Partial<Record<Code, string>> = {
  CONTROLLER_UNREACHABLE:
    'is it running? Elsewhere than on its own machine: heddle login <address>; "heddle lab env" is for labs',
  AGENT_UNREACHABLE: 'set HEDDLE_AGENT or --agent to its socket; in a lab: heddle lab exec h1 -- heddle attach …',
  NAME_TAKEN: 'choose another name, or delete the old one',
  REVISION_CONFLICT: 'somebody else wrote it meanwhile',
  WAIT_TIMEOUT: 'it is stored and will be applied; "heddle host list" shows which hosts are online',
  ADDRESS_OUTSIDE: '"heddle subnet list" shows the prefixes',
  LAB_BUSY: 'wait for it to end',
  USAGE: 'add --help to the command for its flags and examples',
};
/** Of a controller's unix socket, by the error of who tried to open it. */
const socketHints: Readonly<Record<string, string>> = {
  EACCES: 'this socket is for root: sudo; everybody else logs in: heddle login <address>',
  ENOENT:
    'no controller listens there; as a service of this machine: systemctl status heddle-controller; to one elsewhere: heddle login <address>; to a lab’s: "heddle lab env"',
};

/** What to do, where the error does not say it itself. */
function hintOf(e: HeddleError): string | undefined {
  if (hasCode(e, 'NAME_TAKEN') && e.details.instead !== undefined) return undefined;
  const { code: cause = '' } = (e.cause ?? {}) as NodeJS.ErrnoException;
  const ofSocket = hasCode(e, 'CONTROLLER_UNREACHABLE') && e.details.address.startsWith('unix:');
  return ownHints.get(e) ?? (ofSocket ? socketHints[cause] : undefined) ?? hints[e.code];
}

/** The exit code of anything thrown. */
export function exitCode(e: unknown): keyof typeof exitCodes {
  if (e instanceof CommanderError) return e.exitCode === 0 ? 0 : 2;
  if (!(e instanceof HeddleError)) return 4;
  const own = ownExits.get(e);
  if (own !== undefined) return own;
  const code: Code = e.code;
  return code === 'USAGE' ? 2 : ({ refused: 1, unavailable: 3, broken: 4 } as const)[errors[code].family];
}

const ownExits = new WeakMap<object, keyof typeof exitCodes>();
/** Gives an error an exit code of its own, where that of its code means something else. */
export function withExit<E extends HeddleError>(e: E, code: keyof typeof exitCodes): E {
  ownExits.set(e, code);
  return e;
}

const ownHints = new WeakMap<HeddleError, string>();
/** Gives an error a hint of its own, where that of its code would mislead. */
export function withHint<E extends HeddleError>(e: E, hint: string): E {
  ownHints.set(e, hint);
  return e;
}

/** Commander's errors in our own form. */
function asHeddle(e: unknown): unknown {
  if (!(e instanceof CommanderError)) return e;
  return new HeddleError('USAGE', { problem: e.message.replace(/^error: /, '').replaceAll('\n', ' ') });
}
const bugHint = ({ requestId }: HeddleError): string =>
  `this is a bug in Heddle; the log of the daemon has the cause${requestId === undefined ? '' : `, with requestId ${requestId}`}`;

/** Tells of an error on standard error: one line and a hint, or the problem object; the exit code. */
export function reportError(io: Io, thrown: unknown, json: boolean): keyof typeof exitCodes {
  const code = exitCode(thrown);
  if (code === 0) return 0;
  if (io.signal.aborted) return 130;
  // A group without a command: its help has been printed, and says it all.
  if (thrown instanceof CommanderError && thrown.code === 'commander.help') return code;
  const e = asHeddle(thrown);
  if (json) {
    io.err(`${masked(JSON.stringify(toProblem(e)))}\n`);
    return code;
  }
  if (!(e instanceof HeddleError)) {
    io.err(masked(`heddle: ${e instanceof Error ? (e.stack ?? e.message) : String(e)}\n`));
    return code;
  }
  io.err(`${paint(io, 'red', 'heddle:')} ${masked(e.message)} ${paint(io, 'dim', `[${e.code}]`)}\n`);
  const hint = hintOf(e) ?? (e.code === 'INTERNAL' ? bugHint(e) : undefined);
  if (hint) io.err(`  ${paint(io, 'dim', `hint: ${hint}`)}\n`);
  return code;
}
