/** A process is killed before each step that it takes: a system call that changes something, or tells somebody. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { hasCode } from '../../src/model/errors.ts';

const tracer = fileURLToPath(new URL('tracer.ts', import.meta.url));

/** Which steps are taken. */
interface Choice {
  /** Only steps of these kinds. */
  readonly only?: RegExp;
  /** Of the rows of equal steps in a run, too, only the first, second, fourth, … of each kind. */
  readonly sparse?: boolean;
}

/** The steps that processes were killed before while they did the same work. */
export class Steps {
  readonly #killed = new Map<string, string>();
  readonly #choice: Choice;

  constructor(choice: Choice) {
    this.#choice = choice;
  }

  /**
   * Does `work` with the process, which is killed before the first step that none was killed before. Returns the step, if there
   * was any; then `work` may say that the agent does not answer.
   */
  async kill(pid: number, work: () => Promise<unknown>): Promise<string | undefined> {
    const child = spawn(process.execPath, [tracer, String(pid)], { stdio: ['pipe', 'pipe', 'inherit'] });
    const ended = once(child, 'exit');
    const lines = createInterface({ input: child.stdout });
    try {
      const traced = Promise.withResolvers<void>();
      let killed: string | undefined;
      let answered = false;
      const place = places(this.#choice);
      // Of lines that come at once each must be heard: the process stands until it is answered.
      lines.on('line', (kind) => {
        if (kind === 'tracing') return traced.resolve();
        const step = place(kind);
        const isNew = step !== undefined && !answered && !killed && !this.#killed.has(step);
        if (isNew) {
          this.#killed.set(step, kind);
          killed = step;
        }
        answered ||= kind === 'answer'; // what comes after it is not the work's
        child.stdin.write(isNew ? 'kill\n' : 'go\n');
      });
      await Promise.race([traced.promise, ended.then(() => assert.fail('the tracer has ended'))]);
      try {
        await work();
      } catch (e) {
        if (!killed || !hasCode(e, 'AGENT_UNREACHABLE')) throw e;
      } finally {
        if (!killed) assert.equal(child.exitCode ?? child.signalCode, null, 'the tracer has ended too early');
      }
      return killed;
    } finally {
      lines.close();
      child.kill('SIGKILL');
      await ended;
    }
  }

  /** @throws if there is a kind of step that no process was killed before, or fewer steps than these */
  include(kinds: readonly string[], atLeast: number): void {
    const have = new Set(this.#killed.values());
    assert.deepEqual(
      kinds.filter((kind) => !have.has(kind)),
      [],
    );
    assert.ok(this.#killed.size >= atLeast, `${this.#killed.size} steps`);
  }
  toString(): string {
    return `${this.#killed.size} steps: ${[...new Set(this.#killed.values())].join(', ')}`;
  }
}

/** Names the steps of one run: of equal ones in a row the first, second, fourth, …; the others have no name. */
function places({ only = /^/, sparse = false }: Choice): (kind: string) => string | undefined {
  const rows = new Map<string, number>();
  let last = '';
  let nth = 0;
  return (kind) => {
    if (!only.test(kind)) return undefined;
    nth = kind === last ? nth + 1 : 1;
    if (nth === 1) rows.set(kind, (rows.get(kind) ?? 0) + 1);
    last = kind;
    const row = rows.get(kind)!;
    return isPowerOf2(nth) && (isPowerOf2(row) || !sparse) ? `${kind}, row ${row}, ${nth}` : undefined;
  };
}
const isPowerOf2 = (n: number): boolean => Number.isInteger(Math.log2(n));

/** Has each lane do a work again and again, until it has been through it unkilled: by then agents were killed at all its steps. */
export async function killAtAll<L>(
  lanes: readonly L[],
  visit: (lane: L, steps: Steps) => Promise<string | undefined>,
  choice: Choice = {},
): Promise<Steps> {
  const steps = new Steps(choice);
  const failures: unknown[] = [];
  const work = async (lane: L): Promise<void> => {
    try {
      while (failures.length === 0 && (await visit(lane, steps)) !== undefined);
    } catch (e) {
      failures.push(e);
    }
  };
  await Promise.all(lanes.map(work));
  if (failures.length > 0) throw failures[0];
  return steps;
}
