/** Daemons as services of systemd: what `--install` of the controller and of `agent join` have in common. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { isAbsolute, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { HeddleError } from '../model/errors.ts';
import { launcherFile, projectRoot } from './launcher.ts';

const folder = '/etc/systemd/system';
const readyMs = 30_000;
const stepMs = 200;
/** What ends so often by itself does not begin. */
const endsMost = 2;

/** A daemon of this machine. */
export interface Service {
  /** "heddle-agent.service" */
  readonly unit: string;
  readonly description: string;
  /** The words behind `heddle`. */
  readonly argv: readonly string[];
  /** The unix socket on which it answers: no other process does. */
  readonly socket: string;
  /** Lines of the unit that this one has besides those of all. */
  readonly unitLines?: readonly string[];
  readonly serviceLines?: readonly string[];
  /** Whether a unit without a mark was made here all the same, by an earlier program. */
  readonly isOlder?: (lines: readonly string[]) => boolean;
}

/** A word of a command line in a unit (systemd.syntax(7)). */
const quoted = (word: string): string =>
  `"${word.replace(/[\\"$%]/g, (c) => (c === '$' || c === '%' ? c + c : `\\${c}`))}"`;

/** By this line a unit that was made here is known again; systemd reads nothing that begins with X- (systemd.unit(5)). */
const mark = 'X-Heddle-Socket=';

/** A daemon that ends well was told to, or its host has left: it stays ended. What fails is tried again, however often. */
export const unitText = ({ description, argv, socket, unitLines = [], serviceLines = [] }: Service): string => `[Unit]
Description=${description}
Documentation=file:${projectRoot}docs/README.md
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0
${[...unitLines, `${mark}${resolve(socket)}`].join('\n')}

[Service]
ExecStart=${[launcherFile(), ...argv].map(quoted).join(' ')}
${['Restart=on-failure', 'RestartSec=2', ...serviceLines].join('\n')}

[Install]
WantedBy=multi-user.target
`;

/**
 * A service runs in another folder than who installs it.
 * @param options those that name files, without their "--". @throws USAGE for a path that is not whole
 */
export function requireWholePaths(words: readonly string[], options: readonly string[]): void {
  const form = new RegExp(`^--(?:${options.join('|')})(?:=(.*))?$`);
  for (const [i, word] of words.entries()) {
    const option = form.exec(word);
    const file = option && (option[1] ?? words[i + 1] ?? '');
    if (file !== null && !isAbsolute(file))
      throw new HeddleError('USAGE', { problem: `${file}: a service runs in another folder: say the whole path` });
  }
}

/**
 * Says what is in the way of a service before anything is done for it.
 * @throws USAGE for who is not root, where systemd does not run (sd_booted(3)), for a unit that somebody else has written, or if
 * somebody answers on its socket who is not it
 */
export async function requireRoom({ unit, socket, isOlder }: Service): Promise<void> {
  if (process.geteuid!() !== 0)
    throw new HeddleError('USAGE', { problem: 'a service needs root: sudo, with the same words' });
  if (!existsSync('/run/systemd/system'))
    throw new HeddleError('USAGE', { problem: 'there is no systemd here: leave --install out, and start it yourself' });
  const lines = unitLines(unit);
  if (lines && socketOf(lines) === undefined && !isOlder?.(lines))
    throw new HeddleError('USAGE', {
      problem: `${folder}/${unit} is there, and --install did not make it: what it says would be lost; move it away first`,
    });
  if (!(await answers(socket)) || (await systemctl('is-active', '--quiet', unit)).code === 0) return;
  throw new HeddleError('USAGE', {
    problem: `somebody answers at ${socket} who is not ${unit}: end that process first`,
  });
}

const answers = (socket: string): Promise<boolean> => {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const connection = connect(socket);
  connection.once('connect', () => resolve(true)).once('error', () => resolve(false));
  return promise.finally(() => connection.destroy());
};

/**
 * Writes the unit, starts it, and resolves when it is ready; one that runs already is started anew. It may be done again.
 * @throws SERVICE_FAILED
 */
export async function installService(
  service: Service,
  isReady: () => Promise<boolean>,
  signal: AbortSignal,
): Promise<void> {
  const { unit } = service;
  const began = Math.floor(Date.now() / 1000);
  try {
    writeFileSync(`${folder}/${unit}`, unitText(service), { mode: 0o644 });
  } catch (cause) {
    throw new HeddleError('SERVICE_FAILED', { unit, problem: (cause as Error).message }, cause);
  }
  await must('daemon-reload');
  await must('enable', '--quiet', unit);
  await must('restart', unit);
  const before = await ends(unit);
  const late = performance.now() + readyMs;
  while (!(await isReady())) {
    signal.throwIfAborted();
    const ended = (await ends(unit)) - before;
    if (ended >= endsMost || performance.now() > late) {
      const why = ended > 0 ? 'it ends again and again' : `it is not ready after ${readyMs / 1000} s`;
      throw new HeddleError('SERVICE_FAILED', { unit, problem: `${why}${await lastWord(unit, began)}` });
    }
    await delay(stepMs, undefined, { signal });
  }
}

/** The unit that there is, whoever made it; undefined: none. */
export function unitLines(unit: string): readonly string[] | undefined {
  const file = `${folder}/${unit}`;
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n') : undefined;
}

/** Of which socket's daemon a unit is that was made here; undefined: it has no mark. */
export const socketOf = (lines: readonly string[]): string | undefined =>
  lines.find((line) => line.startsWith(mark))?.slice(mark.length);

/** Ends the service and takes its unit away. It may be done again. @throws SERVICE_FAILED */
export async function removeService(unit: string): Promise<void> {
  await must('disable', '--quiet', '--now', unit);
  rmSync(`${folder}/${unit}`, { force: true });
  await must('daemon-reload');
  await systemctl('reset-failed', '--quiet', unit); // fails for one that did not
}

/** How often it has ended by itself, and was started again. */
async function ends(unit: string): Promise<number> {
  return Number((await systemctl('show', '--property=NRestarts', '--value', unit)).stdout);
}

/** What the daemon itself said last, of an error the error. @param began seconds since 1970 */
async function lastWord(unit: string, began: number): Promise<string> {
  const which = ['--quiet', `--since=@${began}`, '--lines=40', `_SYSTEMD_UNIT=${unit}`];
  const { stdout } = await run('journalctl', [...which, '--output=cat']);
  const lines = stdout.trim().split('\n');
  const word = lines.findLast((line) => line.startsWith('heddle: ')) ?? lines.at(-1);
  return word ? `; it said: ${word}` : '';
}

/** @throws SERVICE_FAILED with what systemctl said */
async function must(...words: readonly string[]): Promise<void> {
  const { code, stderr } = await systemctl(...words);
  const unit = words.at(-1)!;
  if (code !== 0) throw new HeddleError('SERVICE_FAILED', { unit, problem: stderr.trim() || `systemctl: ${code}` });
}

const systemctl = (...words: readonly string[]) => run('systemctl', words);

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(program: string, words: readonly string[]): Promise<Ran> {
  const { promise, resolve } = Promise.withResolvers<Ran>();
  execFile(program, words, (cause, stdout, stderr) =>
    resolve({ code: cause ? 1 : 0, stdout, stderr: stderr || (cause?.message ?? '') }),
  );
  return promise;
}
