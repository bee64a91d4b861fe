/** What of a machine tests may have left behind: compared before and after them. */
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

/** Environment variable that every process of a test run inherits; its value names the run. */
export const RUN_VARIABLE = 'HEDDLE_TEST_RUN';
const cleanUpMs = 5000;

/** Names of things that exist now, such as "link hd0123…", "process 17 (node …)". */
export async function survey(run: string): Promise<Set<string>> {
  const found = await Promise.all([
    names('network namespace', '/run/netns'),
    names('link', '/sys/class/net'),
    tree('pin', '/sys/fs/bpf'),
    tree('file', '/run/heddle'),
    tree('file', '/var/lib/heddle'),
    mounts(),
    controlGroups(),
    processes(run),
  ]);
  return new Set(found.flat());
}

/** What is there now and was not in `before`. Waits a little for the kernel, which takes namespaces down in its own time. */
export async function leftSince(before: ReadonlySet<string>, run: string): Promise<string[]> {
  const deadline = performance.now() + cleanUpMs;
  for (;;) {
    const left = [...(await survey(run))].filter((name) => !before.has(name));
    if (left.length === 0 || performance.now() > deadline) return topmost(left);
    await delay(100);
  }
}

/** Without what is below another of them. */
export function topmost(left: readonly string[]): string[] {
  const all = new Set(left);
  return left.filter((name) => {
    for (let cut = name.lastIndexOf('/'); cut > 0; cut = name.lastIndexOf('/', cut - 1)) {
      if (all.has(name.slice(0, cut))) return false;
    }
    return true;
  });
}

async function names(what: string, dir: string): Promise<string[]> {
  return (await readdir(dir).catch(absent)).map((name) => `${what} ${name}`);
}

async function tree(what: string, dir: string): Promise<string[]> {
  return (await readdir(dir, { recursive: true }).catch(absent)).map((path) => `${what} ${dir}/${path}`);
}

/** Those of labs' and benchmarks' engines, in every hierarchy. */
async function controlGroups(): Promise<string[]> {
  const top = '/sys/fs/cgroup';
  const hierarchies = [top, ...(await readdir(top).catch(absent)).map((name) => `${top}/${name}`)];
  const found = await Promise.all(hierarchies.map((folder) => names(`control group ${folder}:`, folder)));
  return found.flat().filter((name) => / hd[^ ]*$/.test(name));
}

async function mounts(): Promise<string[]> {
  const table = await readFile('/proc/self/mountinfo', 'utf8');
  return (
    table
      .split('\n')
      .map((line) => line.split(' ')[4] ?? '')
      .filter((point) => /^\/(run|tmp|sys\/fs\/bpf)\//.test(point))
      // The first `ip netns add` of a machine makes it, for all namespaces to come.
      .filter((point) => point !== '/run/netns')
      .map((point) => `mount ${point}`)
  );
}

/** Processes with this run's variable, and daemons of ours whoever started them. */
async function processes(run: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(absentText)).replaceAll('\0', ' ').trim();
      const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(absentText);
      const ours =
        environment.includes(`${RUN_VARIABLE}=${run}`) || /src\/cli\/main\.ts (agent|controller)\b/.test(command);
      return ours && command ? [`process ${pid} (${command.slice(0, 160)})`] : [];
    }),
  );
  return found.flat();
}

/** A directory or process that is not there, or no longer, has nothing in it. */
function absent(e: NodeJS.ErrnoException): string[] {
  if (e.code === 'ENOENT' || e.code === 'ENOTDIR' || e.code === 'ESRCH' || e.code === 'EACCES') return [];
  throw e;
}
const absentText = (e: NodeJS.ErrnoException): string => absent(e).join('');
