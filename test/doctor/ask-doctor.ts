import { writeFileSync } from 'node:fs';
import type { Outcome } from '../../src/agent/doctor/finding.ts';
import type { LabHost } from '../../src/lab/lab.ts';
import { run } from '../../src/lab/run.ts';
import { launcher } from '../cli/heddle.ts';

/** What `heddle doctor --json` says on a host. */
export interface Diagnosis {
  /** The command's exit code. */
  readonly code: number;
  readonly grade: string;
  readonly checks: readonly Outcome[];
  /** Everything that was found, a line each: "path fail …". */
  readonly lines: readonly string[];
}

/** Runs it on a host of a lab, with these words; `wrap` goes around the command, for what it shall not see. */
export async function askDoctor(
  host: LabHost,
  words: readonly string[] = [],
  wrap: (command: readonly string[]) => readonly string[] = (command) => command,
): Promise<Diagnosis> {
  const { code, stdout, stderr } = await run(host.argv(wrap([launcher, 'doctor', '--json', ...words])), {
    env: host.env,
  });
  if (!stdout.startsWith('{')) throw new Error(`heddle doctor ended with ${code}: ${stderr}`);
  const { grade, checks } = JSON.parse(stdout) as Pick<Diagnosis, 'grade' | 'checks'>;
  const lines = checks.flatMap(({ check, findings }) => findings.map((f) => `${check} ${f.grade} ${f.text}`));
  return { code, grade, checks, lines };
}

/** Names a host's resolver, in the file that its agent looks at. */
export const nameResolver = (stateDir: string, address: string): void =>
  writeFileSync(`${stateDir}/../resolv.conf`, `nameserver ${address}\n`);
