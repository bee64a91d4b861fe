/** Daemons as services of systemd: what `--install` of the controller and of `agent join` have in common. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
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
}

/** A word of a command line in a unit (systemd.syntax(7)). */
const quoted = (word: string): string =>
  `"${word.replace(/[\\"$%]/g, (c) => (c === '$' || c === '%' ? c + c : `\\${c}`))}"`;

/** By this line a unit that was made here is known again; systemd does not read it. */
const mark = (socket: string): string => `X-Heddle-Socket=${socket}`;

/** A daemon that ends well was told to, or its host has left: it stays ended. What fails is tried again, however often. */
export const unitText = ({ description, argv, socket, unitLines = [], serviceLines = [] }: Service): string => `[Unit]
Description=${description}
Documentation=file:${projectRoot}docs/README.md
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0
${[...unitLines, mark(socket)].join('\n')}

[Service]
ExecStart=${[launcherFile(), ...argv].map(quoted).join(' ')}
${['Restart=on-failure', 'RestartSec=2', ...serviceLines].join('\n')}

[Install]
WantedBy=multi-user.target
`;

/**
 * Says what is in the way of a service before anything is done for it.
 * @throws USAGE where systemd does not run (sd_booted(3)), or somebody answers on its socket who is not it
 */
export async function requireRoom({ unit, socket }: Pick<Service, 'unit' | 'socket'>): Promise<void> {
  if (!existsSync('/run/systemd/system'))
    throw new HeddleError('USAGE', { problem: 'there is no systemd here: leave --install out, and start it yourself' });
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
  writeFileSync(`${folder}/${unit}`, unitText(service), { mode: 0o644 });
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
      throw new HeddleError('SERVICE_FAILED', { unit, problem: `${why}${await lastWord(unit)}` });
    }
    await delay(stepMs, undefined, { signal });
  }
}

/** True if the unit is one that was made here, for the daemon on this socket. */
export function isInstalled({ unit, socket }: Pick<Service, 'unit' | 'socket'>): boolean {
  const file = `${folder}/${unit}`;
  return existsSync(file) && readFileSync(file, 'utf8').split('\n').includes(mark(socket));
}

/** Ends the service and takes its unit away. @throws SERVICE_FAILED */
export async function removeService(unit: string): Promise<void> {
  await must('disable', '--quiet', '--now', unit);
  rmSync(`${folder}/${unit}`);
  await must('daemon-reload');
}

/** How often it has ended by itself, and was started again. */
async function ends(unit: string): Promise<number> {
  return Number((await systemctl('show', '--property=NRestarts', '--value', unit)).stdout);
}

/** What the daemon itself said last, of an error the error. */
async function lastWord(unit: string): Promise<string> {
  const { stdout } = await run('journalctl', ['--quiet', '--lines=40', '--output=cat', `_SYSTEMD_UNIT=${unit}`]);
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
