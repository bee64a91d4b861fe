import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { makeCheck } from '../check.ts';
import { type Finding, fail, ok, unknown } from '../finding.ts';
import type { Trial } from '../offload/trial.ts';

/** What came of the trial. */
type OffloadFacts = Trial | { readonly broken: string };

export function judgeOffload(facts: OffloadFacts): Finding[] {
  if ('broken' in facts) return [unknown(`the trial in scratch namespaces could not be made: ${facts.broken}`)];
  if (facts.refused !== undefined)
    return [
      fail(
        `the kernel refuses Heddle’s programs: ${facts.refused}`,
        'try a newer kernel of your distribution, and report this one to Heddle',
      ),
    ];
  const found = facts.passes.flatMap(({ segments, arrived, badChecksums }): Finding[] => {
    const how = segments === 'kernel' ? 'with segments and checksums by the kernel' : 'with offloads on';
    if (arrived && badChecksums === 0) return [];
    const what = arrived ? `${badChecksums} segments of TCP with bad checksums` : 'TCP in bulk does not arrive whole';
    return [fail(`${what}, ${how}`, 'use another kernel: this one breaks encapsulated packets; report it to Heddle')];
  });
  return found.length > 0
    ? found
    : [ok('the programs load, and TCP in bulk goes both ways through them, with offloads and without')];
}

const trial = fileURLToPath(new URL('../offload/main.ts', import.meta.url));

export const offload = makeCheck({
  name: 'offload',
  about: 'the real programs load here, and carry TCP in bulk between namespaces of their own, with offloads on and off',
  gather: async (_site, signal): Promise<OffloadFacts> => {
    // A process of its own: all that it makes is in its own namespaces, and goes with it however it ends.
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', trial], {
      stdio: ['pipe', 'pipe', 'pipe'],
      killSignal: 'SIGKILL',
      signal,
      cwd: '/',
    });
    let [out, said] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    const { promise, resolve, reject } = Promise.withResolvers<number | null>();
    child.once('error', reject);
    child.once('close', resolve);
    const code = await promise;
    return code === 0 ? (JSON.parse(out) as Trial) : { broken: said.trim().split('\n')[0] || `it ended with ${code}` };
  },
  judge: judgeOffload,
});
